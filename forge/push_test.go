package forge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/scheduler/schedulertest"
)

// told is what a webhook says of a project.
func toldOf(id int64, name string) buildbtw.Project {
	return buildbtw.Project{ID: id, Path: groupPath + "/" + name}
}

func (f *fixture) hook(t *testing.T, p buildbtw.Project) {
	t.Helper()
	must(t, f.Forge.HandlePush(t.Context(), p))
	f.Pass(t, "push-1")
}

// TestAPushIsFetchedAlone: a webhook costs one fetch, whatever it is and however
// often it comes.
func TestAPushIsFetchedAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.project(t, "a")
	f.project(t, "b")
	f.mustMirror(t)
	count := f.countRequests()
	count()
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}})
	f.hook(t, toldOf(a, "a"))
	if api, git := count(); api != 0 || git != 1 {
		t.Errorf("%d requests, %d fetches", api, git)
	}
	f.wantSources(t, "a 2.0-1", "b 1.0-1")
	for range 3 { // twice, and out of order: it says nothing but "look"
		must(t, f.Forge.HandlePush(t.Context(), toldOf(a, "a")))
	}
	f.Pass(t, "push-1")
	if _, git := count(); git != 1 {
		t.Errorf("three webhooks at once: %d fetches", git)
	}
	f.wantSources(t, "a 2.0-1", "b 1.0-1")
}

func TestAPushToANewOrRenamedProject(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.project(t, "a")
	f.mustMirror(t)
	b := f.project(t, "b")
	f.hook(t, toldOf(b, "b"))
	f.gitlab.MoveProject(a, groupPath+"/z")
	f.hook(t, toldOf(a, "z"))
	f.mustMirror(t)
	f.wantSources(t, "b 1.0-1", "z 1.0-1")
	f.gitlab.ArchiveProject(a, true)
	f.hook(t, toldOf(a, "renamed-and-archived"))
	f.mustMirror(t)
	f.wantSources(t, "b 1.0-1")
	for _, p := range []buildbtw.Project{{ID: 9, Path: "other/x"}, {ID: 9, Path: groupPath}} {
		if err := f.Forge.HandlePush(t.Context(), p); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("%s: %v", p.Path, err)
		}
	}
	must(t, f.Forge.HandlePush(t.Context(), toldOf(99, "forged")))
	if err := f.Loop("push-1").Pass(t.Context()); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a project that GitLab does not have: %v", err)
	}
}

func TestAPushWhileGitLabIsDownIsFetchedLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.project(t, "a")
	f.mustMirror(t)
	f.DB.Clock.Advance(24 * time.Hour)
	f.mustMirror(t)
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}})
	f.gitlab.Fail("GET /arch/", 1, gitlabtest.Status(500))
	f.hook(t, toldOf(a, "a"))
	f.wantBeginnings(t, []string{"a: source a: the server has trouble"})
	f.DB.Clock.Advance(time.Minute)
	f.mustMirror(t)
	f.wantSources(t, "a 2.0-1")
}

// TestAPushMakesAnIteration goes from a webhook to the new iteration, and from
// somebody who asks for one right after a push.
func TestAPushMakesAnIteration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	lib := f.project(t, "lib")
	f.project(t, "app", "lib")
	f.mustMirror(t)
	f.Space(t, "space", "lib")
	f.Pass(t, "iterate")
	f.pushTo(t, lib, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("lib", "2.0")}})
	f.hook(t, toldOf(lib, "lib"))
	f.Pass(t, "iterate")
	f.DB.Clock.Advance(f.Debounce)
	f.Pass(t, "iterate")
	if got := f.Iterations(t, "space"); len(got) != 2 || got[0].Reason != buildbtw.IterationPushed {
		t.Fatalf("%d iterations", len(got))
	}
	commit := f.pushTo(t, lib, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("lib", "3.0")}})
	must(t, f.Store.RequestIteration(t.Context(), "test", "space", buildbtw.IterationRequested, "please"))
	f.Pass(t, "iterate") // no webhook has come
	rows := f.Iterations(t, "space")
	changes, err := f.Store.IterationChangesets(t.Context(), rows[0].ID)
	if err != nil || len(rows) != 3 || changes[0].Commit != commit {
		t.Errorf("%d iterations, the newest of %+v (%v), want %s", len(rows), changes, err, commit)
	}
}

func TestCIConfigIsSetGently(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []int64
	for i := range ciChanges + 5 {
		ids = append(ids, f.gitlab.CreateProject(fmt.Sprintf("%s/p%d", groupPath, i)))
	}
	f.mustMirror(t)
	set := func(path string) (n int) {
		for _, id := range ids {
			if f.gitlab.CIConfig(id) == path {
				n++
			}
		}
		return n
	}
	f.gitlab.Fail(fmt.Sprintf("PUT .*/projects/%d$", ids[1]), -1, gitlabtest.Status(403))
	f.Pass(t, "ci-config")
	if n := set(""); n != len(ids) {
		t.Errorf("it is off, but %d were set", len(ids)-n)
	}
	f.Forge.CIConfig = "ci.yml@arch/ci"
	for _, want := range []int{ciChanges - 1, ciChanges + 4, ciChanges + 4} { // the refused one stays; what is set is not set again
		f.Pass(t, "ci-config")
		if n := set(f.Forge.CIConfig); n != want {
			t.Errorf("%d were set, want %d", n, want)
		}
	}
	p, err := f.Store.Project(t.Context(), ids[1])
	if err != nil || !strings.Contains(p.CIMessage, "the token may not") || f.gitlab.CIConfig(ids[1]) != "" {
		t.Errorf("%+v, %v", p, err)
	}
	f.gitlab.Fail("PUT .*/projects/", -1, gitlabtest.Status(403))
	f.Forge.CIConfig = "another.yml"
	f.Pass(t, "ci-config")
	if n := set(f.Forge.CIConfig); n != 0 {
		t.Errorf("%d were set", n)
	}
	list, err := f.Store.ProjectsWithOtherCI(t.Context(), f.Forge.CIConfig, 100)
	failed := 0
	for _, p := range list {
		if p.CIMessage != "" && p.ID != ids[1] {
			failed++
		}
	}
	if err != nil || failed != ciFailures {
		t.Errorf("%d failed in one pass, %v", failed, err)
	}
}

// GitLab loses some pushes: neither activity nor webhook shows them.
func TestAPushThatNothingShowsIsFetchedWithinADay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.project(t, "a")
	f.mustMirror(t)
	f.DB.Clock.Advance(2 * time.Hour)
	f.mustMirror(t)
	active := f.DB.Clock.Now().Add(-2 * time.Hour)
	f.pushTo(t, id, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}})
	f.gitlab.SetActivity(id, active)
	f.mustMirror(t)
	f.wantSources(t, "a 1.0-1")
	f.DB.Clock.Advance(24 * time.Hour)
	f.gitlab.SetActivity(id, active)
	f.mustMirror(t)
	f.wantSources(t, "a 2.0-1")
}

func TestProjectsWhereNobodyMaySetVariablesAreChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := []int64{f.gitlab.CreateProject(groupPath + "/a"), f.gitlab.CreateProject(groupPath + "/b")}
	f.Forge.CIConfig = "ci.yml@arch/ci"
	f.gitlab.SetVariablesRole(ids[0], gitlabtest.RoleNobody)
	f.mustMirror(t)
	f.Pass(t, "ci-config")
	f.gitlab.SetVariablesRole(ids[1], gitlabtest.RoleNobody) // a migration of the group, later
	f.DB.Clock.Advance(listEvery)
	f.mustMirror(t)
	f.Pass(t, "ci-config")
	for _, id := range ids {
		if got := f.gitlab.VariablesRole(id); got != gitlabtest.RoleMaintainer {
			t.Errorf("project %d: %s may set variables, want %s", id, got, gitlabtest.RoleMaintainer)
		}
	}
	f.gitlab.Requests()
	f.Pass(t, "ci-config")
	if asked := f.gitlab.Requests(); len(asked) != 0 {
		t.Errorf("set again: %v", asked)
	}
}
