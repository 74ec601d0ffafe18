//go:build !linux

package server

import "syscall"

// keepLittleUnsent does nothing where the option is not known.
func keepLittleUnsent(syscall.RawConn) {}
