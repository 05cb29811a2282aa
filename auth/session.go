package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/store"
)

// codeLife is how long a sign-in code is good: from 'bbtw open' to the browser.
const codeLife = 2 * time.Minute

// Bounds of the codes that wait to be used.
const (
	maxCodes       = 1000
	codesPerPerson = 20
)

// codes are the one-time codes of 'bbtw open': each signs one browser in as the person
// whose token requested it.
type codes struct {
	mu      sync.Mutex
	waiting map[[sha256.Size]byte]code
}

type code struct {
	account int64
	role    buildbtw.Role // of whom it was made for
	until   time.Time
}

// forget ends the codes of a person.
func (c *codes) forget(account int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, waiting := range c.waiting {
		if waiting.account == account {
			delete(c.waiting, key)
		}
	}
}

// NewCode returns a code that signs a browser in as the user: once, within two
// minutes.
func (a *Auth) NewCode(u buildbtw.User) (string, error) {
	if err := u.MayOwnAccount(); err != nil {
		return "", err
	}
	if u.ID == 0 {
		return "", errNoAccounts()
	}
	now, secret := a.Now(), newSecret("")
	a.codes.mu.Lock()
	defer a.codes.mu.Unlock()
	if a.codes.waiting == nil {
		a.codes.waiting = map[[sha256.Size]byte]code{}
	}
	own := 0
	for key, c := range a.codes.waiting {
		switch {
		case !now.Before(c.until):
			delete(a.codes.waiting, key)
		case c.account == u.ID:
			own++
		}
	}
	if own >= codesPerPerson {
		return "", buildbtw.TooMany("too many sign-ins of %s are under way; try again in two minutes", u.Name)
	}
	if len(a.codes.waiting) >= maxCodes {
		return "", buildbtw.Unavailable("too many sign-ins are under way; try again in two minutes")
	}
	a.codes.waiting[sha256.Sum256([]byte(secret))] = code{u.ID, u.Role, now.Add(codeLife)}
	return secret, nil
}

// OperatorCode is NewCode for the user who runs the server.
func (a *Auth) OperatorCode(ctx context.Context) (string, error) {
	return a.NewCode(a.operatorUser(ctx))
}

// Browser describes the browser of a new session.
type Browser struct {
	UserAgent string
	Address   string
	Before    string // the session cookie that it has already, or empty
}

// SignInWithCode exchanges a code for a session, whose secret it returns for the
// cookie. The code is used up, also when the session cannot be kept.
func (a *Auth) SignInWithCode(ctx context.Context, secret string, b Browser) (string, error) {
	key := sha256.Sum256([]byte(secret))
	a.codes.mu.Lock()
	c, known := a.codes.waiting[key]
	delete(a.codes.waiting, key)
	a.codes.mu.Unlock()
	if !known || !a.Now().Before(c.until) {
		return "", buildbtw.Unauthenticated("this code was used already or is older than two minutes; run 'bbtw open' again")
	}
	account, err := a.Store.Account(ctx, c.account)
	if err != nil {
		return "", err
	}
	if role := account.RoleAt(a.Now()); role.AtMost(c.role) != role {
		// A session may do all that its person may, and so more than the token.
		return "", buildbtw.Forbidden("the code was made with a token that may do less than you; sign in here by yourself, or run 'bbtw open' with a token of the role %s", role)
	}
	return a.beginSession(b, func(session buildbtw.Session, before []byte) error {
		return a.Store.SignInAgain(ctx, c.account, session, before)
	})
}

// maxUserAgent bounds the bytes that are kept of a browser's name.
const maxUserAgent = 200

// beginSession makes the secret of a new session, which begin keeps the hash of, and
// returns it.
func (a *Auth) beginSession(b Browser, begin func(session buildbtw.Session, before []byte) error) (string, error) {
	secret := newSecret(prefixSession)
	hash, before := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(b.Before))
	err := begin(buildbtw.Session{
		Hash: hash[:], UserAgent: b.UserAgent[:min(len(b.UserAgent), maxUserAgent)], Address: b.Address,
	}, before[:])
	if err != nil {
		return "", err
	}
	return secret, nil
}

// EndAccess ends all sessions and tokens of a person, and logins that are under way,
// and returns how many sessions and tokens these were. Only administrators may.
func (a *Auth) EndAccess(ctx context.Context, c Caller, account int64) (sessions, tokens int, err error) {
	if err := c.MayAdminister(); err != nil {
		return 0, 0, err
	}
	sessions, tokens, err = a.Store.EndAccess(ctx, c.acting(), account)
	a.codes.forget(account)
	a.logins.forget(account)
	return sessions, tokens, err
}

// SignOut ends the caller's session.
func (a *Auth) SignOut(ctx context.Context, c Caller) error {
	if c.Session == 0 {
		return nil
	}
	return a.Store.EndSession(ctx, c.acting(), c.Session, c.ID)
}

func (c Caller) acting() store.Acting { return store.Acting{Name: c.Name, Address: c.Address} }
