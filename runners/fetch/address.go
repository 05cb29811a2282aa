package fetch

import (
	"net"
	"net/netip"
	"strings"
)

// special lists the networks in 0.0.0.0/0 and 2000::/3 that have no hosts of the public
// internet (IANA's registries of special-purpose addresses), and the metadata addresses
// of clouds, which serve secrets.
//
//nolint:gochecknoglobals // a table
var special = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of this machine"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "an address of a provider's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"}, // 169.254.169.254: clouds
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 address"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("168.63.129.16/32"), "an address of a cloud's own services"}, // Azure
	{netip.MustParsePrefix("2001::/23"), "a reserved address"},                          // Teredo among them
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address"},
	{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
}

// public is the part of IPv6 that is routed on the internet. Outside of it lie
// loopback, private (fc00::/7), link-local and multicast addresses, and those
// with an IPv4 address in them (IPv4-mapped, NAT64).
//
//nolint:gochecknoglobals // a constant
var public = netip.MustParsePrefix("2000::/3")

// forbidden returns why nothing may be fetched from an address; empty when it may.
// Addresses of this machine's own interfaces are forbidden whatever they are.
func forbidden(ip netip.Addr) string {
	if ip.Zone() != "" {
		return "a link-local address"
	}
	ip = ip.Unmap()
	for _, s := range special {
		if s.prefix.Contains(ip) {
			return s.name
		}
	}
	if ip.Is6() && !public.Contains(ip) {
		return "not an address of the public internet"
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "perhaps an address of this machine, whose interfaces cannot be listed (" + err.Error() + ")"
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.AsSlice()) {
			return "an address of this machine"
		}
	}
	return ""
}

// endpoint returns HOST:PORT in the one form in which endpoints are compared.
func endpoint(host, port string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port)
}
