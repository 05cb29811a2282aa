// Package auth determines who is asking: from the token of the server's own
// user, from tokens of people, bots and build machines, from the session of a
// browser, which an OpenID Connect provider or a code has begun, or from the header of a trusted reverse proxy. Where a request comes
// from proves nothing about who sends it.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/quota"
	"buildbtw/store"
)

// Config has the dependencies and settings of Auth. Store, Now and Log are
// needed.
type Config struct {
	Store *store.Store
	Now   func() time.Time
	Log   *slog.Logger

	Operator      string   // name of the operating system's user who runs the server; an administrator
	OperatorToken string   // of that user's programs; empty: none
	WorkerTokens  []string // of build machines that may have any name

	AnonymousRead bool // whoever does not sign in may look
	OwnOnly       bool // packagers change only the buildspaces that they created

	OIDC *OIDC // how people sign in with a provider; nil: they do not

	HeaderRole buildbtw.Role // of whom a trusted proxy names
	Admins     []string      // those of them who are administrators
}

// Auth says who is asking. It is safe for concurrent use.
type Auth struct {
	Config
	operator [sha256.Size]byte   // hash of the token
	workers  [][sha256.Size]byte // hashes of the tokens
	provider *provider           // nil without OIDC
	codes    codes
	logins   logins
	guesses  *quota.Rate // of short codes, by account
	touched  touched
}

// New returns an Auth.
func New(c Config) *Auth {
	a := &Auth{
		Config: c, operator: sha256.Sum256([]byte(c.OperatorToken)), guesses: quota.NewRate(guessRate, guessBurst, maxTouched),
	}
	for _, token := range c.WorkerTokens {
		if token != "" {
			a.workers = append(a.workers, sha256.Sum256([]byte(token)))
		}
	}
	if c.OIDC != nil {
		a.provider = newProvider(*c.OIDC, c.Now)
	}
	return a
}

// Credentials are the parts of a request that may prove who sends it.
type Credentials struct {
	Bearer  string // the token of "Authorization: Bearer …", or empty
	Session string // the session cookie, or empty
	Header  string // the name in the header of a trusted proxy, or empty; never that of anybody else
	Address string // the client's, for records only: it proves nothing
}

// Caller is who is asking, and how that is known.
type Caller struct {
	buildbtw.User

	// CSRF is the token that forms and scripts of our own pages send with every change.
	// It is empty for callers whose browser sends nothing by itself.
	CSRF    string
	Session int64           // of the browser; 0 without one
	Token   *buildbtw.Token // that was presented; nil without, and for those that are kept in memory
	Address string
}

// Who returns who has these credentials. Without any, or with a session that has
// ended, that is somebody anonymous. A token that is not known is an
// Unauthenticated error.
func (a *Auth) Who(ctx context.Context, c Credentials) (Caller, error) {
	switch {
	case c.Bearer != "":
		u, token, err := a.byToken(ctx, c)
		return Caller{User: u, Token: token, Address: c.Address}, err
	case c.Header != "":
		u, err := a.byHeader(ctx, c.Header)
		return Caller{User: u, CSRF: a.csrf(a.OperatorToken, c.Header), Address: c.Address}, err
	case c.Session != "":
		return a.bySession(ctx, c)
	}
	return Caller{User: buildbtw.Anonymous(a.AnonymousRead), Address: c.Address}, nil
}

// byToken returns whose token it is: the operator's, one that all workers share, or one
// of the database.
func (a *Auth) byToken(ctx context.Context, c Credentials) (buildbtw.User, *buildbtw.Token, error) {
	hash := sha256.Sum256([]byte(c.Bearer))
	if a.OperatorToken != "" && subtle.ConstantTimeCompare(hash[:], a.operator[:]) == 1 {
		return a.operatorUser(ctx), nil, nil
	}
	for _, w := range a.workers {
		if subtle.ConstantTimeCompare(hash[:], w[:]) == 1 {
			return buildbtw.User{Kind: buildbtw.KindWorker, Name: "worker", Role: buildbtw.RoleWorker}, nil, nil
		}
	}
	token, err := a.validToken(ctx, hash[:])
	if err != nil {
		return buildbtw.User{}, nil, err
	}
	a.touched.note(ctx, a, "token", token.ID, func(ctx context.Context) error { return a.Store.TouchToken(ctx, token.ID, c.Address) })
	if token.AccountID == nil {
		u := buildbtw.User{Kind: token.Kind, Name: token.Name, Role: token.Role}
		if token.Kind == buildbtw.KindBot {
			u.Name = "bot/" + token.Name // no person has a slash in the name
			u.OwnOnly = a.OwnOnly
		}
		if token.Kind == buildbtw.KindWorker {
			u.Machine = &buildbtw.Machine{Worker: token.Name, Architectures: token.Architectures, Labels: token.Labels}
		}
		return u, &token, nil
	}
	account, err := a.Store.Account(ctx, *token.AccountID)
	if err != nil {
		return buildbtw.User{}, nil, err
	}
	u := a.person(account)
	if u.Role == buildbtw.RoleNone {
		return buildbtw.User{}, nil, buildbtw.Unauthenticated("the role of %s has ended; sign in again in a browser", u.Name)
	}
	u.Role = u.Role.AtMost(token.Role)
	return u, &token, nil
}

// validToken returns the token with a hash, and an Unauthenticated error when it is
// not known or good no more.
func (a *Auth) validToken(ctx context.Context, hash []byte) (buildbtw.Token, error) {
	token, err := a.Store.Token(ctx, hash)
	next := "sign in again with 'bbtw auth login', or ask an administrator for a new one"
	if token.Kind == buildbtw.KindWorker {
		next = "ask an administrator for a new one, from 'bbtw auth token create --worker " + token.Name + "'"
	}
	switch {
	case buildbtw.KindOf(err) == buildbtw.KindNotFound:
		return token, buildbtw.Unauthenticated("the token is not known here; %s", next)
	case err != nil:
		return token, err
	case token.RevokedAt != nil:
		return token, buildbtw.Unauthenticated("the token %s was revoked; %s", token.Name, next)
	case !token.Valid(a.Now()):
		return token, buildbtw.Unauthenticated("the token %s has expired; %s", token.Name, next)
	}
	return token, nil
}

// Recheck returns an Unauthenticated error when the token that a caller presented is
// good no more, for requests that wait long.
func (a *Auth) Recheck(ctx context.Context, c Caller) error {
	if c.Token == nil {
		return nil
	}
	_, err := a.validToken(ctx, c.Token.Hash)
	return err
}

// person returns the user of an account, with the role that it has now.
func (a *Auth) person(account buildbtw.Account) buildbtw.User {
	return buildbtw.User{
		ID: account.ID, Kind: buildbtw.KindPerson, Name: account.Name, Role: account.RoleAt(a.Now()), OwnOnly: a.OwnOnly,
	}
}

// operatorUser is the user who runs the server. When the database cannot be
// written, as with a full disk, it is an administrator all the same.
func (a *Auth) operatorUser(ctx context.Context) buildbtw.User {
	account, err := a.Store.AccountOf(ctx, buildbtw.IssuerLocal, a.Operator)
	if err == nil {
		return a.person(account)
	}
	account, err = a.Store.NoteIdentity(ctx, a.operatorIdentity())
	if err != nil {
		a.Log.Warn("the account of the server's own user could not be kept", "error", err)
		return buildbtw.User{Kind: buildbtw.KindPerson, Name: a.Operator, Role: buildbtw.RoleAdmin}
	}
	return a.person(account)
}

func (a *Auth) operatorIdentity() store.Identity {
	return store.Identity{Issuer: buildbtw.IssuerLocal, Subject: a.Operator, Name: a.Operator, Role: buildbtw.RoleAdmin}
}

// byHeader returns whom a trusted proxy names, and makes the account at first. People
// are told apart by the name exactly as the proxy sends it: UserName returns the same
// name for different ones, such as "ad min" and "adminé".
func (a *Auth) byHeader(ctx context.Context, name string) (buildbtw.User, error) {
	name = strings.Trim(name, " \t")
	shown := buildbtw.UserName(name)
	if shown == "" || len(name) > maxSubject {
		return buildbtw.User{}, buildbtw.Unauthenticated("the proxy names nobody that could have an account")
	}
	if shown != name { // nobody takes the name of somebody who has not come yet
		shown += "@" + buildbtw.IssuerHeader
	}
	role := a.HeaderRole
	if slices.Contains(a.Admins, name) {
		role = buildbtw.RoleAdmin
	}
	account, err := a.Store.AccountOf(ctx, buildbtw.IssuerHeader, name)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound || err == nil && account.Role != role {
		account, err = a.Store.NoteIdentity(ctx, store.Identity{Issuer: buildbtw.IssuerHeader, Subject: name, Name: shown, Role: role})
	}
	if err != nil {
		return buildbtw.User{}, err
	}
	return a.person(account), nil
}

// bySession returns the person of a browser's session.
func (a *Auth) bySession(ctx context.Context, c Credentials) (Caller, error) {
	anonymous := Caller{User: buildbtw.Anonymous(a.AnonymousRead), Address: c.Address}
	hash := sha256.Sum256([]byte(c.Session))
	session, account, err := a.Store.SessionAccount(ctx, hash[:])
	switch {
	case buildbtw.KindOf(err) == buildbtw.KindNotFound:
		return anonymous, nil
	case err != nil:
		return anonymous, err
	case !session.Valid(a.Now()), account.RoleAt(a.Now()) == buildbtw.RoleNone:
		return anonymous, nil
	}
	a.touched.note(ctx, a, "session", session.ID, func(ctx context.Context) error {
		return a.Store.TouchSession(ctx, session.ID, c.Address)
	})
	return Caller{User: a.person(account), CSRF: a.csrf(c.Session, "session"), Session: session.ID, Address: c.Address}, nil
}

// csrf returns the token that our own pages send with a change. It is derived from a
// secret that only the browser and the server know, so a page of another site cannot
// compute it.
func (a *Auth) csrf(secret, purpose string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf " + purpose))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// SameSecret compares in a time that depends neither on where the two differ nor
// on their length.
func SameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// The prefixes of secrets, by which people and scanners recognize the kind of a leaked one.
const (
	prefixPerson  = "bbtwp_"
	prefixBot     = "bbtwb_"
	prefixWorker  = "bbtww_"
	prefixSession = "bbtws_"
)

// newSecret returns a secret of 130 random bits.
func newSecret(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// touchEvery is how exact the last use of a session or token is. To write it at
// every request would make each a commit.
const touchEvery = time.Minute

// maxTouched is the largest number of sessions and tokens in touched.
const maxTouched = 10_000

// touched remembers when the last use of sessions and tokens was written.
type touched struct {
	mu   sync.Mutex
	last map[touchKey]time.Time
}

type touchKey struct {
	kind string
	id   int64
}

// note writes that something is used now, unless that was written a short time
// ago. An error is logged only: the request itself can go on.
func (t *touched) note(ctx context.Context, a *Auth, kind string, id int64, write func(context.Context) error) {
	key, now := touchKey{kind, id}, a.Now()
	t.mu.Lock()
	if now.Sub(t.last[key]) < touchEvery {
		t.mu.Unlock()
		return
	}
	if t.last == nil || len(t.last) >= maxTouched {
		t.last = map[touchKey]time.Time{}
	}
	t.last[key] = now
	t.mu.Unlock()
	if err := write(ctx); err != nil {
		a.Log.Warn("the last use could not be noted", "of", kind, "number", id, "error", err)
	}
}
