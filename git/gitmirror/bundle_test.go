package gitmirror_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// TestABundleBringsABumpToWhoHasItsSource: real git fetches the same commit from it, and
// nothing else than that commit is in it.
func TestABundleBringsABumpToWhoHasItsSource(t *testing.T) {
	t.Parallel()
	m, dir, commits := newBumpable(t, map[string][2]string{"hello": {testPKGBUILD, helloSrcinfo}})
	made := bump(t, m, gitmirror.BumpsOf{Buildspace: "a", Iteration: 1}, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-2"})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	var bundle bytes.Buffer
	if err := m.Bundle(t.Context(), made[0].Commit, commits["hello"], &bundle); err != nil {
		t.Fatal(err)
	}
	if bundle.Len() > 2000 {
		t.Errorf("the bundle has %d bytes", bundle.Len())
	}
	file := filepath.Join(t.TempDir(), "hello.bundle")
	if err := os.WriteFile(file, bundle.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join(dir, "hello"), "fetch", "--quiet", file, gitmirror.BundleBranch+":fetched").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join(dir, "hello"), "rev-parse", "fetched", "fetched^").Output()
	if err != nil || string(got) != made[0].Commit+"\n"+commits["hello"]+"\n" {
		t.Errorf("%v: fetched %q", err, got)
	}
	entries, err := os.ReadDir(m.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".buildbtw") || strings.HasPrefix(e.Name(), ".tmp") {
			t.Errorf("%s is left", e.Name())
		}
	}
	bundle.Reset()
	err = m.Bundle(t.Context(), strings.Repeat("a", 40), commits["hello"], &bundle)
	if buildbtw.KindOf(err) != buildbtw.KindNotFound || bundle.Len() > 0 {
		t.Errorf("a commit that is not there: %v", err)
	}
	if err := m.Bundle(t.Context(), "--all", commits["hello"], &bundle); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("an option: %v", err)
	}
}

// TestBehindCountsCommits between what a changeset has and its base ref.
func TestBehindCountsCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newSource(t, filepath.Join(dir, "a"), "1")
	second := commitFile(t, filepath.Join(dir, "a"), "x", "2")
	third := commitFile(t, filepath.Join(dir, "a"), "x", "3")
	m := openMirror(t)
	mustSync(t, m, dir)
	for _, c := range []struct {
		commit, tip string
		want        int
	}{{first, third, 2}, {second, third, 1}, {third, third, 0}, {third, first, 0}, {first, third, 2}} {
		if n, err := m.Behind(t.Context(), c.commit, c.tip); err != nil || n != c.want {
			t.Errorf("%s lacks %d commits of %s, want %d: %v", c.commit, n, c.tip, c.want, err)
		}
	}
	if _, err := m.Behind(t.Context(), first, strings.Repeat("a", 40)); err == nil {
		t.Error("a commit that is not there has no error")
	}
	if _, err := m.Behind(t.Context(), "--help", first); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("an option: %v", err)
	}
}
