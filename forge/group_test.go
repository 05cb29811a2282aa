package forge_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/forge"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/git/gitmirror"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store/storetest"
)

// fixture is a server whose sources are the projects of a group.
type fixture struct {
	*schedulertest.Server
	gitlab *gitlabtest.Server
}

const groupPath = "arch/packages"

// What the package promises in its comments.
const (
	listEvery       = 6 * time.Hour // all projects of a group are listed
	fewMissing      = 20            // projects may vanish at once and be believed gone
	parallelFetches = 8
	ciChanges       = 20 // projects whose CI configuration one pass changes
	ciFailures      = 3  // after which the pass ends
)

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{}
	f.Server = schedulertest.New(t, func(o *schedulertest.Options, _ *storetest.DB) {
		f.gitlab = gitlabtest.Start(t, gitlabtest.Options{Now: o.Now})
		client, err := gitlab.New(gitlab.Config{
			URL: f.gitlab.URL(), Token: gitlabtest.Token, RequestTime: 2 * time.Second, Retries: -1, Now: o.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Forge = forge.Config{
			Client: client, Groups: []*gitlab.Group{client.Group(groupPath)},
			Access: gitmirror.Access{Server: f.gitlab.URL(), Token: gitlabtest.Token, Timeout: 2 * time.Second},
		}
	})
	f.SourceDirs = nil
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// project makes a project with a package of its name, and gives its id.
func (f *fixture) project(t testing.TB, name string, depends ...string) int64 {
	t.Helper()
	id := f.gitlab.CreateProject(groupPath + "/" + name)
	f.pushTo(t, id, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo(path.Base(name), "1.0", depends...)}})
	return id
}

func (f *fixture) pushTo(t testing.TB, id int64, c gitlabtest.Change) string {
	t.Helper()
	commit, err := f.gitlab.Push(t.Context(), id, c)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

// mirrorPass runs the loops that a group needs once; what fails is in the error.
func (f *fixture) mirrorPass(t testing.TB) error {
	t.Helper()
	f.Pass(t, "sync")
	return f.Loop("groups").Pass(t.Context())
}

func (f *fixture) mustMirror(t testing.TB) {
	t.Helper()
	if err := f.mirrorPass(t); err != nil {
		t.Fatal(err)
	}
}

// sourceLines gives "slug version" of every source, or "slug: what is wrong".
func (f *fixture) sourceLines(t testing.TB) []string {
	t.Helper()
	all, err := f.Catalog.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range all {
		if s.Error != "" {
			lines = append(lines, s.Slug+": "+s.Error)
		} else {
			lines = append(lines, s.Slug+" "+s.Version)
		}
	}
	return lines
}

func (f *fixture) wantSources(t testing.TB, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.sourceLines(t)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestAGroupIsFilledAndThenFollowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.project(t, "a")
	f.project(t, "sub/b", "a")
	if err := f.Catalog.Ready(); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "fetched for the first time") {
		t.Errorf("before the first pass: %v", err)
	}
	f.mustMirror(t)
	f.wantSources(t, "a 1.0-1", "b 1.0-1")

	f.DB.Clock.Advance(2 * time.Hour)
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}})
	f.project(t, "c")
	f.mustMirror(t)
	f.wantSources(t, "a 2.0-1", "b 1.0-1", "c 1.0-1")
}

// TestAPassWithoutChangeAsksOnce also shows that what was active lately is looked
// at again, as GitLab would not show another push, and then no more.
func TestAPassWithoutChangeAsksOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	asked := f.countRequests()
	a := f.project(t, "a")
	f.project(t, "b")
	f.mustMirror(t)
	if api, git := asked(); api != 1 || git != 2 {
		t.Errorf("first: %d requests, %d fetches", api, git)
	}
	f.mustMirror(t)
	if api, git := asked(); api != 1 || git != 0 {
		t.Errorf("at once again: %d requests, %d fetches", api, git)
	}
	f.DB.Clock.Advance(10 * time.Minute)
	f.pushTo(t, a, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo("a", "2.0")}}) // too soon to be shown as activity
	f.mustMirror(t)
	if api, git := asked(); api != 1 || git != 2 {
		t.Errorf("soon: %d requests, %d fetches", api, git)
	}
	f.wantSources(t, "a 2.0-1", "b 1.0-1")
	f.DB.Clock.Advance(2 * time.Hour)
	f.mustMirror(t)
	asked()
	f.DB.Clock.Advance(2 * time.Hour)
	f.mustMirror(t)
	if api, git := asked(); api != 1 || git != 0 {
		t.Errorf("later: %d requests, %d fetches", api, git)
	}
}

// countRequests gives a function that tells how many there were since it was
// called last: to the API, and fetches.
func (f *fixture) countRequests() func() (api, git int) {
	return func() (int, int) {
		api := 0
		for _, r := range f.gitlab.Requests() {
			if strings.Contains(r, " /api/") {
				api++
			}
		}
		return api, f.gitlab.Fetches()
	}
}

func TestProjectsThatGoAwayAreNoSources(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*fixture, int64){
		"archived": func(f *fixture, id int64) { f.gitlab.ArchiveProject(id, true) },
		"deleted":  func(f *fixture, id int64) { _ = f.gitlab.DeleteProject(id) },
		"moved":    func(f *fixture, id int64) { f.gitlab.MoveProject(id, "attic/a") },
		"going":    func(f *fixture, id int64) { f.gitlab.ScheduleDeletion(id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			id := f.project(t, "a")
			f.project(t, "b")
			f.mustMirror(t)
			do(f, id)
			f.DB.Clock.Advance(listEvery)
			f.mustMirror(t)
			f.wantSources(t, "b 1.0-1")
			if got := f.Mirror.Remotes(f.Forge.Groups[0].Name()); cmp.Diff([]string{"b"}, got) != "" {
				t.Errorf("the mirror has %v", got)
			}
		})
	}
}

func TestARenamedProjectIsAnotherSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.project(t, "a")
	f.mustMirror(t)
	f.gitlab.MoveProject(id, groupPath+"/sub/z")
	f.DB.Clock.Advance(listEvery)
	f.mustMirror(t)
	f.wantSources(t, "z 1.0-1")
}

// TestManyThatVanishAreBelievedTheSecondTime: a token that may see less than
// before must not empty the mirror.
func TestManyThatVanishAreBelievedTheSecondTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []int64
	for i := range fewMissing + 3 {
		ids = append(ids, f.gitlab.CreateProject(fmt.Sprintf("%s/p%d", groupPath, i)))
	}
	f.project(t, "stays")
	f.mustMirror(t)
	for _, id := range ids[:fewMissing+1] {
		if err := f.gitlab.DeleteProject(id); err != nil {
			t.Fatal(err)
		}
	}
	f.DB.Clock.Advance(listEvery)
	f.mustMirror(t)
	lines := f.sourceLines(t)
	if len(lines) != fewMissing+4 || !strings.Contains(lines[0], "does not show it any more, nor 20 others") {
		t.Errorf("%d sources, the first: %s", len(lines), lines[0])
	}
	f.DB.Clock.Advance(listEvery)
	f.mustMirror(t)
	if lines := f.sourceLines(t); len(lines) != 3 {
		t.Errorf("after the second listing: %v", lines)
	}
}

func TestATokenThatSeesLittleAsksLittle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	asked := f.countRequests()
	var ids []int64
	for i := range 3 * fewMissing {
		ids = append(ids, f.gitlab.CreateProject(fmt.Sprintf("%s/p%d", groupPath, i)))
	}
	f.project(t, "stays")
	f.mustMirror(t)
	for _, id := range ids {
		if err := f.gitlab.DeleteProject(id); err != nil {
			t.Fatal(err)
		}
	}
	for pass, sources := range []int{len(ids) + 1, 1} {
		f.DB.Clock.Advance(listEvery)
		asked()
		f.mustMirror(t)
		if api, _ := asked(); api > fewMissing+2 {
			t.Errorf("pass %d: %d requests about %d projects", pass, api, len(ids))
		}
		if lines := f.sourceLines(t); len(lines) != sources {
			t.Errorf("pass %d: %d sources, want %d", pass, len(lines), sources)
		}
	}
}

// TestAKilledFillGoesOn ends the first fill in its middle and starts anew with
// the same data.
func TestAKilledFillGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const projects = 3 * parallelFetches
	for i := range projects {
		f.project(t, fmt.Sprintf("p%d", i))
	}
	ctx, kill := context.WithCancel(t.Context())
	f.gitlab.OnFetch(func(n int) {
		if n == 2*parallelFetches { // others have been through
			kill()
		}
	})
	if err := f.Loop("groups").Pass(ctx); err == nil {
		t.Fatal("the pass was not cut off")
	}
	before := f.gitlab.Fetches()
	rows, err := f.Store.SourceGroups(t.Context())
	if err != nil || rows[0].Fetched == 0 || rows[0].Fetched == projects || rows[0].FilledAt != nil {
		t.Fatalf("%+v, %v", rows, err)
	}
	f.Restart(t)
	f.SourceDirs = nil
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Catalog.Ready(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d projects", rows[0].Fetched, projects)) {
		t.Errorf("half filled, but it says %v", err)
	}
	f.mustMirror(t)
	if got := f.gitlab.Fetches(); got != projects-rows[0].Fetched {
		t.Errorf("%d fetches after %d, of which %d were kept", got, before, rows[0].Fetched)
	}
	if got := len(f.sourceLines(t)); got != projects {
		t.Errorf("%d sources", got)
	}
}

func TestASourceThatADirectoryHasToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SourceDirs = []string{f.Sources}
	f.Push(t, "a", schedulertest.Srcinfo("a", "9"))
	f.project(t, "a")
	f.project(t, "b")
	f.mustMirror(t)
	f.wantSources(t, `a: another of --sources has a source "a" already; rename one of them`, "b 1.0-1")
}
