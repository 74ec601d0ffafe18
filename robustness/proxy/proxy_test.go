package proxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/robustness/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every connection with what it receives, until the test ends.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // ends with the connection
			}()
		}
	}()
	return listener.Addr().String()
}

// exchange sends a byte and waits for its answer.
func exchange(conn net.Conn, patience time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{7}); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// TestFaults: each fault does what it says, is counted, and ends when it is told to.
func TestFaults(t *testing.T) {
	p, err := proxy.New(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	conn := dial()
	if err := exchange(conn, 5*time.Second); err != nil || p.Hits() != (proxy.Hits{}) {
		t.Fatalf("without a fault: %v, %+v", err, p.Hits())
	}
	p.Delay(20 * time.Millisecond)
	begun := time.Now()
	if err := exchange(conn, 5*time.Second); err != nil || time.Since(begun) < 40*time.Millisecond {
		t.Errorf("delayed by 20 ms each way: %v after %v", err, time.Since(begun))
	}
	p.Delay(0)
	restore := p.Blackhole()
	if err := exchange(conn, 30*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("held back: %v", err)
	}
	if err := exchange(dial(), 30*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection, held back: %v", err)
	}
	restore()
	if err := exchange(conn, 5*time.Second); err != nil { // reads the answer that was held
		t.Errorf("after the hole: %v", err)
	}
	if n := p.Cut(); n < 1 {
		t.Errorf("%d connections cut", n)
	}
	if err := exchange(conn, 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cut: %v, want the end of the connection", err)
	}
	if hits := p.Hits(); hits.Delayed < 2 || hits.Held < 2 || hits.Cut < 1 {
		t.Errorf("%+v, want every fault counted", hits)
	}
	p.Retarget(echo(t))
	if err := exchange(dial(), 5*time.Second); err != nil {
		t.Errorf("another target: %v", err)
	}
}
