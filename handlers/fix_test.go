package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// failFor ends a claimed build as failed, for a reason that its log tells.
func (s *site) failFor(t *testing.T, c *store.Claimed, line string) {
	t.Helper()
	_, err := s.logs.Append(c.Attempt.Name(), 0, strings.NewReader("==> Starting build()...\ncc -c x.c\n"+line+"\n==> ERROR: A failure occurred in build().\n"))
	must(t, err)
	must(t, s.db.NoteError(t.Context(), c.Attempt.Lease, 3, line))
	s.db.End(t, c, buildbtw.OutcomeFailed)
}

// alike makes the buildspace "lib" in which app and tool fail for one reason, other for
// another, and top waits for app.
func (s *site) alike(t *testing.T) {
	t.Helper()
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "app: lib", "tool: lib", "other: lib", "extra: app"))
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.failFor(t, s.db.Claim(t, "w1"), "/build/app/src/app.c:12:10: fatal error: calc.h: No such file or directory")
	s.failFor(t, s.db.Claim(t, "w1"), "tool.c:3:10: fatal error: calc.h: No such file or directory")
	s.failFor(t, s.db.Claim(t, "w1"), "other.c:3:10: error: unknown type name 'calc_t'")
}

func TestAFailedBuildSaysWhyInItsHead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alike(t)
	app := s.build(t, "app")
	page := s.get(t, fmt.Sprintf("/builds/%d", app.ID))
	page.wants(t, ".alert .error-lines", "==> Starting build()...", "cc -c x.c", "fatal error: calc.h: No such file or directory", "A failure occurred in build()")
	if href, _ := page.Find(".alert a.first-error").Attr("href"); href != fmt.Sprintf("/builds/%d/log?attempt=1#L3", app.ID) {
		t.Errorf("the line leads to %q", href)
	}
	short := s.commitOf(t, "app")[:10]
	page.wants(t, ".alert .newer", "Build with my fix builds the newer commit "+short, "x by T")
	page.wants(t, ".alert", "A retry builds the old commit aaaaaaaaaa again.")
	page.wants(t, ".actions", "Build with my fix", "Retry the old commit")

	s.get(t, "/buildspaces/lib").wants(t, ".same-cause", "2 builds:", "calc.h: No such file or directory", "Build these 2 with my fixes", "app", "tool")
	s.get(t, "/buildspaces/lib").wants(t, ".blockers .needs", "app", "fatal error: calc.h", "newer commit", "Build with my fix")
	s.get(t, "/").wants(t, "[aria-labelledby=h-needs]", "2 builds:", "calc.h: No such file", "Build these 2 with my fixes", "unknown type name 'calc_t'")
	if feed := s.get(t, "/buildspaces/lib/feed.atom"); !strings.Contains(feed.body, "First error: tool.c:3:10: fatal error: calc.h") {
		t.Errorf("the feed does not say why:\n%s", feed.body)
	}
}

func TestFailedBuildsAreFixedByOnePress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alike(t)
	app, tool, before := s.build(t, "app"), s.build(t, "tool"), s.space(t)

	page := s.get(t, "/")
	form := page.Find("form[action='/buildspaces/lib/fix']").First()
	var ids []string
	for _, input := range form.Find("input[name=fix]").EachIter() {
		id, _ := input.Attr("value")
		ids = append(ids, id)
	}
	if want := []string{strconv.FormatInt(app.ID, 10), strconv.FormatInt(tool.ID, 10)}; len(ids) != 2 || ids[0] == ids[1] || !strings.Contains(strings.Join(want, " "), ids[0]) {
		t.Fatalf("the button of the home page fixes %v, want %v", ids, want)
	}
	done := s.post(t, "/buildspaces/lib/fix", url.Values{"fix": ids})
	done.wantsStatus(t, http.StatusSeeOther)
	if to := done.header.Get("Location"); to != "/buildspaces/lib" {
		t.Errorf("sent to %q", to)
	}
	after := s.space(t)
	if len(after.Changesets) != len(before.Changesets)+2 || after.Revision != before.Revision+1 {
		t.Errorf("changesets %v, revision %d after %d: want two more by one edit", after.Changesets, after.Revision, before.Revision)
	}
	s.get(t, "/buildspaces/lib").wants(t, ".note", "A new iteration is being calculated: Builds with fixes, asked for by", "app at "+s.commitOf(t, "app")[:7])

	s.post(t, fmt.Sprintf("/builds/%d/fix", app.ID), nil).wantsStatus(t, http.StatusSeeOther) // twice is once
	if again := s.space(t); again.Revision != after.Revision {
		t.Error("the same asked for again makes another iteration")
	}
	s.post(t, "/buildspaces/lib/fix", nil).wantsStatus(t, http.StatusUnprocessableEntity)
	lib := s.build(t, "lib")
	s.post(t, fmt.Sprintf("/builds/%d/fix", lib.ID), nil).wantsStatus(t, http.StatusConflict)
}

func (s *site) space(t *testing.T) store.BuildspaceRow {
	t.Helper()
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	return row
}
