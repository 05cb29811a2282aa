package handlers

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

// hosts says under which names the server may be addressed. In single-user mode
// whoever reaches the server may do everything, so a page of another site must
// not reach it through its reader's browser: neither under a name that the site
// lets point here (DNS rebinding) nor by a form or script of its own.
type hosts struct {
	any  bool   // every name: people sign in
	name string // the host name of the server's URL, without port
}

func acceptedHosts(s buildbtw.ServerSettings) (hosts, error) {
	u, err := url.Parse(s.ServerURL)
	if err != nil || u.Hostname() == "" {
		return hosts{}, buildbtw.Invalid("%q is no URL of a server; write for example http://127.0.0.1:8080", s.ServerURL)
	}
	return hosts{any: !s.SingleUser, name: strings.ToLower(u.Hostname())}, nil
}

// accept reports whether a Host header names this server. No other site can
// point a name at what virtual machines call it.
func (h hosts) accept(host string) bool {
	name := strings.ToLower(hostname(host))
	if h.any || name == h.name || name == "localhost" || name == buildbtw.HostFromGuest {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

// hostname is a host without its port and without the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// checkOrigin refuses what the browser of a person was made to send by another
// site. Programs that are no browsers send neither header.
func (a *App) checkOrigin(c *fiber.Ctx) error {
	host := string(c.Request().Host())
	if !a.hosts.accept(host) {
		return fiber.NewError(fiber.StatusMisdirectedRequest,
			fmt.Sprintf("this server is not reached as %.80q; use its own address", host))
	}
	if isSafe(c.Method()) {
		return c.Next()
	}
	switch c.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return buildbtw.Forbidden("the request comes from a page of another site")
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" && !sameHost(origin, host) {
		return buildbtw.Forbidden("the request comes from a page of another site")
	}
	return c.Next()
}

func isSafe(method string) bool {
	return method == fiber.MethodGet || method == fiber.MethodHead || method == fiber.MethodOptions
}

// sameHost compares name and port; "null", the origin of sandboxed pages, is
// nobody's.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
