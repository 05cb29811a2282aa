package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

// Credentials are what a request says of whoever sent it.
type Credentials struct {
	Bearer  string // the token of "Authorization: Bearer …", or empty
	Session string // the session cookie, or empty
	Local   bool   // came over loopback or a Unix socket and was not passed on by a proxy
}

// Who says who is asking. Without credentials that is a user without a role;
// credentials that are wrong are an Unauthenticated error.
type Who func(Credentials) (buildbtw.User, error)

// sessionCookie holds the session of somebody who signed in.
const sessionCookie = "buildbtw_session"

// SingleUser lets everybody on this machine do everything, and build machines
// that know workerToken claim from anywhere. An empty token admits no other
// machine.
func SingleUser(workerToken string) Who {
	return func(c Credentials) (buildbtw.User, error) {
		switch {
		case c.Bearer != "" && workerToken != "" && sameSecret(c.Bearer, workerToken):
			return buildbtw.User{Name: "worker", Role: buildbtw.RoleWorker}, nil
		case c.Bearer != "":
			return buildbtw.User{}, buildbtw.Unauthenticated("the token is not known here; compare it with the file given to the server")
		case c.Local:
			return buildbtw.Local(), nil
		}
		return buildbtw.User{}, nil
	}
}

// sameSecret compares in a time that tells nothing of where the two differ nor
// of how long they are.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// userKey is where identify leaves the user for the handlers of a request.
type userKey struct{}

// identify finds out who is asking, once per request.
func (a *App) identify(c *fiber.Ctx) error {
	u, err := a.Who(credentials(c))
	if err != nil {
		return err
	}
	c.Locals(userKey{}, u)
	return c.Next()
}

// user gives who is asking; nobody for a request that identify has not seen.
func user(c *fiber.Ctx) buildbtw.User {
	u, _ := c.Locals(userKey{}).(buildbtw.User)
	return u
}

func credentials(c *fiber.Ctx) Credentials {
	forwarded := c.Get(fiber.HeaderXForwardedFor) != "" || c.Get("Forwarded") != ""
	return Credentials{
		Bearer:  bearer(c.Get(fiber.HeaderAuthorization)),
		Session: c.Cookies(sessionCookie),
		Local:   !forwarded && isLocal(c.Context().RemoteAddr()),
	}
}

func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func isLocal(addr net.Addr) bool {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
