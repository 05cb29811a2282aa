package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitlab/gitlabtest"
)

// told is what a webhook says of a project.
func toldOf(id int64, name string) buildbtw.Project {
	return buildbtw.Project{ID: id, Path: groupPath + "/" + name}
}

func (f *groupFixture) hook(t *testing.T, p buildbtw.Project) {
	t.Helper()
	must(t, f.Pushed(t.Context(), p))
	must(t, f.pushPass(t.Context()))
}

// TestAPushIsFetchedAlone: a webhook costs one fetch, whatever it is and however
// often it comes.
func TestAPushIsFetchedAlone(t *testing.T) {
	f := newGroupFixture(t)
	a := f.project(t, "a")
	f.project(t, "b")
	f.mustMirror(t)
	count := f.countRequests()
	count()
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": srcinfoOf("a", "2.0")}})
	f.hook(t, toldOf(a, "a"))
	if api, git := count(); api != 0 || git != 1 {
		t.Errorf("%d requests, %d fetches", api, git)
	}
	f.wantSources(t, "a 2.0-1", "b 1.0-1")
	for range 3 { // twice, and out of order: it says nothing but "look"
		must(t, f.Pushed(t.Context(), toldOf(a, "a")))
	}
	must(t, f.pushPass(t.Context()))
	if _, git := count(); git != 1 {
		t.Errorf("three webhooks at once: %d fetches", git)
	}
	f.wantSources(t, "a 2.0-1", "b 1.0-1")
}

func TestAPushToANewOrRenamedProject(t *testing.T) {
	f := newGroupFixture(t)
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
		if err := f.Pushed(t.Context(), p); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("%s: %v", p.Path, err)
		}
	}
	must(t, f.Pushed(t.Context(), toldOf(99, "forged")))
	if err := f.pushPass(t.Context()); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a project that GitLab does not have: %v", err)
	}
}

func TestAPushWhileGitLabIsDownIsFetchedLater(t *testing.T) {
	f := newGroupFixture(t)
	a := f.project(t, "a")
	f.mustMirror(t)
	f.db.Clock.Advance(24 * time.Hour)
	f.mustMirror(t)
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": srcinfoOf("a", "2.0")}})
	f.gitlab.Fail("GET /arch/", 1, gitlabtest.Status(500))
	f.hook(t, toldOf(a, "a"))
	f.wantBeginnings(t, []string{"a: source a: the server has trouble"})
	f.db.Clock.Advance(time.Minute)
	f.mustMirror(t)
	f.wantSources(t, "a 2.0-1")
}

// TestAPushMakesAnIteration goes from a webhook to the new iteration, and from
// somebody who asks for one right after a push.
func TestAPushMakesAnIteration(t *testing.T) {
	f := newGroupFixture(t)
	lib := f.project(t, "lib")
	f.project(t, "app", "lib")
	f.mustMirror(t)
	f.space(t, "space", "lib")
	must(t, f.iteratePass(t.Context()))
	f.pushTo(t, lib, gitlabtest.Change{Files: map[string]string{".SRCINFO": srcinfoOf("lib", "2.0")}})
	f.hook(t, toldOf(lib, "lib"))
	must(t, f.iteratePass(t.Context()))
	f.db.Clock.Advance(f.Debounce)
	must(t, f.iteratePass(t.Context()))
	if got := f.iterations(t, "space"); len(got) != 2 || got[0].Reason != buildbtw.IterationPushed {
		t.Fatalf("%d iterations", len(got))
	}
	commit := f.pushTo(t, lib, gitlabtest.Change{Files: map[string]string{".SRCINFO": srcinfoOf("lib", "3.0")}})
	must(t, f.Store.RequestIteration(t.Context(), "test", "space", buildbtw.IterationRequested, "please"))
	must(t, f.iteratePass(t.Context())) // no webhook has come
	rows := f.iterations(t, "space")
	changes, err := f.Store.IterationChangesets(t.Context(), rows[0].ID)
	if err != nil || len(rows) != 3 || changes[0].Commit != commit {
		t.Errorf("%d iterations, the newest of %+v (%v), want %s", len(rows), changes, err, commit)
	}
}

// setter is a GitLab that refuses to change some projects.
type setter struct {
	refused map[int64]error
	set     []int64
}

func (s *setter) SetCIConfig(_ context.Context, id int64, _ string) error {
	if err := s.refused[id]; err != nil {
		return err
	}
	s.set = append(s.set, id)
	return nil
}

func TestCIConfigIsSetGently(t *testing.T) {
	f := newGroupFixture(t)
	for i := range ciChanges + 5 {
		f.gitlab.CreateProject(fmt.Sprintf("%s/p%d", groupPath, i))
	}
	f.mustMirror(t)
	s := &setter{refused: map[int64]error{2: buildbtw.Forbidden("the token may not")}}
	f.CI = s
	must(t, f.ciPass(t.Context()))
	if len(s.set) > 0 {
		t.Errorf("it is off, but set %v", s.set)
	}
	f.CIConfig = "ci.yml@arch/ci"
	for _, want := range []int{ciChanges - 1, ciChanges + 4, ciChanges + 4} { // the refused one stays; what is set is not set again
		must(t, f.ciPass(t.Context()))
		if len(s.set) != want {
			t.Errorf("%d were set, want %d", len(s.set), want)
		}
	}
	p, err := f.Store.Project(t.Context(), 2)
	if err != nil || p.CIMessage != "the token may not" || slices.Contains(s.set, 2) {
		t.Errorf("%+v, %v", p, err)
	}
	for id := range int64(100) {
		s.refused[id] = errors.New("no")
	}
	f.CIConfig = "another.yml"
	asked := len(s.set)
	must(t, f.ciPass(t.Context()))
	if len(s.set) != asked {
		t.Errorf("%d were set", len(s.set)-asked)
	}
	list, err := f.Store.ProjectsWithOtherCI(t.Context(), f.CIConfig, 100)
	failed := 0
	for _, p := range list {
		if p.CIMessage != "" && p.ID != 2 {
			failed++
		}
	}
	if err != nil || failed != ciFailures {
		t.Errorf("%d failed in one pass, %v", failed, err)
	}
}
