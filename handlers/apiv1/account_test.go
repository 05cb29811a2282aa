package apiv1_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/handlers"
	"buildbtw/store"
)

// accounts is a server with people who have tokens.
type accounts struct {
	*server
	auth *auth.Auth
	log  *journal
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{log: &journal{}}
	a.server = newServer(t, func(d *handlers.Deps) {
		a.auth = d.Auth
		d.Log = slog.New(slog.NewTextHandler(a.log, nil))
	})
	return a
}

// person returns a token and the id of the account of somebody with a role.
func (a *accounts) person(name string, role buildbtw.Role) (token, account string) {
	a.t.Helper()
	made, err := a.store.NoteIdentity(a.t.Context(), store.Identity{Issuer: "https://sso.example.org", Subject: name, Name: name, Role: role})
	a.must(err)
	_, token, err = a.auth.CreateToken(a.t.Context(), auth.Caller{User: buildbtw.User{ID: made.ID, Kind: "person", Name: name, Role: role}}, auth.NewToken{
		Kind: "person", Name: name + "-first", Role: role,
	})
	a.must(err)
	return token, fmt.Sprint(made.ID)
}

// try sends in with a token and returns the answer.
func (a *accounts) try(token, method, path string, in any) answer {
	a.t.Helper()
	var body []byte
	if in != nil {
		body = a.json(in)
	}
	return a.as(token, method, path, body)
}

// want is try that wants a status and reads the answer into out.
func (a *accounts) want(status int, token, method, path string, in, out any) answer {
	a.t.Helper()
	got := a.try(token, method, path, in)
	if got.StatusCode != status {
		a.t.Fatalf("%s %s: %s, want %d\n%s", method, path, got.Status, status, got.body)
	}
	if out != nil {
		a.must(json.Unmarshal(got.body, out))
	}
	return got
}

func tokenNames(page api.Page[api.Token]) string {
	var all []string
	for _, t := range page.Items {
		all = append(all, t.Owner+":"+t.Name)
	}
	return strings.Join(all, " ")
}

func TestTokensAreOfTheirOwners(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, _ := a.person("bob", buildbtw.RolePackager)
	eve, _ := a.person("eve", buildbtw.RolePackager)
	var made api.CreatedToken
	before := time.Now()
	a.want(http.StatusCreated, bob, "POST", "/tokens", api.NewToken{Name: "cron", Role: "reader", ExpiresIn: 3600}, &made)
	if made.Owner != "bob" || made.Kind != "person" || made.Role != "reader" || made.ExpiresAt.Sub(before).Round(time.Minute) != time.Hour || made.CreatedBy != "bob" {
		t.Errorf("made %+v", made.Token)
	}
	var me api.Me
	a.want(http.StatusOK, made.Secret, "GET", "/me", nil, &me)
	if me.Name != "bob" || me.Role != "reader" || me.Kind != "person" || me.Token == nil || me.Token.ID != made.ID || me.Token.Owner != "bob" {
		t.Errorf("the token is of %+v", me)
	}
	var own, all api.Page[api.Token]
	a.want(http.StatusOK, bob, "GET", "/tokens", nil, &own)
	if got := tokenNames(own); got != "bob:bob-first bob:cron" {
		t.Errorf("bob sees %s", got)
	}
	a.wantProblem(a.try(bob, "GET", "/tokens?all=true", nil), http.StatusForbidden, "administrator")
	a.want(http.StatusOK, adminToken, "GET", "/tokens?all=true", nil, &all)
	if got := tokenNames(all); got != "bob:bob-first bob:cron eve:eve-first" {
		t.Errorf("the administrator sees %s", got)
	}
	var first, second api.Page[api.Token]
	a.want(http.StatusOK, adminToken, "GET", "/tokens?all=true&limit=2", nil, &first)
	a.want(http.StatusOK, adminToken, "GET", "/tokens?all=true&limit=2&cursor="+first.Cursor, nil, &second)
	if d := cmp.Diff(all.Items, append(first.Items, second.Items...), cmp.Transformer("use", func(api.Token) string { return "" })); d != "" || second.Cursor != "" {
		t.Errorf("pages: %s", d)
	}

	a.wantProblem(a.try(eve, "DELETE", "/tokens/"+made.ID, nil), http.StatusNotFound)
	for _, id := range []string{"0", "-1", "x", "999", "1e3", "%2e%2e", "99999999999999999999"} {
		a.wantProblem(a.try(adminToken, "DELETE", "/tokens/"+id, nil), http.StatusNotFound)
	}
	a.want(http.StatusOK, made.Secret, "GET", "/me", nil, nil)
	a.want(http.StatusNoContent, bob, "DELETE", "/tokens/"+made.ID, nil, nil)
	a.wantProblem(a.try(made.Secret, "GET", "/me", nil), http.StatusUnauthorized, "cron was revoked", "bbtw auth login")
	a.wantProblem(a.try(bob, "DELETE", "/tokens/"+made.ID, nil), http.StatusNotFound)
	for _, token := range all.Items {
		if token.Name == "eve-first" {
			a.want(http.StatusNoContent, adminToken, "DELETE", "/tokens/"+token.ID, nil, nil)
		}
	}
	a.wantProblem(a.try(eve, "GET", "/me", nil), http.StatusUnauthorized, "eve-first was revoked")
}

func TestWhoMakesWhichTokens(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, _ := a.person("bob", buildbtw.RolePackager)
	var bot, botAdmin, worker api.CreatedToken
	a.want(http.StatusCreated, adminToken, "POST", "/tokens", api.NewToken{Kind: "bot", Name: "ci"}, &bot)
	a.want(http.StatusCreated, adminToken, "POST", "/tokens", api.NewToken{Kind: "bot", Name: "ansible", Role: "admin"}, &botAdmin)
	a.want(http.StatusCreated, botAdmin.Secret, "POST", "/tokens", api.NewToken{Kind: "worker", Name: "w1", Architectures: []string{"x86_64"}, Labels: []string{"big"}}, &worker)
	if worker.ExpiresAt != nil || worker.Role != "worker" || worker.CreatedBy != "bot/ansible" || worker.Owner != "" || len(worker.Labels) != 1 {
		t.Errorf("the worker's token is %+v", worker.Token)
	}
	if bot.ExpiresAt == nil || bot.Role != "packager" {
		t.Errorf("the bot's token is %+v", bot.Token)
	}
	for name, test := range map[string]struct {
		by     string
		new    api.NewToken
		status int
	}{
		"a bot by a packager":       {bob, api.NewToken{Kind: "bot", Name: "x"}, http.StatusForbidden},
		"a worker by a packager":    {bob, api.NewToken{Kind: "worker", Name: "x"}, http.StatusForbidden},
		"more than a packager":      {bob, api.NewToken{Name: "x", Role: "admin"}, http.StatusForbidden},
		"a role of machines":        {bob, api.NewToken{Name: "x", Role: "worker"}, http.StatusForbidden},
		"a person by a bot":         {botAdmin.Secret, api.NewToken{Name: "x"}, http.StatusForbidden},
		"a bot by a bot":            {bot.Secret, api.NewToken{Kind: "bot", Name: "x"}, http.StatusForbidden},
		"a worker by a worker":      {worker.Secret, api.NewToken{Kind: "worker", Name: "x"}, http.StatusForbidden},
		"by all workers' token":     {workerToken, api.NewToken{Name: "x"}, http.StatusForbidden},
		"no kind that there is":     {adminToken, api.NewToken{Kind: "dog", Name: "x"}, http.StatusUnprocessableEntity},
		"no name":                   {bob, api.NewToken{}, http.StatusUnprocessableEntity},
		"a name with markup":        {bob, api.NewToken{Name: "<script>"}, http.StatusUnprocessableEntity},
		"of the past":               {bob, api.NewToken{Name: "x", ExpiresIn: -1}, http.StatusUnprocessableEntity},
		"longer than a year":        {bob, api.NewToken{Name: "x", ExpiresIn: 400 * 24 * 3600}, http.StatusUnprocessableEntity},
		"longer than time":          {adminToken, api.NewToken{Kind: "worker", Name: "x", ExpiresIn: 1 << 62}, http.StatusUnprocessableEntity},
		"a person with labels":      {bob, api.NewToken{Name: "x", Labels: []string{"big"}}, http.StatusUnprocessableEntity},
		"an architecture of a path": {adminToken, api.NewToken{Kind: "worker", Name: "x", Architectures: []string{"../x"}}, http.StatusUnprocessableEntity},
		"the same worker again":     {adminToken, api.NewToken{Kind: "worker", Name: "w1"}, http.StatusConflict},
	} {
		if got := a.try(test.by, "POST", "/tokens", test.new); got.StatusCode != test.status || bytes.Contains(got.body, []byte("secret")) {
			t.Errorf("%s: %s, want %d\n%s", name, got.Status, test.status, got.body)
		}
	}
	a.wantProblem(a.try(bot.Secret, "GET", "/tokens", nil), http.StatusForbidden, "ci is no person")
	var all api.Page[api.Token]
	a.want(http.StatusOK, botAdmin.Secret, "GET", "/tokens", nil, &all) // it has none of its own
	if got := tokenNames(all); got != ":ansible :ci bob:bob-first :w1" {
		t.Errorf("an administrator's bot sees %s", got)
	}
}

// The secret of a token is in the answer that makes it, and nowhere afterwards.
func TestASecretIsToldOnce(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, account := a.person("bob", buildbtw.RolePackager)
	secrets := []string{bob}
	for _, n := range []api.NewToken{{Kind: "person", Name: "p"}, {Kind: "bot", Name: "b"}, {Kind: "worker", Name: "w"}} {
		var made api.CreatedToken
		got := a.want(http.StatusCreated, adminToken, "POST", "/tokens", n, &made)
		if len(made.Secret) < 26 || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %q, Cache-Control %q", n.Kind, made.Secret, got.Header.Get("Cache-Control"))
		}
		secrets = append(secrets, made.Secret)
		a.want(http.StatusOK, made.Secret, "GET", "/me", nil, nil)
	}
	cookie := a.signIn(bob)
	secrets = append(secrets, cookie.Value)
	var told strings.Builder
	for _, path := range []string{"/tokens", "/tokens?all=true", "/sessions", "/sessions?account=" + account, "/accounts", "/audit", "/audit?format=jsonl", "/me", "/events"} {
		told.Write(a.want(http.StatusOK, adminToken, "GET", path, nil, nil).body)
	}
	told.WriteString(a.log.String())
	for _, secret := range secrets {
		hash := sha256.Sum256([]byte(secret))
		for _, text := range []string{secret, strings.TrimLeft(secret, "bpws_"), base64.StdEncoding.EncodeToString(hash[:]), hex.EncodeToString(hash[:])} {
			if strings.Contains(told.String(), text) {
				t.Errorf("%s is told again", text)
			}
		}
	}
	if !strings.Contains(told.String(), `"action":"create token"`) {
		t.Error("the audit does not tell of tokens")
	}
}

// signIn signs a browser in as the owner of a token and returns its cookie.
func (a *accounts) signIn(token string) *http.Cookie {
	a.t.Helper()
	var code api.SignInCode
	a.want(http.StatusCreated, token, "POST", "/sign-in-codes", nil, &code)
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url+"/sign-in", strings.NewReader(url.Values{"code": {code.Code}}.Encode()))
	a.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Firefox of "+token[:5])
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	a.must(err)
	defer response.Body.Close()
	if cookies := response.Cookies(); response.StatusCode == http.StatusSeeOther && len(cookies) == 1 {
		return cookies[0]
	}
	a.t.Fatalf("sign in: %s", response.Status)
	return nil
}

func TestSessionsAreOfTheirOwners(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, bobs := a.person("bob", buildbtw.RolePackager)
	eve, _ := a.person("eve", buildbtw.RolePackager)
	cookie := a.signIn(bob)
	a.signIn(eve)
	inBrowser := func(method, path string) answer {
		t.Helper()
		r := a.request(method, path, nil)
		r.Header.Del("Authorization")
		r.AddCookie(cookie)
		return a.do(r)
	}
	var page, other api.Page[api.Session]
	a.must(json.Unmarshal(inBrowser("GET", "/sessions").body, &page))
	if len(page.Items) != 1 || !page.Items[0].Current || page.Items[0].Address != "127.0.0.1" || page.Items[0].UserAgent == "" {
		t.Fatalf("bob's browser sees %+v", page.Items)
	}
	id := page.Items[0].ID
	a.wantProblem(a.try(eve, "GET", "/sessions?account="+bobs, nil), http.StatusForbidden)
	a.want(http.StatusOK, adminToken, "GET", "/sessions?account="+bobs, nil, &other)
	if len(other.Items) != 1 || other.Items[0].ID != id || other.Items[0].Current {
		t.Errorf("the administrator sees %+v", other.Items)
	}
	a.wantProblem(a.try(eve, "DELETE", "/sessions/"+id, nil), http.StatusNotFound)
	a.wantProblem(inBrowser("DELETE", "/sessions/"+id), http.StatusForbidden, "lacks the token of our forms") // without what only our pages know
	a.want(http.StatusNoContent, bob, "DELETE", "/sessions/"+id, nil, nil)
	if got := inBrowser("GET", "/sessions"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session goes on: %s", got.Status)
	}
}

func TestAnAdministratorEndsSomebodysAccess(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, account := a.person("bob", buildbtw.RolePackager)
	a.signIn(bob)
	a.wantProblem(a.try(bob, "GET", "/accounts", nil), http.StatusForbidden)
	a.wantProblem(a.try(bob, "POST", "/accounts/"+account+"/end-access", nil), http.StatusForbidden)
	var page api.Page[api.Account]
	a.want(http.StatusOK, adminToken, "GET", "/accounts", nil, &page)
	found := map[string]buildbtw.Role{}
	for _, account := range page.Items {
		found[account.Name+" of "+account.Issuer] = account.Role
	}
	if d := cmp.Diff(map[string]buildbtw.Role{"anna of local": "admin", "bob of https://sso.example.org": "packager"}, found); d != "" {
		t.Error(d)
	}
	var ended api.EndedAccess
	a.want(http.StatusOK, adminToken, "POST", "/accounts/"+account+"/end-access", nil, &ended)
	if ended != (api.EndedAccess{Sessions: 1, Tokens: 1}) {
		t.Errorf("ended %+v", ended)
	}
	a.wantProblem(a.try(bob, "GET", "/me", nil), http.StatusUnauthorized, "revoked")
	a.wantProblem(a.try(adminToken, "POST", "/accounts/999/end-access", nil), http.StatusNotFound)
}

func TestAuditForExport(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	bob, _ := a.person("bob", buildbtw.RolePackager)
	for i := range 1100 { // more than two pages of the store
		a.must(a.store.RecordAudit(t.Context(), buildbtw.AuditEntry{
			Actor: []string{"bob", "eve"}[i%2], Action: "stop buildspace", Object: fmt.Sprint("space-", i), Address: "192.0.2.7", Detail: "line\nline <b>",
		}))
	}
	for _, path := range []string{"/audit", "/audit?format=jsonl"} {
		a.wantProblem(a.try(bob, "GET", path, nil), http.StatusForbidden)
	}
	var paged []api.AuditEntry
	for cursor := ""; ; {
		var page api.Page[api.AuditEntry]
		a.want(http.StatusOK, adminToken, "GET", "/audit?actor=eve&limit=200&cursor="+cursor, nil, &page)
		paged = append(paged, page.Items...)
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	read := func(path string, headers ...string) (all []api.AuditEntry) {
		t.Helper()
		response := a.open(path, headers...)
		if got := response.Header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("%s is %s", path, got)
		}
		text, err := io.ReadAll(response.Body)
		a.must(err)
		for line := range strings.Lines(string(text)) {
			var e api.AuditEntry
			a.must(json.Unmarshal([]byte(line), &e))
			all = append(all, e)
		}
		return all
	}
	whole := read("/audit?actor=eve", "Accept", "application/x-ndjson")
	if d := cmp.Diff(paged, whole); d != "" || len(whole) != 550 || whole[0].Object != "space-1099" || whole[549].Object != "space-1" || whole[0].Detail != "line\nline <b>" {
		t.Errorf("%d lines; pages and lines differ: %s", len(whole), d)
	}
	since := whole[10].ID
	for _, got := range [][]api.AuditEntry{read("/audit?format=jsonl&actor=eve&since=" + since)} {
		if d := cmp.Diff(whole[:10], got); d != "" {
			t.Errorf("since %s: %s", since, d)
		}
	}
	var page api.Page[api.AuditEntry]
	a.want(http.StatusOK, adminToken, "GET", "/audit?actor=eve&since="+since, nil, &page)
	if d := cmp.Diff(whole[:10], page.Items); d != "" || page.Cursor != "" {
		t.Errorf("page since %s: %s", since, d)
	}
	a.wantProblem(a.try(adminToken, "GET", "/audit?format=csv", nil), http.StatusUnprocessableEntity, "csv")
	a.wantProblem(a.try(adminToken, "GET", "/audit?cursor=x", nil), http.StatusUnprocessableEntity, "cursor")
}

// A machine whose token is revoked while it waits for a build gets none.
func TestARevokedMachineClaimsNothing(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	var made api.CreatedToken
	a.want(http.StatusCreated, adminToken, "POST", "/tokens", api.NewToken{Kind: "worker", Name: "w1"}, &made)
	r := claimRequest("w1")
	r.Wait = api.MaxWait
	claimed := make(chan answer, 1)
	go func() { claimed <- a.as(made.Secret, "POST", "/worker/claim", a.json(r)) }()
	for waits := false; !waits; { // it is known as soon as it has looked once
		select {
		case got := <-claimed:
			t.Fatalf("it does not wait: %s\n%s", got.Status, got.body)
		default:
		}
		workers, err := a.store.Workers(t.Context())
		a.must(err)
		waits = len(workers) == 1
	}
	a.want(http.StatusNoContent, adminToken, "DELETE", "/tokens/"+made.ID, nil, nil)
	a.space("work", "libalpha")
	a.wantProblem(<-claimed, http.StatusUnauthorized, "the token w1 was revoked", "bbtw auth token create --worker w1")
	if job := a.claimAs("w2"); job.Pkgbase != "libalpha" {
		t.Errorf("another machine gets %+v", job)
	}
}

// claimAs claims with the token of all machines.
func (a *accounts) claimAs(worker string) (job api.Job) {
	a.t.Helper()
	a.want(http.StatusOK, workerToken, "POST", "/worker/claim", claimRequest(worker), &job)
	return job
}
