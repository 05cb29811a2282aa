package auth_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/auth/oidctest"
	"buildbtw/store"
)

// callback is where the provider sends people back to; nobody listens there.
const callback = "http://127.0.0.1:8080/sign-in/oidc/callback"

const period = 5 * time.Minute

// newRealm returns a provider and a gate that lets its people in. The clock begins at
// the provider's.
func newRealm(t *testing.T, change ...func(*auth.OIDC)) (*gate, *oidctest.Provider) {
	t.Helper()
	p, err := oidctest.Start(
		oidctest.Person{Name: "ada", Groups: []string{"staff", "buildbtw-admins", "packagers"}},
		oidctest.Person{Name: "bob", Groups: []string{"packagers"}},
		oidctest.Person{Name: "eve", Groups: []string{"Packagers", "packagers2", ""}},
	)
	must(t, err)
	t.Cleanup(p.Close)
	p.SetRedirect(callback)
	g := newGate(t, func(c *auth.Config) { c.OIDC = config(p, change...) })
	g.now = time.Now()
	return g, p
}

func config(p *oidctest.Provider, change ...func(*auth.OIDC)) *auth.OIDC {
	o := &auth.OIDC{
		Issuer: p.Issuer, Name: "Provider", ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, CallbackURL: callback,
		GroupsClaim: "groups", PackagerGroups: []string{"packagers"}, AdminGroups: []string{"buildbtw-admins"},
		SessionKey: strings.Repeat("k", 32), Period: period,
	}
	for _, f := range change {
		f(o)
	}
	return o
}

func withoutKey(o *auth.OIDC) { o.SessionKey = "" }

// walk lets somebody go to the provider and come back, as far as the server's door.
func (g *gate) walk(t *testing.T, p *oidctest.Provider, name string) (auth.Returned, string) {
	t.Helper()
	start, sealed, err := g.BeginOIDC(t.Context(), "/buildspaces/x", false)
	must(t, err)
	back, err := p.Walk(t.Context(), start, name)
	must(t, err)
	u, err := url.Parse(back)
	must(t, err)
	if !strings.HasPrefix(back, callback+"?") {
		t.Fatalf("sent back to %s", back)
	}
	q := u.Query()
	return auth.Returned{State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Issuer: q.Get("iss")}, sealed
}

// come is walk and the door.
func (g *gate) come(t *testing.T, p *oidctest.Provider, name string) (secret string, err error) {
	t.Helper()
	r, sealed := g.walk(t, p, name)
	secret, _, err = g.FinishOIDC(t.Context(), r, sealed, auth.Browser{UserAgent: "Firefox", Address: "192.0.2.9"})
	return secret, err
}

// enter is come for those who have a role.
func (g *gate) enter(t *testing.T, p *oidctest.Provider, name string) (session, token string) {
	t.Helper()
	session, err := g.come(t, p, name)
	must(t, err)
	_, token, err = g.CreateToken(t.Context(), g.who(t, auth.Credentials{Session: session}), auth.NewToken{Kind: "person", Name: "laptop"})
	must(t, err)
	return session, token
}

// role returns the role of a session, and whether the token is good.
func (g *gate) role(t *testing.T, session, token string) (buildbtw.Role, bool) {
	t.Helper()
	who := g.who(t, auth.Credentials{Session: session})
	by, err := g.Who(t.Context(), auth.Credentials{Bearer: token})
	if err != nil && buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("the token: %v", err)
	}
	if !who.SignedIn() {
		return buildbtw.RoleNone, err == nil
	}
	if err == nil && by.Name != who.Name {
		t.Errorf("the token is of %q, the session of %q", by.Name, who.Name)
	}
	return who.Role, err == nil
}

// last returns the newest entry of the audit.
func (g *gate) last(t *testing.T) buildbtw.AuditEntry {
	t.Helper()
	entries, _, err := g.db.Audit(t.Context(), "", "", 1)
	must(t, err)
	return entries[0]
}

func TestGroupsAtTheProviderAreRoles(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	for name, want := range map[string]buildbtw.Role{"ada": buildbtw.RoleAdmin, "bob": buildbtw.RolePackager} {
		r, sealed := g.walk(t, p, name)
		secret, next, err := g.FinishOIDC(t.Context(), r, sealed, auth.Browser{Address: "192.0.2.9"})
		must(t, err)
		who := g.who(t, auth.Credentials{Session: secret})
		if who.Name != name || who.Role != want || next != "/buildspaces/x" {
			t.Errorf("%s came in as %q, %q, to %q", name, who.Name, who.Role, next)
		}
		if e := g.last(t); e.Actor != name || e.Action != "sign in" || e.Address != "192.0.2.9" || !strings.Contains(e.Detail, p.Issuer) {
			t.Errorf("the audit says %+v", e)
		}
	}
	_, err := g.come(t, p, "eve") // whose groups are only similar
	if buildbtw.KindOf(err) != buildbtw.KindForbidden || !strings.Contains(err.Error(), "you are eve at Provider, but have no role here") || !strings.Contains(err.Error(), "packagers or buildbtw-admins") {
		t.Errorf("eve: %v", err)
	}
	if e := g.last(t); e.Actor != "eve" || e.Action != "refuse sign-in" || e.Address != "192.0.2.9" {
		t.Errorf("the audit says %+v", e)
	}
	if _, err := g.db.AccountOf(t.Context(), p.Issuer, "id of eve"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("eve has an account: %v", err)
	}
}

func TestSigningInTakesThePlaceOfTheSessionBefore(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	planted := g.signIn(t, "")
	r, sealed := g.walk(t, p, "bob")
	secret, _, err := g.FinishOIDC(t.Context(), r, sealed, auth.Browser{Before: planted})
	must(t, err)
	if g.who(t, auth.Credentials{Session: planted}).SignedIn() || g.who(t, auth.Credentials{Session: secret}).Name != "bob" {
		t.Error("the cookie of before is still good")
	}
}

// Each of these answers proves nothing: 401, no session, no account.
func TestAForgedAnswerSignsNobodyIn(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	sign := func(key any, algorithm jose.SignatureAlgorithm) func(map[string]any) string {
		return func(claims map[string]any) string {
			raw, err := p.Sign(key, algorithm, claims)
			if err != nil {
				t.Error(err)
			}
			return raw
		}
	}
	unsigned := func(claims map[string]any) string {
		text, err := json.Marshal(claims)
		if err != nil {
			t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
	}
	set := func(claim string, value any) func(*oidctest.Answer) {
		return func(a *oidctest.Answer) { a.Claims[claim] = value }
	}
	for name, tamper := range map[string]func(*oidctest.Answer){
		"another key":             func(a *oidctest.Answer) { a.Sign = sign(foreign, jose.RS256) },
		"no signature":            func(a *oidctest.Answer) { a.Sign = unsigned },
		"the secret as key":       func(a *oidctest.Answer) { a.Sign = sign([]byte(strings.Repeat(oidctest.ClientSecret, 2)), jose.HS256) },
		"no token at all":         func(a *oidctest.Answer) { a.Raw = "x.y.z" },
		"another audience":        set("aud", "another"),
		"made for another client": set("azp", "another"),
		"two audiences": func(a *oidctest.Answer) {
			a.Claims["aud"] = []string{oidctest.ClientID, "another"}
			delete(a.Claims, "azp")
		},
		"another issuer":       set("iss", "https://evil.example.org"),
		"expired":              set("exp", g.now.Add(-time.Second).Unix()),
		"another nonce":        set("nonce", "ABC"),
		"no nonce":             func(a *oidctest.Answer) { delete(a.Claims, "nonce") },
		"another access token": set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"somebody else":        set("sub", "id of ada"),
		"nobody":               set("sub", ""),
	} {
		p.Tamper(tamper)
		_, err := g.come(t, p, "bob")
		if buildbtw.KindOf(err) != buildbtw.KindUnauthenticated || !strings.Contains(err.Error(), "begin again") {
			t.Errorf("%s: %v", name, err)
		}
		if e := g.last(t); e.Action != "refuse sign-in" || e.Address != "192.0.2.9" {
			t.Errorf("%s: the audit says %+v", name, e)
		}
	}
	for _, name := range []string{"ada", "bob"} {
		if _, err := g.db.AccountOf(t.Context(), p.Issuer, "id of "+name); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("%s has an account now: %v", name, err)
		}
	}
	p.Tamper(func(*oidctest.Answer) {}) // signed anew, and nothing else
	_, err = g.come(t, p, "bob")
	must(t, err)
}

func TestTheWayBackBelongsToTheBrowserThatBegan(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	refused := func(what string, r auth.Returned, sealed string) {
		t.Helper()
		if _, _, err := g.FinishOIDC(t.Context(), r, sealed, auth.Browser{}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
			t.Errorf("%s: %v", what, err)
		}
	}
	bob, bobs := g.walk(t, p, "bob")
	_, eves, err := g.BeginOIDC(t.Context(), "/", false)
	must(t, err)
	refused("another browser", bob, eves)
	refused("no browser", bob, "")
	refused("a changed attempt", bob, bobs[:len(bobs)-2]+"AA")
	refused("no state", auth.Returned{Code: bob.Code}, bobs)
	refused("another state", auth.Returned{Code: bob.Code, State: "ABC"}, bobs)
	refused("another issuer", auth.Returned{Code: bob.Code, State: bob.State, Issuer: "https://evil.example.org"}, bobs)
	refused("another code", auth.Returned{Code: "ABC", State: bob.State}, bobs)
	refused("cancelled", auth.Returned{Error: "access_denied", State: bob.State}, bobs)
	if asked := p.Asked(oidctest.TokenPath); asked != 1 {
		t.Errorf("the provider was asked %d times for a token, not once", asked)
	}
	// An attacker's code, put into bob's way back, does not fit bob's PKCE verifier.
	eve, _ := g.walk(t, p, "bob")
	refused("a code of another attempt", auth.Returned{Code: eve.Code, State: bob.State}, bobs)
	_, _, err = g.FinishOIDC(t.Context(), bob, bobs, auth.Browser{})
	must(t, err)
	refused("the same answer again", bob, bobs)

	late, lates := g.walk(t, p, "bob")
	g.now = g.now.Add(auth.AttemptLife)
	refused("ten minutes later", late, lates)
}

func TestTheNextPassTakesTheRoleOfWhoLeftTheGroup(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	session, token := g.enter(t, p, "ada")
	pass := func() {
		t.Helper()
		g.now = g.now.Add(period + time.Second)
		must(t, g.CheckRoles(t.Context()))
	}
	for range 3 { // the refresh token is another each time
		pass()
		if role, good := g.role(t, session, token); role != buildbtw.RoleAdmin || !good {
			t.Fatalf("confirmed: %q, token good: %t", role, good)
		}
	}
	p.SetGroups("ada", "packagers")
	if role, _ := g.role(t, session, token); role != buildbtw.RoleAdmin {
		t.Errorf("before the pass: %q", role)
	}
	pass()
	if role, good := g.role(t, session, token); role != buildbtw.RolePackager || !good {
		t.Errorf("admin no longer: %q, token good: %t", role, good)
	}
	if e := g.last(t); e.Action != "change role" || e.Object != "ada" || e.Detail != "admin → packager" || e.Actor != buildbtw.System {
		t.Errorf("the audit says %+v", e)
	}
	p.SetGroups("ada", "staff")
	pass()
	if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
		t.Errorf("in no group: %q, token good: %t", role, good)
	}
	if e := g.last(t); e.Detail != "packager → no role" {
		t.Errorf("the audit says %+v", e)
	}
	account, err := g.db.AccountOf(t.Context(), p.Issuer, "id of ada")
	must(t, err)
	if account.Refresh != nil {
		t.Error("the refresh token is kept of somebody without a role")
	}
	asked := p.Asked(oidctest.TokenPath)
	pass()
	if p.Asked(oidctest.TokenPath) != asked {
		t.Error("the provider is asked about somebody without a role")
	}
	p.SetGroups("ada", "packagers")
	again, err := g.come(t, p, "ada")
	must(t, err)
	if role, good := g.role(t, again, token); role != buildbtw.RolePackager || good {
		t.Errorf("back in the group: %q; the revoked token is good: %t", role, good)
	}
}

func TestWhoIsRemovedAtTheProviderIsOutInTheNextPass(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	bobs, bobsToken := g.enter(t, p, "bob")
	adas, adasToken := g.enter(t, p, "ada")
	p.Remove("bob")
	g.now = g.now.Add(period + time.Second)
	must(t, g.CheckRoles(t.Context()))
	if role, good := g.role(t, bobs, bobsToken); role != buildbtw.RoleNone || good {
		t.Errorf("bob: %q, token good: %t", role, good)
	}
	if role, good := g.role(t, adas, adasToken); role != buildbtw.RoleAdmin || !good {
		t.Errorf("ada: %q, token good: %t", role, good)
	}
}

// An answer that proves nothing confirms nothing, and takes nothing before its time.
func TestAForgedAnswerToAPassConfirmsNothing(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(*oidctest.Answer){
		"somebody else":    func(a *oidctest.Answer) { a.Claims["sub"] = "id of ada" },
		"no token":         func(a *oidctest.Answer) { a.Raw = "x.y.z" },
		"another audience": func(a *oidctest.Answer) { a.Claims["aud"] = "another" },
	} {
		g, p := newRealm(t)
		session, token := g.enter(t, p, "bob")
		began := g.now
		p.Tamper(tamper)
		g.now = began.Add(period + time.Second)
		if err := g.CheckRoles(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if role, good := g.role(t, session, token); role != buildbtw.RolePackager || !good {
			t.Errorf("%s: %q, token good: %t", name, role, good)
		}
		g.now = began.Add(auth.RoleChecked)
		if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
			t.Errorf("%s, a day later: %q, token good: %t", name, role, good)
		}
	}
}

func TestSigningInWithoutAGroupEndsTheRoleOfBefore(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	session, token := g.enter(t, p, "bob")
	p.SetGroups("bob")
	if _, err := g.come(t, p, "bob"); buildbtw.KindOf(err) != buildbtw.KindForbidden {
		t.Errorf("signed in: %v", err)
	}
	if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
		t.Errorf("the other browser: %q, token good: %t", role, good)
	}
}

func TestWhileTheProviderIsDownSessionsGoOn(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(p *oidctest.Provider, on bool){
		"no connection": func(p *oidctest.Provider, on bool) { p.SetDown(on) },
		"500": func(p *oidctest.Provider, on bool) {
			p.SetBroken(oidctest.TokenPath, map[bool]int{true: http.StatusInternalServerError}[on])
		},
		"userinfo": func(p *oidctest.Provider, on bool) {
			p.SetBroken(oidctest.UserinfoPath, map[bool]int{true: http.StatusBadGateway}[on])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, p := newRealm(t)
			session, token := g.enter(t, p, "bob")
			r, sealed := g.walk(t, p, "ada")
			began := g.now
			fail(p, true)
			g.now = g.now.Add(period + time.Second)
			for range 2 {
				if err := g.CheckRoles(t.Context()); err == nil {
					t.Error("the pass hides that the provider is down")
				}
				if role, good := g.role(t, session, token); role != buildbtw.RolePackager || !good {
					t.Errorf("bob: %q, token good: %t", role, good)
				}
				g.now = g.now.Add(period + time.Second)
			}
			if _, _, err := g.FinishOIDC(t.Context(), r, sealed, auth.Browser{}); err == nil {
				t.Error("signed in without the provider")
			}
			g.now = began.Add(auth.RoleChecked - time.Second)
			if role, _ := g.role(t, session, token); role != buildbtw.RolePackager {
				t.Errorf("within a day: %q", role)
			}
			g.now = g.now.Add(time.Second)
			if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
				t.Errorf("after a day that nobody vouched: %q, token good: %t", role, good)
			}
			if err := g.CheckRoles(t.Context()); err == nil {
				t.Error("the pass hides that the provider is down")
			}
			fail(p, false)
			g.now = began.Add(30 * time.Minute) // the provider's clock has not moved
			must(t, g.CheckRoles(t.Context()))
			if role, good := g.role(t, session, token); role != buildbtw.RolePackager || !good {
				t.Errorf("back again: %q, token good: %t", role, good)
			}
		})
	}
}

func TestSigningInSaysThatTheProviderIsDown(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	unavailable := func(what string, err error) {
		t.Helper()
		if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "Provider cannot be reached at present. Whoever is signed in stays so") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.SetDown(true)
	_, _, err := g.BeginOIDC(t.Context(), "/", false)
	unavailable("down from the start", err)
	p.SetDown(false)
	_, _, err = g.BeginOIDC(t.Context(), "/", false)
	unavailable("at once after that", err) // it is not asked again for seconds
	g.now = g.now.Add(5 * time.Second)
	// In this order: the keys are kept once they were read.
	for _, path := range []string{oidctest.KeysPath, oidctest.TokenPath, oidctest.UserinfoPath} {
		r, sealed := g.walk(t, p, "bob")
		p.SetBroken(path, http.StatusServiceUnavailable)
		_, _, err = g.FinishOIDC(t.Context(), r, sealed, auth.Browser{})
		unavailable(path, err)
		p.SetBroken(path, 0)
	}
	r, sealed := g.walk(t, p, "bob")
	p.SetDown(true)
	_, _, err = g.FinishOIDC(t.Context(), r, sealed, auth.Browser{})
	unavailable("on the way back", err)
	_, _, err = g.BeginOIDC(t.Context(), "/", false) // what the provider said of itself is still known
	must(t, err)
}

func TestWithoutASessionKeyTheRoleEndsAfterEightHours(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t, withoutKey)
	session, token := g.enter(t, p, "bob")
	account, err := g.db.AccountOf(t.Context(), p.Issuer, "id of bob")
	must(t, err)
	if account.Refresh != nil {
		t.Error("a refresh token is kept without a key")
	}
	began := g.now
	g.now = began.Add(8*time.Hour - time.Second)
	must(t, g.CheckRoles(t.Context()))
	if role, good := g.role(t, session, token); role != buildbtw.RolePackager || !good {
		t.Errorf("before: %q, token good: %t", role, good)
	}
	g.now = began.Add(8 * time.Hour)
	if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
		t.Errorf("after: %q, token good: %t", role, good)
	}
	must(t, g.CheckRoles(t.Context()))
	if e := g.last(t); e.Action != "change role" || e.Detail != "packager → no role" {
		t.Errorf("the audit says %+v", e)
	}
	if n := p.Asked(oidctest.TokenPath); n != 1 {
		t.Errorf("the provider was asked %d times for a token", n)
	}
}

func TestRefreshTokensAreEncryptedForTheirPerson(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	bobs, bobsToken := g.enter(t, p, "bob")
	adas, adasToken := g.enter(t, p, "ada")
	bob, err := g.db.AccountOf(t.Context(), p.Issuer, "id of bob")
	must(t, err)
	ada, err := g.db.AccountOf(t.Context(), p.Issuer, "id of ada")
	must(t, err)
	if len(bob.Refresh) < 50 || bytes.Equal(bob.Refresh, ada.Refresh) {
		t.Errorf("refresh tokens %q and %q", bob.Refresh, ada.Refresh)
	}
	// Another key, as after a restart with another file: the roles end in their time.
	other := auth.New(auth.Config{
		Store: g.db, Now: func() time.Time { return g.now }, Log: slog.New(slog.DiscardHandler), AnonymousRead: true,
		OIDC: config(p, func(o *auth.OIDC) { o.SessionKey = strings.Repeat("K", 32) }),
	})
	began := g.now
	g.now = g.now.Add(period + time.Second)
	asked := p.Asked(oidctest.TokenPath)
	must(t, other.CheckRoles(t.Context()))
	if role, good := g.role(t, bobs, bobsToken); role != buildbtw.RolePackager || !good || p.Asked(oidctest.TokenPath) != asked {
		t.Errorf("with another key: %q, token good: %t", role, good)
	}
	g.now = began.Add(auth.RoleChecked)
	must(t, other.CheckRoles(t.Context()))
	if role, good := g.role(t, adas, adasToken); role != buildbtw.RoleNone || good {
		t.Errorf("in the end: %q, token good: %t", role, good)
	}
}

// Nobody vouches for people of a provider that is not configured any more.
func TestPeopleOfAnotherIssuerAreOutInTheNextPass(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]func(*oidctest.Provider) *auth.OIDC{
		"none":    func(*oidctest.Provider) *auth.OIDC { return nil },
		"another": func(p *oidctest.Provider) *auth.OIDC { return config(p, func(o *auth.OIDC) { o.Issuer += "/other" }) },
	} {
		g, p := newRealm(t)
		session, token := g.enter(t, p, "bob")
		g.operator(t)
		changed := auth.New(auth.Config{Store: g.db, Now: func() time.Time { return g.now }, Log: slog.New(slog.DiscardHandler), OIDC: now(p)})
		must(t, changed.CheckRoles(t.Context()))
		if role, good := g.role(t, session, token); role != buildbtw.RoleNone || good {
			t.Errorf("%s: %q, token good: %t", name, role, good)
		}
		if g.operator(t).Role != buildbtw.RoleAdmin {
			t.Errorf("%s: the operator lost the role", name)
		}
	}
}

// Whoever signs in while the pass asks about the session of before keeps what the
// newer sign-in gave.
func TestAPassDoesNotUndoANewerSignIn(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	g.enter(t, p, "bob")
	stale, err := g.db.AccountOf(t.Context(), p.Issuer, "id of bob")
	must(t, err)
	g.now = g.now.Add(period + time.Second)
	session, err := g.come(t, p, "bob")
	must(t, err)
	must(t, g.db.CheckedAccount(t.Context(), stale, store.Identity{Role: buildbtw.RoleNone}))
	if who := g.who(t, auth.Credentials{Session: session}); who.Role != buildbtw.RolePackager {
		t.Errorf("signed in anew as %+v", who)
	}
}

// A code of 'bbtw open' begins a session; what the provider said stays as old as it is.
func TestACodeConfirmsNoRole(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	session, token := g.enter(t, p, "bob")
	p.SetGroups("bob")
	g.now = g.now.Add(period + time.Second)
	code, err := g.NewCode(g.who(t, auth.Credentials{Bearer: token}).User)
	must(t, err)
	other, err := g.SignInWithCode(t.Context(), code, auth.Browser{})
	must(t, err)
	must(t, g.CheckRoles(t.Context()))
	for _, s := range []string{session, other} {
		if role, good := g.role(t, s, token); role != buildbtw.RoleNone || good {
			t.Errorf("after the pass: %q, token good: %t", role, good)
		}
	}
}

func TestGroupsAreFoundWhereTheClaimSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claim string
		value map[string]any
		want  buildbtw.Kind // "" when bob comes in
	}{
		"a list":           {"roles", map[string]any{"roles": []string{"x", "packagers"}}, ""},
		"one name":         {"role", map[string]any{"role": "packagers"}, ""},
		"in an object":     {"realm_access.roles", map[string]any{"realm_access": map[string]any{"roles": []string{"packagers"}}}, ""},
		"a name with dots": {"https://example.org/groups", map[string]any{"https://example.org/groups": []string{"packagers"}}, ""},
		"no such claim":    {"roles", map[string]any{"role": "packagers"}, buildbtw.KindForbidden},
		"numbers":          {"roles", map[string]any{"roles": []any{1, nil}}, buildbtw.KindForbidden},
		"a part of a name": {"roles", map[string]any{"roles": "packagers,admins"}, buildbtw.KindForbidden},
	} {
		g, p := newRealm(t, func(o *auth.OIDC) { o.GroupsClaim = test.claim })
		p.Tamper(func(a *oidctest.Answer) {
			for claim, value := range test.value {
				a.Claims[claim] = value
			}
		})
		_, err := g.come(t, p, "bob")
		if (err != nil) != (test.want != "") || err != nil && buildbtw.KindOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if name == "no such claim" && !strings.Contains(err.Error(), `it says nothing of groups (no claim "roles")`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Many browsers begin at once while nothing is known of the provider: it is asked
// about itself once.
func TestTheProviderIsAskedAboutItselfOnce(t *testing.T) {
	t.Parallel()
	g, p := newRealm(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := g.BeginOIDC(t.Context(), "/", false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := p.Asked(oidctest.ConfigPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
	start, _, err := g.BeginOIDC(t.Context(), "/", true)
	must(t, err)
	u, err := url.Parse(start)
	must(t, err)
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || len(q.Get("state")) < 26 || len(q.Get("nonce")) < 26 ||
		q.Get("prompt") != "login" || q.Get("scope") != "openid profile offline_access" || q.Get("redirect_uri") != callback {
		t.Errorf("sent to %s", start)
	}
}
