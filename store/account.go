package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"buildbtw"
)

// Identity is a person as an issuer vouches for him or her.
type Identity struct {
	Issuer, Subject string
	Name            string // that the issuer proposes; it counts at the first sign-in only
	Role            buildbtw.Role
	RoleUntil       *time.Time // nil: the role stays
	Refresh         []byte     // encrypted; nil: the issuer gave no refresh token
}

// NoteIdentity makes or updates a person's account.
func (s *Store) NoteIdentity(ctx context.Context, i Identity) (buildbtw.Account, error) {
	var a buildbtw.Account
	err := s.inTx(ctx, func(ctx context.Context, t *tx) (err error) {
		a, err = t.noteIdentity(ctx, i)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("note the account of %s: %w", i.Name, err)
	}
	return a, nil
}

// SignIn makes or updates a person's account and begins a session with the hash
// of its cookie, both recorded. The session that the browser had before ends, so
// that a planted cookie is worth nothing.
func (s *Store) SignIn(ctx context.Context, i Identity, session buildbtw.Session, before []byte) (buildbtw.Account, error) {
	var a buildbtw.Account
	err := s.inTx(ctx, func(ctx context.Context, t *tx) (err error) {
		if a, err = t.noteIdentity(ctx, i); err != nil {
			return err
		}
		return t.beginSession(ctx, a, session, before)
	})
	if err != nil {
		return a, fmt.Errorf("sign in %s: %w", i.Name, err)
	}
	return a, nil
}

// SignInAgain begins another session of somebody whom a session or token of the
// account has proved. What the issuer said of the person stays as it is.
func (s *Store) SignInAgain(ctx context.Context, id int64, session buildbtw.Session, before []byte) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var a buildbtw.Account
		if err := t.get(ctx, &a, "account", args{"id": id}); err != nil {
			return notFound(err, "there is no account %d", id)
		}
		return t.beginSession(ctx, a, session, before)
	})
	if err != nil {
		return fmt.Errorf("sign in account %d: %w", id, err)
	}
	return nil
}

// beginSession replaces the session with the hash before, if there is one.
func (t *tx) beginSession(ctx context.Context, a buildbtw.Account, session buildbtw.Session, before []byte) error {
	var old buildbtw.Session
	switch err := t.get(ctx, &old, "session", args{"hash": before}); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if _, err := t.exec(ctx, "end_session", args{"id": old.ID, "account": 0}); err != nil {
			return err
		}
	}
	session.AccountID, session.CreatedAt, session.LastUsedAt = a.ID, t.now, t.now
	if err := t.insert(ctx, &session); err != nil {
		return err
	}
	return t.audit(ctx, buildbtw.AuditEntry{Actor: a.Name, Action: "sign in", Object: a.Name, Address: session.Address, Detail: buildbtw.IssuerWords(a.Issuer)})
}

func (t *tx) noteIdentity(ctx context.Context, i Identity) (a buildbtw.Account, err error) {
	err = t.get(ctx, &a, "account_of", args{"issuer": i.Issuer, "subject": i.Subject})
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, err
	}
	before := a.Role
	a.Role, a.RoleUntil, a.Refresh, a.SignedInAt, a.CheckedAt = i.Role, i.RoleUntil, i.Refresh, t.now, t.now
	if known {
		return a, errors.Join(t.keepRole(ctx, a), t.auditRole(ctx, a, before))
	}
	a.Issuer, a.Subject, a.CreatedAt = i.Issuer, i.Subject, t.now
	a.Name, err = t.freeName(ctx, i)
	if err != nil {
		return a, err
	}
	return a, t.insert(ctx, &a)
}

func (t *tx) keepRole(ctx context.Context, a buildbtw.Account) error {
	_, err := t.NewUpdate().Model(&a).Column("role", "role_until", "refresh", "signed_in_at", "checked_at").WherePK().Exec(ctx)
	return err
}

// freeName returns the name that an issuer proposes for a new person or, when
// somebody else has it, that name with the issuer's: nobody gets the buildspaces
// of another by choosing a name at another issuer, or those of before there were
// accounts, which belong to "local".
func (t *tx) freeName(ctx context.Context, i Identity) (string, error) {
	issuer := i.Issuer
	if u, err := url.Parse(i.Issuer); err == nil && u.Host != "" {
		issuer = u.Hostname()
	}
	name := buildbtw.UserName(i.Name)
	for _, candidate := range []string{name, name + "@" + issuer, buildbtw.UserName(i.Subject) + "@" + issuer} {
		var other buildbtw.Account
		switch err := t.get(ctx, &other, "account_named", args{"name": candidate}); {
		case candidate == "" || strings.HasPrefix(candidate, "@") || candidate == buildbtw.System || candidate == buildbtw.IssuerLocal:
		case errors.Is(err, sql.ErrNoRows):
			return candidate, nil
		case err != nil:
			return "", err
		}
	}
	return "", buildbtw.Conflict("somebody else is called %s here; ask an administrator", name)
}

// AccountOf returns the account of an issuer's person: NotFound when there is none.
func (q *Reader) AccountOf(ctx context.Context, issuer, subject string) (a buildbtw.Account, err error) {
	if err := q.get(ctx, &a, "account_of", args{"issuer": issuer, "subject": subject}); err != nil {
		return a, notFound(err, "%s has not signed in", subject)
	}
	return a, nil
}

// Account returns a person's account by its id.
func (q *Reader) Account(ctx context.Context, id int64) (a buildbtw.Account, err error) {
	if err := q.get(ctx, &a, "account", args{"id": id}); err != nil {
		return a, notFound(err, "there is no account %d", id)
	}
	return a, nil
}

// Accounts lists everybody who has signed in, by name.
func (q *Reader) Accounts(ctx context.Context) (list []buildbtw.Account, err error) {
	if err := q.list(ctx, &list, "accounts", nil); err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// AccountsToCheck lists people with a role of an OIDC provider that must be
// confirmed or ended: those who have a refresh token and were last checked before
// since, those without one whose role has run out now, and those of whom another
// issuer than this one once said it.
func (q *Reader) AccountsToCheck(ctx context.Context, issuer string, since, now time.Time) (list []buildbtw.Account, err error) {
	list, err = readable[buildbtw.Account](ctx, q.queries, "accounts_to_check", args{"issuer": issuer, "since": since.UTC(), "now": now.UTC()})
	if err != nil {
		return list, fmt.Errorf("list accounts to check: %w", err)
	}
	return list, nil
}

// CheckedAccount keeps what the provider says now of a person whose account was
// like this when it was asked. Whoever has no role any more loses sessions and tokens
// with it. When the person has signed in meanwhile, that counts and nothing changes.
func (s *Store) CheckedAccount(ctx context.Context, was buildbtw.Account, i Identity) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var a buildbtw.Account
		if err := t.get(ctx, &a, "account", args{"id": was.ID}); err != nil {
			return notFound(err, "there is no account %d", was.ID)
		}
		if !a.SignedInAt.Equal(was.SignedInAt) || !bytes.Equal(a.Refresh, was.Refresh) {
			return nil
		}
		a.Role, a.RoleUntil, a.Refresh, a.CheckedAt = i.Role, i.RoleUntil, i.Refresh, t.now
		if err := t.keepRole(ctx, a); err != nil {
			return err
		}
		if i.Role == buildbtw.RoleNone {
			for _, statement := range []string{"end_sessions", "revoke_tokens"} {
				if _, err := t.exec(ctx, statement, args{"account": a.ID, "now": t.now}); err != nil {
					return err
				}
			}
		}
		return t.auditRole(ctx, a, was.Role)
	})
	if err != nil {
		return fmt.Errorf("keep the role of account %d: %w", was.ID, err)
	}
	return nil
}

// auditRole records that an account has another role than before.
func (t *tx) auditRole(ctx context.Context, a buildbtw.Account, before buildbtw.Role) error {
	if a.Role == before {
		return nil
	}
	return t.audit(ctx, buildbtw.AuditEntry{
		Actor: buildbtw.System, Action: "change role", Object: a.Name, Detail: fmt.Sprintf("%s → %s", orNone(before), orNone(a.Role)),
	})
}

func orNone(r buildbtw.Role) string {
	if r == buildbtw.RoleNone {
		return "no role"
	}
	return string(r)
}

// SessionAccount returns the session with the hash of a cookie, and whose it is:
// NotFound when there is none.
func (q *Reader) SessionAccount(ctx context.Context, hash []byte) (session buildbtw.Session, a buildbtw.Account, err error) {
	if err := q.get(ctx, &session, "session", args{"hash": hash}); err != nil {
		return session, a, notFound(err, "there is no such session")
	}
	if err := q.get(ctx, &a, "session_account", args{"hash": hash}); err != nil {
		return session, a, notFound(err, "there is no such session")
	}
	return session, a, nil
}

// Sessions lists the sessions of a person, the last used first.
func (q *Reader) Sessions(ctx context.Context, account int64) (list []buildbtw.Session, err error) {
	if err := q.list(ctx, &list, "sessions", args{"account": account}); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// TouchSession notes that a session is used, and from where.
func (s *Store) TouchSession(ctx context.Context, id int64, address string) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "touch_session", args{"id": id, "now": t.now, "address": address})
		return err
	})
}

// Acting is somebody who changes accounts, and from where.
type Acting struct{ Name, Address string }

// EndSession ends a session of an account, or of anybody when account is 0.
func (s *Store) EndSession(ctx context.Context, by Acting, id, account int64) error {
	return s.changeAccess(ctx, "end_session", "session_in_words", "end session", by, id, account)
}

// RevokeToken ends a token of an account, or of anybody when account is 0.
func (s *Store) RevokeToken(ctx context.Context, by Acting, id, account int64) error {
	return s.changeAccess(ctx, "revoke_token", "token_in_words", "revoke token", by, id, account)
}

// EndAccess ends all sessions and tokens of an account, and returns how many.
func (s *Store) EndAccess(ctx context.Context, by Acting, account int64) (sessions, tokens int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var a buildbtw.Account
		if err := t.get(ctx, &a, "account", args{"id": account}); err != nil {
			return notFound(err, "there is no account %d", account)
		}
		for statement, n := range map[string]*int{"end_sessions": &sessions, "revoke_tokens": &tokens} {
			ended, err := t.exec(ctx, statement, args{"account": a.ID, "now": t.now})
			if err != nil {
				return err
			}
			*n = int(ended)
		}
		return t.audit(ctx, buildbtw.AuditEntry{
			Actor: by.Name, Action: "end access", Object: a.Name, Address: by.Address, Detail: fmt.Sprintf("%d sessions, %d tokens", sessions, tokens),
		})
	})
	if err != nil {
		return 0, 0, fmt.Errorf("end the access of account %d: %w", account, err)
	}
	return sessions, tokens, nil
}

// inWords is a session or a token as the audit tells of it.
type inWords struct{ Name, Detail string }

// changeAccess ends a session or a token, and records whose it was: the words are
// those that people see, because numbers tell them nothing.
func (s *Store) changeAccess(ctx context.Context, statement, words, action string, by Acting, id, account int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var ended inWords
		if err := t.get(ctx, &ended, words, args{"id": id}); err != nil {
			return notFound(err, "there is nothing with the number %d that could be ended", id)
		}
		n, err := t.exec(ctx, statement, args{"id": id, "account": account, "now": t.now})
		if err != nil {
			return err
		}
		if n == 0 {
			return buildbtw.NotFound("there is nothing with the number %d that could be ended", id)
		}
		return t.audit(ctx, buildbtw.AuditEntry{Actor: by.Name, Action: action, Object: ended.Name, Address: by.Address, Detail: ended.Detail})
	})
	if err != nil {
		return fmt.Errorf("%s %d: %w", action, id, err)
	}
	return nil
}

// CreateToken keeps a new token, of which it gets the hash only.
func (s *Store) CreateToken(ctx context.Context, by Acting, token buildbtw.Token) (buildbtw.Token, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		token.CreatedBy, token.CreatedAt = by.Name, t.now
		if err := token.Validate(t.now); err != nil {
			return err
		}
		var account int64
		if token.AccountID != nil {
			account = *token.AccountID
		}
		if _, err := t.exec(ctx, "end_expired_tokens", args{"kind": token.Kind, "name": token.Name, "account": account, "now": t.now}); err != nil {
			return err
		}
		var same []int64
		if err := t.list(ctx, &same, "tokens_named", args{"kind": token.Kind, "name": token.Name, "account": account}); err != nil {
			return err
		}
		if len(same) > 0 {
			return buildbtw.Conflict("there is a token of the name %s already; revoke it first, or choose another name", token.Name)
		}
		if err := t.insert(ctx, &token); err != nil {
			return err
		}
		var made inWords
		if err := t.get(ctx, &made, "token_in_words", args{"id": token.ID}); err != nil {
			return err
		}
		return t.audit(ctx, buildbtw.AuditEntry{Actor: by.Name, Action: "create token", Object: made.Name, Address: by.Address, Detail: made.Detail})
	})
	if err != nil {
		return token, fmt.Errorf("create token %s: %w", token.Name, err)
	}
	return token, nil
}

// Token returns the token whose secret has this hash, without who made it and when, and
// without its last use. The error is NotFound when there is none.
func (q *Reader) Token(ctx context.Context, hash []byte) (token buildbtw.Token, err error) {
	if err := q.get(ctx, &token, "token", args{"hash": hash}); err != nil {
		return token, notFound(err, "there is no such token")
	}
	return token, nil
}

// Tokens lists the tokens of an account, or all when account is 0; the revoked
// ones last, at most 1,000.
func (q *Reader) Tokens(ctx context.Context, account int64) (list []buildbtw.Token, err error) {
	if err := q.list(ctx, &list, "tokens", args{"account": account}); err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return list, nil
}

// TouchToken notes that a token is used, and from where.
func (s *Store) TouchToken(ctx context.Context, id int64, address string) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "touch_token", args{"id": id, "now": t.now, "address": address})
		return err
	})
}

// RecordAudit records something that was done outside of the store's own
// transactions, or refused.
func (s *Store) RecordAudit(ctx context.Context, e buildbtw.AuditEntry) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error { return t.audit(ctx, e) })
	if err != nil {
		return fmt.Errorf("record that %s did %s: %w", e.Actor, e.Action, err)
	}
	return nil
}

func (t *tx) audit(ctx context.Context, e buildbtw.AuditEntry) error {
	e.At = t.now
	return t.insert(ctx, &e)
}

// Audit lists what was done, by whom and from where, the newest first. An empty
// actor means everybody.
func (q *Reader) Audit(ctx context.Context, actor, cursor string, limit int) (page []buildbtw.AuditEntry, next string, err error) {
	if limit, err = pageLimit(limit); err != nil {
		return nil, "", err
	}
	before, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	if err := q.list(ctx, &page, "audit", args{"actor": actor, "before": before, "limit": limit + 1}); err != nil {
		return nil, "", fmt.Errorf("list the audit: %w", err)
	}
	page, next = cutPage(page, limit, func(e buildbtw.AuditEntry) int64 { return e.ID })
	return page, next, nil
}

// How long ended tokens and the audit are kept.
const (
	keptTokens = 90 * 24 * time.Hour
	keptAudit  = 2 * 366 * 24 * time.Hour
)

// PruneAccess removes sessions that have ended, tokens that ended long ago, and
// what is oldest in the audit.
func (s *Store) PruneAccess(ctx context.Context) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		for statement, a := range map[string]args{
			"prune_sessions": {"idle": t.now.Add(-buildbtw.SessionIdle), "life": t.now.Add(-buildbtw.SessionLife)},
			"prune_tokens":   {"before": t.now.Add(-keptTokens)},
			"prune_audit":    {"before": t.now.Add(-keptAudit)},
		} {
			if _, err := t.exec(ctx, statement, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prune sessions and tokens: %w", err)
	}
	return nil
}
