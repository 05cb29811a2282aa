package browser_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

// lookTime bounds looking at every story; machines may be busy.
const lookTime = 20 * time.Minute

// Every page in every state, in both themes, wide and on a phone: axe-core finds
// nothing, nothing scrolls sideways, and the content security policy stops
// nothing.
func TestEveryStoryIsAccessible(t *testing.T) {
	t.Parallel()
	chromium := needPrograms(t)
	needModules(t)
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	book := filepath.Join(t.TempDir(), "storybook")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", book, "buildbtw/cmd/buildbtw-storybook")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the storybook: %v\n%s", err, out)
	}
	list, err := exec.CommandContext(t.Context(), book, "-list").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(string(list))
	if len(paths) < 40 {
		t.Fatalf("%d stories", len(paths))
	}
	args := append([]string{filepath.Join(root, "cmd", "buildbtw-storybook", "look.mjs"), "-", openBook(t, book)}, paths...)
	ctx, cancel := context.WithTimeout(t.Context(), lookTime)
	defer cancel()
	cmd := groupOf(exec.CommandContext(ctx, "node", args...))
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "LOOKS=light narrow-dark")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// openBook starts the storybook and gives its address.
func openBook(t *testing.T, book string) string {
	t.Helper()
	cmd := groupOf(exec.CommandContext(t.Context(), book, "-listen", "127.0.0.1:0"))
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Cancel() // it ends with the test, however
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	url := regexp.MustCompile(`http://[\d.:]+`).FindString(line)
	if url == "" {
		t.Fatalf("the storybook said %q (%v)", line, err)
	}
	return url
}
