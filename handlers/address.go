package handlers

import (
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/handlers/transfer"
)

// Proxies are the reverse proxies that are believed when they say from where a
// request comes. The zero value is none.
type Proxies struct {
	networks []netip.Prefix
	unix     bool // whoever connects over a Unix socket
}

// ParseProxies reads addresses, networks (10.0.0.0/8), and the word unix, which
// stands for whoever connects over the server's Unix socket.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		if text == "unix" {
			p.unix = true
			continue
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			p.networks = append(p.networks, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return Proxies{}, buildbtw.Invalid("%q is no address of a proxy; write 192.0.2.7, 2001:db8::7, a network such as 10.0.0.0/8, or unix", text)
		}
		p.networks = append(p.networks, network.Masked())
	}
	return p, nil
}

// Trust reports whether the other side of a connection is one of the proxies. An
// address that is not valid is that of a Unix socket.
func (p Proxies) Trust(peer netip.Addr) bool {
	if !peer.IsValid() {
		return p.unix
	}
	for _, network := range p.networks {
		if network.Contains(peer) {
			return true
		}
	}
	return false
}

// Client returns the address from which a request comes: that of the other side
// of the connection or, when this is a proxy that is trusted, what the proxy says.
// It is not valid for a program of this machine that uses the Unix socket.
//
// X-Forwarded-For and Forwarded (RFC 7239) are read from the end, where the
// nearest proxy wrote; what stands before the first address that is no trusted
// proxy's was written by whoever sent the request and says nothing. When that
// cannot be read, or both headers are there and disagree (a proxy sets one and
// passes on the other), nothing is known but the proxy.
func (p Proxies) Client(r *fasthttp.RequestCtx) netip.Addr {
	peer := transfer.PeerAddress(r.RemoteAddr())
	if !p.Trust(peer) {
		return peer
	}
	usual := p.first(peer, hops(r.Request.Header.PeekAll(fiber.HeaderXForwardedFor)))
	standard := p.first(peer, forwardedHops(r.Request.Header.PeekAll("Forwarded")))
	switch {
	case usual == peer:
		return standard
	case standard == peer || standard == usual:
		return usual
	}
	return peer
}

// first returns the last of the hops that is no trusted proxy, or the first hop
// when all are; peer when there is none or one cannot be read.
func (p Proxies) first(peer netip.Addr, hops []string) netip.Addr {
	found := peer
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			return peer
		}
		if found = hop; !p.Trust(hop) {
			break
		}
	}
	return found
}

// hops splits the values of a header that is a list.
func hops(lines [][]byte) []string {
	var all []string
	for _, line := range lines {
		all = append(all, strings.Split(string(line), ",")...)
	}
	return all
}

// forwardedHops returns the parameter "for" of each element of Forwarded. An
// element without one is a hop that cannot be read.
func forwardedHops(lines [][]byte) []string {
	all := hops(lines)
	for i, element := range all {
		all[i] = ""
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				all[i] = strings.Trim(value, `"`)
			}
		}
	}
	return all
}

// parseHop reads an address, which may have a port and, with IPv6, brackets.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

// addressName returns an address as people read it.
func addressName(a netip.Addr) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.String()
}

// addressKey is where observe leaves the client's address for the handlers of a
// request.
type addressKey struct{}

// address returns the address from which a request comes (Proxies.Client). It is
// determined before the body is read, because fasthttp takes what follows a body
// in chunks for further headers.
func address(c *fiber.Ctx) netip.Addr {
	addr, _ := c.Locals(addressKey{}).(netip.Addr)
	return addr
}
