package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store/storetest"
	"buildbtw/views"
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
	a.Find("#plan-form").Find("input, textarea, option[selected]").AddSelection(a.Find("input[type=hidden][form=plan-form]")).Each(func(_ int, e *goquery.Selection) {
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

// formInput is what somebody fills in and changes.
func formInput(r *rapid.T) url.Values {
	some := func(name string, of ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID).Draw(r, name)
	}
	form := url.Values{
		"changesets": {strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"lib", "app/main", "tool", "other"}), 1, 3, rapid.ID).Draw(r, "changesets"), "\n")},
		"scope":      {rapid.SampledFrom([]string{"auto", "none", "direct", "all"}).Draw(r, "scope")},
		"cycles":     {rapid.SampledFrom([]string{"once", "twice"}).Draw(r, "cycles")},
		"priority":   {rapid.SampledFrom([]string{"low", "normal", "high"}).Draw(r, "priority")},
		"exclude":    {strings.Join(some("exclude", "app", "tool", "nothing"), " ")}, "add": {strings.Join(some("add", "other", "tool"), ", ")},
		"architectures": some("architectures", "x86_64"),
	}
	for _, name := range some("ticked", "makedepends", "follow_all", "reuse", "cut_off") {
		form.Set(name, "yes")
	}
	return form
}

// namesIn gives the names in a field, where spaces, lines and commas all separate.
func namesIn(field string) []string {
	return strings.Fields(strings.ReplaceAll(field, ",", " "))
}

// TestNothingIsCreatedThatWasNotShown: whatever is filled in, the button below a plan
// makes just what the plan shows; with a field changed after that it makes nothing, and
// shows the plan of what is filled in now.
func TestNothingIsCreatedThatWasNotShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		name := fmt.Sprintf("space-%d", n)
		input := formInput(r)
		input.Set("name", name)
		shown := s.post(t, "/buildspaces/new", input)
		if shown.status == http.StatusUnprocessableEntity {
			return // such as a package that is added and excluded
		}
		shown.wantsStatus(t, http.StatusOK)
		form := sent(shown)

		changed, err := url.ParseQuery(form.Encode())
		must(t, err)
		other := formInput(r)
		field := rapid.SampledFrom([]string{"changesets", "scope", "cycles", "priority", "exclude", "add", "makedepends", "reuse"}).Draw(r, "changed")
		changed[field] = other[field]
		if other[field] == nil {
			changed.Del(field)
		}
		if !slices.Equal(namesIn(changed.Get(field)), namesIn(form.Get(field))) {
			again := s.post(t, "/buildspaces", changed)
			if again.status != http.StatusUnprocessableEntity {
				again.wantsStatus(t, http.StatusConflict)
				again.wants(t, ".alert", "changed since the plan was made")
				again.wants(t, "title", "The plan has changed")
				again.wants(t, "h2#h-plan", "Plan:")
			}
			if _, err := s.db.Buildspace(t.Context(), name); buildbtw.KindOf(err) != buildbtw.KindNotFound {
				r.Fatalf("%s was changed to %q, and the buildspace created: %v", field, changed[field], err)
			}
		}

		s.post(t, "/buildspaces", form).wantsStatus(t, http.StatusSeeOther)
		row, err := s.db.Buildspace(t.Context(), name)
		must(t, err)
		plan, err := s.catalog.Plan(t.Context(), row.Changesets, row.Settings)
		must(t, err)
		builds := 0
		for arch, p := range plan.Architectures {
			builds += len(p.Builds)
			for _, b := range p.Builds {
				if shown.Find(fmt.Sprintf(".plan-build[data-name=%q]", views.BuildLink{Pkgbase: b.Pkgbase, Stage: b.Stage}.Name())).Length() == 0 {
					r.Errorf("%s for %s is made and was not shown", b.Pkgbase, arch)
				}
			}
		}
		shown.wants(t, ".decision button", "Create with "+views.Plural(builds, "build"))
		if got := shown.Find(".plan-build").Length(); got != builds {
			r.Errorf("%d builds were shown, %d are made", got, builds)
		}
		asked := buildbtw.Settings{
			Scope: buildbtw.Scope(input.Get("scope")), Cycles: buildbtw.Cycles(input.Get("cycles")), Priority: buildbtw.Priority(input.Get("priority")),
			Makedepends: input.Get("makedepends") != "", FollowAll: input.Get("follow_all") != "", Reuse: input.Get("reuse") != "", CutOff: input.Get("cut_off") != "",
			Exclude: namesIn(input.Get("exclude")), Add: namesIn(input.Get("add")), Architectures: row.Settings.Architectures,
		}
		if diff := cmp.Diff(asked, row.Settings, cmpopts.EquateEmpty()); diff != "" {
			r.Errorf("settings (-asked +made):\n%s", diff)
		}
	})
}

func TestABuildIsExcludedByAClickInThePlan(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plan := s.post(t, "/buildspaces/new", url.Values{"changesets": {"lib"}, "scope": {"all"}})
	button := plan.Find(".plan-build[data-name=tool] .exclude")
	if to := button.AttrOr("formaction", ""); to != "/buildspaces/new" || plan.Find(".plan-build[data-name=lib] .exclude").Length() != 0 {
		t.Errorf("the button sends to %q", to)
	}
	form := sent(plan)
	form.Set(button.AttrOr("name", ""), button.AttrOr("value", ""))
	plan = s.post(t, "/buildspaces/new", form)
	plan.wants(t, ".decision button", "Create with 2 builds")
	if got := plan.Find("#exclude").AttrOr("value", ""); got != "tool" {
		t.Errorf("the field says %q", got)
	}
}

// TestABranchBecomesAChangesetByAClick: the form lists the newest commits, and works without
// a script. Enter in a field still presses "Show plan", the first button of the form.
func TestABranchBecomesAChangesetByAClick(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/buildspaces/new?changesets=lib")
	page.wants(t, ".suggested", "Newest commits", "app", "T", "tool")
	button := page.Find(".suggested button[value=tool]")
	if page.Find(".suggested button[value=lib]").Length() != 0 || button.AttrOr("form", "") != "plan-form" {
		t.Error("a changeset is suggested again, or a button is of no form")
	}
	if first := words(page.Find("#plan-form button, button[form=plan-form]").First()); first != "Show plan" {
		t.Errorf("Enter presses %q", first)
	}
	form := sent(page)
	form.Set(button.AttrOr("name", ""), button.AttrOr("value", ""))
	plan := s.post(t, "/buildspaces/new", form)
	plan.wants(t, "#changesets", "lib tool")
	plan.wantsNone(t, ".suggested button[value=tool]")
	form.Set("changesets", "lib tool/main") // a buildspace has each source once
	s.post(t, "/buildspaces/new", form).wants(t, "#changesets", "lib tool")
}

func TestAPlanSaysWhatItTakesOnDiskAndWhatIsYours(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ask := url.Values{"changesets": {"lib"}, "scope": {"all"}}
	s.post(t, "/buildspaces/new", ask).wants(t, "#plan-result", "How much disk space the packages take is not known")
	s.failing(t) // lib is built
	plan := s.post(t, "/buildspaces/new", ask)
	plan.wants(t, "#plan-result", "About 2.9 KiB of packages on disk", "The sizes of 2 builds are guessed")
	plan.wantsNone(t, "#plan-result .own")
	created := s.post(t, "/buildspaces", sent(s.post(t, "/buildspaces/new", url.Values{"changesets": {"app"}, "name": {"mine"}, "scope": {"none"}})))
	created.wantsStatus(t, http.StatusSeeOther)
	s.post(t, "/buildspaces/new", ask).wants(t, "#plan-result .own", "1 package of yours", "app")
}

func TestATakenNameIsToldWhileItIsTyped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.NewBuildspace(t, "taken")
	s.get(t, "/buildspaces/new/name?name=taken").wants(t, ".field-error", "taken")
	s.get(t, "/buildspaces/new/name?name=a/b").wants(t, ".field-error", "is no buildspace name")
	for _, free := range []string{"free", ""} {
		s.get(t, "/buildspaces/new/name?name="+free).wantsNone(t, ".field-error")
	}
	s.post(t, "/buildspaces/new", url.Values{"changesets": {"lib"}, "name": {"taken"}}).wantsStatus(t, http.StatusConflict)
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
