package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// mostUnsent is the number of bytes of an answer that a connection keeps for a client whose window is full.
const mostUnsent = 64 << 10

// keepLittleUnsent makes a connection accept little more than the network can carry. Linux keeps some megabytes
// otherwise, and takes more only when a third of them is gone.
func keepLittleUnsent(raw syscall.RawConn) {
	// Without the option, a slow client has to read more at a time.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, mostUnsent)
	})
}
