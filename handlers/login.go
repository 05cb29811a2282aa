package handlers

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// The pages on which people allow programs to act for them, for 'bbtw auth login'.
// That the form was sent from here, and by the person, checkCSRF has made sure.

// signedIn lets people on who can allow a program to act for them, and sends others
// to sign in first and come back.
func (a *App) signedIn(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if !user(c).SignedIn() && c.Method() == fiber.MethodGet {
		return seeOther(c, "/sign-in?next="+url.QueryEscape(c.OriginalURL()))
	}
	if err := caller(c).MayAllowLogin(); err != nil {
		return err
	}
	return c.Next()
}

// redirectLogin is what a program that waits on loopback sends the browser here with.
// There is no address in it but the port, so that no answer goes to another machine.
type redirectLogin struct {
	auth.LoginRequest
	port  string
	state string // the program's, which comes back to it
}

// maxState bounds the bytes of a program's state.
const maxState = 200

// readRedirectLogin reads the query or form of a request.
func readRedirectLogin(value func(key string, defaultValue ...string) string) (redirectLogin, error) {
	r := redirectLogin{LoginRequest: auth.LoginRequest{Name: value("name"), Challenge: value("challenge")}, state: value("state")}
	port, err := strconv.ParseUint(value("port"), 10, 16)
	if err != nil || port == 0 {
		return r, buildbtw.Invalid("the program gave no port of this machine to answer to; use 'bbtw auth login'")
	}
	r.port = strconv.FormatUint(port, 10)
	if r.state == "" || len(r.state) > maxState {
		return r, buildbtw.Invalid("the program gave no state of 1 to %d bytes; use 'bbtw auth login'", maxState)
	}
	return r, r.Check()
}

// origin is where the program waits.
func (r redirectLogin) origin() string { return "http://127.0.0.1:" + r.port }

// redirectLoginPage asks whether a program on the machine of the browser may act for
// the person.
func (a *App) redirectLoginPage(c *fiber.Ctx) error {
	r, err := readRedirectLogin(c.Query)
	if err != nil {
		return err
	}
	// The answer to the form sends the browser on, which form-action applies to too.
	c.Set(fiber.HeaderContentSecurityPolicy, strings.Replace(contentPolicy, "form-action 'self'", "form-action 'self' "+r.origin(), 1))
	return a.render(c, a.shell(c, views.NavNone, "Sign in "+r.Name), views.LoginContent(views.Login{
		User: user(c), Name: r.Name, Action: "/auth/cli",
		Fields: []views.LoginField{{Name: "name", Value: r.Name}, {Name: "challenge", Value: r.Challenge}, {Name: "port", Value: r.port}, {Name: "state", Value: r.state}},
	}))
}

// answerRedirectLogin sends the browser to the program that waits, with a code or
// with the refusal.
func (a *App) answerRedirectLogin(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	r, err := readRedirectLogin(c.FormValue)
	if err != nil {
		return err
	}
	allow, err := loginAnswer(c)
	if err != nil {
		return err
	}
	answer := url.Values{"state": {r.state}}
	if allow {
		code, err := a.Auth.AllowLogin(caller(c), r.LoginRequest)
		if err != nil {
			return err
		}
		answer.Set("code", code)
	} else {
		answer.Set("error", "access_denied")
	}
	return seeOther(c, r.origin()+"/?"+answer.Encode())
}

// loginAnswer reads which button was pressed.
func loginAnswer(c *fiber.Ctx) (allow bool, err error) {
	switch answer := c.FormValue("answer"); answer {
	case "allow", "deny":
		return answer == "allow", nil
	default:
		return false, buildbtw.Invalid("choose Allow or Refuse")
	}
}

// loginCodePage asks for the short code of a login.
func (a *App) loginCodePage(c *fiber.Ctx) error { return a.renderLoginCode(c, nil) }

func (a *App) renderLoginCode(c *fiber.Ctx, problem error) error {
	var v views.LoginCode
	if problem != nil {
		c.Status(buildbtw.KindOf(problem).HTTPStatus())
		v.Error = buildbtw.MessageOf(problem)
	}
	return a.render(c, a.shell(c, views.NavNone, "Sign in bbtw"), views.LoginCodeContent(v))
}

// enterLoginCode shows what the login behind a code is, with the two answers.
func (a *App) enterLoginCode(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	found, err := a.Auth.Login(caller(c), c.FormValue("code"))
	if wrongCode(err) {
		return a.renderLoginCode(c, err)
	}
	if err != nil {
		return err
	}
	return a.render(c, a.shell(c, views.NavNone, "Sign in "+found.Name), views.LoginContent(views.Login{
		User: user(c), Name: found.Name, From: found.From, Since: a.moment(found.Since), Action: "/auth/device/answer",
		Fields: []views.LoginField{{Name: "code", Value: found.UserCode}},
	}))
}

// answerLoginCode allows or refuses the login behind a code.
func (a *App) answerLoginCode(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	allow, err := loginAnswer(c)
	if err != nil {
		return err
	}
	answered, err := a.Auth.AnswerLogin(caller(c), c.FormValue("code"), allow)
	if wrongCode(err) {
		return a.renderLoginCode(c, err)
	}
	if err != nil {
		return err
	}
	return a.render(c, a.shell(c, views.NavNone, "Sign in "+answered.Name), views.LoginAnsweredContent(answered.Name, allow))
}

// wrongCode reports whether an error is one of the code that was entered.
func wrongCode(err error) bool {
	kind := buildbtw.KindOf(err)
	return err != nil && (kind == buildbtw.KindNotFound || kind == buildbtw.KindTooMany)
}
