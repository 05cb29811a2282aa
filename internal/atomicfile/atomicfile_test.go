package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"buildbtw/internal/atomicfile"
)

func TestAFileIsReplacedWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"first, and longer", "second"} {
		if err := atomicfile.WriteBytes(path, 0o640, []byte(text)); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v, want 0640 whatever the umask", info.Mode(), err)
	}
}

func TestAFailedWriteLeavesTheOldFileAndNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := atomicfile.WriteBytes(path, 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the source broke off")
	err := atomicfile.Write(path, 0o600, func(w io.Writer) error {
		_, err := w.Write([]byte("ne"))
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	wantFile(t, path, "old")
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), atomicfile.TempPrefix+"*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestAFileThatCannotBeReplacedLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "directory")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteBytes(path, 0o600, nil); err == nil {
		t.Error("a directory was replaced")
	}
	if err := atomicfile.WriteBytes(filepath.Join(path, "none", "x"), 0o600, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that the directory is missing", err)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), atomicfile.TempPrefix+"*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is %q, %v, want %q", path, got, err, want)
	}
}
