package handlers_test

import (
	"testing"
	"time"

	"buildbtw"
)

func TestSourcesPageShowsHowAGroupStands(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const group = "https://gitlab.test/arch"
	must(t, s.db.RetainGroups(t.Context(), []string{group}))
	list := []buildbtw.Project{{ID: 1, Path: "arch/a", ActiveAt: time.Now()}, {ID: 2, Path: "arch/b", ActiveAt: time.Now()}}
	_, err := s.db.NoteProjects(t.Context(), group, list)
	must(t, err)
	must(t, s.db.GroupAsked(t.Context(), group, "GitLab does not accept the token"))
	page := s.get(t, "/sources")
	page.wants(t, "section[aria-labelledby=h-groups] li", "2 projects", "0 of 2 fetched")
	page.wants(t, "section[aria-labelledby=h-groups] .message", "GitLab does not accept the token")
	must(t, s.db.GroupFetched(t.Context(), group, time.Now()))
	s.get(t, "/sources").wants(t, "section[aria-labelledby=h-groups] li", "No webhook has come")
	must(t, s.db.HookCame(t.Context(), group))
	s.get(t, "/sources").wants(t, "section[aria-labelledby=h-groups] li", "last webhook")
	s.get(t, "/sources?q=lib").wants(t, "section[aria-labelledby=h-groups] li", "2 projects")
}
