package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"buildbtw/buildgraph"
	"buildbtw/cmd/internal/cmdtest"
)

// A plan with a cycle, an order over a package outside the set, a name that
// nothing provides and a source that cannot be read: buildbtw, bbtw, the API and
// the page for new buildspaces must say the same of it.
func TestEveryDoorShowsTheSamePlan(t *testing.T) {
	t.Parallel()
	needPrograms(t, "git")
	s := newSite(t, "")
	for slug, lines := range map[string]struct{ base, own string }{
		"app":     {base: "\tmakedepends = outside\n\tmakedepends = nobody>=2\n", own: "\tdepends = lib\n"},
		"suite":   {base: "\tcheckdepends = round\n", own: "\tdepends = app\n"},
		"round":   {own: "\tdepends = suite\n"},
		"outside": {base: "\tmakedepends = lib\n"},
	} {
		s.commit(t, slug, map[string]string{
			"PKGBUILD": "",
			".SRCINFO": "pkgbase = " + slug + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n" + lines.base + "\npkgname = " + slug + "\n" + lines.own,
		})
	}
	s.commit(t, "broken", map[string]string{"PKGBUILD": "", ".SRCINFO": "pkgbase = broken\n\x00\xff"})
	server, _ := s.serve(t)

	offline, err := ask(t, planCommand(), "--sources=dir:"+s.sources(), "--scope=all", "--json", "lib")
	if err != nil {
		t.Fatal(err)
	}
	var want buildgraph.Plan
	if err := json.Unmarshal([]byte(offline), &want); err != nil {
		t.Fatal(err)
	}
	if a := want.Architectures["x86_64"]; len(a.Builds) != 4 || len(a.Cuts) != 1 || len(want.Warnings) != 2 {
		t.Fatalf("%d builds, %d cuts, %d warnings: the plan is not the one meant", len(a.Builds), len(a.Cuts), len(want.Warnings))
	}
	sameJSON(t, "bbtw plan", offline, bbtw(t, server.URL, "plan", "--scope=all", "--json", "lib"))
	sameJSON(t, "POST /api/v1/plans", offline, string(post(t, server, "/api/v1/plans", "application/json", `{"changesets":["lib"],"scope":"all"}`)))

	text, err := ask(t, planCommand(), "--sources=dir:"+s.sources(), "--scope=all", "lib")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, bbtw(t, server.URL, "plan", "--scope=all", "lib")); diff != "" {
		t.Errorf("text of buildbtw plan (-) and bbtw plan (+):\n%s", diff)
	}
	form := url.Values{"changesets": {"lib"}, "scope": {"all"}, "name": {"mine"}}
	checkPage(t, &want, post(t, server, "/buildspaces/new", "application/x-www-form-urlencoded", form.Encode()))
}

func sameJSON(t *testing.T, what, want, got string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Fatalf("%s gave no JSON: %v\n%s", what, err, got)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("buildbtw plan (-) and %s (+):\n%s", what, diff)
	}
}

// bbtw runs the client and gives what it printed.
func bbtw(t *testing.T, server string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bbtw", args...)
	cmd.Env = append(os.Environ(), "BUILDBTW_SERVER_URL="+server)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bbtw %v: %v", args, err)
	}
	return string(out)
}

func post(t *testing.T, server *cmdtest.Server, to, kind, body string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	token, err := server.Token()
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s, %v:\n%s", to, answer.Status, err, text)
	}
	return text
}

// checkPage wants a page to list the builds of a plan in their order, its
// scopes, its longest chain, its cuts and its warnings.
func checkPage(t *testing.T, plan *buildgraph.Plan, page []byte) {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	words := func(selector string) (list []string) {
		doc.Find(selector).Each(func(_ int, e *goquery.Selection) { list = append(list, strings.Join(strings.Fields(e.Text()), " ")) })
		return list
	}
	a := plan.Architectures["x86_64"]
	var builds, scopes []string
	for _, b := range a.Builds {
		builds = append(builds, b.Pkgbase)
	}
	for _, scope := range []string{"none", "direct", "all"} {
		scopes = append(scopes, fmt.Sprint(scope, plan.Scopes[scope]))
	}
	for what, lists := range map[string][2][]string{
		"builds":        {builds, words(".level-builds li b")},
		"scopes":        {scopes, words(".plan .figures > div")},
		"longest chain": {a.Chain, words(".chain-line .chain span:not(.arrow)")},
	} {
		if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
			t.Errorf("%s of the plan (-) and of the page (+):\n%s", what, diff)
		}
	}
	if cuts := words(".cut-list li b"); !slices.Equal(cuts, []string{a.Cuts[0].To, a.Cuts[0].From}) {
		t.Errorf("the page cuts %v, the plan %v", cuts, a.Cuts)
	}
	for _, w := range plan.Warnings {
		if !slices.ContainsFunc(words(".warning-list li"), func(line string) bool { return strings.Contains(line, w.Message) }) {
			t.Errorf("the page does not say %q", w.Message)
		}
	}
}

// Files that are no .SRCINFO are named and hold nothing up.
func TestPlanNamesFilesThatAreNoSrcinfo(t *testing.T) {
	t.Parallel()
	dir := srcinfoDir(t)
	for name, text := range map[string][]byte{
		"extra/huge":   bytes.Repeat([]byte("pkgdesc = much\n"), 10<<20/15),
		"extra/binary": {0x7f, 'E', 'L', 'F', 0, 1, 2, 0xff, '\n', 0},
		"extra/empty":  {},
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".SRCINFO"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := ask(t, planCommand(), "--sources=dir:"+dir, "--scope=all", "--json", "lib")
	if err != nil {
		t.Fatal(err)
	}
	var p buildgraph.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, w := range p.Warnings {
		if w.Kind == buildgraph.WarnUnreadable {
			named = append(named, w.Source)
		}
	}
	if diff := cmp.Diff([]string{"binary", "empty", "huge"}, named); diff != "" {
		t.Errorf("unreadable sources (-want +got):\n%s", diff)
	}
	if n := len(p.Architectures["x86_64"].Builds); n != 4 {
		t.Errorf("%d builds, want 4: the others are planned all the same", n)
	}
}
