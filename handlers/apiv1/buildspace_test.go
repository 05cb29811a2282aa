package apiv1_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/handlers"
	"buildbtw/pacman/baserepo"
)

func TestCreatedBuildspaceIsFoundWhereLocationSays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var made, read api.Buildspace
	got := s.call("POST", "/buildspaces", api.NewBuildspace{Changesets: []string{"libalpha/main"}}, http.StatusCreated, &made)
	if want := api.Prefix + "/buildspaces/libalpha-main"; got.Header.Get("Location") != want {
		t.Errorf("Location is %q, want %q", got.Header.Get("Location"), want)
	}
	s.call("GET", "/buildspaces/libalpha-main", nil, http.StatusOK, &read)
	if diff := cmp.Diff(made, read); diff != "" {
		t.Errorf("created and read differ (-created +read):\n%s", diff)
	}
	if made.Status != buildbtw.BuildspaceActive || made.CreatedBy != "anna" || made.URL != s.url+"/buildspaces/libalpha-main" {
		t.Errorf("unexpected buildspace: %+v", made)
	}
}

func TestNameMadeFromTheChangesetIsNumberedWhenTaken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, want := range []string{"beta", "beta-2", "beta-3"} {
		var made api.Buildspace
		s.call("POST", "/buildspaces", api.NewBuildspace{Changesets: []string{"beta"}}, http.StatusCreated, &made)
		if made.Name != want {
			t.Errorf("name is %q, want %q", made.Name, want)
		}
	}
	s.wantProblem(s.call("POST", "/buildspaces", api.NewBuildspace{Name: "beta", Changesets: []string{"beta"}}, http.StatusConflict, nil),
		http.StatusConflict, "beta")
}

// The sections of one pacman.conf cannot have the same name.
func TestABuildspaceIsNotCalledAsABaseRepository(t *testing.T) {
	t.Parallel()
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "beta", URL: "file:///nowhere"}}, baserepo.Options{Architecture: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(d *handlers.Deps) { d.Catalog.Bases = baserepo.Bases{"x86_64": base} })
	s.wantProblem(s.call("POST", "/buildspaces", api.NewBuildspace{Name: "beta", Changesets: []string{"beta"}}, http.StatusUnprocessableEntity, nil),
		http.StatusUnprocessableEntity, "repository of the distribution")
	var made api.Buildspace
	s.call("POST", "/buildspaces", api.NewBuildspace{Changesets: []string{"beta"}}, http.StatusCreated, &made)
	if made.Name != "beta-2" {
		t.Errorf("the name made of the changeset is %q", made.Name)
	}
}

func TestCreatingRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	scope := buildbtw.Scope("everything")
	for name, test := range map[string]struct {
		in     api.NewBuildspace
		status int
		word   string
	}{
		"no changeset":         {api.NewBuildspace{}, 422, "no changeset"},
		"unknown source":       {api.NewBuildspace{Changesets: []string{"nosuch"}}, 404, "nosuch"},
		"unknown ref":          {api.NewBuildspace{Changesets: []string{"beta/nosuch"}}, 404, "nosuch"},
		"source twice":         {api.NewBuildspace{Changesets: []string{"beta", "beta/main"}}, 422, "twice"},
		"unreadable .SRCINFO":  {api.NewBuildspace{Changesets: []string{"broken"}}, 422, "line"},
		"name with slash":      {api.NewBuildspace{Name: "a/b", Changesets: []string{"beta"}}, 422, "a/b"},
		"name with dots":       {api.NewBuildspace{Name: "a..b", Changesets: []string{"beta"}}, 422, "a..b"},
		"name with NUL":        {api.NewBuildspace{Name: "a\x00b", Changesets: []string{"beta"}}, 422, `a\x00b`},
		"name too long":        {api.NewBuildspace{Name: strings.Repeat("a", 300), Changesets: []string{"beta"}}, 422, "300"},
		"source with dots":     {api.NewBuildspace{Changesets: []string{"../beta"}}, 422, ".."},
		"ref with NUL":         {api.NewBuildspace{Changesets: []string{"beta/a\x00"}}, 422, "branch"},
		"unknown scope":        {api.NewBuildspace{Changesets: []string{"beta"}, Settings: api.Settings{Scope: &scope}}, 422, "everything"},
		"foreign architecture": {api.NewBuildspace{Changesets: []string{"beta"}, Settings: api.Settings{Architectures: &[]string{"riscv64"}}}, 422, "riscv64"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.wantProblem(s.call("POST", "/buildspaces", test.in, test.status, nil), test.status, test.word)
		})
	}
	s.t = t
	var page api.Page[api.Buildspace]
	s.call("GET", "/buildspaces", nil, http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("refused requests left %d buildspaces behind", len(page.Items))
	}
}

func TestManyBuildsWantConfirmation(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(d *handlers.Deps) { d.Catalog.ConfirmAbove = 1 })
	in := api.NewBuildspace{Changesets: []string{"libalpha"}}
	s.wantProblem(s.call("POST", "/buildspaces", in, http.StatusPreconditionRequired, nil), http.StatusPreconditionRequired, "2 builds")
	in.Confirm = true
	s.call("POST", "/buildspaces", in, http.StatusCreated, nil)
}

func TestPlanStoresNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var plan buildgraph.Plan
	s.call("POST", "/plans", api.PlanRequest{Changesets: []string{"libalpha"}}, http.StatusOK, &plan)
	var order []string
	for _, b := range plan.Architectures["x86_64"].Builds {
		order = append(order, b.Pkgbase)
	}
	if diff := cmp.Diff([]string{"libalpha", "beta"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	var page api.Page[api.Buildspace]
	s.call("GET", "/buildspaces", nil, http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("planning made %d buildspaces", len(page.Items))
	}
}

func TestEditingChangesNothingWhenAPartIsWrong(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	stopped, none := buildbtw.BuildspaceStopped, buildbtw.ScopeNone
	before := s.call("GET", "/buildspaces/work", nil, http.StatusOK, nil).body
	s.wantProblem(s.call("PATCH", "/buildspaces/work",
		api.EditBuildspace{Status: &stopped, Settings: api.Settings{Scope: &none}, Changesets: &[]string{"nosuch"}}, 404, nil), 404, "nosuch")
	if after := s.call("GET", "/buildspaces/work", nil, http.StatusOK, nil).body; string(after) != string(before) {
		t.Errorf("a refused edit changed the buildspace:\n%s\n%s", before, after)
	}
	var edited api.Buildspace
	s.call("PATCH", "/buildspaces/work", api.EditBuildspace{Status: &stopped, Settings: api.Settings{Scope: &none}}, 200, &edited)
	if edited.Status != stopped || edited.Scope != none {
		t.Errorf("after the edit: %+v", edited)
	}
}

func TestPagesOfBuildspacesJoinWithoutGapsOrRepeats(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for range 5 {
		s.call("POST", "/buildspaces", api.NewBuildspace{Changesets: []string{"beta"}}, http.StatusCreated, nil)
	}
	seen := map[string]bool{}
	for cursor, pages := "", 0; ; pages++ {
		var page api.Page[api.Buildspace]
		s.call("GET", "/buildspaces?limit=2&cursor="+cursor, nil, http.StatusOK, &page)
		for _, b := range page.Items {
			if seen[b.Name] {
				t.Errorf("%s came twice", b.Name)
			}
			seen[b.Name] = true
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
		if pages > 5 {
			t.Fatal("the cursor leads nowhere")
		}
	}
	if len(seen) != 5 {
		t.Errorf("got %d of 5 buildspaces", len(seen))
	}
}

func TestRefusedQueries(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, status := range map[string]int{
		"/buildspaces?limit=1000":                422,
		"/buildspaces?limit=-1":                  422,
		"/buildspaces?status=asleep":             422,
		"/buildspaces/nosuch":                    404,
		"/buildspaces/..%2f..%2fetc":             404,
		"/buildspaces/%00":                       404,
		"/buildspaces/%zz":                       422,
		"/buildspaces/nosuch/iterations/latest":  404,
		"/buildspaces/nosuch/iterations/minus":   422,
		"/builds?status=odd":                     422,
		"/builds/0":                              404,
		"/builds/999999":                         404,
		"/builds/abc/log":                        404,
		"/sources?cursor=nosuch":                 422,
		"/events?since=yesterday":                422,
		"/events?build=x":                        404,
		"/nothing":                               404,
		"/worker/leases/nosuch/source":           409,
		"/builds/999999/packages/..%2f..%2fetc":  404,
		"/buildspaces/nosuch/iterations/1/graph": 404,
	} {
		t.Run(path, func(t *testing.T) {
			s.t = t
			r := s.request("GET", "/", nil)
			r.URL.Opaque = s.url + api.Prefix + path // as it is, not cleaned
			got := s.do(r)
			if got.StatusCode != status {
				t.Errorf("%s: %s, want %d\n%s", path, got.Status, status, got.body)
			}
		})
	}
}
