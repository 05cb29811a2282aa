package api

import (
	"time"

	"buildbtw"
)

// Me is the user who made the call.
type Me struct {
	Name  string            `json:"name"`
	Role  buildbtw.Role     `json:"role"`
	Kind  buildbtw.UserKind `json:"kind"`            // person, bot or worker; empty for somebody unknown
	Token *Token            `json:"token,omitempty"` // that was presented; absent for sessions, and for tokens of the server's own user
}

// Token is one of a person, bot or build machine, without its secret.
type Token struct {
	ID            string            `json:"id"`
	Kind          buildbtw.UserKind `json:"kind"` // person, bot or worker
	Name          string            `json:"name"` // of the token; of a bot or worker also its own
	Owner         string            `json:"owner,omitempty"`
	Role          buildbtw.Role     `json:"role"` // of a person's: at most this
	Architectures []string          `json:"architectures"`
	Labels        []string          `json:"labels"`
	CreatedBy     string            `json:"created_by"`
	CreatedAt     time.Time         `json:"created_at"`
	ExpiresAt     *time.Time        `json:"expires_at,omitempty"` // absent: never
	RevokedAt     *time.Time        `json:"revoked_at,omitempty"`
	LastUsedAt    *time.Time        `json:"last_used_at,omitempty"`
	LastUsedFrom  string            `json:"last_used_from,omitempty"` // address
}

// NewToken asks for a token.
type NewToken struct {
	Kind          buildbtw.UserKind `json:"kind,omitempty"` // person (of the caller), bot or worker; empty: person
	Name          string            `json:"name"`
	Role          buildbtw.Role     `json:"role,omitempty"`          // empty: the caller's own, or packager for a bot
	ExpiresIn     int64             `json:"expires_in,omitempty"`    // seconds; 0: 90 days, and never for a worker's
	Architectures []string          `json:"architectures,omitempty"` // a worker's token is for these alone; empty: for all
	Labels        []string          `json:"labels,omitempty"`        // likewise
}

// CreatedToken is a new token. Its secret is told once.
type CreatedToken struct {
	Token
	Secret string `json:"secret"`
}

// Session is a browser in which a person is signed in.
type Session struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	UserAgent  string    `json:"user_agent"`
	Address    string    `json:"address"` // from where it was last used
	Current    bool      `json:"current"` // it made the call
}

// Account is a person who has signed in.
type Account struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Issuer     string        `json:"issuer"`  // who vouches for the person
	Subject    string        `json:"subject"` // the issuer's name for the person
	Role       buildbtw.Role `json:"role"`
	RoleUntil  *time.Time    `json:"role_until,omitempty"` // unless the issuer confirms it again
	CreatedAt  time.Time     `json:"created_at"`
	SignedInAt time.Time     `json:"signed_in_at"`
	CheckedAt  time.Time     `json:"checked_at"`
}

// EndedAccess counts the sessions and tokens of a person that were ended.
type EndedAccess struct {
	Sessions int `json:"sessions"`
	Tokens   int `json:"tokens"`
}

// AuditEntry records that somebody did something, and from where.
type AuditEntry struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"` // empty for somebody unknown
	Action  string    `json:"action"`
	Object  string    `json:"object"`
	Address string    `json:"address"`
	Detail  string    `json:"detail,omitempty"`
}

// SignInCode signs a browser in: once, within two minutes.
type SignInCode struct {
	Code string `json:"code"`
	URL  string `json:"url"` // of the page that takes the code, with it in the fragment
}

// NewLogin asks for a token that somebody allows in a browser, who enters a short
// code there.
type NewLogin struct {
	Name      string `json:"name"`      // of the token
	Challenge string `json:"challenge"` // SHA-256 of a secret of the caller, the verifier, in base64url
}

// StartedLogin is how such a login goes on.
type StartedLogin struct {
	Code      string `json:"code"`       // for FinishLogin, with the verifier
	UserCode  string `json:"user_code"`  // for the person to enter
	URL       string `json:"url"`        // of the page where it is entered
	ExpiresIn int64  `json:"expires_in"` // seconds
}

// FinishLogin exchanges the code of a login for a token.
type FinishLogin struct {
	Code     string `json:"code"`
	Verifier string `json:"verifier"`
}

// FinishedLogin is the answer to FinishLogin.
type FinishedLogin struct {
	Waiting bool          `json:"waiting"` // nobody has allowed or refused it yet: ask again later
	Token   *CreatedToken `json:"token,omitempty"`
}
