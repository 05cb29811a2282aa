// Package browser_test tells what packagers do and see, in headless Chromium
// against the real server, real workers with the fake runner, and real git. Each
// file in stories is one story; story.mjs is what they have in common.
//
// A story drives the browser and nothing else. What happens outside of it (a
// worker comes, somebody pushes) it asks the test for: see stage.
package browser_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"buildbtw/auth/oidctest"
	"buildbtw/cmd/internal/cmdtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run()) // nothing needs the programs
	}
	os.Exit(cmdtest.Main(m.Run))
}

// storyTime bounds one story; machines may be busy.
const storyTime = 15 * time.Minute

func TestStories(t *testing.T) {
	t.Parallel()
	chromium := needPrograms(t)
	needModules(t)
	stories, err := filepath.Glob("stories/*.mjs")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, story := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(story), ".mjs"), func(t *testing.T) {
			t.Parallel()
			runStory(t, story, chromium)
		})
	}
}

// needPrograms skips the test where it cannot run, and gives the browser.
func needPrograms(t testing.TB) (chromium string) {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser with -short: each story takes its time")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed; `make setup` installs it")
	}
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("chromium is not installed; `make setup` installs it")
	return ""
}

// needModules installs what package-lock.json names.
func needModules(t testing.TB) {
	t.Helper()
	if err := installModules(); err != nil {
		t.Fatal(err)
	}
}

// installModules does nothing where npm has noted in node_modules that it has
// installed this lock.
var installModules = sync.OnceValue(func() error {
	root, err := cmdtest.Root()
	if err != nil {
		return err
	}
	lock, err := os.Stat(filepath.Join(root, "package-lock.json"))
	if err != nil {
		return err
	}
	done, err := os.Stat(filepath.Join(root, "node_modules", ".package-lock.json"))
	if err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	cmd := exec.CommandContext(context.Background(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the browser stories need playwright-core and axe-core; `npm ci --ignore-scripts` in %s failed: %w\n%s", root, err, out)
	}
	return nil
})

// runStory gives a story a server of its own and runs it.
func runStory(t *testing.T, path, chromium string) {
	t.Helper()
	var prepare []func(*stage) error
	if strings.Contains(path, "large-graph") {
		prepare = append(prepare, (*stage).addLargeBuildspace)
	}
	if strings.Contains(path, "machines-and-packages") || strings.Contains(path, "graph-of-failures") {
		prepare = append(prepare, (*stage).addHistory)
	}
	if strings.Contains(path, "already-broken") {
		prepare = append(prepare, (*stage).compareFailures)
	}
	if strings.Contains(path, "provider") {
		prepare = append(prepare, (*stage).addProvider)
	}
	s := newStage(t, prepare...)
	control := httptest.NewServer(s)
	defer control.Close()
	token, err := s.server.Token()
	must(t, err)
	out, err := runNode(t.Context(), path, []string{
		"STORY_SERVER=" + s.server.URL, "STORY_TOKEN=" + token, "STORY_STAGE=" + control.URL, "STORY_PICTURES=" + pictures(t), "CHROMIUM=" + chromium,
	})
	if len(out) > 0 {
		t.Logf("%s", out)
	}
	if err != nil {
		t.Errorf("%s: %v; the server said:\n%s", path, err, lastLines(s.server.Log(), 15))
	}
}

// pictures is where a story that fails leaves what it last saw.
func pictures(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("BUILDBTW_PICTURES"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// groupOf makes a program and all that it starts one process group, which ends
// with the test.
func groupOf(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// runNode runs a story, or a measurement, with the browser that it starts.
func runNode(ctx context.Context, path string, env []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storyTime)
	defer cancel()
	cmd := groupOf(exec.CommandContext(ctx, "node", append([]string{path}, args...)...))
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("it had not ended after %s", storyTime))
	}
	return out, err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stage is what a story plays on: a server, its sources, and workers that come
// and go.
type stage struct {
	ctx    context.Context // ends with the test
	dir    string
	server *cmdtest.Server

	provider *oidctest.Provider // with which people sign in; nil: with none
	args     []string           // more of the server

	mu      sync.Mutex
	workers map[string]*cmdtest.Process
}
