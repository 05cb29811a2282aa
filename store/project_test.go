package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// mirrored is a store with one group of sources.
type mirrored struct {
	*storetest.DB
	t *testing.T
}

const arch = "https://gitlab.test/arch"

func newMirrored(t *testing.T) *mirrored {
	m := &mirrored{storetest.New(t), t}
	m.must(m.RetainGroups(t.Context(), []string{arch}))
	return m
}

func (m *mirrored) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// project was active some time before the clock's start.
func projectNo(id int64, path string, ago time.Duration) buildbtw.Project {
	return buildbtw.Project{ID: id, Path: path, SSHURL: "git@gitlab.test:" + path + ".git", ActiveAt: storetest.Start().Add(-ago)}
}

func (m *mirrored) note(list ...buildbtw.Project) int64 {
	m.t.Helper()
	n, err := m.NoteProjects(m.t.Context(), arch, list)
	m.must(err)
	return n
}

// due gives the paths of what is due.
func (m *mirrored) due() string {
	m.t.Helper()
	list, err := m.DueProjects(m.t.Context(), arch, 100)
	m.must(err)
	var paths []string
	for _, p := range list {
		paths = append(paths, p.Path)
	}
	return strings.Join(paths, " ")
}

func (m *mirrored) fetched(p buildbtw.Project, failure string) {
	m.t.Helper()
	m.must(m.NoteFetch(m.t.Context(), store.Fetched{Project: p, Began: m.Clock.Now(), Message: failure}))
}

func (m *mirrored) wantDue(want string) {
	m.t.Helper()
	if got := m.due(); got != want {
		m.t.Errorf("due: %q, want %q", got, want)
	}
}

func TestProjectsAreDueWhenSomethingMayHaveChanged(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	a, b := projectNo(1, "arch/a", 24*time.Hour), projectNo(2, "arch/b", time.Minute)
	if n := m.note(a, b); n != 2 {
		t.Errorf("%d rows changed", n)
	}
	m.wantDue("arch/a arch/b")
	m.fetched(a, "")
	m.fetched(b, "")
	m.wantDue("")
	m.Clock.Advance(5 * time.Minute)
	m.wantDue("arch/b") // GitLab would not yet show another push to it
	m.fetched(b, "")
	if n := m.note(a, b); n != 0 {
		t.Errorf("what was known changed %d rows", n)
	}
	m.Clock.Advance(2 * time.Hour)
	m.fetched(b, "")
	m.Clock.Advance(time.Hour)
	m.wantDue("")
	a.ActiveAt = m.Clock.Now()
	b.Path = "arch/sub/renamed"
	m.note(a, b)
	m.wantDue("arch/a arch/sub/renamed")
	p, err := m.ProjectOfSource(t.Context(), "renamed")
	if err != nil || p.ID != 2 || p.FetchedAt == nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAPushDuringAFetchKeepsTheProjectDue(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	before := projectNo(1, "arch/a", 24*time.Hour)
	m.note(before)
	began := m.Clock.Now()
	m.Clock.Advance(time.Second)
	m.note(projectNo(1, "arch/a", 0)) // pushed after the fetch had read the refs
	m.must(m.NoteFetch(t.Context(), store.Fetched{Project: before, Began: began}))
	m.wantDue("arch/a")
}

func TestFailedFetchesAreTriedAgainWithPauses(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	a := projectNo(1, "arch/a", 24*time.Hour)
	m.note(a)
	for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		m.fetched(a, "the disk is full")
		m.Clock.Advance(pause - time.Second)
		m.wantDue("")
		m.Clock.Advance(time.Second)
		m.wantDue("arch/a")
	}
	broken, err := m.BrokenProjects(t.Context(), arch)
	if diff := cmp.Diff(map[string]string{"a": "the disk is full"}, broken); diff != "" || err != nil {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	m.fetched(a, "")
	if broken, err = m.BrokenProjects(t.Context(), arch); err != nil || len(broken) > 0 {
		t.Errorf("%v, %v", broken, err)
	}
	if err := m.NoteFetch(t.Context(), store.Fetched{Project: projectNo(9, "arch/x", 0), Message: "x"}); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("an unknown project: %v", err)
	}
}

func TestTwoProjectsOfOneName(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	first, second := projectNo(1, "arch/x/a", 24*time.Hour), projectNo(2, "arch/y/a", 24*time.Hour)
	m.note(second, first)
	m.wantDue("arch/x/a")
	broken, err := m.BrokenProjects(t.Context(), arch)
	if err != nil || !strings.Contains(broken["a"], "arch/x/a and arch/y/a would be the same source") {
		t.Errorf("%v, %v", broken, err)
	}
	m.must(m.RemoveProject(t.Context(), 1))
	m.wantDue("arch/y/a")
	if broken, err = m.BrokenProjects(t.Context(), arch); err != nil || len(broken) > 0 {
		t.Errorf("%v, %v", broken, err)
	}
}

func TestGroupsKnowHowFarTheyAre(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	var all []buildbtw.Project
	for i := range int64(2500) {
		all = append(all, projectNo(i+1, fmt.Sprintf("arch/p%d", i), 24*time.Hour))
	}
	if n := m.note(all...); n != 2500 {
		t.Errorf("%d rows", n)
	}
	m.fetched(all[0], "")
	m.fetched(all[1], "no")
	m.must(m.GroupListed(t.Context(), arch))
	m.must(m.GroupAsked(t.Context(), arch, "GitLab sleeps"))
	rows, err := m.SourceGroups(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	g := rows[0]
	if g.Projects != 2500 || g.Fetched != 1 || g.Untried != 2498 || g.Broken != 1 || g.Message != "GitLab sleeps" || g.FilledAt != nil || g.ListedAt == nil {
		t.Errorf("got %+v", g)
	}
	missing, err := m.MissingProjects(t.Context(), arch, all[2:])
	if err != nil || len(missing) != 2 || missing[1].ID != 2 {
		t.Errorf("missing: %+v, %v", missing, err)
	}
	until := storetest.Start().Add(-time.Hour)
	m.must(m.GroupFetched(t.Context(), arch, until))
	m.must(m.GroupAsked(t.Context(), arch, ""))
	m.Clock.Advance(time.Hour)
	m.must(m.GroupFetched(t.Context(), arch, until.Add(time.Hour)))
	one, err := m.SourceGroup(t.Context(), arch)
	if err != nil || !one.SeenUntil.Equal(storetest.Start()) || !one.FilledAt.Equal(storetest.Start()) || one.Message != "" {
		t.Errorf("%+v, %v", one, err)
	}
	m.must(m.RetainGroups(t.Context(), []string{arch + "/other"}))
	if _, err := m.Project(t.Context(), 1); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a project of a group that is none any more: %v", err)
	}
}

func TestAProjectStaysWithItsFirstGroup(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	m.must(m.RetainGroups(t.Context(), []string{arch, arch + "/sub"}))
	m.note(projectNo(1, "arch/sub/a", time.Hour))
	n, err := m.NoteProjects(t.Context(), arch+"/sub", []buildbtw.Project{projectNo(1, "arch/sub/other", 0)})
	if n != 0 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestProjectsWithOtherCI(t *testing.T) {
	t.Parallel()
	m := newMirrored(t)
	for id := range int64(3) {
		p := projectNo(id+1, fmt.Sprintf("arch/p%d", id), 24*time.Hour)
		p.CIConfigPath = []string{"ci.yml", "", "old.yml"}[id]
		m.note(p)
	}
	other := func() (ids []int64) {
		t.Helper()
		list, err := m.ProjectsWithOtherCI(t.Context(), "ci.yml", 10)
		m.must(err)
		for _, p := range list {
			ids = append(ids, p.ID)
		}
		return ids
	}
	if diff := cmp.Diff([]int64{2, 3}, other()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.must(m.NoteCIConfig(t.Context(), buildbtw.Project{ID: 2}, "the token may not"))
	if diff := cmp.Diff([]int64{3, 2}, other()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.must(m.NoteCIConfig(t.Context(), buildbtw.Project{ID: 3, CIConfigPath: "ci.yml"}, ""))
	if diff := cmp.Diff([]int64{2}, other()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.must(m.NoteCIConfig(t.Context(), buildbtw.Project{ID: 3, CIConfigPath: "ci.yml", VariablesRole: "no_one_allowed"}, ""))
	if diff := cmp.Diff([]int64{3, 2}, other()); diff != "" {
		t.Errorf("nobody may set variables (-want +got):\n%s", diff)
	}
}
