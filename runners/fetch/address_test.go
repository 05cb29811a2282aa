package fetch

import (
	"net"
	"net/netip"
	"testing"
)

func TestAddressesFromWhichNothingIsFetched(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8%eth0", "::127.0.0.1",
		"10.0.2.2", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:192.168.1.1", "fc00::1", "fd12::1",
		"169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"169.254.0.1", "fe80::1", "fe80::1%lo", "fec0::1", "100.64.0.1", "100.127.255.255",
		"224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "ff02::1", "ff05::2",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:1::1", "2001:20::1", "192.88.99.1",
		"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
	} {
		if forbidden(netip.MustParseAddr(address)) == "" {
			t.Errorf("%s is not forbidden", address)
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		if ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP); forbidden(ip) == "" {
			t.Errorf("this machine's %s is not forbidden", ip)
		}
	}
	for _, address := range []string{"1.1.1.1", "9.9.9.9", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "::ffff:1.1.1.1", "2606:4700::1111", "2a01:4f8::1"} {
		if reason := forbidden(netip.MustParseAddr(address)); reason != "" {
			t.Errorf("%s is forbidden: %s", address, reason)
		}
	}
}
