// Package loopback tells whether an address belongs to this machine alone.
package loopback

import "net"

// Only reports whether only this machine can reach an address of the form host:port: its host is localhost or a
// loopback address.
func Only(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
