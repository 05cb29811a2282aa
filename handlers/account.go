package handlers

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// accountPage shows people their sessions and tokens.
func (a *App) accountPage(c *fiber.Ctx) error {
	return a.renderAccount(c, views.MadeToken{}, nil)
}

func (a *App) renderAccount(c *fiber.Ctx, made views.MadeToken, refused error) error {
	who := caller(c)
	account, err := a.Store.Account(c.UserContext(), who.ID)
	if err != nil {
		return err
	}
	sessions, err := a.Store.Sessions(c.UserContext(), who.ID)
	if err != nil {
		return err
	}
	tokens, err := a.Store.Tokens(c.UserContext(), who.ID)
	if err != nil {
		return err
	}
	v := views.Account{Name: account.Name, Role: who.Role, RoleUntil: a.momentOf(account.RoleUntil), Made: made}
	for _, s := range sessions {
		if !s.Valid(a.Now()) {
			continue
		}
		ends := min(s.LastUsedAt.Add(buildbtw.SessionIdle).Unix(), s.CreatedAt.Add(buildbtw.SessionLife).Unix())
		v.Sessions = append(v.Sessions, views.AccessLine{
			ID: s.ID, Name: browserName(s.UserAgent), Made: a.moment(s.CreatedAt), LastUsed: a.moment(s.LastUsedAt), From: s.Address,
			Ends: time.Unix(ends, 0).UTC().Format(time.DateOnly), Own: s.ID == who.Session,
		})
	}
	for _, t := range tokens {
		v.Tokens = append(v.Tokens, a.tokenLine(t))
	}
	for _, r := range []buildbtw.Role{buildbtw.RoleAdmin, buildbtw.RolePackager, buildbtw.RoleReader} {
		if r.AtMost(who.Role) == r {
			v.Roles = append(v.Roles, r)
		}
	}
	v.Error = say(c, refused)
	return a.renderAccess(c, "Account", views.AccountContent(v))
}

// renderAccess answers with a page that only its reader may see, and that no cache
// may keep: it may show a secret once.
func (a *App) renderAccess(c *fiber.Ctx, title string, content templ.Component) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return a.render(c, a.shell(c, views.NavNone, title), content)
}

// say sets the status of a refused form, and returns its words.
func say(c *fiber.Ctx, refused error) string {
	if refused == nil {
		return ""
	}
	c.Status(buildbtw.KindOf(refused).HTTPStatus())
	return buildbtw.MessageOf(refused)
}

// browserName returns what people call a browser, from what it says of itself
// (RFC 9110, User-Agent): "Firefox 144 on Linux". Others are shown as they are.
func browserName(agent string) string {
	for _, b := range []struct{ token, name string }{{"Firefox/", "Firefox"}, {"Edg/", "Edge"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"}} {
		_, rest, found := strings.Cut(agent, b.token)
		if !found {
			continue
		}
		version, _, _ := strings.Cut(rest, ".")
		for _, system := range []string{"Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux"} {
			if strings.Contains(agent, system) {
				return b.name + " " + version + " on " + system
			}
		}
		return b.name + " " + version
	}
	return cmp.Or(agent, "unknown")
}

func (a *App) tokenLine(t buildbtw.Token) views.AccessLine {
	what := []string{string(t.Role)}
	if t.Kind != buildbtw.KindPerson {
		what = []string{string(t.Kind)}
		if t.Kind == buildbtw.KindBot {
			what = append(what, string(t.Role))
		}
	}
	for _, list := range []struct {
		name  string
		names buildbtw.Names
	}{{"only ", t.Architectures}, {"labels ", t.Labels}} {
		if len(list.names) > 0 {
			what = append(what, list.name+strings.Join(list.names, ", "))
		}
	}
	line := views.AccessLine{
		ID: t.ID, Name: t.Name, What: strings.Join(what, " · "), Made: a.moment(t.CreatedAt), MadeBy: t.CreatedBy, LastUsed: a.momentOf(t.LastUsedAt),
		From: t.LastUsedFrom, Ends: "never", Ended: !t.Valid(a.Now()),
	}
	switch {
	case t.RevokedAt != nil:
		line.Ends = "revoked " + t.RevokedAt.Format(time.DateOnly)
	case t.ExpiresAt != nil:
		line.Ends = t.ExpiresAt.Format(time.DateOnly)
	}
	return line
}

// createToken makes a token for the person who asks, and shows it once.
func (a *App) createToken(c *fiber.Ctx) error {
	made, refused, err := a.tokenFromForm(c, buildbtw.KindPerson)
	if err != nil {
		return err
	}
	return a.renderAccount(c, made, refused)
}

// tokenFromForm makes the token that a form describes. refused is why it cannot be
// made; the form's page says so.
func (a *App) tokenFromForm(c *fiber.Ctx, kind buildbtw.UserKind) (made views.MadeToken, refused, err error) {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return made, nil, err
	}
	n := auth.NewToken{
		Kind: kind, Name: strings.TrimSpace(c.FormValue("name")), Role: buildbtw.Role(c.FormValue("role")),
		Architectures: fields(c.FormValue("architectures")), Labels: fields(c.FormValue("labels")),
	}
	if days := c.FormValue("days"); days != "" {
		count, err := strconv.Atoi(days)
		if err != nil || count < 1 || count > 366 {
			return made, buildbtw.Invalid("%.20q is no number of days from 1 to 366", days), nil
		}
		n.Life = time.Duration(count) * 24 * time.Hour
	}
	token, secret, err := a.Auth.CreateToken(c.UserContext(), caller(c), n)
	if err != nil {
		return made, err, nil
	}
	return views.MadeToken{Name: token.Name, Secret: secret}, nil, nil
}

// endAccess calls end for the session or token that the path names, and goes back.
func (a *App) endAccess(end func(c *fiber.Ctx, id int64) error, back string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := strconv.ParseInt(c.Params("id"), 10, 64)
		if err != nil {
			return buildbtw.NotFound("there is nothing with the number %.40q", c.Params("id"))
		}
		if err := end(c, id); err != nil {
			return err
		}
		return a.seeOtherWith(c, back, views.Word{Text: "Ended: it lets nobody in any more."})
	}
}

func (a *App) endSession(c *fiber.Ctx, id int64) error {
	return a.Auth.EndSession(c.UserContext(), caller(c), id)
}

func (a *App) revokeToken(c *fiber.Ctx, id int64) error {
	return a.Auth.RevokeToken(c.UserContext(), caller(c), id)
}

func (a *App) endAccountAccess(c *fiber.Ctx, id int64) error {
	_, _, err := a.Auth.EndAccess(c.UserContext(), caller(c), id)
	return err
}

// adminPage shows everybody's access, and what they did.
func (a *App) adminPage(c *fiber.Ctx) error {
	return a.renderAdmin(c, views.MadeToken{}, nil)
}

// auditLines is how many entries of the audit a page has.
const auditLines = 50

func (a *App) renderAdmin(c *fiber.Ctx, made views.MadeToken, refused error) error {
	ctx := c.UserContext()
	people, err := a.Store.Accounts(ctx)
	if err != nil {
		return err
	}
	tokens, err := a.Store.Tokens(ctx, 0)
	if err != nil {
		return err
	}
	v := views.Admin{Made: made, Audit: views.Audit{Actor: c.Query("actor")}}
	for _, p := range people {
		v.People = append(v.People, views.PersonLine{
			ID: p.ID, Name: p.Name, Role: p.RoleAt(a.Now()), Issuer: p.Issuer, SignedIn: a.moment(p.SignedInAt),
		})
	}
	for _, t := range tokens {
		if t.Kind != buildbtw.KindPerson {
			v.Tokens = append(v.Tokens, a.tokenLine(t))
		}
	}
	entries, next, err := a.Store.Audit(ctx, v.Audit.Actor, c.Query("cursor"), auditLines)
	if err != nil {
		return err
	}
	v.Audit.Next = nextPage(c, next)
	for _, e := range entries {
		v.Audit.Lines = append(v.Audit.Lines, views.AuditLine{
			At: a.moment(e.At), Actor: e.Actor, Action: e.Action, Object: e.Object, Address: e.Address, Detail: e.Detail,
		})
	}
	v.Error = say(c, refused)
	return a.renderAccess(c, "Administration", views.AdminContent(v))
}

// createMachineToken makes a token for a build machine or a bot.
func (a *App) createMachineToken(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	kind := buildbtw.UserKind(c.FormValue("kind"))
	if kind != buildbtw.KindBot && kind != buildbtw.KindWorker {
		return a.renderAdmin(c, views.MadeToken{}, buildbtw.Invalid("choose a build machine or a bot"))
	}
	made, refused, err := a.tokenFromForm(c, kind)
	if err != nil {
		return err
	}
	return a.renderAdmin(c, made, refused)
}
