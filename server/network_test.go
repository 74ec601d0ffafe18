package server

import (
	"net"
	"testing"
)

// TestNetworkOf: one bound is for one IPv4 address, or for one /64 network of IPv6.
func TestNetworkOf(t *testing.T) {
	for address, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 5}:             "192.0.2.7/32",
		&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 6}:      "192.0.2.7/32",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3:4:5:6"), Port: 7}:  "2001:db8:1:2::/64",
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth0"}: "fe80::/64",
		&net.UnixAddr{Name: "/run/langevin.sock", Net: "unix"}:          "invalid Prefix",
		&net.TCPAddr{}: "invalid Prefix",
	} {
		if got := networkOf(address).String(); got != want {
			t.Errorf("%v is in %s: want %s", address, got, want)
		}
	}
}
