package auth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/store"
)

const verifier = "a verifier of bbtw that nobody else knows, of this login"

// request asks for a token of a name, with the verifier.
func request(name string) auth.LoginRequest {
	sum := sha256.Sum256([]byte(verifier))
	return auth.LoginRequest{Name: name, Challenge: base64.RawURLEncoding.EncodeToString(sum[:])}
}

// finish returns who the token of a login is, and wants the login to succeed.
func (g *gate) finish(t *testing.T, code string) auth.Caller {
	t.Helper()
	_, secret, waiting, err := g.FinishLogin(t.Context(), code, verifier, "192.0.2.9")
	must(t, err)
	if waiting {
		t.Fatal("the login still waits")
	}
	return g.who(t, auth.Credentials{Bearer: secret})
}

func (g *gate) wantRefused(t *testing.T, what, code, verifier string, kind buildbtw.Kind) {
	t.Helper()
	token, secret, waiting, err := g.FinishLogin(t.Context(), code, verifier, "192.0.2.9")
	if buildbtw.KindOf(err) != kind || err == nil || secret != "" || waiting || token.ID != 0 {
		t.Errorf("%s: %v, want %s", what, err, kind)
	}
}

// A code of a redirect is good once, within ten minutes, for the program that knows
// the verifier.
func TestACodeOfARedirectIsForOneProgramOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	allow := func() string {
		t.Helper()
		code, err := g.AllowLogin(bob, request("bbtw@laptop"))
		must(t, err)
		return code
	}
	code := allow()
	if got := g.finish(t, code); got.Name != "bob" || got.Role != buildbtw.RolePackager || got.Token.Name != "bbtw@laptop" ||
		!got.Token.ExpiresAt.Equal(g.now.Add(buildbtw.DefaultTokenLife)) {
		t.Errorf("the token is of %+v, %+v", got.User, got.Token)
	}
	g.wantRefused(t, "a used code", code, verifier, buildbtw.KindUnauthenticated)
	g.wantRefused(t, "no code", "", verifier, buildbtw.KindUnauthenticated)

	code = allow()
	g.wantRefused(t, "a wrong verifier", code, verifier+" ", buildbtw.KindUnauthenticated)
	g.wantRefused(t, "the right one after a wrong one", code, verifier, buildbtw.KindUnauthenticated)
	code = allow()
	g.wantRefused(t, "the challenge for the verifier", code, request("x").Challenge, buildbtw.KindUnauthenticated)

	code = allow()
	g.now = g.now.Add(10 * time.Minute)
	g.wantRefused(t, "a code of ten minutes ago", code, verifier, buildbtw.KindUnauthenticated)

	// The same machine again has a token of its own.
	if got := g.finish(t, allow()); got.Token.Name != "bbtw@laptop-2" {
		t.Errorf("the second token is called %s", got.Token.Name)
	}
}

func TestWhatAProgramMayAskFor(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	good := request("bbtw@laptop")
	for name, r := range map[string]auth.LoginRequest{
		"no name":           {Challenge: good.Challenge},
		"markup":            {Name: "<b>bbtw</b>", Challenge: good.Challenge},
		"a name of lines":   {Name: "bbtw\nagain", Challenge: good.Challenge},
		"a long name":       {Name: strings.Repeat("a", 300), Challenge: good.Challenge},
		"no challenge":      {Name: good.Name},
		"the verifier":      {Name: good.Name, Challenge: verifier},
		"a short challenge": {Name: good.Name, Challenge: good.Challenge[:40]},
		"a padded one":      {Name: good.Name, Challenge: good.Challenge + "="},
	} {
		if _, err := g.AllowLogin(bob, r); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s with a redirect: %v", name, err)
		}
		if _, err := g.StartLogin(r, "192.0.2.9"); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s with a short code: %v", name, err)
		}
	}
}

func TestWhoMayAllowALogin(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	noRole, err := g.db.NoteIdentity(t.Context(), store.Identity{Issuer: "https://sso.example.org", Subject: "n", Name: "nora"})
	must(t, err)
	_, bot, err := g.CreateToken(t.Context(), g.operator(t), auth.NewToken{Kind: "bot", Name: "ci"})
	must(t, err)
	started, err := g.StartLogin(request("bbtw@laptop"), "192.0.2.9")
	must(t, err)
	for name, test := range map[string]struct {
		caller auth.Caller
		want   buildbtw.Kind
	}{
		"nobody":             {g.who(t, auth.Credentials{}), buildbtw.KindUnauthenticated},
		"a worker":           {g.who(t, auth.Credentials{Bearer: "token of all workers"}), buildbtw.KindForbidden},
		"a bot":              {g.who(t, auth.Credentials{Bearer: bot}), buildbtw.KindForbidden},
		"who has no role":    {auth.Caller{User: buildbtw.User{ID: noRole.ID, Kind: "person", Name: "nora"}}, buildbtw.KindForbidden},
		"who has no account": {auth.Caller{User: buildbtw.User{Kind: "person", Name: "anna", Role: "admin"}}, buildbtw.KindUnavailable},
	} {
		_, allowed := g.AllowLogin(test.caller, request("bbtw@laptop"))
		_, looked := g.Login(test.caller, started.UserCode)
		_, answered := g.AnswerLogin(test.caller, started.UserCode, true)
		for _, err := range []error{allowed, looked, answered} {
			if buildbtw.KindOf(err) != test.want {
				t.Errorf("%s: %v, want %s", name, err, test.want)
			}
		}
	}
}

func TestAShortCode(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob", Address: "192.0.2.7"})
	start := func() auth.StartedLogin {
		t.Helper()
		s, err := g.StartLogin(request("bbtw@server"), "192.0.2.9")
		must(t, err)
		if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(s.UserCode) {
			t.Errorf("the code is %q", s.UserCode)
		}
		return s
	}
	s := start()
	if _, _, waiting, err := g.FinishLogin(t.Context(), s.Code, verifier, ""); !waiting || err != nil {
		t.Errorf("before somebody answers: waiting %t, %v", waiting, err)
	}
	g.wantRefused(t, "the short code for the program's", s.UserCode, verifier, buildbtw.KindUnauthenticated)
	written := " " + strings.ToLower(strings.ReplaceAll(s.UserCode, "-", " "))
	asked, err := g.Login(bob, written) // as people write it
	must(t, err)
	if want := (auth.PendingLogin{UserCode: s.UserCode, Name: "bbtw@server", From: "192.0.2.9", Since: g.now}); asked != want {
		t.Errorf("bob is asked about %+v, want %+v", asked, want)
	}
	if _, err := g.AnswerLogin(bob, s.UserCode, true); err != nil {
		t.Fatal(err)
	}
	if _, err := g.AnswerLogin(g.operator(t), s.UserCode, true); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("somebody else answers once more: %v", err)
	}
	if got := g.finish(t, s.Code); got.Name != "bob" || got.Token.Name != "bbtw@server" {
		t.Errorf("the token is of %+v", got.User)
	}
	g.wantRefused(t, "a used code", s.Code, verifier, buildbtw.KindUnauthenticated)

	s = start()
	_, err = g.AnswerLogin(bob, s.UserCode, false)
	must(t, err)
	g.wantRefused(t, "a login that bob refused", s.Code, verifier, buildbtw.KindForbidden)

	s = start()
	g.wantRefused(t, "a wrong verifier", s.Code, "another", buildbtw.KindUnauthenticated)
	if _, err := g.Login(bob, s.UserCode); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("the login goes on after a wrong verifier: %v", err)
	}

	s = start()
	g.now = g.now.Add(10 * time.Minute)
	if _, err := g.AnswerLogin(bob, s.UserCode, true); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a code of ten minutes ago: %v", err)
	}
	g.wantRefused(t, "a login of ten minutes ago", s.Code, verifier, buildbtw.KindUnauthenticated)
}

func TestShortCodesCannotBeGuessed(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	s, err := g.StartLogin(request("bbtw@server"), "192.0.2.9")
	must(t, err)
	eve := g.who(t, auth.Credentials{Header: "eve"})
	tries := 0
	for ; tries < 1000; tries++ {
		_, err := g.AnswerLogin(eve, fmt.Sprintf("BCDF-BC%c%c", "BCDFGHJKLM"[tries/10%10], "BCDFGHJKLM"[tries%10]), true)
		if buildbtw.KindOf(err) == buildbtw.KindTooMany {
			break
		}
		if buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Fatal(err)
		}
	}
	if tries != 20 {
		t.Errorf("%d guesses, want 20", tries)
	}
	if _, err := g.AnswerLogin(eve, s.UserCode, true); buildbtw.KindOf(err) != buildbtw.KindTooMany {
		t.Errorf("the right code after too many wrong ones: %v", err)
	}
	if _, err := g.Login(g.who(t, auth.Credentials{Header: "bob"}), s.UserCode); err != nil {
		t.Errorf("bob cannot enter his: %v", err)
	}
	if _, err := g.Login(g.who(t, auth.Credentials{Header: "bob"}), ""); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("an empty code: %v", err)
	}
}

// Somebody unknown can begin so many logins, and no more; those that people allow
// with a redirect go on, and all are forgotten after ten minutes.
func TestLoginsAreBounded(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	begin := func(address string) error {
		_, err := g.StartLogin(request("x"), address)
		return err
	}
	for range 20 {
		must(t, begin("192.0.2.9"))
	}
	if err := begin("192.0.2.9"); buildbtw.KindOf(err) != buildbtw.KindTooMany {
		t.Errorf("one more from an address: %v", err)
	}
	if _, err := g.AllowLogin(g.who(t, auth.Credentials{Header: "bob", Address: "192.0.2.9"}), request("x")); err != nil {
		t.Errorf("bob from that address: %v", err)
	}
	for i := range 20 { // who has one address of IPv6 has a network of them
		must(t, begin(fmt.Sprintf("2001:db8::%x", i)))
	}
	if err := begin("2001:db8::1:0:0:1"); buildbtw.KindOf(err) != buildbtw.KindTooMany {
		t.Errorf("one more from a network: %v", err)
	}
	n := 40
	for ; n < 2000 && begin(fmt.Sprint("address ", n)) == nil; n++ {
	}
	if n != 1000 {
		t.Errorf("%d logins of strangers at once, want 1000", n)
	}
	for range 19 { // nor do 1000 strangers keep bob out
		_, err := g.AllowLogin(g.who(t, auth.Credentials{Header: "bob"}), request("x"))
		must(t, err)
	}
	if _, err := g.AllowLogin(g.who(t, auth.Credentials{Header: "bob"}), request("x")); buildbtw.KindOf(err) != buildbtw.KindTooMany {
		t.Errorf("bob's 21st: %v", err)
	}
	if _, err := g.AllowLogin(g.who(t, auth.Credentials{Header: "eve"}), request("x")); err != nil {
		t.Errorf("eve beside bob: %v", err)
	}
	g.now = g.now.Add(10 * time.Minute)
	must(t, begin("192.0.2.9"))
}

// What a login gets is at most what its person may when it is allowed and when it is
// finished.
func TestALoginGivesNoMoreThanThePersonMay(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	less := bob
	less.Role = buildbtw.RoleReader // as with a token that only reads
	code, err := g.AllowLogin(less, request("reader"))
	must(t, err)
	if got := g.finish(t, code); got.Role != buildbtw.RoleReader {
		t.Errorf("a reader's token made one of %s", got.Role)
	}
	code, err = g.AllowLogin(bob, request("late"))
	must(t, err)
	account, err := g.db.Account(t.Context(), bob.ID)
	must(t, err)
	must(t, g.db.CheckedAccount(t.Context(), account, store.Identity{Role: buildbtw.RoleNone}))
	g.wantRefused(t, "who lost the role meanwhile", code, verifier, buildbtw.KindForbidden)
}

// A session may do all that its person may: a token that may do less makes none.
func TestATokenThatMayDoLessSignsNoBrowserIn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	_, secret, err := g.CreateToken(t.Context(), g.operator(t), auth.NewToken{Kind: "person", Name: "reads", Role: buildbtw.RoleReader})
	must(t, err)
	code, err := g.NewCode(g.who(t, auth.Credentials{Bearer: secret}).User)
	must(t, err)
	if session, err := g.SignInWithCode(t.Context(), code, auth.Browser{}); buildbtw.KindOf(err) != buildbtw.KindForbidden || session != "" {
		t.Errorf("signed in as administrator by a reader's token: %v", err)
	}
}

func TestEndOfAccess(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	_, token, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop"})
	must(t, err)
	signIn, err := g.NewCode(bob.User)
	must(t, err)
	session, err := g.SignInWithCode(t.Context(), signIn, auth.Browser{})
	must(t, err)
	waiting, err := g.NewCode(bob.User)
	must(t, err)
	code, err := g.AllowLogin(bob, request("bbtw@laptop"))
	must(t, err)
	if _, _, err := g.EndAccess(t.Context(), bob, bob.ID); buildbtw.KindOf(err) != buildbtw.KindForbidden {
		t.Errorf("by a packager: %v", err)
	}
	if _, _, err := g.EndAccess(t.Context(), g.operator(t), 999); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("of nobody: %v", err)
	}
	sessions, tokens, err := g.EndAccess(t.Context(), g.operator(t), bob.ID)
	if err != nil || sessions != 1 || tokens != 1 {
		t.Errorf("%d sessions and %d tokens ended, %v", sessions, tokens, err)
	}
	if g.who(t, auth.Credentials{Session: session}).SignedIn() {
		t.Error("the session goes on")
	}
	if _, err := g.Who(t.Context(), auth.Credentials{Bearer: token}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("the token is good: %v", err)
	}
	if _, err := g.SignInWithCode(t.Context(), waiting, auth.Browser{}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("a code of before signs in: %v", err)
	}
	g.wantRefused(t, "a login of before", code, verifier, buildbtw.KindUnauthenticated)
	entries, _, err := g.db.Audit(t.Context(), "anna", "", 1)
	must(t, err)
	if e := entries[0]; e.Action != "end access" || e.Object != "bob" || e.Detail != "1 sessions, 1 tokens" || e.Address != "192.0.2.1" {
		t.Errorf("the audit has %+v", e)
	}
}
