package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers"
	"buildbtw/store"
)

// need is what a route asks of its caller.
type need string

const (
	needNothing  need = "nothing"
	needRead     need = "to read"
	needChange   need = "to change"
	needClaim    need = "to claim"
	needAdmin    need = "to administer"
	needAccount  need = "an account"
	needTokens   need = "to manage tokens" // own ones, or those of machines
	needWhole    need = "to change the own access, not with a token for less"
	needWholeAPI need = "the same or, of a bot, to change others' access"
	needAnyToken need = "what --repo-read says"
	needSecret   need = "a secret of its own" // apiv1 tests it
)

// needOf says what a route must ask for. Whoever adds a route need not come here: it
// has to ask for the right to read or, with a method that changes something, for
// the right to change, unless it is named here as an exception.
func needOf(method, path string) need {
	reads := method == http.MethodGet || method == http.MethodHead
	if method == http.MethodHead {
		method = http.MethodGet
	}
	exceptions := map[string]need{
		"GET /static/:file": needNothing, "GET /favicon.ico": needNothing,
		"GET /api/v1/health": needNothing, "GET /api/v1/ready": needNothing, "GET /api/v1/openapi.json": needNothing,
		"GET /sign-in": needNothing, "POST /sign-in": needNothing, "GET /sign-in/oidc": needNothing, "GET /sign-in/oidc/callback": needNothing, "POST /sign-out": needNothing,
		"POST /api/v1/webhooks/gitlab":                 needSecret,
		"GET /repo/:repository/os/:architecture/:file": needAnyToken, "GET /repo/latest/:name/os/:architecture/:file": needAnyToken,
		"GET /buildspaces/new": needChange, "GET /buildspaces/new/name": needChange, "GET /buildspaces/:name/edit": needChange,
		"POST /api/v1/plans": needRead, "POST /api/v1/plans/explain": needRead, "POST /api/v1/names": needRead, // store nothing
		"POST /workers/:name/resume": needAdmin, "POST /api/v1/workers/:worker/resume": needAdmin,
		"POST /workers/:name/drain": needAdmin, "POST /api/v1/workers/:worker/drain": needAdmin,
		"POST /workers/:name/forget": needAdmin, "DELETE /api/v1/workers/:worker": needAdmin,
		"POST /retention/remove-orphans": needAdmin, "POST /builds/:id/abandon": needAdmin, "POST /api/v1/builds/:id/abandon": needAdmin,
		"POST /api/v1/sign-in-codes": needAccount, "GET /api/v1/sessions": needAccount,
		"GET /auth/cli": needAccount, "POST /auth/cli": needAccount, "GET /auth/device": needAccount, "POST /auth/device": needAccount, "POST /auth/device/answer": needAccount,
		"POST /api/v1/logins": needNothing, "POST /api/v1/logins/finish": needNothing, // somebody allows them in a browser
		"GET /api/v1/tokens": needTokens, "POST /api/v1/tokens": needTokens, "DELETE /api/v1/tokens/:id": needWholeAPI, "DELETE /api/v1/sessions/:id": needWholeAPI,
		"GET /notifications": needTokens, "GET /api/v1/notifications/channels": needTokens, // own ones, or those of the server
		"GET /api/v1/notifications/deliveries":  needAccount, // those of the server are for administrators
		"POST /notifications/channels/:id/test": needTokens, "POST /notifications/deliveries/:id/replay": needTokens,
		"POST /api/v1/notifications/channels/:id/test": needTokens, "POST /api/v1/notifications/deliveries/:id/replay": needTokens,
		"POST /notifications/channels": needAccount, "POST /notifications/channels/:id/confirm": needAccount, "POST /notifications/channels/:id/remove": needAccount,
		"POST /api/v1/notifications/channels": needAccount, "POST /api/v1/notifications/channels/:id/confirm": needAccount, "DELETE /api/v1/notifications/channels/:id": needAccount,
		"POST /buildspaces/:name/follow": needAccount, "PUT /api/v1/buildspaces/:name/follow": needAccount, "GET /api/v1/buildspaces/:name/follow": needAccount,
		"GET /api/v1/retention/orphans": needAdmin, "POST /api/v1/retention/remove-orphans": needAdmin,
		"POST /base/:name/:architecture/accept": needAdmin, "POST /api/v1/base/:name/:architecture/accept": needAdmin,
		"GET /api/v1/accounts": needAdmin, "POST /api/v1/accounts/:id/end-access": needAdmin, "GET /api/v1/audit": needAdmin,
	}
	switch {
	case strings.HasPrefix(path, "/account/"):
		return needWhole
	case path == "/account":
		return needAccount
	case strings.HasPrefix(path, "/admin"):
		return needAdmin
	}
	switch n, found := exceptions[method+" "+path]; {
	case found:
		return n
	case strings.HasPrefix(path, "/api/v1/worker/"):
		return needClaim
	case reads:
		return needRead
	}
	return needChange
}

// person is somebody who asks, with what he or she may do.
type person struct {
	header []string
	may    []need
	status int // of a refusal
}

// Every route, as everybody: taken from the server's own list of routes, so that a
// new one that asks for nothing fails here.
func TestEveryRouteAsEverybody(t *testing.T) {
	t.Parallel()
	proxies, err := handlers.ParseProxies([]string{"127.0.0.1"})
	must(t, err)
	s := newSite(t, func(d *handlers.Deps) { d.Proxies = proxies })
	failed, _ := s.failing(t)
	gate := newAuth(s.db.Store, s.db.Clock.Now, true)
	admin, err := gate.Who(t.Context(), auth.Credentials{Bearer: adminToken})
	must(t, err)
	token := func(n auth.NewToken) []string {
		_, secret, err := gate.CreateToken(t.Context(), admin, n)
		must(t, err)
		return []string{"Authorization", "Bearer " + secret}
	}
	revoked := token(auth.NewToken{Kind: buildbtw.KindBot, Name: "revoked", Role: buildbtw.RoleAdmin})
	tokens, err := s.db.Tokens(t.Context(), 0)
	must(t, err)
	must(t, gate.RevokeToken(t.Context(), admin, tokens[0].ID))

	read := []need{needNothing, needAnyToken, needRead}
	change := append(slices.Clone(read), needChange)
	everything := append(slices.Clone(change), needClaim, needAdmin, needTokens, needWholeAPI)
	people := map[string]person{
		"nobody":          {[]string{"Authorization", ""}, read, 401},
		"a guesser":       {[]string{"Authorization", "Bearer guess"}, nil, 401},
		"a revoked token": {revoked, nil, 401},
		"an old session":  {[]string{"Authorization", "", "Cookie", "buildbtw_" + s.url[strings.LastIndex(s.url, ":")+1:] + "=bbtws_old"}, read, 401},
		"a reading bot":   {token(auth.NewToken{Kind: buildbtw.KindBot, Name: "reads", Role: buildbtw.RoleReader}), read, 403},
		"a packaging bot": {token(auth.NewToken{Kind: buildbtw.KindBot, Name: "packs"}), change, 403},
		"an admin's bot":  {token(auth.NewToken{Kind: buildbtw.KindBot, Name: "rules", Role: buildbtw.RoleAdmin}), everything, 403},
		"every worker":    {[]string{"Authorization", "Bearer " + workerToken}, append(slices.Clone(read), needClaim), 403},
		"one worker":      {token(auth.NewToken{Kind: buildbtw.KindWorker, Name: "w7"}), append(slices.Clone(read), needClaim), 403},
		"an admin":        {nil, append(slices.Clone(everything), needAccount, needWhole), 403},
		"a reader":        {token(auth.NewToken{Kind: buildbtw.KindPerson, Name: "reads", Role: buildbtw.RoleReader}), append(slices.Clone(read), needAccount, needTokens), 403},
	}
	for name, p := range people { // each from elsewhere: together they are refused more often than one may be
		p.header = append(slices.Clone(p.header), "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", len(name)*10+len(p.may)))
		people[name] = p
	}
	before := everythingStored(t, s.db.Store)
	real := strings.NewReplacer(":name", "lib", ":id", strconv.FormatInt(failed.ID, 10), ":number", "1", ":arch", "x86_64", ":worker", "w1", ":slug", "lib", ":pkgname", "lib")
	for name, p := range people {
		s.db.Clock.Advance(time.Minute) // so many failures of one address are refused for a while
		for _, route := range s.app.Routes() {
			if n := needOf(route.Method, route.Path); n != needSecret && !slices.Contains(p.may, n) {
				if status := s.ask(t, route.Method, real.Replace(route.Path), p.header); status != p.status {
					t.Errorf("%s: %s %s: %d, want %d", name, route.Method, route.Path, status, p.status)
				}
			}
		}
	}
	if d := cmp.Diff(before, everythingStored(t, s.db.Store)); d != "" {
		t.Errorf("what was refused has changed something:\n%s", d)
	}
	// What is allowed is tried on names that are not there.
	for name, p := range people {
		s.db.Clock.Advance(time.Minute) // so many failures of one address are refused for a while
		for _, route := range s.app.Routes() {
			if slices.Contains(p.may, needOf(route.Method, route.Path)) {
				path := strings.ReplaceAll(strings.ReplaceAll(route.Path, ":id", "987654"), ":", "nosuch-")
				if status := s.ask(t, route.Method, path, p.header); status == 401 && path != "/sign-in" || status == 403 || status >= 500 && status != 503 {
					t.Errorf("%s: %s %s: %d, want it to be allowed", name, route.Method, route.Path, status)
				}
			}
		}
	}
}

// On a closed server nobody sees anything without signing in, but what says that the
// server is there and how to sign in.
func TestEveryRouteOfAClosedServer(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) { d.Auth = newAuth(d.Store, d.Now, false); d.Settings.ClosedRepositories = true })
	for _, route := range s.app.Routes() {
		need := needOf(route.Method, route.Path)
		allowed := need == needNothing
		status := s.ask(t, route.Method, route.Path, []string{"Authorization", ""})
		if allowed == (status == 401) && route.Path != "/sign-in" && need != needSecret {
			t.Errorf("%s %s: %d", route.Method, route.Path, status)
		}
	}
}

// ask returns the status of the answer, of which it reads no more than the head: some
// go on for ever.
func (s *site) ask(t *testing.T, method, path string, header []string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for i := 0; i < len(header); i += 2 {
		setHeader(r, header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), "/sign-in?") {
		return http.StatusUnauthorized // with the way to sign in
	}
	return answer.StatusCode
}

// everythingStored is all that a caller could change.
func everythingStored(t *testing.T, db *store.Store) any {
	t.Helper()
	spaces, _, err := db.Buildspaces(t.Context(), store.BuildspaceFilter{})
	must(t, err)
	builds, _, err := db.Builds(t.Context(), store.BuildFilter{})
	must(t, err)
	workers, err := db.Workers(t.Context())
	must(t, err)
	events, err := db.Events(t.Context(), store.EventFilter{})
	must(t, err)
	accounts, err := db.Accounts(t.Context())
	must(t, err)
	return []any{spaces, builds, workers, events, accounts}
}

// With --packagers-change own a packager changes what he or she has created, and
// nothing of others, by page and API alike.
func TestAPackagerOfOwnBuildspacesOnly(t *testing.T) {
	t.Parallel()
	who := "bob"
	s := newSite(t, func(d *handlers.Deps) {
		d.Who = func(context.Context, auth.Credentials) (auth.Caller, error) {
			return auth.Caller{User: buildbtw.User{Kind: buildbtw.KindPerson, Name: who, Role: buildbtw.RolePackager, OwnOnly: true}, Address: "192.0.2.4"}, nil
		}
	})
	failed, _ := s.failing(t)
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	id := strconv.FormatInt(failed.ID, 10)
	for _, path := range []string{"/buildspaces/lib/stop", "/builds/" + id + "/retry", "/api/v1/buildspaces/lib/cancel", "/api/v1/builds/" + id + "/retry"} {
		s.post(t, path, nil).wantsStatus(t, http.StatusForbidden)
	}
	if status := s.ask(t, http.MethodPatch, "/api/v1/buildspaces/lib", nil); status != http.StatusForbidden {
		t.Errorf("PATCH: %d", status)
	}
	page := s.get(t, "/builds/"+id)
	page.wantsNone(t, "main form[method=post]")
	if got := s.build(t, "app").Status; got != buildbtw.StatusFailed {
		t.Errorf("app is %s", got)
	}
	entries, _, err := s.db.Audit(t.Context(), "bob", "", 0)
	must(t, err)
	if len(entries) != 5 || entries[4].Action != "stop buildspace" || entries[4].Object != "lib" || entries[4].Address != "192.0.2.4" ||
		!strings.HasPrefix(entries[4].Detail, "refused: this buildspace belongs to "+row.CreatedBy) {
		t.Errorf("the audit has %+v", entries)
	}
	who = row.CreatedBy
	s.post(t, "/builds/"+id+"/retry", nil).wantsStatus(t, http.StatusSeeOther)
	entries, _, err = s.db.Audit(t.Context(), who, "", 0)
	must(t, err)
	if len(entries) != 1 || entries[0].Action != "retry build" || entries[0].Object != id || entries[0].Detail != "" {
		t.Errorf("the audit of %s has %+v", who, entries)
	}
}

// Every route that changes something, as a browser that is signed in and that another
// site makes send a form, a script's request, or either without the token of our forms.
func TestNoChangeWithACookieAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failed, _ := s.failing(t)
	anna := s.signIn(t, "Firefox")
	real := strings.NewReplacer(":name", "lib", ":id", strconv.FormatInt(failed.ID, 10), ":number", "1", ":arch", "x86_64", ":worker", "w1", ":slug", "lib", ":pkgname", "lib")
	before := everythingStored(t, s.db.Store)
	changes := 0
	for _, route := range s.app.Routes() {
		switch route.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			continue
		}
		changes++
		for what, header := range map[string][]string{
			"no token":          nil,
			"another token":     {"X-CSRF-Token", strings.Repeat("0", 32)},
			"another site":      {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
			"a host of ours":    {"Origin", s.url + ".evil.example"},
			"a sandboxed page":  {"Origin", "null"},
			"a form of old":     {"Content-Type", "text/plain"},
			"a site beside":     {"Sec-Fetch-Site", "same-site"},
			"a script's answer": {"Content-Type", "application/json", "Origin", "https://evil.example"},
		} {
			if status := s.ask(t, route.Method, real.Replace(route.Path), append(slices.Clone(anna), header...)); status != http.StatusForbidden {
				t.Errorf("%s: %s %s: %d, want 403", what, route.Method, route.Path, status)
			}
		}
	}
	if changes < 30 {
		t.Errorf("%d routes change something", changes)
	}
	if d := cmp.Diff(before, everythingStored(t, s.db.Store)); d != "" {
		t.Errorf("what was refused has changed something:\n%s", d)
	}
	s.get(t, "/account", anna...).wantsStatus(t, http.StatusOK) // nor did it sign anybody out
	answer := s.request(t, http.MethodPost, "/buildspaces/lib/stop", nil, anna...)
	answer.wantsStatus(t, http.StatusForbidden)
	answer.wants(t, "main", "lacks the token of our forms", "bbtw auth")
}

// Whoever is signed in with a cookie sends it along with whatever another site makes
// the browser send; only our own pages know the token of the form.
func TestAChangeWithACookieNeedsTheFormsToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failed, _ := s.failing(t)
	code := func() string {
		answer := s.request(t, http.MethodPost, "/api/v1/sign-in-codes", nil, "Accept", "application/json")
		answer.wantsStatus(t, http.StatusCreated)
		_, rest, _ := strings.Cut(answer.body, `"code":"`)
		secret, _, _ := strings.Cut(rest, `"`)
		return secret
	}
	signedIn := s.request(t, http.MethodPost, "/sign-in", url.Values{"code": {code()}, "next": {"//evil.example/"}}, "Authorization", "")
	signedIn.wantsStatus(t, http.StatusSeeOther)
	if to := signedIn.header.Get("Location"); to != "/" {
		t.Errorf("signing in leads to %s", to)
	}
	cookie, attributes, _ := strings.Cut(signedIn.header.Get("Set-Cookie"), ";")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "path=/"} {
		if !strings.Contains(attributes, want) {
			t.Errorf("the cookie is not %s: %s", want, attributes)
		}
	}
	anna := []string{"Authorization", "", "Cookie", cookie}
	path := "/builds/" + strconv.FormatInt(failed.ID, 10)
	form := s.get(t, path, anna...).Find("form[action='" + path + "/retry'] input[name=csrf]")
	token := form.AttrOr("value", "")
	if token == "" {
		t.Fatal("the form has no token")
	}
	for what, send := range map[string]struct {
		path   string
		form   url.Values
		header []string
		status int
	}{
		"without the token":      {path + "/retry", url.Values{}, nil, 403},
		"with another":           {path + "/retry", url.Values{"csrf": {strings.Repeat("0", 32)}}, nil, 403},
		"API without":            {"/api/v1" + path + "/retry", url.Values{}, nil, 403},
		"API with it as a field": {"/api/v1" + path + "/retry", url.Values{"csrf": {token}}, nil, 403},
		"from another site":      {path + "/retry", url.Values{"csrf": {token}}, []string{"Origin", "http://evil.example"}, 403},
		"out of a sandbox":       {path + "/retry", url.Values{"csrf": {token}}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		s.request(t, http.MethodPost, send.path, send.form, append(slices.Clone(anna), send.header...)...).wantsStatus(t, send.status)
		if got := s.build(t, "app").Status; got != buildbtw.StatusFailed {
			t.Fatalf("%s: app is %s", what, got)
		}
	}
	s.request(t, http.MethodPost, path+"/retry", url.Values{"csrf": {token}}, anna...).wantsStatus(t, http.StatusSeeOther)
	s.request(t, http.MethodPost, "/api/v1"+path+"/cancel", nil, append(slices.Clone(anna), "X-CSRF-Token", token)...).wantsStatus(t, http.StatusOK)
	s.request(t, http.MethodPost, "/sign-out", url.Values{"csrf": {token}}, anna...).wantsStatus(t, http.StatusSeeOther)
	s.request(t, http.MethodPost, path+"/retry", url.Values{"csrf": {token}}, anna...).wantsStatus(t, http.StatusUnauthorized)
}
