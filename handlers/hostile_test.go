package handlers_test

import (
	"database/sql"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// breaksOut is a text that becomes an element or an attribute where it is not
// escaped: in text, in an attribute of either quote, in a script, a comment, a
// CDATA section. lettersOf has a letter in the place of each of its signs, so that
// it takes the same way and means nothing.
const breaksOut = `zq"'><img src=x onerror=alert(1)><script>alert(1)</script>--><b>]]>&lt;i&gt;</title></textarea>javascript:alert(1)`

func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(" \r\n", r) {
			return r
		}
		return 'x'
	}, text)
}

// twins are two sites that differ in a text, which is wherever sources, packages,
// logs, machines and people can put one: breaksOut in one, lettersOf it in the other.
type twins struct {
	sites [2]*site
	texts [2]string
	sql   [2]*sql.DB
	real  *strings.Replacer // puts names that are there into the path of a route
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	w := &twins{texts: [2]string{breaksOut, lettersOf(breaksOut)}}
	for i, text := range w.texts {
		sources := map[string]string{"broken": "pkgbase = broken\n" + text + "\n", text: ""}
		for slug, lines := range map[string]string{"lib": "\tprovides = liblib.so=1-64\n\npkgname = lib\n", "app": "\tdepends = liblib.so\n\tmakedepends = lib\n\npkgname = app\n"} {
			sources[slug] = "pkgbase = " + slug + "\n\tpkgdesc = " + text + "\n\turl = " + text + "\n\tpkgver = 1.0\n\tpkgrel = 1\n\tarch = x86_64\n\tlicense = " + text +
				"\n\tgroups = " + text + "\n\tsource = https://example.org/" + text + "\n\tnoextract = " + text + "\n\tbackup = etc/" + text + "\n\tvalidpgpkeys = " + text + "\n\toptdepends = x: " + text + "\n" + lines
		}
		delete(sources, text) // a slug is checked; the database is filled below
		// A scrape of the metrics writes to the database, whose rows the tests spoil: what holds
		// of rows is looked at once, before that.
		s := newSiteOn(t, storetest.NewWith(t, func(o *store.Options) { o.CanCompare, o.AfterCommit = true, nil }), sources)
		w.sites[i] = s
		space := s.db.NewBuildspace(t, "lib")
		plan := storetest.Plan("lib", "app: lib", "tool: app")
		s.db.Iterate(t, space, plan)
		c := s.db.Claim(t, "w1")
		s.append(t, c, 0, "make\n"+text+"\n\x1b[1;31m"+text+"\x1b[0m\nsrc/a.c:1:2: error: "+text+"\n\x1b]8;;javascript:alert(1)\x07"+text+"\x1b]8;;\x07\n")
		s.db.Finish(t, c)
		c = s.db.Claim(t, "w1")
		s.append(t, c, 0, "src/a.c:1:2: error: "+text+"\n==> ERROR: "+text+"\n")
		s.db.End(t, c, buildbtw.OutcomeFailed)
		dir := filepath.Join(s.dir, "lib_1", "os", "x86_64")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "lib-1.0-1-x86_64.pkg.tar.zst"), packageOf(t, "pkgname = lib\npkgver = 1.0-1\npkgdesc = "+text+"\nurl = "+text+
			"\nlicense = "+text+"\ngroup = "+text+"\npackager = "+text+"\narch = x86_64\nxdata = x="+text+"\noptdepend = x: "+text+"\n"), 0o600))
		anna := s.signIn(t, text)
		s.request(t, http.MethodGet, "/account", nil, anna...).wantsStatus(t, http.StatusOK)
		db, err := sql.Open("sqlite", "file:"+s.db.Path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(0)")
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		w.sql[i] = db
		s.db.Check(t)
		s.fillTables(t, db)
	}
	app := w.sites[0].build(t, "app")
	w.real = strings.NewReplacer("/workers/:name", "/workers/w1", "/workers/named/:name", "/workers/named/w1", ":repository", "lib_1", ":architecture", "x86_64", ":list", "added", ":name", "lib", ":id", strconv.FormatInt(app.ID, 10), ":number", "1", ":arch", "x86_64", ":worker", "w1", ":slug", "lib", ":pkgname", "lib",
		":file", "app.css", ":side", "dependents")
	return w
}

// fillTables puts a row into each table that what the twins did has left empty.
func (s *site) fillTables(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, insert := range []string{
		`INSERT INTO iteration_warnings (iteration_id, kind, source, message) SELECT id, 'cycle', 'lib', 'm' FROM iterations`,
		`INSERT INTO source_groups (name, message) VALUES ('g', 'm')`,
		`INSERT INTO mirrored_projects (id, group_name, slug, path, ssh_url, ci_config_path, active_at, message, ci_message) VALUES (1, 'g', 'lib', 'g/lib', 'u', 'c', '2026-03-01', 'm', 'm')`,
	} {
		if _, err := db.ExecContext(t.Context(), insert); err != nil {
			t.Logf("%s: %v", insert, err)
		}
	}
	for _, e := range []buildbtw.AuditEntry{{Actor: "anna", Action: "stop buildspace", Object: "lib", Address: "192.0.2.1", Detail: "d"}} {
		must(t, s.db.RecordAudit(t.Context(), e))
	}
	_, err := s.db.NoteIdentity(t.Context(), store.Identity{Issuer: "https://id.example", Subject: "s", Name: "bob", Role: buildbtw.RolePackager})
	must(t, err)
	until := s.db.Clock.Now().Add(time.Hour)
	_, err = s.db.CreateToken(t.Context(), store.Acting{Name: "anna"}, buildbtw.Token{Kind: buildbtw.KindBot, Name: "bot", Role: buildbtw.RoleReader, Hash: []byte(strings.Repeat("x", 32)), ExpiresAt: &until, CreatedBy: "anna"})
	must(t, err)
}

// look asks both sites for the same, and compares what the two answers are made of.
// The paths may differ in the text only. It reports whether the text was in the answer.
func (w *twins) look(t *testing.T, what string, paths [2]string, header ...string) (shown bool) {
	t.Helper()
	var made [2][]string
	var status [2]int
	for i, s := range w.sites {
		status[i], made[i], shown = s.made(t, what, paths[i], header)
	}
	if status[0] != status[1] {
		t.Errorf("%s: %.200s is answered with %d, and with letters alone with %d", what, paths[0], status[0], status[1])
		return shown
	}
	if d := cmp.Diff(made[1], made[0]); d != "" {
		t.Errorf("%s: %.200s: the text made or ended an element, an attribute or a header:\n%s", what, paths[0], d)
	}
	return shown
}

// made returns the status of an answer and what it is made of besides text: the
// names of its headers, and elements with the names of their attributes.
func (s *site) made(t *testing.T, what, path string, header []string) (status int, made []string, shown bool) {
	t.Helper()
	s.db.Clock.Advance(time.Second / 50) // nobody may ask more often for long, and nothing may be left out for that
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for i := 0; i+1 < len(header); i += 2 {
		setHeader(r, header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable && !strings.HasSuffix(path, "/ready") {
		t.Errorf("%s: %s was not looked at: %s", what, path, answer.Status)
	}
	names := slices.Sorted(maps.Keys(answer.Header))
	made = append(made, strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == "Etag" || n == "Content-Length" || n == "Transfer-Encoding" }), " "))
	if answer.Header.Get("X-Injected") != "" {
		t.Errorf("%s: %.200s: a line of it became a header", what, path)
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if kind == "text/event-stream" {
		return answer.StatusCode, made, false // goes on for ever, and is no page
	}
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	switch {
	case kind == "text/html":
		document, err := goquery.NewDocumentFromReader(strings.NewReader(string(body)))
		must(t, err)
		made = append(made, elements(t, what+": "+path, document)...)
	case strings.HasSuffix(kind, "xml"):
		decoder := xml.NewDecoder(strings.NewReader(string(body)))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %s is no well-formed XML: %v", what, path, err)
				break
			}
			if start, ok := token.(xml.StartElement); ok {
				names := []string{start.Name.Local}
				for _, a := range start.Attr {
					names = append(names, a.Name.Local)
					checkURL(t, what+": "+path, a.Name.Local, a.Value)
				}
				made = append(made, strings.Join(names, " "))
			}
		}
	case strings.HasSuffix(kind, "json"):
		if !json.Valid(body) {
			t.Errorf("%s: %s is no JSON", what, path)
		}
	case answer.Header.Get("X-Content-Type-Options") != "nosniff":
		t.Errorf("%s: %s: a browser may take %s for a page", what, path, kind)
	}
	return answer.StatusCode, made, strings.Contains(string(body), "zq")
}

// elements returns the elements of a page with the names of their attributes.
func elements(t *testing.T, where string, page *goquery.Document) (all []string) {
	t.Helper()
	for n := range page.Nodes[0].Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		names := []string{}
		for _, a := range n.Attr {
			names = append(names, a.Key)
			checkURL(t, where, a.Key, a.Val)
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
				t.Errorf("%s: %s has the attribute %s", where, n.Data, a.Key)
			}
		}
		slices.Sort(names)
		all = append(all, n.Data+" "+strings.Join(names, " "))
	}
	return all
}

// checkURL refuses addresses at which a browser runs what stands in them.
func checkURL(t *testing.T, where, attribute, value string) {
	t.Helper()
	scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(value, "\x00\t\n\f\r ")), ":")
	switch attribute {
	case "href", "src", "action", "formaction", "hx-get", "hx-post", "data":
		if scheme == "javascript" || scheme == "vbscript" || scheme == "data" {
			t.Errorf("%s: %s=%q", where, attribute, value)
		}
	}
}

// pages are the routes that answer with something for a browser.
func pages(app *handlers.App) (paths []string) {
	for _, route := range app.Routes() {
		archive := strings.HasSuffix(route.Path, "/source")
		if route.Method == http.MethodGet && !strings.HasPrefix(route.Path, "/static/") && !strings.HasPrefix(route.Path, "/sign-in/oidc") && !archive {
			paths = append(paths, route.Path)
		}
	}
	return paths
}

// TestTextsStayText looks at every page of a site whose sources, packages, logs and
// browsers say what breaks out of text, and then puts it into every text of the
// database, a table at a time: whoever wrote a text, wherever it is shown, it makes
// no element, no attribute and no header.
func TestTextsStayText(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	shown := 0
	for _, path := range pages(w.sites[0].app) {
		at := w.real.Replace(path)
		if strings.Contains(at, ":") {
			t.Errorf("%s is not looked at: newTwins does not say what is there", path)
		}
		if w.look(t, "sources and logs", [2]string{at, at}) {
			shown++
		}
	}
	if shown < 10 {
		t.Errorf("the text is on %d pages only", shown)
	}
	if testing.Short() {
		return
	}
	tables := textColumns(t, w.sql[0])
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		columns := tables[table]
		changed := 0
		for _, c := range columns {
			var errs [2]error
			for i := range w.sql {
				errs[i] = w.put(t, i, table, c)
			}
			if (errs[0] == nil) != (errs[1] == nil) {
				t.Errorf("%s.%s: %v", table, c, errs)
			}
			if errs[0] == nil {
				changed++
			}
		}
		shown := 0
		for _, path := range pages(w.sites[0].app) {
			if strings.HasPrefix(path, "/api/") && !strings.Contains(path, "events") && !strings.Contains(path, "audit") {
				continue // JSON, which has one writer
			}
			at := w.real.Replace(path)
			if w.look(t, table, [2]string{at, at}) {
				shown++
			}
		}
		t.Logf("%s: %d of %d texts, on %d pages", table, changed, len(columns), shown)
	}
}

// put appends the text of a site to a column, in every row; to a list in JSON as its
// last element.
func (w *twins) put(t *testing.T, site int, table, column string) error {
	_, err := w.sql[site].ExecContext(t.Context(), fmt.Sprintf(
		`UPDATE "%s" SET "%s" = CASE WHEN json_valid("%s") AND "%s" LIKE '[%%' THEN json_insert("%s", '$[#]', ?) WHEN "%s" LIKE '{%%' THEN "%s" ELSE "%s" || ? END`,
		table, column, column, column, column, column, column, column), w.texts[site], w.texts[site])
	return err
}

// addressed are the columns by which the test's requests name things and callers.
func addressed(table, column string) bool {
	return table == "buildspaces" && column == "name" || table == "builds" && column == "architecture" || table == "accounts" && column == "subject" || column == "commit_id"
}

// textColumns are the columns of each table that hold text.
func textColumns(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name <> 'schema_migrations' AND c.type = 'TEXT'`)
	must(t, err)
	defer rows.Close()
	all := map[string][]string{}
	for rows.Next() {
		var table, column string
		must(t, rows.Scan(&table, &column))
		if !addressed(table, column) {
			all[table] = append(all[table], column)
		}
	}
	must(t, rows.Err())
	return all
}

// TestWhatIsAskedForStaysText puts what breaks out, and line ends, into every part of
// every address: each parameter of each path, and each parameter that any page
// reads, by the names that stand in the code.
func TestWhatIsAskedForStaysText(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	asked := [2]string{breaksOut + "\r\nX-Injected: zq\r\n\r\n"}
	asked[1] = lettersOf(asked[0])
	for _, path := range pages(w.sites[0].app) {
		for _, name := range regexp.MustCompile(`:\w+`).FindAllString(path, -1) {
			var at [2]string
			for i := range at {
				at[i] = w.real.Replace(strings.Replace(path, name, url.PathEscape(asked[i]), 1))
			}
			w.look(t, name, at)
			w.look(t, name, at, "Accept", "text/html", "HX-Request", "true")
		}
	}
	for _, name := range parameterNames(t) {
		for _, path := range pages(w.sites[0].app) {
			var at [2]string
			for i := range at {
				at[i] = w.real.Replace(path) + "?" + url.Values{name: {asked[i]}}.Encode()
			}
			w.look(t, name, at)
		}
	}
}

// parameterNames are the parameters of addresses that the package's code names.
func parameterNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	must(t, err)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		must(t, err)
		for _, m := range regexp.MustCompile(`(?:Query|QueryInt|QueryBool|oneOf|queryInt)\((?:c, )?"(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	for _, name := range []string{"line", "limit", "server", "topic"} { // whose names the code has in variables
		found[name] = true
	}
	if len(found) < 8 || !found["q"] || !found["cursor"] {
		t.Fatalf("parameters: %v", found)
	}
	return slices.Sorted(maps.Keys(found))
}

// TestPathsLeadNowhere puts what could lead out of a directory into each parameter of
// every route and sends it with the route's method: nothing is found, nothing is
// changed, and no answer has a line of a file or a directory of the server.
func TestPathsLeadNowhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	s.get(t, "/") // makes the account of anna
	before := everythingStored(t, s.db.Store)
	for _, route := range s.app.Routes() {
		if route.Method == http.MethodHead || route.Method == http.MethodOptions {
			continue
		}
		token := adminToken
		if strings.HasPrefix(route.Path, "/api/v1/worker/") {
			token = workerToken
		}
		for _, name := range regexp.MustCompile(`:\w+`).FindAllString(route.Path, -1) {
			for _, to := range []string{
				"..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "%2fetc%2fpasswd", "..%5c..%5cetc", "%252e%252e%252fetc%252fpasswd", "passwd%00.css", "-rf", "%7e", ".git%2fconfig",
				"%c0%ae%c0%ae%2f", "file%3a%2f%2f%2fetc%2fpasswd", strings.Repeat("a", 4000),
			} {
				path := regexp.MustCompile(`:\w+`).ReplaceAllString(strings.Replace(route.Path, name, to, 1), "1")
				r, err := http.NewRequestWithContext(t.Context(), route.Method, s.url+path, strings.NewReader(""))
				must(t, err)
				r.URL = &url.URL{Scheme: "http", Host: s.address, Opaque: "//" + s.address + path}
				r.Header.Set("Authorization", "Bearer "+token)
				client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				answer, err := client.Do(r)
				if err != nil {
					t.Fatal(errors.Join(fmt.Errorf("%s %s", route.Method, path), err))
				}
				text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
				answer.Body.Close()
				must(t, err)
				if answer.StatusCode >= 500 || answer.StatusCode < 300 && !strings.HasPrefix(path, "/search") && to != ".." && to != "%2e%2e" {
					t.Errorf("%s %s: %d %.200s", route.Method, path, answer.StatusCode, text)
				}
				if strings.Contains(string(text), "root:x:") || strings.Contains(string(text), filepath.Dir(s.dir)) {
					t.Errorf("%s %s: %.300s", route.Method, path, text)
				}
			}
		}
	}
	if d := cmp.Diff(before, everythingStored(t, s.db.Store)); d != "" {
		t.Errorf("something was changed:\n%s", d)
	}
}
