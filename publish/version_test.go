package publish_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// versions returns the versions of the builds of a buildspace's latest iteration, as
// pages show them.
func (f *fixture) versions(t *testing.T, space string) map[string]string {
	t.Helper()
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: space})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows {
		got[r.Pkgbase] = r.VersionWords()
	}
	return got
}

func (f *fixture) wantVersions(t *testing.T, space string, want map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, f.versions(t, space)); d != "" {
		t.Errorf("versions of %s (-want +got):\n%s", space, d)
	}
}

// TestARebuildHasAHigherVersionThanWhatItReplaces, from one iteration to the next; what
// did not change keeps its version and is reused, and what was only planned is no
// version that anybody has.
func TestARebuildHasAHigherVersionThanWhatItReplaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.Push(t, "other", schedulertest.Srcinfo("other", "1"))
	f.SpaceWith(t, "work", everything, "lib", "other")
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "work", map[string]string{"lib": "1-1", "app": "1-1", "leaf": "1-1", "other": "1-1"})
	f.wantBuilt(t, "lib", "app", "other", "leaf")

	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	second := map[string]string{"lib": "2-1", "app": "1-1 → 1-2", "leaf": "1-1 → 1-2", "other": "1-1"}
	f.wantVersions(t, "work", second)
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_2", "app-1-2", "leaf-1-2", "lib-2-1", "other-1-1")

	// The same once more: everything is reused, with its version.
	if err := f.Store.RequestIteration(t.Context(), "alice", "work", buildbtw.IterationRequested, "again"); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "work", second)
	f.wantBuilt(t)
	f.wantListed(t, "work_3", "app-1-2", "leaf-1-2", "lib-2-1", "other-1-1")

	// Nobody began what the fourth planned: the fifth has the same versions.
	for _, version := range []string{"3", "4"} {
		f.Push(t, "lib", schedulertest.Srcinfo("lib", version))
		f.Settle(t)
		f.wantVersions(t, "work", map[string]string{"lib": version + "-1", "app": "1-1 → 1-3", "leaf": "1-1 → 1-3", "other": "1-1"})
	}
	f.wantBuilt(t, "lib", "app", "leaf")

	// Back to an input of before: what was built from it is there, under its version.
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	if got := f.versions(t, "work"); got["lib"] != "2-1 → 2-2" { // the commit is another
		t.Errorf("lib is %s", got["lib"])
	}
}

// TestTwoBuildspacesNeverTakeOneVersionForDifferentContent, and share it for the same.
func TestTwoBuildspacesNeverTakeOneVersionForDifferentContent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	commit := f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "3"))
	f.SpaceWith(t, "one", everything, "lib/"+commit)
	f.SpaceWith(t, "two", everything, "lib")
	f.SpaceWith(t, "same", everything, "lib/"+commit)
	f.SpaceWith(t, "plain", func(s *buildbtw.Settings) { everything(s); s.Bump = false }, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "one", map[string]string{"lib": "2-1", "app": "1-1", "leaf": "1-1"})
	f.wantVersions(t, "two", map[string]string{"lib": "3-1", "app": "1-1 → 1-2", "leaf": "1-1 → 1-2"})
	f.wantVersions(t, "same", map[string]string{"lib": "2-1", "app": "1-1", "leaf": "1-1"})
	f.wantVersions(t, "plain", map[string]string{"lib": "3-1", "app": "1-1", "leaf": "1-1"})
	f.work(t)
	f.wantListed(t, "one_1", "app-1-1", "leaf-1-1", "lib-2-1")
	f.wantListed(t, "two_1", "app-1-2", "leaf-1-2", "lib-3-1")
	f.wantListed(t, "same_1", "app-1-1", "leaf-1-1", "lib-2-1")
}

// TestARebuildIsAboveTheBase: also above a version that another repository of the base
// hides; a changeset that is above already keeps its version.
func TestARebuildIsAboveTheBase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.base(t, basePackage{name: "lib", version: "0-7"}, basePackage{name: "app", version: "1-4"}, basePackage{name: "leaf", version: "2-1"})
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "work", map[string]string{"lib": "1-1", "app": "1-1 → 1-5", "leaf": "1-1"})
	if !f.warned(t, "work", "older than what the base or a buildspace has, so that pacman -Syu does not take it, and no pkgrel helps: leaf; update the source") {
		t.Error("nothing says that leaf cannot be above the base")
	}
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_1", "app-1-5", "leaf-1-1", "lib-1-1")
}

// TestBothStagesHaveOneVersion: what is built with the first stage names a version that
// the result has.
func TestBothStagesHaveOneVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Push(t, "hen", schedulertest.Srcinfo("hen", "1", "egg"))
	f.Push(t, "egg", schedulertest.Srcinfo("egg", "1", "hen"))
	f.base(t, basePackage{name: "hen", version: "1-1"}, basePackage{name: "egg", version: "1-1"})
	f.SpaceWith(t, "work", func(s *buildbtw.Settings) { everything(s); s.Cycles = buildbtw.CyclesTwice }, "hen")
	f.Pass(t, "sync", "iterate")
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work"})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d builds, %v; want 3", len(rows), err)
	}
	commits := map[string]string{}
	for _, r := range rows {
		if r.VersionWords() != "1-1 → 1-2" || commits[r.Pkgbase] != "" && commits[r.Pkgbase] != r.Commit {
			t.Errorf("%s stage %d is %s at %s", r.Pkgbase, r.Stage, r.VersionWords(), r.Commit)
		}
		commits[r.Pkgbase] = r.Commit
	}
	f.work(t)
	f.wantListed(t, "work_1", "egg-1-2", "hen-1-2")
}

// TestWhatCannotBeRaisedIsBuiltAsItIs, and the plan says so before anything is made.
func TestWhatCannotBeRaisedIsBuiltAsItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	for name, recipe := range map[string]string{"app": "pkgrel=$((1))\n", "leaf": "pkgrel=1\npkgver() { :; }\n"} {
		if err := os.WriteFile(filepath.Join(f.Sources, name, "PKGBUILD"), []byte(recipe), 0o644); err != nil {
			t.Fatal(err)
		}
		schedulertest.Git(t, filepath.Join(f.Sources, name), "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "change")
	}
	f.base(t, basePackage{name: "app", version: "1-1"}, basePackage{name: "leaf", version: "1-1"})
	f.Pass(t, "sync")
	settings := buildbtw.DefaultSettings()
	settings.Scope = buildbtw.ScopeAll
	plan, err := f.Catalog.Preview(t.Context(), []buildbtw.Changeset{{Source: "lib"}}, settings)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{
		"app is built as 1-1, which pacman -Syu does not take where that version is installed already: it should be 1-2, but its PKGBUILD has no plain number on line 1: pkgrel=$((1))",
		"pkgver() may find another version than the .SRCINFO has; then makepkg sets pkgrel to 1, which may be no higher than what is replaced: leaf",
	}
	var said []string
	for _, w := range plan.Warnings {
		if w.Kind == buildgraph.WarnVersion {
			said = append(said, w.Message)
		}
	}
	if d := cmp.Diff(words, said); d != "" {
		t.Errorf("warnings of the plan (-want +got):\n%s", d)
	}
	for _, b := range plan.Architectures["x86_64"].Builds {
		if want := map[string]string{"lib": "1-1", "app": "1-1", "leaf": "1-1 → 1-2"}[b.Pkgbase]; buildgraph.VersionWords(b.BumpedFrom, b.Version) != want {
			t.Errorf("planned: %s %s, want %s", b.Pkgbase, b.Version, want)
		}
	}
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "work", map[string]string{"lib": "1-1", "app": "1-1", "leaf": "1-1 → 1-2"})
	for _, w := range words {
		if !f.warned(t, "work", w) {
			t.Errorf("the iteration does not say %q", w)
		}
	}
	f.wantBuilt(t, "lib", "app", "leaf")
}

// TestCommitsOfRebuildsAreMadeAnewInANewMirror, those that are needed: the same ones.
func TestCommitsOfRebuildsAreMadeAnewInANewMirror(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.base(t, basePackage{name: "app", version: "1-1"})
	f.space(t, "work", "lib")
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work", Pkgbase: "app"})
	if err != nil || len(rows) != 1 || rows[0].SourceCommit == "" {
		t.Fatalf("app is %+v, %v", rows, err)
	}
	if err := os.RemoveAll(filepath.Join(f.Sources, "..", "sources.git")); err != nil {
		t.Fatal(err)
	}
	f.Restart(t)
	// The first pass comes before the sources are mirrored: builds wait for the next.
	f.Pass(t, "prune")
	if next, ok, err := f.Loop("prune").Next(t.Context()); err != nil || !ok || next.Sub(f.Now()) > 5*time.Second {
		t.Errorf("the next pass is at %v %v %v, now it is %v", next, ok, err, f.Now())
	}
	f.Pass(t, "sync", "prune")
	text, err := f.Mirror.ReadSrcinfos(t.Context(), []string{rows[0].Commit})
	if err != nil || !strings.Contains(string(text[rows[0].Commit].Text), "pkgrel = 2") {
		t.Errorf("the commit of app is not there again: %+v, %v", text, err)
	}
	refs := schedulertest.Git(t, f.Sources, "--git-dir", "../sources.git", "for-each-ref", "--format=%(refname)", "refs/buildbtw")
	if refs != "refs/buildbtw/work/1" {
		t.Errorf("refs %q", refs)
	}
}

// TestWhatIsMirroredLaterIsMadeAnewLater: the sources of a distribution come one by one.
func TestWhatIsMirroredLaterIsMadeAnewLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.base(t, basePackage{name: "app", version: "1-1"}, basePackage{name: "leaf", version: "1-1"})
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantVersions(t, "work", map[string]string{"lib": "1-1", "app": "1-1 → 1-2", "leaf": "1-1 → 1-2"})
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work"})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d builds, %v", len(rows), err)
	}
	app, away := filepath.Join(f.Sources, "app"), filepath.Join(t.TempDir(), "app")
	if err := errors.Join(os.RemoveAll(filepath.Join(f.Sources, "..", "sources.git")), os.Rename(app, away)); err != nil {
		t.Fatal(err)
	}
	f.Restart(t)
	f.Pass(t, "sync", "prune")
	if err := os.Rename(away, app); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := f.Loop("prune").Next(t.Context()); !ok {
		t.Error("what is missing waits for the period")
	}
	f.Pass(t, "sync", "prune")
	for _, b := range rows {
		if there, err := f.Mirror.Present(t.Context(), []string{b.Commit}); err != nil || !there[b.Commit] {
			t.Errorf("the commit of %s is not there again: %v", b.Pkgbase, err)
		}
	}
	if _, ok, _ := f.Loop("prune").Next(t.Context()); ok {
		t.Error("it is tried once more")
	}
}

// TestAVersionOfSeveralContentsIsNobodys: while no pkgrel is raised, and where it cannot
// be, one version is built from several inputs.
func TestAVersionOfSeveralContentsIsNobodys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	bump := func(on bool) {
		t.Helper()
		row, err := f.Store.Buildspace(t.Context(), "work")
		if err != nil {
			t.Fatal(err)
		}
		row.Settings.Bump = on
		if _, err := f.Store.EditBuildspace(t.Context(), "test", "work", store.Edit{Settings: &row.Settings}); err != nil {
			t.Fatal(err)
		}
		f.Pass(t, "sync", "iterate")
	}
	if err := os.WriteFile(filepath.Join(f.Sources, "leaf", "PKGBUILD"), []byte("pkgrel=$((1))\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	schedulertest.Git(t, filepath.Join(f.Sources, "leaf"), "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "change")
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	bump(false)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	f.wantVersions(t, "work", map[string]string{"lib": "2-1", "app": "1-1", "leaf": "1-1"})
	f.wantBuilt(t, "lib", "app", "leaf")

	bump(true) // who has the first iteration's app gets another only by a higher version
	for range 2 {
		f.wantVersions(t, "work", map[string]string{"lib": "2-1", "app": "1-1 → 1-2", "leaf": "1-1"})
		f.work(t)
		if !f.warned(t, "work", "leaf is built as 1-1") {
			t.Error("nothing is said of leaf, which has the version of the first iteration")
		}
		if err := f.Store.RequestIteration(t.Context(), "alice", "work", buildbtw.IterationRequested, "again"); err != nil {
			t.Fatal(err)
		}
		f.Pass(t, "sync", "iterate")
	}
}
