package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

// Credentials are the parts of a request that identify its sender.
type Credentials struct {
	Bearer  string // the token of "Authorization: Bearer …", or empty
	Session string // the session cookie, or empty
	Local   bool   // came over loopback or a Unix socket and was not passed on by a proxy
}

// Who returns the user with these credentials. Without credentials that is a user
// without a role; credentials that are wrong are an Unauthenticated error.
type Who func(Credentials) (buildbtw.User, error)

// sessionCookie is the cookie with the session of a person who signed in.
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

// sameSecret compares in a time that depends neither on where the two differ nor on
// their length.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// userKey is where identify leaves the user for the handlers of a request.
type userKey struct{}

// identify determines the user of a request, once.
func (a *App) identify(c *fiber.Ctx) error {
	scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "bearer") {
		token = ""
	}
	forwarded := c.Get(fiber.HeaderXForwardedFor) != "" || c.Get("Forwarded") != ""
	u, err := a.Who(Credentials{
		Bearer: strings.TrimSpace(token), Session: c.Cookies(sessionCookie), Local: !forwarded && isLocal(c.Context().RemoteAddr()),
	})
	if err != nil {
		return err
	}
	c.Locals(userKey{}, u)
	return c.Next()
}

// user returns who is asking: nobody for a request that identify has not seen.
func user(c *fiber.Ctx) buildbtw.User {
	u, _ := c.Locals(userKey{}).(buildbtw.User)
	return u
}

// isLocal reports whether a peer is on this machine.
func isLocal(addr net.Addr) bool {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
