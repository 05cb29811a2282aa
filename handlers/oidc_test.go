package handlers_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/auth/oidctest"
	"buildbtw/handlers"
)

// newRealm returns a server and the provider with which people sign in there.
func newRealm(t *testing.T, change ...func(*handlers.Deps)) (*frame, *oidctest.Provider) {
	t.Helper()
	p, err := oidctest.Start(oidctest.Person{Name: "bob", Groups: []string{"packagers"}}, oidctest.Person{Name: "eve", Groups: []string{"<b>staff"}})
	must(t, err)
	t.Cleanup(p.Close)
	f := newFrame(t, append(change, func(d *handlers.Deps) {
		callback := d.Settings.ServerURL + "/sign-in/oidc/callback"
		p.SetRedirect(callback)
		d.Settings.SingleUser = false
		d.Auth = auth.New(auth.Config{
			Store: d.Store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Operator: "anna", OperatorToken: adminToken, AnonymousRead: true,
			OIDC: &auth.OIDC{
				Issuer: p.Issuer, Name: "Pro & Vider", ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, CallbackURL: callback,
				GroupsClaim: "groups", PackagerGroups: []string{"packagers"}, SessionKey: strings.Repeat("k", 32), Period: time.Minute,
			},
		})
	})...)
	return f, p
}

// guest is a browser that follows no redirect by itself.
type guest struct {
	*http.Client
	f *frame
}

func (f *frame) guest(t *testing.T) guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return guest{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, f}
}

// get asks for a path of the server, or any address.
func (v guest) get(t *testing.T, at string) (*http.Response, *goquery.Document) {
	t.Helper()
	if strings.HasPrefix(at, "/") {
		at = v.f.url + at
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	must(t, err)
	return v.do(t, r)
}

func (v guest) do(t *testing.T, r *http.Request) (*http.Response, *goquery.Document) {
	t.Helper()
	answer, err := v.Do(r)
	must(t, err)
	defer answer.Body.Close()
	doc, err := goquery.NewDocumentFromReader(answer.Body)
	must(t, err)
	return answer, doc
}

func said(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

// begin goes to the provider as a person and returns the way back.
func (v guest) begin(t *testing.T, p *oidctest.Provider, path, name string) (back string) {
	t.Helper()
	answer, _ := v.get(t, path)
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s answered %s", path, answer.Status)
	}
	back, err := p.Walk(t.Context(), answer.Header.Get("Location"), name)
	must(t, err)
	return back
}

func cookieOf(t *testing.T, answer *http.Response, name string) *http.Cookie {
	t.Helper()
	for _, c := range answer.Cookies() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%s sets no cookie %q but %v", answer.Request.URL, name, answer.Header["Set-Cookie"])
	return nil
}

func TestSigningInWithAProvider(t *testing.T) {
	t.Parallel()
	f, p := newRealm(t)
	v := f.guest(t)
	_, page := v.get(t, "/sign-in?next=/workers%3Fx%3D1")
	button := page.Find("main a.button")
	path, _ := button.Attr("href")
	if said(button) != "Sign in with Pro & Vider" || path != "/sign-in/oidc?next=%2Fworkers%3Fx%3D1" {
		t.Fatalf("the page leads by %q to %q", said(button), path)
	}
	answer, _ := v.get(t, path)
	name := "buildbtw_" + f.address[strings.LastIndex(f.address, ":")+1:]
	if c := cookieOf(t, answer, name+"-sign-in"); !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 || c.Path != "/" || c.Secure {
		t.Errorf("the attempt is kept in %v", c)
	}
	back, err := p.Walk(t.Context(), answer.Header.Get("Location"), "bob")
	must(t, err)
	answer, _ = v.get(t, back)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/workers?x=1" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answered %s to %q, %q", answer.Status, answer.Header.Get("Location"), answer.Header.Get("Cache-Control"))
	}
	if c := cookieOf(t, answer, name); !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != int(buildbtw.SessionLife.Seconds()) || len(c.Value) < 30 {
		t.Errorf("the session is kept in %v", c)
	}
	if c := cookieOf(t, answer, name+"-sign-in"); c.Value != "" || !c.Expires.Before(time.Now()) {
		t.Errorf("the attempt stays: %v", c)
	}
	_, page = v.get(t, "/workers")
	if text := said(page.Find("footer")); !strings.Contains(text, "Signed in as bob (packager).") {
		t.Errorf("the foot says %q", text)
	}
	if page.Find(`a[href="/buildspaces/new"]`).Length() == 0 {
		t.Error("a packager sees no way to a new buildspace")
	}
	token, _ := page.Find("footer form input").Attr("value")
	field, _ := page.Find("footer form input").Attr("name")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/sign-out", strings.NewReader(url.Values{field: {token}}.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if answer, _ := v.do(t, r); answer.StatusCode != http.StatusSeeOther && answer.StatusCode != http.StatusFound {
		t.Errorf("signing out answered %s", answer.Status)
	}
	if _, page = v.get(t, "/workers"); strings.Contains(said(page.Find("footer")), "bob") {
		t.Error("bob is still signed in")
	}
	if answer, _ := v.get(t, back); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the same way back signs in again: %s", answer.Status)
	}
}

func TestWhoIsNotSignedInIsToldWhy(t *testing.T) {
	t.Parallel()
	f, p := newRealm(t)
	refused := func(what string, v guest, at string, status int, says ...string) *goquery.Document {
		t.Helper()
		answer, page := v.get(t, at)
		alert := said(page.Find(`main [role="alert"]`))
		for _, text := range says {
			if !strings.Contains(alert, text) {
				t.Errorf("%s says %q", what, alert)
			}
		}
		if answer.StatusCode != status || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Refresh") != "" {
			t.Errorf("%s answered %s, %q, %q", what, answer.Status, answer.Header.Get("Cache-Control"), answer.Header.Get("Refresh"))
		}
		if page.Find(`main a[href^="/sign-in/oidc?"]`).Length() == 0 {
			t.Errorf("%s leads nowhere", what)
		}
		for _, c := range answer.Cookies() {
			if !strings.HasSuffix(c.Name, "-sign-in") {
				t.Errorf("%s sets %v", what, c)
			}
		}
		return page
	}
	v := f.guest(t)
	page := refused("no role", v, v.begin(t, p, "/sign-in/oidc?next=/workers", "eve"), http.StatusForbidden, "you are eve at Pro & Vider, but have no role here", "member of packagers")
	other, _ := page.Find(`main a:contains("somebody else")`).Attr("href")
	if other != "/sign-in/oidc?next=%2Fworkers&again=1" {
		t.Errorf("the way for somebody else is %q", other)
	}
	if answer, _ := v.get(t, other); !strings.Contains(answer.Header.Get("Location"), "prompt=login") {
		t.Errorf("sent to %q", answer.Header.Get("Location"))
	}
	refused("another browser", f.guest(t), v.begin(t, p, "/sign-in/oidc", "bob"), http.StatusUnauthorized, "began in this browser")
	refused("nothing", v, "/sign-in/oidc/callback", http.StatusUnauthorized, "began in this browser")
	back := v.begin(t, p, "/sign-in/oidc", "bob")
	refused("cancelled", v, strings.Replace(back, "code=", "error=access_denied&error_description=%3Cscript%3E&code=", 1), http.StatusUnauthorized, "did not sign you in: access_denied <script>")
	p.Tamper(func(a *oidctest.Answer) { a.Claims["aud"] = "another" })
	refused("forged", v, v.begin(t, p, "/sign-in/oidc", "bob"), http.StatusUnauthorized, "proves nobody with this answer")
	p.Tamper(nil)
	back = v.begin(t, p, "/sign-in/oidc", "bob")
	p.SetDown(true)
	refused("down", v, back, http.StatusServiceUnavailable, "Pro & Vider cannot be reached at present. Whoever is signed in stays so; try again in a moment.")
	p.SetDown(false)
	answer, _ := v.get(t, v.begin(t, p, "/sign-in/oidc?next=https://evil.example.org/", "bob"))
	if to := answer.Header.Get("Location"); to != "/" {
		t.Errorf("sent on to %q", to)
	}

	down, q := newRealm(t)
	q.SetDown(true)
	u := down.guest(t)
	answer, page = u.get(t, "/sign-in/oidc")
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(said(page.Find(`[role="alert"]`)), "cannot be reached at present") {
		t.Errorf("down from the start: %s", answer.Status)
	}
	if answer, _ := u.get(t, "/"); answer.StatusCode != http.StatusOK {
		t.Errorf("the pages meanwhile: %s", answer.Status)
	}
}

// Sessions are kept over https in a cookie that no other host of the domain sets, and
// that nobody on the way sees.
func TestCookiesOverHTTPS(t *testing.T) {
	t.Parallel()
	f, p := newRealm(t, func(d *handlers.Deps) { d.Settings.ServerURL = "https://build.example.org" })
	ask := func(path string, cookie *http.Cookie) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
		must(t, err)
		r.Host = "build.example.org"
		if cookie != nil {
			r.AddCookie(cookie)
		}
		answer, _ := f.guest(t).do(t, r)
		return answer
	}
	answer := ask("/sign-in/oidc?next=/workers", nil)
	attempt := cookieOf(t, answer, "__Host-buildbtw-sign-in")
	back, err := p.Walk(t.Context(), answer.Header.Get("Location"), "bob")
	must(t, err)
	path, ok := strings.CutPrefix(back, "https://build.example.org")
	if !ok {
		t.Fatalf("sent back to %s", back)
	}
	answer = ask(path, attempt)
	session := cookieOf(t, answer, "__Host-buildbtw")
	for _, c := range []*http.Cookie{attempt, session} {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("kept in %v", c)
		}
	}
	if answer.Header.Get("Strict-Transport-Security") == "" {
		t.Error("browsers may come back without TLS")
	}
}

// The provider sends people back to one address: who knows the server by another
// name begins there, where the cookie will be.
func TestSigningInBeginsAtTheServersOwnName(t *testing.T) {
	t.Parallel()
	f, _ := newRealm(t)
	v := f.guest(t)
	other := "http://localhost:" + f.address[strings.LastIndex(f.address, ":")+1:]
	answer, _ := v.get(t, other+"/sign-in/oidc?next=/workers")
	to := answer.Header.Get("Location")
	if answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, f.url+"/sign-in/oidc?") || len(answer.Cookies()) != 0 {
		t.Fatalf("answered %s to %q", answer.Status, to)
	}
	u, err := url.Parse(to)
	must(t, err)
	if u.Query().Get("next") != "/workers" {
		t.Errorf("the page to go to is lost: %s", to)
	}
	// Behind a proxy that hides the name, it goes on and does not turn in a circle.
	if answer, _ := v.get(t, other+u.RequestURI()); !strings.Contains(answer.Header.Get("Location"), "code_challenge=") {
		t.Errorf("answered %s to %q", answer.Status, answer.Header.Get("Location"))
	}
}

func TestFailedSignInsAreLimitedForAnAddress(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f, p := newRealm(t, func(d *handlers.Deps) { d.Now = func() time.Time { return now } })
	v := f.guest(t)
	for range 3 { // those that succeed do not count
		if answer, _ := v.get(t, v.begin(t, p, "/sign-in/oidc", "bob")); answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("bob: %s", answer.Status)
		}
	}
	code := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/sign-in", strings.NewReader("code=guessed"))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, _ := f.guest(t).do(t, r)
		return answer
	}
	for i := range 10 {
		var answer *http.Response
		if i%2 == 0 {
			answer = code()
		} else {
			answer, _ = f.guest(t).get(t, "/sign-in/oidc/callback?state=guessed&code=guessed")
		}
		if answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("the %dth: %s", i, answer.Status)
		}
	}
	asked := p.Asked(oidctest.TokenPath)
	for _, path := range []string{"/sign-in/oidc", "/sign-in/oidc/callback?state=x&code=y"} {
		if answer, _ := v.get(t, path); answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "10" {
			t.Errorf("%s answered %s, to come back in %q", path, answer.Status, answer.Header.Get("Retry-After"))
		}
	}
	if answer := code(); answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a code: %s", answer.Status)
	}
	if p.Asked(oidctest.TokenPath) != asked {
		t.Error("the provider was asked all the same")
	}
	if answer, _ := v.get(t, "/workers"); answer.StatusCode != http.StatusOK {
		t.Errorf("the pages: %s", answer.Status)
	}
	_, text := f.get(t, "/metrics")
	if !strings.Contains(string(text), `buildbtw_refused_total{reason="sign-in"}`) {
		t.Error("the metric does not tell")
	}
}

func TestWithoutAProviderThereIsOnlyTheCode(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	v := f.guest(t)
	for _, path := range []string{"/sign-in/oidc", "/sign-in/oidc/callback?state=x&code=y"} {
		if answer, page := v.get(t, path); answer.StatusCode != http.StatusNotFound || !strings.Contains(said(page.Find("main")), "bbtw open") {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	_, page := v.get(t, "/sign-in")
	if text := said(page.Find("main")); strings.Contains(text, "Sign in with") || !strings.Contains(text, "bbtw open") {
		t.Errorf("the page says %q", text)
	}
	answer, body := f.send(t, "POST", "/api/v1/sign-in-codes", "")
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", answer.Status, body)
	}
	code := strings.Split(strings.Split(string(body), `"code":"`)[1], `"`)[0]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/sign-in", strings.NewReader("code="+code))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	done, err := v.Do(r)
	must(t, err)
	defer done.Body.Close()
	_, err = io.Copy(io.Discard, done.Body)
	must(t, err)
	if c := done.Cookies(); len(c) != 1 || c[0].SameSite != http.SameSiteStrictMode {
		t.Errorf("kept in %v", c)
	}
}
