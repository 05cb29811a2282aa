package gitmirror_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"buildbtw/git/gitmirror"
	"buildbtw/internal/atomicfile"
)

func TestOpenRemovesWhatAKilledProcessLeft(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "1")
	mustSync(t, m, dir)
	for _, name := range []string{
		"packed-refs.lock", "refs/sources/a/heads/main.lock", "HEAD.lock", "config.lock", "shallow.lock", "gc.pid",
		"objects/pack/tmp_pack_x", "objects/info/commit-graph.lock", atomicfile.TempPrefix + "1",
	} {
		write(t, filepath.Join(m.Dir(), name), "")
	}
	moved := commitFile(t, filepath.Join(dir, "a"), "x", "y")
	m, err := gitmirror.Open(t.Context(), m.Dir())
	if err != nil {
		t.Fatal(err)
	}
	mustSync(t, m, dir)
	if got := tipsOf(t, m)["a main"]; got != moved {
		t.Errorf("a is at %s, want %s", got, moved)
	}
	if left, _ := filepath.Glob(m.Dir() + "/*.lock"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOpenRepairsAMirrorThatWasNotFinished(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sources.git")
	write(t, filepath.Join(dir, "objects", "info", "x"), "")
	m, err := gitmirror.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if tips := tipsOf(t, m); len(tips) != 0 {
		t.Errorf("tips: %v", tips)
	}
}

// TestKilledSyncHelper is the process that the next test kills.
func TestKilledSyncHelper(t *testing.T) {
	t.Parallel()
	mirror, sources := os.Getenv("MIRROR"), os.Getenv("SOURCES")
	if mirror == "" {
		t.Skip("runs only as a child of TestAKilledPassLeavesAUsableMirror")
	}
	m, err := gitmirror.Open(t.Context(), mirror)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("begin")
	syncDir(t, m, sources)
}

func TestAKilledPassLeavesAUsableMirror(t *testing.T) {
	t.Parallel()
	dir, mirror := t.TempDir(), filepath.Join(t.TempDir(), "sources.git")
	want := map[string]string{}
	for i := range 12 {
		slug := fmt.Sprintf("s%d", i)
		want[slug+" main"] = newSource(t, filepath.Join(dir, slug), slug)
	}
	for _, delay := range []int{1, 8, 20, 45, 90} { // different places of the pass, in milliseconds
		killSync(t, mirror, dir, time.Duration(delay)*time.Millisecond)
		m, err := gitmirror.Open(t.Context(), mirror)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Tips(t.Context()); err != nil {
			t.Errorf("after %d ms: %v", delay, err)
		}
		gitIn(t, mirror, "fsck", "--strict")
	}
	m, err := gitmirror.Open(t.Context(), mirror)
	if err != nil {
		t.Fatal(err)
	}
	mustSync(t, m, dir)
	for name, got := range tipsOf(t, m) {
		if got != want[name] {
			t.Errorf("%s is at %s, want %s", name, got, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// killSync starts a pass in another process and kills it.
func killSync(t *testing.T, mirror, sources string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledSyncHelper$")
	cmd.Env = append(os.Environ(), "MIRROR="+mirror, "SOURCES="+sources)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(after, cancel) // kills, as CommandContext does
	_ = cmd.Wait()                // it was killed, or had just finished
}
