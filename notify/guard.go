package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"buildbtw"
)

// closedNetworks are those that no address of a person may lead into: of this machine, of
// private networks, of cloud metadata, and those whose addresses contain one of the former
// (RFC 6890 and its registries).
func closedNetworks() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
		"fec0::/10", "ff00::/8",
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// errClosed is why an address is not connected to.
var errClosed = errors.New("it is in a network that addresses of people may not lead into; an administrator can allow it with --notify-allow")

// Guard makes the connections to addresses that people gave. Which they may be is decided
// by the address of the connection itself, after every lookup of its name.
type Guard struct {
	Allow []netip.Prefix // networks that are open nevertheless
}

// check returns an error for an address that must not be connected to.
func (g Guard) check(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	has := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(closedNetworks(), has) && !slices.ContainsFunc(g.Allow, has) {
		return errClosed
	}
	return nil
}

// control refuses a connection by the address that is being connected to.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return g.check(at.Addr())
}

// Time limits of one try, and the largest answer that is read.
const (
	tryTime   = 20 * time.Second
	maxAnswer = 4 << 10
)

// newClient returns a client that follows no redirects, uses no proxy of the environment, and
// makes a connection for each request, so that every one is checked.
func newClient(control func(network, address string, c syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: tryTime / 2, Control: control}
	return &http.Client{
		Timeout: tryTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: tryTime / 2,
			ResponseHeaderTimeout: tryTime, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// failure is why a message did not arrive. Its words name no secret.
type failure struct {
	words     string
	permanent bool          // to try again is of no use
	after     time.Duration // how long the receiver asked to wait; 0: it did not
}

func (f *failure) Error() string { return f.words }

// withoutURL removes the address from an error of an HTTP client: it may be a secret.
func withoutURL(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, errClosed):
		return &failure{words: "the address was refused: " + errClosed.Error(), permanent: true}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{words: "the receiver did not answer in time"}
	}
	return err
}

// checkURL returns an error for what cannot be the address of a webhook.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > 2000:
		return buildbtw.Invalid("the address has %d bytes; at most 2,000 are allowed", len(text))
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return buildbtw.Invalid("the address of the webhook cannot be read; write a URL such as https://hooks.example.org/buildbtw")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return buildbtw.Invalid("the address of a webhook begins with https:// (or http://) and the name of a server")
	case u.User != nil:
		return buildbtw.Invalid("the address of a webhook has no user name and password; messages are signed instead")
	case u.Fragment != "":
		return buildbtw.Invalid("the address of a webhook has no part after #")
	}
	return nil
}
