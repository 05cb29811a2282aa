package buildbtw

import (
	"slices"
	"strings"
	"time"
)

// Role is the rights of a user. Each role of people includes those before it.
type Role string

// The roles of people, weakest first, and that of build machines.
const (
	RoleNone     Role = ""         // may not even look
	RoleReader   Role = "reader"   // may look
	RolePackager Role = "packager" // may create and change buildspaces
	RoleAdmin    Role = "admin"    // may also manage workers, users and tokens
	RoleWorker   Role = "worker"   // a build machine: may claim, and change the builds that it has leases of
)

// Machine restricts the token of one build machine. A token without it, such
// as one that all machines share, may claim under any name.
type Machine struct {
	Worker        string // the only name that it may claim under
	Architectures Names  // the only ones that it may claim for; empty: any
	Labels        Names  // the only ones that it may claim with; empty: any
}

// AtMost returns the weaker of two roles of people: the role of a request with a token
// that was made for a weaker role than its owner's.
func (r Role) AtMost(other Role) Role {
	roles := []Role{RoleNone, RoleReader, RolePackager, RoleAdmin}
	return roles[max(0, min(slices.Index(roles, r), slices.Index(roles, other)))]
}

// UserKind is the kind of a caller.
type UserKind string

// The kinds of callers. Only people sign in with a browser.
const (
	KindAnonymous UserKind = ""
	KindPerson    UserKind = "person"
	KindBot       UserKind = "bot"
	KindWorker    UserKind = "worker"
)

// User is who is asking: a person, a bot or a build machine. The zero value is
// somebody unknown who may do nothing.
type User struct {
	ID   int64 // of the person's account; 0 for everybody else
	Kind UserKind
	Name string // as events and lists show it; empty for somebody unknown
	Role Role

	// OwnOnly restricts a packager to the buildspaces that he or she created, as
	// the server was configured (--packagers-change own).
	OwnOnly bool

	Machine *Machine // restrictions of a build machine's own token; nil for all other users
}

// Anonymous returns somebody who gave no credentials, and may look if that is
// allowed without signing in.
func Anonymous(mayRead bool) User {
	if mayRead {
		return User{Role: RoleReader}
	}
	return User{}
}

// System is the name under which the service itself appears in events.
const System = "buildbtw"

// SignedIn reports whether it is known who is asking.
func (u User) SignedIn() bool { return u.Name != "" }

// signInFirst is the answer to somebody unknown.
func signInFirst() error {
	return Unauthenticated("sign in first: in the browser at /sign-in, with bbtw by 'bbtw auth login'")
}

// MayRead returns nil when the user may look at pages and lists, and else why not.
func (u User) MayRead() error {
	switch {
	case u.Role != RoleNone:
		return nil
	case u.SignedIn():
		return Forbidden("%s has no role here; ask an administrator for one", u.Name)
	}
	return signInFirst()
}

// MayChange returns nil when the user may create buildspaces and change at least
// the own ones, and else why not. Handlers call it to refuse, views to hide the
// button.
func (u User) MayChange() error {
	switch {
	case u.Role == RolePackager, u.Role == RoleAdmin:
		return nil
	case !u.SignedIn():
		return signInFirst()
	}
	return Forbidden("%s may look but not change; ask an administrator for the packager role", u.Name)
}

// MayChangeOf returns nil when the user may change a buildspace that owner has
// created, and everything in it, and else why not.
func (u User) MayChangeOf(owner string) error {
	if err := u.MayChange(); err != nil {
		return err
	}
	if u.OwnOnly && u.Role != RoleAdmin && u.Name != owner {
		return Forbidden("this buildspace belongs to %s: only %s and administrators may change it", owner, owner)
	}
	return nil
}

// MayClaim returns nil for build machines and administrators, and else why not.
func (u User) MayClaim() error {
	switch {
	case u.Role == RoleWorker, u.Role == RoleAdmin:
		return nil
	case !u.SignedIn():
		return Unauthenticated("build machines present their token as \"Authorization: Bearer …\"; an administrator makes one with 'bbtw auth token create --worker NAME', and the worker takes it from --worker-token-file")
	}
	return Forbidden("only build machines may claim builds")
}

// MayClaimAs returns nil when the user may claim builds under a worker's name, for
// these architectures and with these labels, and else why not.
func (u User) MayClaimAs(worker string, architectures, labels []string) error {
	m := u.Machine
	if err := u.MayClaim(); err != nil || m == nil {
		return err
	}
	if worker != m.Worker {
		return Forbidden("this token is of worker %s and cannot claim as %s; start the worker with --name %s, or get a token for %s",
			m.Worker, worker, m.Worker, worker)
	}
	for _, part := range []struct {
		what           string
		wanted, within []string
	}{{"architecture", architectures, m.Architectures}, {"label", labels, m.Labels}} {
		for _, name := range part.wanted {
			if len(part.within) > 0 && !slices.Contains(part.within, name) {
				return Forbidden("the token of worker %s is not for %s %s, only for %s; claim without it, or get another token",
					m.Worker, part.what, name, strings.Join(part.within, ", "))
			}
		}
	}
	return nil
}

// MayAdminister returns nil when the user may manage workers, users and tokens,
// and else why not.
func (u User) MayAdminister() error {
	switch {
	case u.Role == RoleAdmin:
		return nil
	case !u.SignedIn():
		return signInFirst()
	}
	return Forbidden("only an administrator may do this")
}

// MayOwnAccount returns nil for people, who have sessions and tokens of their
// own, and else why not.
func (u User) MayOwnAccount() error {
	switch {
	case u.Kind == KindPerson:
		return nil
	case !u.SignedIn():
		return signInFirst()
	}
	return Forbidden("%s is no person: an administrator manages its tokens", u.Name)
}

// MayManageTokens returns nil for people, who make and end tokens of their own, and
// for administrators, who do so for bots and build machines, and else why not.
func (u User) MayManageTokens() error {
	if u.MayAdminister() == nil {
		return nil
	}
	return u.MayOwnAccount()
}

// Account is a person who has signed in at least once.
type Account struct {
	ID      int64  `bun:"id,pk,autoincrement"`
	Issuer  string `bun:"issuer"`  // who vouches for the person: URL of an OIDC provider, IssuerHeader or IssuerLocal
	Subject string `bun:"subject"` // the issuer's name for the person, which never changes
	Name    string `bun:"name"`    // unique, and kept: events name people by it
	Role    Role   `bun:"role"`

	// RoleUntil is when the role ends unless the issuer confirms it again. Nil:
	// it stays until the next sign-in.
	RoleUntil *time.Time `bun:"role_until"`
	Refresh   []byte     `bun:"refresh"` // the issuer's refresh token, encrypted; nil without one

	CreatedAt  time.Time `bun:"created_at"`
	SignedInAt time.Time `bun:"signed_in_at"`
	CheckedAt  time.Time `bun:"checked_at"` // when the issuer last said which groups the person is in
}

// The issuers that are no OIDC provider.
const (
	IssuerLocal  = "local" // the operating system's user who runs the server
	IssuerHeader = "proxy" // a reverse proxy in front of the server
)

// IssuerWords completes "signed in …" for people.
func IssuerWords(issuer string) string {
	switch issuer {
	case IssuerLocal:
		return "on the server's machine"
	case IssuerHeader:
		return "by the proxy in front"
	}
	return "with " + issuer
}

// RoleAt returns the person's role at a time: none when it has run out.
func (a Account) RoleAt(now time.Time) Role {
	if a.RoleUntil != nil && !now.Before(*a.RoleUntil) {
		return RoleNone
	}
	return a.Role
}

// maxUserName bounds the bytes of a person's name.
const maxUserName = 64

// UserName converts an issuer's name of a person to one for lists, logs and URLs: printable
// ASCII without spaces and slashes, at most 64 bytes. It is empty when nothing remains.
func UserName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '/' || r == '\\' || r > 0x7f {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxUserName)]
}

// Token lets a program act for a person, as a bot or as a build machine. The
// secret itself is shown once, when the token is made; only its hash is kept.
type Token struct {
	ID        int64    `bun:"id,pk,autoincrement"`
	Hash      []byte   `bun:"hash"` // SHA-256 of the secret
	Kind      UserKind `bun:"kind"` // person, bot or worker
	Name      string   `bun:"name"` // of the token; of a bot or worker also its own
	AccountID *int64   `bun:"account_id"`
	Role      Role     `bun:"role"` // at most this, for the token of a person

	// A worker's token is good for machines of this name, these architectures and
	// these labels only; empty lists restrict nothing.
	Architectures Names `bun:"architectures"`
	Labels        Names `bun:"labels"`

	CreatedBy    string     `bun:"created_by"`
	CreatedAt    time.Time  `bun:"created_at"`
	ExpiresAt    *time.Time `bun:"expires_at"` // nil: never
	RevokedAt    *time.Time `bun:"revoked_at"`
	LastUsedAt   *time.Time `bun:"last_used_at"`
	LastUsedFrom string     `bun:"last_used_from"` // address
}

// Valid reports whether the token is neither revoked nor expired.
func (t Token) Valid(now time.Time) bool {
	return t.RevokedAt == nil && (t.ExpiresAt == nil || now.Before(*t.ExpiresAt))
}

// Bounds of the life of a token.
const (
	DefaultTokenLife = 90 * 24 * time.Hour  // of a person's, unless another is asked for
	MaxTokenLife     = 366 * 24 * time.Hour // of a person's or a bot's
)

// CheckTokenName returns an error for a text that cannot be the name of a token.
func CheckTokenName(name string) error { return checkName("token", name, slugName) }

// Validate returns an error for a token that must not be made.
func (t Token) Validate(now time.Time) error {
	if err := CheckTokenName(t.Name); err != nil {
		return err
	}
	switch t.Kind {
	case KindPerson, KindBot:
		if t.Role != RoleReader && t.Role != RolePackager && t.Role != RoleAdmin {
			return Invalid("%q is no role of a token; choose reader, packager or admin", t.Role)
		}
		if t.ExpiresAt == nil || t.ExpiresAt.After(now.Add(MaxTokenLife)) {
			return Invalid("a token lives at most a year; choose an earlier end")
		}
	case KindWorker:
		if t.Role != RoleWorker {
			return Invalid("the token of a build machine has the role worker")
		}
	default:
		return Invalid("%q is no kind of token; choose person, bot or worker", t.Kind)
	}
	if t.ExpiresAt != nil && !t.ExpiresAt.After(now) {
		return Invalid("the token would have expired already")
	}
	for _, list := range []Names{t.Architectures, t.Labels} {
		if len(list) > maxLabels {
			return Invalid("at most %d architectures or labels fit into a token", maxLabels)
		}
		for _, name := range list {
			if err := checkName("label", name, slugName); err != nil {
				return err
			}
		}
	}
	return nil
}

// Session is a person who signed in with a browser. Its cookie is a secret of
// which only the hash is kept.
type Session struct {
	ID         int64     `bun:"id,pk,autoincrement"`
	Hash       []byte    `bun:"hash"` // SHA-256 of the cookie
	AccountID  int64     `bun:"account_id"`
	CreatedAt  time.Time `bun:"created_at"`
	LastUsedAt time.Time `bun:"last_used_at"`
	UserAgent  string    `bun:"user_agent"`
	Address    string    `bun:"address"` // from where it was last used
}

// Ends of a session.
const (
	SessionIdle = 7 * 24 * time.Hour  // after its last use
	SessionLife = 30 * 24 * time.Hour // after signing in
)

// Valid reports whether the session has neither rested nor lived too long.
func (s Session) Valid(now time.Time) bool {
	return now.Before(s.LastUsedAt.Add(SessionIdle)) && now.Before(s.CreatedAt.Add(SessionLife))
}

// AuditEntry records that somebody did something, and from where.
type AuditEntry struct {
	ID      int64     `bun:"id,pk,autoincrement"`
	At      time.Time `bun:"at"`
	Actor   string    `bun:"actor"`   // the user's name; empty for somebody unknown
	Action  string    `bun:"action"`  // a verb and a noun: "stop buildspace"
	Object  string    `bun:"object"`  // name or number of the thing that was changed
	Address string    `bun:"address"` // from where
	Detail  string    `bun:"detail"`
}
