package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store/storetest"
)

func TestThePlanIsShownBeforeAnythingIsCreated(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.get(t, "/buildspaces/new?changesets=lib").wants(t, "#changesets", "lib")

	plan := s.post(t, "/buildspaces/new", url.Values{"changesets": {"lib\n"}, "name": {"mine"}, "scope": {"all"}})
	plan.wantsStatus(t, http.StatusOK)
	plan.wants(t, ".figures", "none 1", "direct 2", "all 3")
	plan.wants(t, ".figures .chosen", "all")
	plan.wants(t, ".plan", "1 source cannot be read", unreadable, hostile, "Longest chain", "lib", "app", "tool",
		"1 cycle edge ignored", "lib builds against tool (checkdepends) from the base repositories", "Level 0, at once", "lib", "Level 2", "tool")
	plan.wantsNone(t, "main script")
	plan.wants(t, "[formaction='/buildspaces']", "Create with 3 builds")
	plan.wantsNone(t, "[name=confirm]")
	if name, _ := plan.Find("#name").Attr("value"); name != "mine" {
		t.Errorf("the form forgot the name: %q", name)
	}
	if _, err := s.db.Buildspace(t.Context(), "mine"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("showing a plan created a buildspace: %v", err)
	}
}

// The form as a browser without scripts would send it: what the page says is
// sent back, so the two steps are tested as one.
func TestTheFormOfAPlanCreatesWhatItShowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plan := s.post(t, "/buildspaces/new", url.Values{
		"changesets": {"lib/main"}, "name": {"mine"}, "scope": {"direct"}, "exclude": {"tool"}, "add": {"extra other"},
		"cycles": {"twice"}, "priority": {"high"}, "makedepends": {"yes"},
	})
	created := s.post(t, "/buildspaces", sent(plan))
	created.wantsStatus(t, http.StatusSeeOther)
	if to := created.header.Get("Location"); to != "/buildspaces/mine" {
		t.Errorf("sent to %q", to)
	}
	row, err := s.db.Buildspace(t.Context(), "mine")
	must(t, err)
	want := buildbtw.Settings{
		Scope: "direct", Cycles: "twice", Priority: "high", Makedepends: true,
		Exclude: buildbtw.Names{"tool"}, Add: buildbtw.Names{"extra", "other"}, Architectures: buildbtw.Names{},
	}
	if diff := cmp.Diff(want, row.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]buildbtw.Changeset{{Source: "lib", Ref: "main"}}, row.Changesets); diff != "" {
		t.Errorf("changesets (-want +got):\n%s", diff)
	}
	s.get(t, "/buildspaces/mine").wants(t, "main", "calculating", "lib", "main")
}

// sent gives what a browser sends of the plan form.
func sent(a answer) url.Values {
	form := url.Values{}
	a.Find("#plan-form").Find("input, textarea, option[selected]").Each(func(_ int, e *goquery.Selection) {
		kind, _ := e.Attr("type")
		_, checked := e.Attr("checked")
		if (kind == "radio" || kind == "checkbox") && !checked {
			return
		}
		field, value := e, e.AttrOr("value", e.Text())
		if goquery.NodeName(e) == "option" {
			field = e.Parent()
		}
		form.Add(field.AttrOr("name", ""), value)
	})
	return form
}

func TestAWrongFormComesBackWithTheMessageBesideTheField(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.NewBuildspace(t, "taken")
	for name, test := range map[string]struct {
		path   string
		form   url.Values
		status int
		field  string
		words  string
	}{
		"no changeset":      {"/buildspaces/new", url.Values{}, 422, "changesets", "no changeset given"},
		"unknown source":    {"/buildspaces/new", url.Values{"changesets": {"curl"}}, 404, "changesets", `no source "curl"`},
		"source twice":      {"/buildspaces", url.Values{"changesets": {"lib lib/main"}}, 422, "changesets", "named twice"},
		"hostile changeset": {"/buildspaces/new", url.Values{"changesets": {hostile}}, 422, "changesets", "is no source name"},
		"name with slash":   {"/buildspaces/new", url.Values{"changesets": {"lib"}, "name": {"a/b"}}, 422, "name", "is no buildspace name"},
		"name of 300":       {"/buildspaces", url.Values{"changesets": {"lib"}, "name": {strings.Repeat("a", 300)}}, 422, "name", "300 characters"},
		"name taken":        {"/buildspaces", url.Values{"changesets": {"lib"}, "name": {"taken"}}, 409, "name", "taken"},
		"bad exclude":       {"/buildspaces/new", url.Values{"changesets": {"lib"}, "exclude": {"../x"}}, 422, "exclude", "is no package name"},
		"bad add":           {"/buildspaces/new", url.Values{"changesets": {"lib"}, "add": {"-x"}}, 422, "add", "is no package name"},
	} {
		t.Run(name, func(t *testing.T) {
			page := s.post(t, test.path, test.form)
			page.wantsStatus(t, test.status)
			page.wants(t, "#"+test.field+"-error", test.words)
			if invalid := page.Find("[aria-invalid=true]").AttrOr("name", ""); invalid != test.field {
				t.Errorf("the field marked as wrong is %q", invalid)
			}
			if described := page.Find("#"+test.field).AttrOr("aria-describedby", ""); !strings.Contains(described, test.field+"-error") {
				t.Errorf("the field is described by %q", described)
			}
			for field, value := range sent(page) {
				if want, ok := test.form[field]; ok && strings.Join(strings.Fields(value[0]), " ") != strings.Join(strings.Fields(want[0]), " ") {
					t.Errorf("%s came back as %q, sent %q", field, value, want)
				}
			}
			page.wantsNone(t, "main script")
		})
	}
}

func TestManyBuildsAreCreatedOnlyWithAYes(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) { d.Catalog.ConfirmAbove = 2 })
	plan := s.post(t, "/buildspaces/new", url.Values{"changesets": {"lib"}})
	plan.wants(t, ".decision", "Create 3 builds (more than 2 need confirmation)")

	form := sent(plan)
	refused := s.post(t, "/buildspaces", form)
	if refused.status < 400 {
		t.Errorf("created without a yes: status %d", refused.status)
	}
	refused.wants(t, "#confirm-error", "3 builds")
	refused.wants(t, ".plan", "Level 0")

	form.Set("confirm", "yes")
	s.post(t, "/buildspaces", form).wantsStatus(t, http.StatusSeeOther)
}

func TestEditingShowsThePlanAndSaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.NewBuildspace(t, "mine")
	edit := s.get(t, "/buildspaces/mine/edit")
	edit.wants(t, "h1", "Edit mine")
	form := sent(edit)
	if got := form.Get("changesets"); got != "lib" {
		t.Fatalf("changesets %q", got)
	}
	form.Set("scope", "all")
	form.Set("exclude", "other")
	plan := s.post(t, "/buildspaces/mine/edit", form)
	plan.wants(t, ".decision button", "Save and start a new iteration")

	plan.wantsNone(t, "[aria-labelledby=h-compared]") // there is no iteration yet
	row, err := s.db.Buildspace(t.Context(), "mine")
	must(t, err)
	s.db.Iterate(t, row, storetest.Plan("lib", "other: lib", "app: lib"))
	compared := s.post(t, "/buildspaces/mine/edit", form)
	compared.wants(t, "[aria-labelledby=h-compared]", "Compared with #1", "Added: tool", "Removed: other")

	saved := s.post(t, "/buildspaces/mine/save", sent(plan))
	saved.wantsStatus(t, http.StatusSeeOther)
	row, err = s.db.Buildspace(t.Context(), "mine")
	must(t, err)
	if row.Scope != buildbtw.ScopeAll || len(row.Exclude) != 1 || row.Wanted == "" {
		t.Errorf("saved %+v, wanted %q", row.Settings, row.Wanted)
	}
	wrong := s.post(t, "/buildspaces/mine/save", url.Values{"changesets": {"curl"}})
	wrong.wants(t, "#changesets-error", "curl")
	s.get(t, "/buildspaces/none/edit").wantsStatus(t, http.StatusNotFound)
}

func TestAFormLargerThanItsLimitIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.post(t, "/buildspaces", url.Values{"changesets": {strings.Repeat("x", 1<<20)}}).wantsStatus(t, http.StatusRequestEntityTooLarge)
}
