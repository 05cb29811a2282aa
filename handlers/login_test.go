package handlers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers"
	"buildbtw/store"
)

// browser is a browser in which somebody is signed in.
type browser struct {
	*frame
	t      *testing.T
	cookie *http.Cookie
}

// newBrowser signs bob, a packager, in.
func newBrowser(t *testing.T, change ...func(*handlers.Deps)) *browser {
	t.Helper()
	b := &browser{t: t}
	var deps handlers.Deps
	b.frame = newFrame(t, append(change, func(d *handlers.Deps) { deps = *d })...)
	account, err := deps.Store.NoteIdentity(t.Context(), store.Identity{Issuer: "https://sso.example.org", Subject: "b", Name: "bob", Role: buildbtw.RolePackager})
	must(t, err)
	code, err := deps.Auth.NewCode(buildbtw.User{ID: account.ID, Kind: buildbtw.KindPerson, Name: "bob", Role: buildbtw.RolePackager})
	must(t, err)
	secret, err := deps.Auth.SignInWithCode(t.Context(), code, auth.Browser{})
	must(t, err)
	_, port, _ := strings.Cut(b.address, ":")
	b.cookie = &http.Cookie{Name: "buildbtw_" + port, Value: secret}
	return b
}

// do sends a form, or GETs without one. The answer is not followed.
func (b *browser) do(path string, form url.Values, headers ...string) (*http.Response, string) {
	b.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	must(b.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	must(b.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(b.t, err)
	return answer, string(text)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// formOf returns what a page's form sends unseen.
func formOf(page string) url.Values {
	form := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

const loginVerifier = "a verifier of bbtw that nobody else knows, of this login"

func loginQuery(change ...string) url.Values {
	sum := sha256.Sum256([]byte(loginVerifier))
	q := url.Values{"name": {"bbtw@laptop"}, "port": {"43210"}, "state": {"s t&a=te"}, "challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return q
}

// finishLogin exchanges a code as bbtw does and returns the status and the token.
func (b *browser) finishLogin(code, verifier string) (int, string) {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"code": code, "verifier": verifier})
	must(b.t, err)
	answer, text := b.send(b.t, "POST", "/api/v1/logins/finish", string(body), "Authorization", "")
	var finished struct {
		Token struct{ Secret, Owner string }
	}
	must(b.t, json.Unmarshal(text, &finished))
	return answer.StatusCode, finished.Token.Secret
}

func TestAllowingAProgramBesideTheBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	answer, page := b.do("/auth/cli?"+loginQuery().Encode(), nil)
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "bbtw@laptop") || !strings.Contains(page, "bob (packager)") {
		t.Fatalf("%s\n%s", answer.Status, page)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "form-action 'self' http://127.0.0.1:43210;") || !strings.Contains(policy, "frame-ancestors 'none'") || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page has %v", answer.Header)
	}
	form := formOf(page)
	form.Set("answer", "allow")
	answer, _ = b.do("/auth/cli", form)
	to, err := answer.Location()
	must(t, err)
	if answer.StatusCode != http.StatusSeeOther || to.Scheme != "http" || to.Host != "127.0.0.1:43210" || to.Path != "/" || to.Query().Get("state") != "s t&a=te" {
		t.Fatalf("%s to %s", answer.Status, to)
	}
	if status, _ := b.finishLogin(to.Query().Get("code"), "another verifier"); status != http.StatusUnauthorized {
		t.Errorf("with another verifier: %d", status)
	}
	if status, _ := b.finishLogin(to.Query().Get("code"), loginVerifier); status != http.StatusUnauthorized {
		t.Errorf("after another verifier: %d", status)
	}
	answer, _ = b.do("/auth/cli", form)
	to, err = answer.Location()
	must(t, err)
	status, secret := b.finishLogin(to.Query().Get("code"), loginVerifier)
	_, me := b.get(t, "/api/v1/me", "Authorization", "Bearer "+secret)
	if status != http.StatusOK || !strings.Contains(string(me), `"name":"bob"`) {
		t.Errorf("%d, and the token is of %s", status, me)
	}
	if status, _ := b.finishLogin(to.Query().Get("code"), loginVerifier); status != http.StatusUnauthorized {
		t.Errorf("a code that was used: %d", status)
	}
	form.Set("answer", "deny")
	answer, _ = b.do("/auth/cli", form)
	if to, err = answer.Location(); err != nil || to.Query().Get("error") != "access_denied" || to.Query().Has("code") || to.Host != "127.0.0.1:43210" {
		t.Errorf("refused: %s, %v", to, err)
	}
	for _, secret := range []string{secret, to.Query().Get("state"), loginVerifier, loginQuery().Get("challenge")} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// No answer goes anywhere but to a port of the browser's own machine, whatever the
// link says that somebody was made to follow.
func TestALoginGoesToLoopbackOnly(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, page := b.do("/auth/cli?"+loginQuery().Encode(), nil)
	for _, port := range []string{"", "0", "-1", "65536", "80@evil.example", "80.evil.example", "80/../", "80#", "80?x", " 80", "+80", "0x50", "evil.example:80", "//evil.example", "8e1", "80\r\nX: y"} {
		query := loginQuery("port", port, "redirect_uri", "http://evil.example/")
		if answer, _ := b.do("/auth/cli?"+query.Encode(), nil); answer.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("the page for port %q: %s", port, answer.Status)
		}
		form := formOf(page)
		form.Set("port", port)
		form.Set("answer", "allow")
		form.Set("redirect_uri", "http://evil.example/")
		if answer, _ := b.do("/auth/cli", form); answer.StatusCode != http.StatusUnprocessableEntity || answer.Header.Get("Location") != "" {
			t.Errorf("port %q: %s to %s", port, answer.Status, answer.Header.Get("Location"))
		}
	}
	for name, change := range map[string][]string{
		"no state": {"state", ""}, "a long state": {"state", strings.Repeat("s", 201)}, "no challenge": {"challenge", ""},
		"a plain challenge": {"challenge", loginVerifier}, "markup for a name": {"name", `"><script>alert(1)</script>`},
	} {
		answer, text := b.do("/auth/cli?"+loginQuery(change...).Encode(), nil)
		if answer.StatusCode != http.StatusUnprocessableEntity || strings.Contains(text, "<script>alert") {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}

// Only a click on our own page, by who is signed in, allows a login.
func TestALoginNeedsAClick(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	start := func() (code, userCode, address string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"name": "bbtw@server", "challenge": loginQuery().Get("challenge")})
		must(t, err)
		answer, text := b.send(t, "POST", "/api/v1/logins", string(body), "Authorization", "")
		var started struct {
			Code, URL string
			UserCode  string `json:"user_code"`
		}
		must(t, json.Unmarshal(text, &started))
		if answer.StatusCode != http.StatusCreated || answer.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s\n%s", answer.Status, text)
		}
		return started.Code, started.UserCode, started.URL
	}
	code, userCode, address := start()
	if address != b.url+"/auth/device" {
		t.Errorf("the page is %s", address)
	}
	// A change by a signed-in browser without what only our pages know, or from another
	// site, or as an address that somebody was made to open.
	_, page := b.do("/auth/cli?"+loginQuery().Encode(), nil)
	redirect, short := formOf(page), url.Values{"code": {userCode}}
	csrf := redirect.Get("csrf")
	if csrf == "" {
		t.Fatal("the form has nothing against other sites")
	}
	redirect.Set("answer", "allow")
	short.Set("answer", "allow")
	for path, form := range map[string]url.Values{"/auth/cli": redirect, "/auth/device/answer": short, "/auth/device": short} {
		for name, test := range map[string]struct {
			csrf    string
			headers []string
		}{
			"nothing": {"", nil}, "a guess": {strings.Repeat("0", len(csrf)), nil},
			"another site":   {csrf, []string{"Sec-Fetch-Site", "cross-site"}},
			"another origin": {csrf, []string{"Origin", "http://evil.example"}},
		} {
			form.Set("csrf", test.csrf)
			if answer, _ := b.do(path, form, test.headers...); answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %s", path, name, answer.Status)
			}
		}
		form.Set("csrf", csrf)
		anonymous := &browser{frame: b.frame, t: t}
		if answer, _ := anonymous.do(path, form); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s by nobody: %s", path, answer.Status)
		}
		form.Set("answer", "maybe")
		if answer, _ := b.do(path, form); path != "/auth/device" && answer.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s without an answer: %s", path, answer.Status)
		}
		form.Set("answer", "allow")
	}
	for _, path := range []string{"/auth/device/answer?answer=allow&code=" + userCode, "/auth/cli?answer=allow&" + loginQuery().Encode(), "/auth/device?code=" + userCode} {
		if answer, _ := b.do(path, nil); answer.Header.Get("Location") != "" {
			t.Errorf("%s: %s to %s", path, answer.Status, answer.Header.Get("Location"))
		}
	}
	if status, _ := b.finishLogin(code, loginVerifier); status != http.StatusOK { // it still waits
		t.Errorf("after all this: %d", status)
	}

	answer, page := b.do("/auth/device", url.Values{"code": {strings.ToLower(userCode)}, "csrf": {csrf}})
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "bbtw@server") || !strings.Contains(page, "127.0.0.1") || !strings.Contains(page, "Somebody who sent you a code") {
		t.Fatalf("%s\n%s", answer.Status, page)
	}
	form := formOf(page)
	form.Set("answer", "allow")
	if answer, page = b.do("/auth/device/answer", form); answer.StatusCode != http.StatusOK || !strings.Contains(page, "is signed in") {
		t.Fatalf("%s\n%s", answer.Status, page)
	}
	if answer, page = b.do("/auth/device/answer", form); answer.StatusCode != http.StatusNotFound || !strings.Contains(page, "no login waits for this code") {
		t.Errorf("the same code again: %s", answer.Status)
	}
	if status, secret := b.finishLogin(code, loginVerifier); status != http.StatusOK || secret == "" {
		t.Errorf("%d %q", status, secret)
	}
	code, userCode, _ = start()
	if answer, page = b.do("/auth/device/answer", url.Values{"code": {userCode}, "csrf": {csrf}, "answer": {"deny"}}); !strings.Contains(page, "was refused") {
		t.Errorf("%s\n%s", answer.Status, page)
	}
	if status, _ := b.finishLogin(code, loginVerifier); status != http.StatusForbidden {
		t.Errorf("a refused login: %d", status)
	}
}

func TestWhoIsNotSignedInSignsInFirst(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	b.cookie = nil
	for _, path := range []string{"/auth/device", "/auth/cli?" + loginQuery().Encode()} {
		answer, _ := b.do(path, nil)
		to, err := answer.Location()
		if err != nil || answer.StatusCode != http.StatusSeeOther || to.Path != "/sign-in" || to.Query().Get("next") != path || to.Host != b.address {
			t.Errorf("%s: %s to %s, %v", path, answer.Status, to, err)
		}
		_, page := b.do(to.RequestURI(), nil)
		if got := formOf(page).Get("next"); got != path {
			t.Errorf("after signing in it goes to %q", got)
		}
	}
}

// Which name the request came in under, the answer does not repeat: people are sent
// to the server's own address.
func TestTheAddressOfALoginIsTheServers(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, func(d *handlers.Deps) { d.Settings.SingleUser = false })
	body, err := json.Marshal(map[string]string{"name": "bbtw@server", "challenge": loginQuery().Get("challenge")})
	must(t, err)
	for _, headers := range [][]string{{"Host", "evil.example"}, {"X-Forwarded-Host", "evil.example"}, {"Forwarded", "host=evil.example"}, {"X-Original-URL", "http://evil.example/"}} {
		_, text := b.send(t, "POST", "/api/v1/logins", string(body), append(headers, "Authorization", "")...)
		if !strings.Contains(string(text), b.url+"/auth/device") || strings.Contains(string(text), "evil") {
			t.Errorf("%v: %s", headers, text)
		}
		answer, page := b.do("/auth/cli?"+loginQuery().Encode(), nil, headers...)
		if strings.Contains(page, "evil") || answer.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", headers, answer.Status)
		}
	}
}
