package server

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout ends a connection whose peer does not confirm what was sent within the given time. grpc-go does this
// too, but only for a *net.TCPConn.
func setUserTimeout(conn net.Conn, timeout time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // the connection is closed already
	}
	_ = raw.Control(func(fd uintptr) {
		// It fails only where the connection is closed already.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
	})
}
