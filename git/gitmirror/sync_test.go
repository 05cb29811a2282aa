package gitmirror_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

func TestSyncMirrorsBranchesAndTagsOfEverySortOfRepository(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	a := newSource(t, filepath.Join(dir, "a"), "a1")
	gitIn(t, filepath.Join(dir, "a"), "tag", "light")
	gitIn(t, filepath.Join(dir, "a"), "tag", "-a", "-m", "x", "annotated")
	gitIn(t, filepath.Join(dir, "a"), "tag", "-a", "-m", "x", "nested", "annotated")
	gitIn(t, filepath.Join(dir, "a"), "tag", "tree", "HEAD^{tree}")
	gitIn(t, filepath.Join(dir, "a"), "branch", "fix/deep")
	gitIn(t, dir, "clone", "--quiet", "--bare", "a", "bare.git")
	gitIn(t, filepath.Join(dir, "a"), "worktree", "add", "--quiet", "-b", "other", "../linked")
	gitIn(t, filepath.Join(dir, "bare.git"), "symbolic-ref", "refs/heads/alias", "refs/heads/main")
	write(t, filepath.Join(dir, "notes", "README"), "no source")

	report := mustSync(t, m, dir)

	if diff := cmp.Diff([]string{"a", "bare", "linked"}, report.Changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	want := map[string]string{}
	for _, slug := range []string{"a", "bare", "linked"} {
		for _, ref := range []string{"main", "fix/deep", "tag:light", "tag:annotated", "tag:nested"} {
			want[slug+" "+ref] = a
		}
	}
	want["a other"], want["linked other"], want["bare alias"] = a, a, a
	if diff := cmp.Diff(want, tipsOf(t, m)); diff != "" {
		t.Errorf("tips (-want +got):\n%s", diff)
	}
	if again := mustSync(t, m, dir); len(again.Changed) != 0 {
		t.Errorf("second pass changed %v", again.Changed)
	}
}

func TestSyncFollowsMovesPrunesBranchesAndRemovesSources(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	newSource(t, source, "1")
	newSource(t, filepath.Join(dir, "b"), "1")
	gitIn(t, source, "branch", "gone")
	gitIn(t, source, "branch", "was-file")
	mustSync(t, m, dir)

	gitIn(t, source, "branch", "-D", "gone", "was-file")
	gitIn(t, source, "branch", "was-file/now-dir")
	gitIn(t, source, "reset", "--quiet", "--soft", "HEAD")
	gitIn(t, source, "commit", "--quiet", "--amend", "-m", "rewritten")
	moved := gitIn(t, source, "rev-parse", "HEAD")
	old := gitIn(t, source, "rev-parse", "was-file/now-dir")
	gitIn(t, source, "pack-refs", "--all")
	if err := os.RemoveAll(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	report := mustSync(t, m, dir)

	want := gitmirror.Report{Found: 1, Changed: []string{"a"}, Removed: []string{"b"}, Broken: map[string]error{}}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a main": moved, "a was-file/now-dir": old}, tipsOf(t, m)); diff != "" {
		t.Errorf("tips (-want +got):\n%s", diff)
	}
}

func TestUncommittedChangesAreNotMirrored(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commit := newSource(t, filepath.Join(dir, "a"), "committed")
	write(t, filepath.Join(dir, "a", ".SRCINFO"), "in the working tree only")
	mustSync(t, m, dir)
	infos, err := m.ReadSrcinfos(t.Context(), []string{commit})
	if err != nil || string(infos[commit].Text) != "committed" {
		t.Errorf("got %q, %v", infos[commit].Text, err)
	}
}

func TestBrokenSourcesAreReportedAndStopNoOther(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	good := newSource(t, filepath.Join(dir, "good"), "1")
	newSource(t, filepath.Join(dir, "corrupt"), "1")
	kept := gitIn(t, filepath.Join(dir, "corrupt"), "rev-parse", "HEAD")
	mustSync(t, m, dir)

	commitFile(t, filepath.Join(dir, "corrupt"), "x", "y")
	if err := os.RemoveAll(filepath.Join(dir, "corrupt", ".git", "objects")); err != nil {
		t.Fatal(err)
	}
	gitIn(t, dir, "init", "--quiet", "empty")
	write(t, filepath.Join(dir, "astray", ".git"), "gitdir: /nowhere/at/all\n")
	newSource(t, filepath.Join(dir, "bad name"), "1")
	newSource(t, filepath.Join(dir, "x.lock"), "1")
	newSource(t, filepath.Join(dir, "dot..dot"), "1")
	gitIn(t, dir, "clone", "--quiet", "--bare", "good", "good.git")
	report := syncDir(t, m, dir)

	want := map[string]string{
		"corrupt": "corrupt", "empty": "no branch yet", "astray": "astray", "bad name": "no source name",
		"x.lock": ".lock", "dot..dot": "..", "good.git": "rename",
	}
	for slug, words := range want {
		err := report.Broken[slug]
		if err == nil || !strings.Contains(buildbtw.MessageOf(err), words) {
			t.Errorf("%s: got %v, want an error for people with %q", slug, err, words)
		}
		if err != nil && strings.Contains(buildbtw.MessageOf(err), dir) {
			t.Errorf("%s: the message shows a path: %v", slug, err)
		}
	}
	if len(report.Broken) != len(want) || len(report.Removed) != 0 {
		t.Errorf("broken %v, removed %v", report.Broken, report.Removed)
	}
	if diff := cmp.Diff(map[string]string{"good main": good, "corrupt main": kept}, tipsOf(t, m)); diff != "" {
		t.Errorf("tips (-want +got):\n%s", diff)
	}
}

func TestASlugStaysWithTheDirectoryThatHadItFirst(t *testing.T) {
	t.Parallel()
	first, second, m := t.TempDir(), t.TempDir(), openMirror(t)
	a1 := newSource(t, filepath.Join(first, "a"), "1")
	a2 := newSource(t, filepath.Join(second, "a"), "2")
	b := newSource(t, filepath.Join(second, "b"), "1")
	mustSync(t, m, first)
	report := syncDir(t, m, second)
	if buildbtw.KindOf(report.Broken["a"]) != buildbtw.KindConflict || len(report.Broken) != 1 {
		t.Errorf("broken: %v", report.Broken)
	}
	if diff := cmp.Diff(map[string]string{"a main": a1, "b main": b}, tipsOf(t, m)); diff != "" {
		t.Errorf("tips (-want +got):\n%s", diff)
	}

	// Another process finds the same owners, and a freed name may be taken.
	m, err := gitmirror.Open(t.Context(), m.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if r := syncDir(t, m, second); r.Broken["a"] == nil {
		t.Error("after a restart the clash is forgotten")
	}
	if err := os.RemoveAll(filepath.Join(first, "a")); err != nil {
		t.Fatal(err)
	}
	mustSync(t, m, first)
	mustSync(t, m, second)
	if got := tipsOf(t, m)["a main"]; got != a2 {
		t.Errorf("a is at %s, want %s of the second directory", got, a2)
	}
}

func TestRetainDirsRemovesSourcesOfDirectoriesNoLongerGiven(t *testing.T) {
	t.Parallel()
	first, second, m := t.TempDir(), t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(first, "a"), "1")
	b := newSource(t, filepath.Join(second, "b"), "1")
	mustSync(t, m, first)
	mustSync(t, m, second)
	removed, err := m.RetainDirs(t.Context(), []string{second})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, removed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"b main": b}, tipsOf(t, m)); diff != "" {
		t.Error(diff)
	}
}

func TestAMissingDirectoryOfSourcesRemovesNothing(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	a := newSource(t, filepath.Join(dir, "a"), "1")
	mustSync(t, m, dir)
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.SyncDir(t.Context(), dir); err == nil {
		t.Error("no error")
	}
	if got := tipsOf(t, m)["a main"]; got != a {
		t.Errorf("a is at %q", got)
	}
}

func TestACancelledPassGivesAnErrorAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	a := newSource(t, filepath.Join(dir, "a"), "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.SyncDir(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	mustSync(t, m, dir)
	if got := tipsOf(t, m)["a main"]; got != a {
		t.Errorf("a is at %q", got)
	}
}

func TestASourceOfAnotherUserIsMirrored(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "1")
	err := filepath.Walk(filepath.Join(dir, "a"), func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 65534, 65534)
	})
	if err != nil {
		t.Fatal(err)
	}
	mustSync(t, m, dir)
}

func TestAShallowCloneIsMirrored(t *testing.T) {
	t.Parallel()
	dir, elsewhere, m := t.TempDir(), t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(elsewhere, "a"), "1")
	tip := commitFile(t, filepath.Join(elsewhere, "a"), ".SRCINFO", "2")
	for _, name := range []string{"a", "b", "c", "d"} {
		gitIn(t, dir, "clone", "--quiet", "--depth=1", "file://"+filepath.Join(elsewhere, "a"), name)
	}
	mustSync(t, m, dir)
	if got := tipsOf(t, m)["a main"]; got != tip {
		t.Errorf("a is at %q, want %s", got, tip)
	}
	if again := mustSync(t, m, dir); len(again.Changed) != 0 {
		t.Errorf("second pass changed %v", again.Changed)
	}
}
