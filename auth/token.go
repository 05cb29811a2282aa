package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"buildbtw"
)

// NewToken describes a token that somebody asks for.
type NewToken struct {
	Kind buildbtw.UserKind // person: of the caller; bot and worker: administrators only
	Name string
	Role buildbtw.Role // of a person's or bot's; empty: the caller's own, or packager for a bot
	Life time.Duration // 0: 90 days, and no end for a worker's

	Architectures, Labels buildbtw.Names // a worker's token is restricted to these; empty: to none
}

// CreateToken makes a token and returns it with its secret, which is not kept.
func (a *Auth) CreateToken(ctx context.Context, c Caller, n NewToken) (buildbtw.Token, string, error) {
	token := buildbtw.Token{Kind: n.Kind, Name: n.Name, Role: n.Role, Architectures: n.Architectures, Labels: n.Labels}
	prefix := prefixPerson
	life := n.Life
	switch n.Kind {
	case buildbtw.KindPerson:
		if err := c.MayOwnAccount(); err != nil {
			return token, "", err
		}
		if c.ID == 0 {
			return token, "", errNoAccounts()
		}
		if err := a.whole(ctx, c); err != nil {
			return token, "", err
		}
		token.AccountID = &c.ID
		if token.Role == "" {
			token.Role = c.Role
		}
		if token.Role.AtMost(c.Role) != token.Role {
			return token, "", buildbtw.Forbidden("you are %s: a token of yours cannot have the role %s; roles are reader, packager and admin", c.Role, token.Role)
		}
	case buildbtw.KindBot, buildbtw.KindWorker:
		if err := c.MayAdminister(); err != nil {
			return token, "", err
		}
		prefix = prefixBot
		if token.Role == "" {
			token.Role = buildbtw.RolePackager
		}
		if n.Kind == buildbtw.KindWorker {
			prefix, token.Role = prefixWorker, buildbtw.RoleWorker
		}
	}
	if life == 0 && n.Kind != buildbtw.KindWorker {
		life = buildbtw.DefaultTokenLife
	}
	if life != 0 {
		until := a.Now().Add(life).UTC().Truncate(time.Second)
		token.ExpiresAt = &until
	}
	secret := newSecret(prefix)
	hash := sha256.Sum256([]byte(secret))
	token.Hash = hash[:]
	token, err := a.Store.CreateToken(ctx, c.acting(), token)
	if err != nil {
		return token, "", err
	}
	return token, secret, nil
}

// RevokeToken ends a token: one of the caller's own, or any for administrators. Every
// token of a person may end itself.
func (a *Auth) RevokeToken(ctx context.Context, c Caller, id int64) error {
	account, err := reach(c)
	if err == nil && (c.Token == nil || c.Token.ID != id) {
		err = a.whole(ctx, c)
	}
	if err != nil {
		return err
	}
	return a.Store.RevokeToken(ctx, c.acting(), id, account)
}

// EndSession ends a session: one of the caller's own, or any for administrators.
func (a *Auth) EndSession(ctx context.Context, c Caller, id int64) error {
	account, err := reach(c)
	if err == nil {
		err = a.whole(ctx, c)
	}
	if err != nil {
		return err
	}
	return a.Store.EndSession(ctx, c.acting(), id, account)
}

// whole returns nil for who may do all that the person may, and Forbidden for the holder
// of a token that was made for less: it changes nothing of the person's access.
func (a *Auth) whole(ctx context.Context, c Caller) error {
	if c.Token == nil || c.Token.AccountID == nil {
		return nil
	}
	account, err := a.Store.Account(ctx, *c.Token.AccountID)
	if err != nil {
		return err
	}
	if role := account.RoleAt(a.Now()); c.Role != role {
		return buildbtw.Forbidden("your token may do less than you (%s, not %s), so it makes and ends no sessions and no other tokens; sign in, or use another token", c.Role, role)
	}
	return nil
}

// reach returns whose sessions and tokens the caller may end: 0 means everybody's.
func reach(c Caller) (account int64, err error) {
	if c.MayAdminister() == nil {
		return 0, nil
	}
	if err := c.MayOwnAccount(); err != nil {
		return 0, err
	}
	return c.ID, nil
}
