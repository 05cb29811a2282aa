package apiv1

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
)

// Routes of people's accounts, and of the tokens of people, bots and build machines.
func (a *API) accountRoutes() []route {
	return []route{
		{method: "GET", path: "/me", by: byAll, summary: "Who is asking", may: buildbtw.User.MayRead, handler: a.me, answer: api.Me{}},
		{
			method: "POST", path: "/sign-in-codes", summary: "A link that signs a browser in as the caller: once, within two minutes",
			may: buildbtw.User.MayOwnAccount, handler: a.createSignInCode, answer: api.SignInCode{}, status: fiber.StatusCreated,
		},
		{
			method: "POST", path: "/logins", summary: "Begin a login for a program: somebody enters the short code in a browser and allows it",
			handler: a.startLogin, body: api.NewLogin{}, answer: api.StartedLogin{}, status: fiber.StatusCreated,
		},
		{
			method: "POST", path: "/logins/finish", summary: "Exchange the code of a login for a token, once somebody has allowed it",
			handler: a.finishLogin, body: api.FinishLogin{}, answer: api.FinishedLogin{},
		},
		{
			method: "GET", path: "/tokens", summary: "Tokens of the caller, the revoked ones last", may: buildbtw.User.MayManageTokens,
			handler: a.tokens, answer: api.Page[api.Token]{},
			query: paged(parameter{"all", "true: those of everybody, bots and workers too; for administrators"}),
		},
		{
			method: "POST", path: "/tokens", summary: "Make a token: of the caller or, for administrators, of a bot or build machine; the secret is told once",
			may: buildbtw.User.MayManageTokens, handler: a.createToken, body: api.NewToken{}, answer: api.CreatedToken{}, status: fiber.StatusCreated,
		},
		{
			method: "DELETE", path: "/tokens/{id}", summary: "Revoke a token of the caller or, for administrators, any",
			may: buildbtw.User.MayManageTokens, handler: a.end(a.Auth.RevokeToken), status: fiber.StatusNoContent,
		},
		{
			method: "GET", path: "/sessions", summary: "Browsers in which the caller is signed in, the last used first", may: buildbtw.User.MayOwnAccount,
			handler: a.sessions, answer: api.Page[api.Session]{},
			query: paged(parameter{"account", "instead: of the account with this id; for administrators"}),
		},
		{
			method: "DELETE", path: "/sessions/{id}", summary: "Sign a browser out: one of the caller's or, for administrators, any",
			may: buildbtw.User.MayManageTokens, handler: a.end(a.Auth.EndSession), status: fiber.StatusNoContent,
		},
		{
			method: "GET", path: "/accounts", summary: "Everybody who has signed in, by name", may: buildbtw.User.MayAdminister,
			handler: a.accounts, answer: api.Page[api.Account]{}, query: paged(),
		},
		{
			method: "POST", path: "/accounts/{id}/end-access", summary: "End all sessions and tokens of somebody", may: buildbtw.User.MayAdminister,
			handler: a.endAccess, answer: api.EndedAccess{},
		},
		{
			method: "GET", path: "/audit", summary: "Who did what, and from where, the newest first; whole, as JSON lines, when " + jsonLines + " is accepted",
			may: buildbtw.User.MayAdminister, handler: a.audit, answer: api.Page[api.AuditEntry]{}, query: paged(
				parameter{"actor", "only what this user did"}, parameter{"since", "only after the entry with this id"},
				parameter{"format", "jsonl: as JSON lines"}),
		},
	}
}

// me answers who is asking.
func (a *API) me(c *fiber.Ctx) error {
	who := a.Caller(c)
	me := api.Me{Name: who.Name, Role: who.Role, Kind: who.Kind}
	if who.Token != nil {
		token := wireToken(*who.Token, map[int64]string{who.ID: who.Name})
		me.Token = &token
	}
	return send(c, me)
}

// secret answers with something that is told once.
func secret(c *fiber.Ctx, status int, v any) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Status(status)
	return send(c, v)
}

func (a *API) createSignInCode(c *fiber.Ctx) error {
	code, err := a.Auth.NewCode(a.User(c))
	if err != nil {
		return err
	}
	return secret(c, fiber.StatusCreated, api.SignInCode{Code: code, URL: a.Settings.ServerURL + "/sign-in#code=" + code})
}

// startLogin begins a login with a short code.
func (a *API) startLogin(c *fiber.Ctx) error {
	r, err := decode[api.NewLogin](c)
	if err != nil {
		return err
	}
	started, err := a.Auth.StartLogin(auth.LoginRequest{Name: r.Name, Challenge: r.Challenge}, a.Caller(c).Address)
	if err != nil {
		return err
	}
	return secret(c, fiber.StatusCreated, api.StartedLogin{
		Code: started.Code, UserCode: started.UserCode, URL: a.Settings.ServerURL + "/auth/device", ExpiresIn: int64(started.Life.Seconds()),
	})
}

// finishLogin gives out the token of a login that somebody has allowed.
func (a *API) finishLogin(c *fiber.Ctx) error {
	r, err := decode[api.FinishLogin](c)
	if err != nil {
		return err
	}
	token, text, waiting, err := a.Auth.FinishLogin(c.UserContext(), r.Code, r.Verifier, a.Caller(c).Address)
	if err != nil {
		return err
	}
	answer := api.FinishedLogin{Waiting: waiting}
	if !waiting {
		account, err := a.Store.Account(c.UserContext(), *token.AccountID)
		if err != nil {
			return err
		}
		answer.Token = &api.CreatedToken{Token: wireToken(token, map[int64]string{account.ID: account.Name}), Secret: text}
	}
	return secret(c, fiber.StatusOK, answer)
}

// tokens lists tokens, without their secrets.
func (a *API) tokens(c *fiber.Ctx) error {
	who := a.Caller(c)
	all, err := flag(c, "all")
	if err != nil {
		return err
	}
	account := who.ID
	all = all || who.Kind != buildbtw.KindPerson // bots have none of their own
	switch {
	case all:
		account, err = 0, who.MayAdminister()
	case account == 0: // would mean everybody
		err = buildbtw.Unavailable("accounts cannot be kept at present; the server's log says why")
	}
	if err != nil {
		return err
	}
	rows, err := a.Store.Tokens(c.UserContext(), account)
	if err != nil {
		return err
	}
	owners := map[int64]string{who.ID: who.Name}
	if all {
		accounts, err := a.Store.Accounts(c.UserContext())
		if err != nil {
			return err
		}
		for _, owner := range accounts {
			owners[owner.ID] = owner.Name
		}
	}
	page, err := cut(c, list(rows, func(t buildbtw.Token) api.Token { return wireToken(t, owners) }), func(t api.Token) string { return t.ID })
	if err != nil {
		return err
	}
	return send(c, page)
}

// createToken makes a token. Its secret is in this answer and nowhere else.
func (a *API) createToken(c *fiber.Ctx) error {
	r, err := decode[api.NewToken](c)
	if err != nil {
		return err
	}
	most := int64(100 * 366 * 24 * time.Hour / time.Second)
	switch {
	case r.ExpiresIn < 0 || r.ExpiresIn > most:
		return buildbtw.Invalid("expires_in=%d: give the seconds until the token ends, or leave it out", r.ExpiresIn)
	case r.Kind == "":
		r.Kind = buildbtw.KindPerson
	}
	if r.Kind != buildbtw.KindWorker && len(r.Architectures)+len(r.Labels) > 0 {
		return buildbtw.Invalid("architectures and labels are for the tokens of build machines")
	}
	who := a.Caller(c)
	token, text, err := a.Auth.CreateToken(c.UserContext(), who, auth.NewToken{
		Kind: r.Kind, Name: r.Name, Role: r.Role, Life: time.Duration(r.ExpiresIn) * time.Second, Architectures: r.Architectures, Labels: r.Labels,
	})
	if err != nil {
		return err
	}
	return secret(c, fiber.StatusCreated, api.CreatedToken{Token: wireToken(token, map[int64]string{who.ID: who.Name}), Secret: text})
}

// end returns a handler that ends what the path names.
func (a *API) end(end func(context.Context, auth.Caller, int64) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := numbered(c)
		if err == nil {
			err = end(c.UserContext(), a.Caller(c), id)
		}
		if err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusNoContent)
	}
}

// numbered reads the id in the path.
func numbered(c *fiber.Ctx) (int64, error) {
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, buildbtw.NotFound("nothing has the id %.40q", c.Params("id"))
	}
	return id, nil
}

// sessions lists the browsers of the caller, or of another account.
func (a *API) sessions(c *fiber.Ctx) error {
	who := a.Caller(c)
	account := who.ID
	if text := c.Query("account"); text != "" && text != formatID(account) {
		if err := who.MayAdminister(); err != nil {
			return err
		}
		other, err := count(c, "account")
		if err != nil {
			return err
		}
		account = other
	}
	rows, err := a.Store.Sessions(c.UserContext(), account)
	if err != nil {
		return err
	}
	var valid []api.Session
	for _, s := range rows {
		if s.Valid(a.Now()) {
			valid = append(valid, api.Session{
				ID: formatID(s.ID), CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.LastUsedAt.UTC(), UserAgent: s.UserAgent, Address: s.Address,
				Current: s.ID == who.Session,
			})
		}
	}
	page, err := cut(c, list(valid, func(s api.Session) api.Session { return s }), func(s api.Session) string { return s.ID })
	if err != nil {
		return err
	}
	return send(c, page)
}

// accounts lists everybody who has signed in.
func (a *API) accounts(c *fiber.Ctx) error {
	rows, err := a.Store.Accounts(c.UserContext())
	if err != nil {
		return err
	}
	page, err := cut(c, list(rows, func(r buildbtw.Account) api.Account {
		return api.Account{
			ID: formatID(r.ID), Name: r.Name, Issuer: r.Issuer, Subject: r.Subject, Role: r.RoleAt(a.Now()), RoleUntil: utc(r.RoleUntil),
			CreatedAt: r.CreatedAt.UTC(), SignedInAt: r.SignedInAt.UTC(), CheckedAt: r.CheckedAt.UTC(),
		}
	}), func(r api.Account) string { return r.ID })
	if err != nil {
		return err
	}
	return send(c, page)
}

// endAccess ends all sessions and tokens of somebody.
func (a *API) endAccess(c *fiber.Ctx) error {
	id, err := numbered(c)
	if err != nil {
		return err
	}
	sessions, tokens, err := a.Auth.EndAccess(c.UserContext(), a.Caller(c), id)
	if err != nil {
		return err
	}
	return send(c, api.EndedAccess{Sessions: sessions, Tokens: tokens})
}

// jsonLines is the media type of an export.
const jsonLines = "application/x-ndjson"

// audit answers with a page of the audit, or with all of it as JSON lines.
func (a *API) audit(c *fiber.Ctx) error {
	since, err := count(c, "since")
	if err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	actor, cursor := c.Query("actor"), c.Query("cursor")
	switch format := c.Query("format"); {
	case format == "jsonl" || format == "" && strings.Contains(c.Get(fiber.HeaderAccept), jsonLines):
		c.Set(fiber.HeaderCacheControl, "no-store")
		return a.stream(c, jsonLines, func(ctx context.Context, w io.Writer) error { return a.exportAudit(ctx, w, actor, cursor, since) })
	case format != "" && format != "json":
		return buildbtw.Invalid("unknown format %.40q; choose json or jsonl", format)
	}
	entries, next, err := a.Store.Audit(c.UserContext(), actor, cursor, n)
	if err != nil {
		return err
	}
	wanted := after(entries, since)
	if len(wanted) < len(entries) {
		next = ""
	}
	return send(c, api.Page[api.AuditEntry]{Items: list(wanted, wireAudit), Cursor: next})
}

// exportAudit writes a line for each entry, reading page after page. Entries that
// come meanwhile are for the next export.
func (a *API) exportAudit(ctx context.Context, w io.Writer, actor, cursor string, since int64) error {
	for {
		entries, next, err := a.Store.Audit(ctx, actor, cursor, maxLimit)
		if err != nil {
			return err
		}
		wanted := after(entries, since)
		var lines []byte
		for _, e := range wanted {
			line, err := json.Marshal(wireAudit(e))
			if err != nil {
				return fmt.Errorf("encode audit entry %d: %w", e.ID, err)
			}
			lines = append(append(lines, line...), '\n')
		}
		if _, err := w.Write(lines); err != nil {
			return err
		}
		if next == "" || len(wanted) < len(entries) {
			return nil
		}
		cursor = next
	}
}

// after returns the entries that are newer than one, of a list with the newest first.
func after(entries []buildbtw.AuditEntry, since int64) []buildbtw.AuditEntry {
	for i, e := range entries {
		if e.ID <= since {
			return entries[:i]
		}
	}
	return entries
}

func wireAudit(e buildbtw.AuditEntry) api.AuditEntry {
	return api.AuditEntry{
		ID: formatID(e.ID), At: e.At.UTC(), Actor: e.Actor, Action: e.Action, Object: e.Object, Address: e.Address, Detail: e.Detail,
	}
}

// wireToken returns the JSON form of a token, whose owner's name is looked up by the
// id of the account.
func wireToken(t buildbtw.Token, owners map[int64]string) api.Token {
	w := api.Token{
		ID: formatID(t.ID), Kind: t.Kind, Name: t.Name, Role: t.Role, Architectures: names(t.Architectures), Labels: names(t.Labels),
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: utc(t.ExpiresAt), RevokedAt: utc(t.RevokedAt),
		LastUsedAt: utc(t.LastUsedAt), LastUsedFrom: t.LastUsedFrom,
	}
	if t.AccountID != nil {
		w.Owner = owners[*t.AccountID]
	}
	return w
}
