package runners_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/runners"
)

// A build nests directories deeper than the worker may have files open; they are
// removed all the same. Run again, this is the worker.
func TestDeepDirectoriesAreRemoved(t *testing.T) {
	if dir := os.Getenv("BUILDBTW_TEST_REMOVE"); dir != "" {
		if err := runners.RemoveTree(dir); err != nil {
			t.Error(err)
		}
		return
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	for range 2500 {
		if err != nil {
			t.Fatal(err)
		}
		if err = root.Mkdir("d", 0o755); err == nil {
			above := root
			root, err = above.OpenRoot("d")
			_ = above.Close() // nothing was written to it
		}
	}
	_ = root.Close() // the same
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `ulimit -n 128; exec "$0" -test.v -test.run='^TestDeepDirectoriesAreRemoved$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "BUILDBTW_TEST_REMOVE="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
