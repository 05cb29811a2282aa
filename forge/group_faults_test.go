package forge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/scheduler/schedulertest"
)

// groupFault is one way in which GitLab, or somebody in it, can spoil things. It
// strikes after something was pushed to both sources of a group, a and b.
type groupFault struct {
	name string
	do   func(*testing.T, *fixture, struck)

	group string   // part of what the group says; empty: it is well
	lines []string // the sources meanwhile, by their beginnings; nil: both as they were before
	heal  func(*testing.T, *fixture, struck)
	wait  time.Duration // until the next pass; five minutes when 0
	after []string      // the sources then; nil: both as they were pushed
}

// struck is source a.
type struck struct {
	id     int64
	commit string // what was pushed
}

// TestFaultsOfAGroup holds for every fault: the other source goes on, what was
// mirrored stays, it is told where people look, and the next pass heals it.
func TestFaultsOfAGroup(t *testing.T) {
	t.Parallel()
	for _, part := range [][]groupFault{faultsOfTheAPI(), faultsOfOneProject(), changesOfOneProject()} {
		for _, fault := range part {
			t.Run(fault.name, func(t *testing.T) {
				t.Parallel()
				fault.strike(t)
			})
		}
	}
}

// fail makes requests fail until the stand-in heals.
func fail(what string, f gitlabtest.Fault) func(*testing.T, *fixture, struck) {
	return func(_ *testing.T, fix *fixture, _ struck) { fix.gitlab.Fail(what, -1, f) }
}

func heal(_ *testing.T, f *fixture, _ struck) { f.gitlab.Heal() }

func faultsOfTheAPI() []groupFault {
	const list = "GET /api/v4/groups/"
	empty := func(_ *gitlabtest.Server, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }
	allow := func(a gitlabtest.Access) func(*testing.T, *fixture, struck) {
		return func(_ *testing.T, f *fixture, _ struck) { f.gitlab.Allow(gitlabtest.Token, a) }
	}
	return []groupFault{
		{name: "the token is revoked", do: allow(gitlabtest.Nothing), group: "make a new one", heal: allow(gitlabtest.Everything)},
		{name: "403", do: fail(list, gitlabtest.Status(403)), group: "the token may not", heal: heal},
		{name: "404", do: fail(list, gitlabtest.Status(404)), group: "no such thing", heal: heal},
		{name: "429", do: fail(list, gitlabtest.TooMany(120)), group: "fewer requests", heal: heal},
		{name: "500", do: fail(list, gitlabtest.Status(500)), group: "trouble of its own", heal: heal},
		{name: "a page", do: fail(list, gitlabtest.HTML(200)), group: "no GitLab", heal: heal},
		{name: "half a JSON", do: fail(list, gitlabtest.HalfJSON()), group: "cut off", heal: heal},
		{name: "silence", do: fail(list, gitlabtest.Silence()), group: "does not answer", heal: heal},
		{name: "an empty list", do: fail(list, empty), lines: []string{"a 2.0-1", "b 2.0-1"}, heal: heal}, // both were due to be looked at again
		{name: "the cursor lies ahead", do: func(t *testing.T, f *fixture, _ struck) {
			must(t, f.Store.GroupFetched(t.Context(), f.Forge.Groups[0].Name(), f.Now().Add(100*time.Hour)))
		}, lines: []string{"a 2.0-1", "b 2.0-1"}},
	}
}

func faultsOfOneProject() []groupFault {
	const refs, pack = "GET /arch/packages/a.git/info", "POST /arch/packages/a.git/git-upload-pack"
	broken := func(why string) []string { return []string{"a: source a: " + why, "b 2.0-1"} }
	return []groupFault{
		{name: "401 for one project", do: fail(refs, gitlabtest.Status(401)), lines: broken("the server does not accept the token"), heal: heal},
		{name: "403 for one project", do: fail(refs, gitlabtest.Status(403)), lines: broken("the token may not read it"), heal: heal},
		{name: "404 for one project", do: fail(refs, gitlabtest.Status(404)), lines: broken("there is no such repository"), heal: heal},
		{name: "429 for one project", do: fail(refs, gitlabtest.TooMany(1)), lines: broken("the server asks for fewer requests"), heal: heal},
		{name: "500 for one project", do: fail(refs, gitlabtest.Status(500)), lines: broken("the server has trouble of its own"), heal: heal},
		{name: "a page for one project", do: fail(refs, gitlabtest.HTML(200)), lines: []string{"a: source a has no branch any more, or what answers is no git server", "b 2.0-1"}, heal: heal},
		{name: "half a pack", do: fail(pack, gitlabtest.HalfJSON()), lines: broken(""), heal: heal},
		{name: "silence for one project", do: fail(refs, gitlabtest.Silence()), lines: broken("the server did not send it"), heal: heal},
	}
}

func changesOfOneProject() []groupFault {
	pushed := []string{"a 2.0-1", "b 2.0-1"}
	return []groupFault{
		{name: "the branch is deleted", do: func(t *testing.T, f *fixture, a struck) {
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/other", a.commit))
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/main", ""))
		}, lines: []string{"a: has no branch main", "b 2.0-1"}, heal: func(t *testing.T, f *fixture, a struck) {
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/main", a.commit))
		}},
		{name: "a branch becomes one below it", do: func(t *testing.T, f *fixture, a struck) {
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/topic", a.commit))
		}, lines: pushed, heal: func(t *testing.T, f *fixture, a struck) {
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/topic", ""))
			must(t, f.gitlab.SetRef(t.Context(), a.id, "refs/heads/topic/two", a.commit))
		}},
		{name: "history is rewritten", do: func(t *testing.T, f *fixture, a struck) {
			f.pushTo(t, a.id, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "0.1")}, Force: true})
		}, lines: []string{"a 0.1-1", "b 2.0-1"}, after: []string{"a 0.1-1", "b 2.0-1"}},
		{name: "renamed", do: func(_ *testing.T, f *fixture, a struck) {
			f.gitlab.MoveProject(a.id, groupPath+"/z")
		}, lines: []string{"b 2.0-1", "z 2.0-1"}, after: []string{"b 2.0-1", "z 2.0-1"}},
		{name: "moved out of the group", do: func(_ *testing.T, f *fixture, a struck) {
			f.gitlab.MoveProject(a.id, "attic/a")
		}, lines: []string{"b 2.0-1"}, after: []string{"b 2.0-1"}}, // git does not follow to where it is now
		{name: "deleted", do: func(t *testing.T, f *fixture, a struck) {
			must(t, f.gitlab.DeleteProject(a.id))
		}, lines: []string{"a: source a: there is no such repository", "b 2.0-1"}, after: []string{"b 2.0-1"}},
	}
}

func (g groupFault) strike(t *testing.T) {
	f := newFixture(t)
	a, b := f.project(t, "a"), f.project(t, "b")
	f.mustMirror(t)
	f.DB.Clock.Advance(2 * time.Hour)
	f.pushTo(t, b, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("b", "2.0")}})
	s := struck{a, f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}})}
	g.do(t, f, s)
	err := f.mirrorPass(t)
	f.wantGroup(t, g.group)
	if (err != nil) != (g.group != "") {
		t.Errorf("the log says %v", err)
	}
	if g.lines == nil {
		g.lines = []string{"a 1.0-1", "b 1.0-1"}
	}
	f.wantBeginnings(t, g.lines)
	if g.heal != nil {
		g.heal(t, f, s)
	}
	f.DB.Clock.Advance(max(g.wait, 5*time.Minute))
	f.mustMirror(t)
	f.wantGroup(t, "")
	if g.after == nil {
		g.after = []string{"a 2.0-1", "b 2.0-1"}
	}
	f.wantSources(t, g.after...)
}

func (f *fixture) wantGroup(t *testing.T, says string) {
	t.Helper()
	state, err := f.Store.SourceGroup(t.Context(), f.Forge.Groups[0].Name())
	if err != nil || !strings.Contains(state.Message, says) || says == "" && state.Message != "" {
		t.Errorf("the group says %q (%v), want %q", state.Message, err, says)
	}
	if strings.Contains(state.Message, gitlabtest.Token) {
		t.Errorf("the token is in %q", state.Message)
	}
}

// wantBeginnings compares the beginnings of the lines of the sources page.
func (f *fixture) wantBeginnings(t *testing.T, want []string) {
	t.Helper()
	got := f.sourceLines(t)
	for i := range min(len(got), len(want)) {
		if strings.HasPrefix(got[i], want[i]) {
			got[i] = want[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
