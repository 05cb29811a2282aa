package auth_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/store"
)

// gate is an Auth with a clock that a test turns.
type gate struct {
	*auth.Auth
	db  *store.Store
	now time.Time
}

func newGate(t testing.TB, change ...func(*auth.Config)) *gate {
	t.Helper()
	g := &gate{now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "buildbtw.sqlite"), store.Options{Now: func() time.Time { return g.now }})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	g.db = db
	c := auth.Config{
		Store: db, Now: func() time.Time { return g.now }, Log: slog.New(slog.DiscardHandler), Operator: "anna", OperatorToken: "token of anna",
		WorkerTokens: []string{"", "token of all workers"}, AnonymousRead: true, HeaderRole: buildbtw.RolePackager, Admins: []string{"ada"},
	}
	for _, f := range change {
		f(&c)
	}
	g.Auth = auth.New(c)
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (g *gate) who(t testing.TB, c auth.Credentials) auth.Caller {
	t.Helper()
	caller, err := g.Who(t.Context(), c)
	must(t, err)
	return caller
}

// operator is the user who runs the server.
func (g *gate) operator(t *testing.T) auth.Caller {
	t.Helper()
	return g.who(t, auth.Credentials{Bearer: "token of anna", Address: "192.0.2.1"})
}

func TestWhoIsAsking(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for name, test := range map[string]struct {
		credentials auth.Credentials
		want        buildbtw.User
		refused     bool
	}{
		"nobody":           {auth.Credentials{}, buildbtw.User{Role: buildbtw.RoleReader}, false},
		"on this machine":  {auth.Credentials{Address: "127.0.0.1"}, buildbtw.User{Role: buildbtw.RoleReader}, false},
		"the operator":     {auth.Credentials{Bearer: "token of anna"}, buildbtw.User{Kind: "person", Name: "anna", Role: buildbtw.RoleAdmin}, false},
		"a worker":         {auth.Credentials{Bearer: "token of all workers"}, buildbtw.User{Kind: "worker", Name: "worker", Role: buildbtw.RoleWorker}, false},
		"a wrong token":    {auth.Credentials{Bearer: "token of ann"}, buildbtw.User{}, true},
		"a longer token":   {auth.Credentials{Bearer: "token of anna "}, buildbtw.User{}, true},
		"a wrong session":  {auth.Credentials{Session: "bbtws_x"}, buildbtw.User{Role: buildbtw.RoleReader}, false},
		"named by a proxy": {auth.Credentials{Header: "bob"}, buildbtw.User{Kind: "person", Name: "bob", Role: buildbtw.RolePackager}, false},
		"an admin of them": {auth.Credentials{Header: "ada"}, buildbtw.User{Kind: "person", Name: "ada", Role: buildbtw.RoleAdmin}, false},
		"an empty name":    {auth.Credentials{Header: " \t"}, buildbtw.User{}, true},
		// Who has a wrong token and a good name gets nothing for the name.
		"token before name": {auth.Credentials{Header: "ada", Bearer: "x"}, buildbtw.User{}, true},
	} {
		got, err := g.Who(t.Context(), test.credentials)
		got.ID = 0
		if got.User != test.want || (err != nil) != test.refused || err != nil && buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
			t.Errorf("%s: %+v, %v", name, got.User, err)
		}
	}
	closed := newGate(t, func(c *auth.Config) { c.AnonymousRead = false; c.OperatorToken = "" })
	if got := closed.who(t, auth.Credentials{}); got.MayRead() == nil {
		t.Errorf("without --anonymous-read nobody may read: %+v", got)
	}
	if _, err := closed.Who(t.Context(), auth.Credentials{Bearer: ""}); err != nil {
		t.Errorf("an empty token is none: %v", err)
	}
}

// With --packagers-change own a bot changes what it has created, as a person does.
func TestABotChangesOwnBuildspacesOnly(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		g := newGate(t, func(c *auth.Config) { c.OwnOnly = own })
		_, secret, err := g.CreateToken(t.Context(), g.operator(t), auth.NewToken{Kind: buildbtw.KindBot, Name: "ci"})
		must(t, err)
		bot := g.who(t, auth.Credentials{Bearer: secret})
		if err := bot.MayChangeOf("bob"); own != (buildbtw.KindOf(err) == buildbtw.KindForbidden) {
			t.Errorf("own %t: what bob has created: %v", own, err)
		}
		must(t, bot.MayChangeOf("bot/ci"))
	}
}

func TestACodeSignsInOnceWithinTwoMinutes(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	code, err := g.NewCode(g.operator(t).User)
	must(t, err)
	secret, err := g.SignInWithCode(t.Context(), code, auth.Browser{UserAgent: "Firefox", Address: "192.0.2.7"})
	must(t, err)
	caller := g.who(t, auth.Credentials{Session: secret})
	if caller.Name != "anna" || caller.Role != buildbtw.RoleAdmin || caller.CSRF == "" || caller.Session == 0 {
		t.Errorf("signed in as %+v", caller)
	}
	refused := func(what, code string) {
		t.Helper()
		if _, err := g.SignInWithCode(t.Context(), code, auth.Browser{}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a used code", code)
	refused("no code", "")
	late, err := g.NewCode(caller.User)
	must(t, err)
	g.now = g.now.Add(2 * time.Minute)
	refused("a code of two minutes ago", late)
	if _, err := g.NewCode(buildbtw.User{Kind: buildbtw.KindBot, Name: "ci", Role: buildbtw.RoleAdmin}); buildbtw.KindOf(err) != buildbtw.KindForbidden {
		t.Errorf("a bot signs no browser in: %v", err)
	}
}

// signIn returns the cookie of a new session of the operator.
func (g *gate) signIn(t *testing.T, before string) string {
	t.Helper()
	code, err := g.NewCode(g.operator(t).User)
	must(t, err)
	secret, err := g.SignInWithCode(t.Context(), code, auth.Browser{Before: before})
	must(t, err)
	return secret
}

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g *gate, secret string) error{
		"by signing out": func(g *gate, secret string) error {
			c, err := g.Who(context.Background(), auth.Credentials{Session: secret})
			if err != nil {
				return err
			}
			return g.SignOut(context.Background(), c)
		},
		"when it rests":       func(g *gate, _ string) error { g.now = g.now.Add(buildbtw.SessionIdle); return nil },
		"when it is replaced": func(g *gate, secret string) error { g.signIn(t, secret); return nil },
		"when it is old, used or not": func(g *gate, secret string) error {
			for range 31 {
				g.now = g.now.Add(24 * time.Hour)
				if _, err := g.Who(context.Background(), auth.Credentials{Session: secret}); err != nil {
					return err
				}
			}
			return nil
		},
		"by its number": func(g *gate, secret string) error {
			c, err := g.Who(context.Background(), auth.Credentials{Session: secret})
			if err != nil {
				return err
			}
			return g.EndSession(context.Background(), c, c.Session)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			secret := g.signIn(t, "")
			g.now = g.now.Add(5 * 24 * time.Hour)
			if !g.who(t, auth.Credentials{Session: secret}).SignedIn() {
				t.Fatal("the session ended early")
			}
			must(t, end(g, secret))
			if got := g.who(t, auth.Credentials{Session: secret}); got.SignedIn() {
				t.Errorf("still signed in as %+v", got)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	admin := g.operator(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	for name, test := range map[string]struct {
		by   auth.Caller
		new  auth.NewToken
		want buildbtw.Kind // of the error; empty: it is made
		role buildbtw.Role
	}{
		"of a packager":              {bob, auth.NewToken{Kind: "person", Name: "laptop"}, "", buildbtw.RolePackager},
		"that only reads":            {bob, auth.NewToken{Kind: "person", Name: "cron", Role: buildbtw.RoleReader}, "", buildbtw.RoleReader},
		"above the own role":         {bob, auth.NewToken{Kind: "person", Name: "up", Role: buildbtw.RoleAdmin}, buildbtw.KindForbidden, ""},
		"of a bot by a packager":     {bob, auth.NewToken{Kind: "bot", Name: "ci"}, buildbtw.KindForbidden, ""},
		"of a worker by a packager":  {bob, auth.NewToken{Kind: "worker", Name: "w1"}, buildbtw.KindForbidden, ""},
		"of a person by nobody":      {auth.Caller{}, auth.NewToken{Kind: "person", Name: "x"}, buildbtw.KindUnauthenticated, ""},
		"of a bot":                   {admin, auth.NewToken{Kind: "bot", Name: "ci"}, "", buildbtw.RolePackager},
		"of a worker":                {admin, auth.NewToken{Kind: "worker", Name: "w1", Architectures: buildbtw.Names{"x86_64"}}, "", buildbtw.RoleWorker},
		"of no kind":                 {admin, auth.NewToken{Kind: "dog", Name: "x", Role: buildbtw.RoleReader}, buildbtw.KindInvalid, ""},
		"with a name of a path":      {admin, auth.NewToken{Kind: "bot", Name: "../x"}, buildbtw.KindInvalid, ""},
		"for ever":                   {admin, auth.NewToken{Kind: "bot", Name: "y", Life: 400 * 24 * time.Hour}, buildbtw.KindInvalid, ""},
		"of yesterday":               {admin, auth.NewToken{Kind: "bot", Name: "z", Life: -time.Hour}, buildbtw.KindInvalid, ""},
		"of a bot that claims":       {admin, auth.NewToken{Kind: "bot", Name: "w", Role: buildbtw.RoleWorker}, buildbtw.KindInvalid, ""},
		"of a person without a name": {bob, auth.NewToken{Kind: "person"}, buildbtw.KindInvalid, ""},
	} {
		_, secret, err := g.CreateToken(t.Context(), test.by, test.new)
		if test.want != "" {
			if buildbtw.KindOf(err) != test.want || secret != "" {
				t.Errorf("%s: %v, want %s", name, err, test.want)
			}
			continue
		}
		must(t, err)
		if got := g.who(t, auth.Credentials{Bearer: secret}); got.Role != test.role || got.CSRF != "" {
			t.Errorf("%s is good for %+v, want %s", name, got, test.role)
		}
	}
	if _, _, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the same name again: %v", err)
	}
}

func TestATokenIsRefusedWhenItIsRevokedOrExpired(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob, eve := g.who(t, auth.Credentials{Header: "bob"}), g.who(t, auth.Credentials{Header: "eve"})
	token, secret, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop"})
	must(t, err)
	if err := g.RevokeToken(t.Context(), eve, token.ID); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("somebody else revoked it: %v", err)
	}
	g.who(t, auth.Credentials{Bearer: secret})
	must(t, g.RevokeToken(t.Context(), bob, token.ID))
	_, other, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop", Life: time.Hour})
	must(t, err) // the name is free again
	g.now = g.now.Add(time.Hour)
	for what, secret := range map[string]string{"revoked": secret, "expired": other} {
		if _, err := g.Who(t.Context(), auth.Credentials{Bearer: secret}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
			t.Errorf("%s: %v", what, err)
		}
	}
	again, _, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop"})
	must(t, err) // that of an expired one, too
	must(t, g.RevokeToken(t.Context(), bob, again.ID))
	entries, _, err := g.db.Audit(t.Context(), "bob", "", 1)
	must(t, err)
	if e := entries[0]; e.Action != "revoke token" || e.Object != "laptop" || e.Detail != "person, packager, of bob" {
		t.Errorf("the audit has %+v", e)
	}
}

// Whoever loses the role at the provider loses sessions and tokens with it.
func TestWithTheRoleGoesTheRest(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"})
	_, token, err := g.CreateToken(t.Context(), bob, auth.NewToken{Kind: "person", Name: "laptop"})
	must(t, err)
	code, err := g.NewCode(bob.User)
	must(t, err)
	session, err := g.SignInWithCode(t.Context(), code, auth.Browser{})
	must(t, err)
	account, err := g.db.Account(t.Context(), bob.ID)
	must(t, err)
	must(t, g.db.CheckedAccount(t.Context(), account, store.Identity{Role: buildbtw.RoleNone}))
	if _, err := g.Who(t.Context(), auth.Credentials{Bearer: token}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("the token is still good: %v", err)
	}
	if got := g.who(t, auth.Credentials{Session: session}); got.SignedIn() {
		t.Errorf("the session goes on: %+v", got)
	}
	entries, _, err := g.db.Audit(t.Context(), "", "", 0)
	must(t, err)
	if len(entries) == 0 || entries[0].Action != "change role" || entries[0].Object != "bob" || entries[0].Detail != "packager → no role" {
		t.Errorf("the audit has %+v", entries)
	}
}

// A name at one issuer is not the same person as that name at another.
func TestTheSameNameOfAnotherIssuerIsSomebodyElse(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.operator(t)
	other, err := g.db.NoteIdentity(t.Context(), store.Identity{Issuer: "https://sso.example.org/realm", Subject: "s-1", Name: "anna", Role: buildbtw.RolePackager})
	must(t, err)
	if other.Name != "anna@sso.example.org" {
		t.Errorf("called %q", other.Name)
	}
	again, err := g.db.NoteIdentity(t.Context(), store.Identity{Issuer: "https://sso.example.org/realm", Subject: "s-1", Name: "bob", Role: buildbtw.RolePackager})
	must(t, err)
	if again.ID != other.ID || again.Name != other.Name {
		t.Errorf("a new name makes a new person: %+v", again)
	}
}

// Whoever may choose a name at the proxy does not become somebody whose name is alike:
// neither an administrator, nor the owner of another's buildspaces.
func TestProxyNamesAreComparedToTheByte(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	long := strings.Repeat("x", 64)
	owners := map[string]auth.Caller{"ada": g.who(t, auth.Credentials{Header: "ada"}), long: g.who(t, auth.Credentials{Header: long})}
	for name, like := range map[string]string{
		"adaé": "ada", "ad/a": "ada", "a da": "ada", "ada\\": "ada", "a\tda": "ada", "ada\u00a0": "ada", long + "y": long,
	} {
		like := owners[like]
		// The third of a name gets no account at all.
		c, err := g.Who(t.Context(), auth.Credentials{Header: name})
		if err == nil && (c.ID == like.ID || c.Name == like.Name || c.Role != buildbtw.RolePackager) {
			t.Errorf("%q is %s with account %d and role %s; %s has account %d", name, c.Name, c.ID, c.Role, like.Name, like.ID)
		}
		if err != nil && buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("%q: %v", name, err)
		}
	}
	// Nor does it help to come first.
	if first, bob := g.who(t, auth.Credentials{Header: "bob\u00e9"}), g.who(t, auth.Credentials{Header: "bob"}); first.Name != "bob@proxy" || bob.Name != "bob" {
		t.Errorf("bob\u00e9 is %s, bob is %s", first.Name, bob.Name)
	}
	if again := g.who(t, auth.Credentials{Header: " ada "}); again.ID != owners["ada"].ID {
		t.Errorf("spaces around a header's value made account %d of %d", again.ID, owners["ada"].ID)
	}
	if _, err := g.Who(t.Context(), auth.Credentials{Header: strings.Repeat("x", 256)}); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("a name of 256 bytes: %v", err)
	}
}

// One person who asks for codes does not keep the others from signing in.
func TestCodesArePerPerson(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	bob := g.who(t, auth.Credentials{Header: "bob"}).User
	for range 20 {
		_, err := g.NewCode(bob)
		must(t, err)
	}
	if _, err := g.NewCode(bob); buildbtw.KindOf(err) != buildbtw.KindTooMany {
		t.Errorf("bob's 21st: %v", err)
	}
	_, err := g.OperatorCode(t.Context())
	must(t, err)
	g.now = g.now.Add(2 * time.Minute)
	_, err = g.NewCode(bob)
	must(t, err)
}

// Somebody's token for a dashboard does not sign its owner out, nor outlive itself.
func TestATokenForLessChangesNoAccess(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	ada := g.who(t, auth.Credentials{Header: "ada"})
	make := func(c auth.Caller, name string, role buildbtw.Role) (buildbtw.Token, auth.Caller, error) {
		token, secret, err := g.CreateToken(t.Context(), c, auth.NewToken{Kind: buildbtw.KindPerson, Name: name, Role: role})
		if err != nil {
			return token, auth.Caller{}, err
		}
		return token, g.who(t, auth.Credentials{Bearer: secret}), nil
	}
	full, whole, err := make(ada, "whole", "")
	must(t, err)
	code, err := g.NewCode(ada.User)
	must(t, err)
	cookie, err := g.SignInWithCode(t.Context(), code, auth.Browser{})
	must(t, err)
	session := g.who(t, auth.Credentials{Session: cookie}).Session
	for _, role := range []buildbtw.Role{buildbtw.RoleReader, buildbtw.RolePackager} {
		own, weak, err := make(ada, string(role), role)
		must(t, err)
		_, _, makes := make(weak, "more", buildbtw.RoleReader)
		for what, err := range map[string]error{
			"makes a token":      makes,
			"ends a token":       g.RevokeToken(t.Context(), weak, full.ID),
			"ends a session":     g.EndSession(t.Context(), weak, session),
			"ends what is not":   g.EndSession(t.Context(), weak, 4711),
			"ends what is not 2": g.RevokeToken(t.Context(), weak, 4711),
		} {
			if buildbtw.KindOf(err) != buildbtw.KindForbidden {
				t.Errorf("a %s's token %s: %v", role, what, err)
			}
		}
		must(t, g.RevokeToken(t.Context(), weak, own.ID)) // bbtw auth logout
	}
	must(t, g.EndSession(t.Context(), whole, session))
	must(t, g.RevokeToken(t.Context(), whole, full.ID))
}
