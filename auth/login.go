package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"buildbtw"
)

// A login gives a program a token of a person who allows it in a browser. The
// program proves with a secret of its own, the verifier, that it is the one that
// has asked (PKCE, RFC 7636): who sees a code has nothing. Programs beside the
// browser get the code by a redirect to loopback (RFC 8252); for others the person
// enters a short code (RFC 8628).

const (
	loginLife        = 10 * time.Minute
	maxLogins        = 1000 // that are under way without somebody who has allowed them
	loginsPerAddress = 20   // of them; of IPv6 of one network
	loginsPerPerson  = 20   // that one person has allowed

	// Short codes that a person may try. With 20⁸ codes, of which at most maxLogins
	// are good, nobody hits one.
	guessBurst = 20
	guessRate  = 1. / 60 // each second
)

// LoginRequest is a program's wish to act for a person.
type LoginRequest struct {
	Name      string // of the token, such as bbtw@laptop; nothing proves it
	Challenge string // SHA-256 of the verifier in base64url
}

// Check returns an error for a request that no login can come of.
func (r LoginRequest) Check() error {
	_, err := r.challenge()
	return err
}

func (r LoginRequest) challenge() (c [sha256.Size]byte, err error) {
	if err := buildbtw.CheckTokenName(r.Name); err != nil {
		return c, err
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(r.Challenge)
	if err != nil || len(sum) != len(c) {
		return c, buildbtw.Invalid("the challenge must be a SHA-256 digest in base64url; use 'bbtw auth login'")
	}
	copy(c[:], sum)
	return c, nil
}

// login is one that is under way.
type login struct {
	PendingLogin
	challenge [sha256.Size]byte
	until     time.Time
	account   int64         // who has allowed it; 0: nobody yet
	role      buildbtw.Role // at most this, as that person had it then
	denied    bool
}

// PendingLogin is a login as the person sees it who shall allow it.
type PendingLogin struct {
	UserCode string // that the person enters; empty with a redirect
	Name     string
	From     string // address of the program
	Since    time.Time
}

// logins are kept in memory: a restart of the server ends them.
type logins struct {
	mu      sync.Mutex
	waiting map[[sha256.Size]byte]*login // by the hash of their code
}

// add keeps a login and returns its code.
func (l *logins) add(n *login) (code string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[[sha256.Size]byte]*login{}
	}
	unknown, same, bound := 0, 0, loginsPerAddress
	if n.account != 0 {
		bound = loginsPerPerson
	}
	for key, other := range l.waiting {
		if !n.Since.Before(other.until) {
			delete(l.waiting, key)
			continue
		}
		if other.account == 0 {
			unknown++
		}
		if other.account == n.account && (n.account != 0 || network(other.From) == network(n.From)) {
			same++
		}
	}
	// Strangers, however many they are, do not keep out who has signed in.
	if n.account == 0 && unknown >= maxLogins || same >= bound {
		return "", buildbtw.TooMany("too many logins are under way; try again in ten minutes")
	}
	code = newSecret("")
	l.waiting[sha256.Sum256([]byte(code))] = n
	return code, nil
}

// network returns the key under which the logins of an address are counted: for IPv6 the
// /64, because whoever has one address usually has all 2^64 of it.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is6() {
		return address
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}

// asked returns the login that a person is asked about; l.mu is held.
func (l *logins) asked(userCode string, now time.Time) *login {
	for _, n := range l.waiting {
		if userCode != "" && subtle.ConstantTimeCompare([]byte(n.UserCode), []byte(userCode)) == 1 && now.Before(n.until) && n.account == 0 && !n.denied {
			return n
		}
	}
	return nil
}

// take removes a login whose person has answered, and every login whose verifier
// is wrong. It returns a copy, and nil while nobody has answered.
func (l *logins) take(code, verifier string, now time.Time) (*login, error) {
	key, proof := sha256.Sum256([]byte(code)), sha256.Sum256([]byte(verifier))
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.waiting[key]
	proved := n != nil && now.Before(n.until) && subtle.ConstantTimeCompare(n.challenge[:], proof[:]) == 1
	if proved && n.account == 0 && !n.denied {
		return nil, nil
	}
	delete(l.waiting, key)
	if !proved {
		return nil, buildbtw.Unauthenticated("this login is not known: it was used already, took longer than ten minutes, or the server was restarted; run 'bbtw auth login' again")
	}
	return n, nil
}

// forget ends the logins that a person has allowed.
func (l *logins) forget(account int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.waiting {
		if n.account == account {
			delete(l.waiting, key)
		}
	}
}

// MayAllowLogin returns nil for people whose token a program can get, and else why
// not.
func (c Caller) MayAllowLogin() error {
	if err := c.MayOwnAccount(); err != nil {
		return err
	}
	if err := c.MayRead(); err != nil {
		return err
	}
	if c.ID == 0 {
		return errNoAccounts()
	}
	return nil
}

func errNoAccounts() error {
	return buildbtw.Unavailable("accounts cannot be kept at present; the server's log says why")
}

// AllowLogin returns the code with which the program that has sent the browser here
// gets a token of the caller.
func (a *Auth) AllowLogin(c Caller, r LoginRequest) (code string, err error) {
	if err := c.MayAllowLogin(); err != nil {
		return "", err
	}
	challenge, err := r.challenge()
	if err != nil {
		return "", err
	}
	now := a.Now()
	return a.logins.add(&login{
		PendingLogin: PendingLogin{Name: r.Name, From: c.Address, Since: now},
		challenge:    challenge, until: now.Add(loginLife), account: c.ID, role: c.Role,
	})
}

// StartedLogin is a login whose person enters a short code.
type StartedLogin struct {
	Code     string // for FinishLogin; a secret of the program
	UserCode string
	Life     time.Duration
}

// StartLogin begins a login for a program at an address.
func (a *Auth) StartLogin(r LoginRequest, address string) (StartedLogin, error) {
	challenge, err := r.challenge()
	if err != nil {
		return StartedLogin{}, err
	}
	now := a.Now()
	s := StartedLogin{UserCode: newUserCode(), Life: loginLife}
	s.Code, err = a.logins.add(&login{
		PendingLogin: PendingLogin{UserCode: s.UserCode, Name: r.Name, From: address, Since: now},
		challenge:    challenge, until: now.Add(loginLife),
	})
	return s, err
}

// userLetters are those of short codes: none is a vowel, so that no words come of
// them, and none looks like another (RFC 8628, 6.1).
const userLetters = "BCDFGHJKLMNPQRSTVWXZ"

// newUserCode returns a code of 34 random bits, as WDJB-MJHT.
func newUserCode() string {
	var code []byte
	random := make([]byte, 32)
	for len(code) < 8 {
		_, _ = rand.Read(random) // it never fails
		for _, b := range random {
			if bound := 256 - 256%len(userLetters); int(b) < bound && len(code) < 8 {
				code = append(code, userLetters[int(b)%len(userLetters)])
			}
		}
	}
	return string(code[:4]) + "-" + string(code[4:])
}

// readUserCode reads a code as people write it; empty when it can be none.
func readUserCode(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(userLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s))
	if len(s) != 8 {
		return ""
	}
	return s[:4] + "-" + s[4:]
}

// Login returns the pending login with a short code, for the page that asks the person to
// allow it. A wrong code is NotFound; each try counts.
func (a *Auth) Login(c Caller, userCode string) (PendingLogin, error) {
	return a.onLogin(c, userCode, func(*login) {})
}

// AnswerLogin allows the program behind a short code to act for the caller, or
// refuses it.
func (a *Auth) AnswerLogin(c Caller, userCode string, allow bool) (PendingLogin, error) {
	return a.onLogin(c, userCode, func(n *login) {
		n.denied = !allow
		if allow {
			n.account, n.role = c.ID, c.Role
		}
	})
}

func (a *Auth) onLogin(c Caller, userCode string, answer func(*login)) (PendingLogin, error) {
	if err := c.MayAllowLogin(); err != nil {
		return PendingLogin{}, err
	}
	now := a.Now()
	if wait, ok := a.guesses.Take(fmt.Sprint(c.ID), now, 1); !ok {
		return PendingLogin{}, buildbtw.TooMany("you tried too many codes; try again in %s", wait.Round(time.Second))
	}
	a.logins.mu.Lock()
	defer a.logins.mu.Unlock()
	n := a.logins.asked(readUserCode(userCode), now)
	if n == nil {
		return PendingLogin{}, buildbtw.NotFound("no login waits for this code; codes are good for ten minutes and once, so compare it, or run 'bbtw auth login' again")
	}
	answer(n)
	return n.PendingLogin, nil
}

// FinishLogin makes the token of a login that its person has allowed, and returns
// it with its secret. waiting is true while nobody has answered. A code is used up
// by an answer, and by a wrong verifier.
func (a *Auth) FinishLogin(ctx context.Context, code, verifier, address string) (token buildbtw.Token, secret string, waiting bool, err error) {
	n, err := a.logins.take(code, verifier, a.Now())
	switch {
	case err != nil:
		return token, "", false, err
	case n == nil:
		return token, "", true, nil
	case n.denied:
		return token, "", false, buildbtw.Forbidden("the login was refused in the browser")
	}
	account, err := a.Store.Account(ctx, n.account)
	if err != nil {
		return token, "", false, err
	}
	c := Caller{User: a.person(account), Address: address}
	c.Role = c.Role.AtMost(n.role)
	if err := c.MayAllowLogin(); err != nil {
		return token, "", false, err
	}
	token, secret, err = a.createNumbered(ctx, c, n.Name)
	return token, secret, false, err
}

// sameNames bounds how many programs of one name a person may have.
const sameNames = 20

// createNumbered makes a token of the caller; when he has one of that name, a number
// is put behind it.
func (a *Auth) createNumbered(ctx context.Context, c Caller, name string) (token buildbtw.Token, secret string, err error) {
	for i := 1; i <= sameNames; i++ {
		numbered := name
		if i > 1 {
			numbered = fmt.Sprintf("%s-%d", name, i)
		}
		token, secret, err = a.CreateToken(ctx, c, NewToken{Kind: buildbtw.KindPerson, Name: numbered})
		if buildbtw.KindOf(err) != buildbtw.KindConflict {
			return token, secret, err
		}
	}
	return token, "", err
}
