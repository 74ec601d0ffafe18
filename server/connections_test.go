package server_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/langevin-ml/langevin/server"
)

// silent opens connections that send nothing.
func silent(t *testing.T, address string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns[i] = conn
	}
	return conns
}

// hungUp fails the test unless the server closes a connection within the given time.
func hungUp(t *testing.T, conn net.Conn, within time.Duration) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection is open after %v", within)
	}
}

// descriptors counts the files and connections that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of descriptors: %v", err)
	}
	return len(open)
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s: %s", what)
		}
	}
}

// TestSilentConnections: hundreds of connections that send nothing take no more places than there are, keep nobody out,
// are told of in the log and in a metric, and are closed after grpc.handshake_timeout.
func TestSilentConnections(t *testing.T) {
	const most, many, handshake = 100, 300, 2 * time.Second
	admin := freePort(t)
	r := start(t, func(c *server.Config) {
		c.Admin.Listen, c.HTTP.Listen = admin, "localhost:0"
		c.Limits.MaxConnections, c.GRPC.HandshakeTimeout = most, handshake
	})
	r.alive(t)
	before := descriptors(t)
	calls := map[string]func(){
		"grpc": func() {
			conn, err := grpc.NewClient(r.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			(&running{conn: conn}).alive(t)
		},
		"http":  func() { get(t, r.http, "/healthz") },
		"admin": func() { get(t, admin, "/healthz") },
	}
	var all []net.Conn
	for name, address := range map[string]string{"grpc": r.conn.Target(), "http": r.http, "admin": admin} {
		held := descriptors(t)
		all = append(all, silent(t, address, many)...)
		called := time.Now()
		calls[name]()
		took := time.Since(called)
		if took > handshake/2 {
			t.Errorf("%s: a call behind %d silent connections took %v", name, many, took)
		}
		label := fmt.Sprintf(`{listener=%q}`, name)
		series := scrape(t, admin)
		if open := series["langevin_connections"+label]; open > most {
			t.Errorf("%s: %v connections are open, want at most %d", name, open, most)
		}
		refused := fmt.Sprintf(`langevin_connections_refused_total{bound="limits.max_connections",listener=%q}`, name)
		if n := series[refused]; n < many-most {
			t.Errorf("%s: %v connections were counted as refused, want %d", name, n, many-most)
		}
		taken := descriptors(t) - held - many
		if taken > most+10 {
			t.Errorf("%s: the server has %d descriptors more than before", name, taken)
		}
		t.Logf("%s: a call took %v, %d descriptors are taken", name, took, taken)
	}
	for _, conn := range all {
		hungUp(t, conn, handshake+10*time.Second)
		conn.Close()
	}
	eventually(t, "connections are counted that are closed", func() bool {
		series := scrape(t, admin)
		return series[`langevin_connections{listener="grpc"}`]+series[`langevin_connections{listener="http"}`]+
			series[`langevin_connections{listener="admin"}`] <= 3 // the test's own
	})
	eventually(t, "descriptors are left", func() bool { return descriptors(t) <= before+5 })
	if n := strings.Count(r.log.String(), "too many connections"); n < 3 || n > 9 {
		t.Errorf("%d lines of %d refusals: want one for each listener, and few more:\n%.2000s", n, 3*(many-most), r.log)
	}
}

// TestConnectionsAreBounded: connections that speak keep their places, and what comes beyond the bound of all or of one
// host is closed at once.
func TestConnectionsAreBounded(t *testing.T) {
	for setting, bound := range map[string]func(*server.Config){
		"limits.max_connections":          func(c *server.Config) { c.Limits.MaxConnections = 5 },
		"limits.max_connections_per_host": func(c *server.Config) { c.Limits.MaxConnectionsPerHost = 5 },
	} {
		r := start(t, bound)
		speaking := silent(t, r.conn.Target(), 4) // the fifth is the client's own
		for _, conn := range speaking {
			if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond) // the server reads
		for _, conn := range silent(t, r.conn.Target(), 3) {
			hungUp(t, conn, 5*time.Second)
		}
		if !strings.Contains(r.log.String(), "bound="+setting) {
			t.Errorf("the log does not name %s:\n%s", setting, r.log)
		}
		r.alive(t)
		speaking[0].Close()
		eventually(t, "the place of a connection that is closed stays taken", func() bool {
			conn, err := grpc.NewClient(r.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			return (&running{conn: conn}).few(t.Context()) == nil
		})
	}
}

// TestDescriptorsRunOut: a server that can open no more files says so, serves the connections that it has, and accepts
// new ones once there is room.
func TestDescriptorsRunOut(t *testing.T) {
	descriptors(t)
	r := start(t, nil)
	r.alive(t)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	few := files
	few.Cur = uint64(descriptors(t) + 20)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	restore := func() error { return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files) }
	t.Cleanup(func() { restore() })
	var held []*os.File
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, file)
	}
	held[len(held)-1].Close() // room for the client's end and not for the server's
	conn := silent(t, r.conn.Target(), 1)[0]
	eventually(t, "nothing is logged", func() bool {
		return strings.Contains(r.log.String(), "connections wait: the process can open no more files")
	})
	r.alive(t)
	for _, file := range held {
		file.Close()
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil { // gRPC hangs up
		t.Fatal(err)
	}
	hungUp(t, conn, 10*time.Second)
	if n := strings.Count(r.log.String(), "connections wait"); n > 2 {
		t.Errorf("%d lines: want one every ten seconds", n)
	}
}

// TestDescriptorLimit: Go raises the soft limit of descriptors to the hard one, and the bound of connections that a
// configuration may name depends on it.
func TestDescriptorLimit(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if files.Cur < files.Max {
		t.Errorf("%d descriptors of %d may be used", files.Cur, files.Max)
	}
	c := server.Default()
	for most, want := range map[int]bool{
		-1: false, 0: true, 1: true, int(min(files.Cur, 1<<31-1) / 4): true, int(min(files.Cur, 1<<31-1)/4) + 1: false,
	} {
		c.Limits.MaxConnections = most
		err := c.Validate()
		if (err == nil) != want || !want && !strings.Contains(err.Error(), "limits.max_connections is") {
			t.Errorf("limits.max_connections of %d: %v", most, err)
		}
	}
}

// TestAdminHalfRequest: the admin listener gives up on a request that never ends.
func TestAdminHalfRequest(t *testing.T) {
	admin := freePort(t)
	start(t, func(c *server.Config) { c.Admin.Listen, c.GRPC.HandshakeTimeout = admin, 300*time.Millisecond })
	conn := silent(t, admin, 1)[0]
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
		t.Fatal(err)
	}
	hungUp(t, conn, 10*time.Second)
	if code, _ := get(t, admin, "/metrics"); code != http.StatusOK {
		t.Errorf("afterwards: %d", code)
	}
}
