package server_test

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/server"
)

// TestKeepalive: a client that pings no more often than the server allows is answered each time, and its idle stream
// stays open. The same client is disconnected once it pings more often.
func TestKeepalive(t *testing.T) {
	const least = 20 * time.Millisecond
	r := start(t, func(c *server.Config) { c.GRPC.KeepaliveMinTime = least })
	conn, framer := r.raw(t)
	shakeHands(t, conn, framer)
	watchHealth(t, framer)
	for ping := range byte(5) { // more than the two early ones that grpc-go forgives
		time.Sleep(2 * least)
		if err := framer.WritePing(false, [8]byte{ping}); err != nil {
			t.Fatal(err)
		}
		answers := func(f *http2.PingFrame) bool { return f.IsAck() && f.Data == [8]byte{ping} }
		if away := readUntil(t, framer, answers); away != nil {
			t.Fatalf("sent away after %d patient pings: %v %q", ping+1, away.ErrCode, away.DebugData())
		}
	}
	go func() {
		for framer.WritePing(false, [8]byte{}) == nil { // until the server hangs up
		}
	}()
	away := readUntil(t, framer, func(*http2.PingFrame) bool { return false })
	if away.ErrCode != http2.ErrCodeEnhanceYourCalm || !bytes.Contains(away.DebugData(), []byte("too_many_pings")) {
		t.Errorf("sent away with %v %q", away.ErrCode, away.DebugData())
	}
	r.alive(t)
}

// watchHealth opens a stream that sends nothing after its first message.
func watchHealth(t *testing.T, framer *http2.Framer) {
	t.Helper()
	callEmpty(t, framer, 1, healthv1.Health_Watch_FullMethodName)
}

// callEmpty calls a method with an empty message.
func callEmpty(t *testing.T, framer *http2.Framer, stream uint32, method string) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method},
		{":authority", "test"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(),
		EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteData(stream, true, make([]byte, 5)); err != nil { // an empty message
		t.Fatal(err)
	}
}

// readUntil reads frames until it finds a ping or the server disconnects the client, and returns the server's GOAWAY or
// nil. The open stream must not end before.
func readUntil(t *testing.T, framer *http2.Framer, found func(*http2.PingFrame) bool) *http2.GoAwayFrame {
	t.Helper()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("the server closed the connection without a GOAWAY: %v", err)
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			return f
		case *http2.PingFrame:
			if found(f) {
				return nil
			}
		case *http2.RSTStreamFrame:
			t.Fatalf("the stream was reset: %v", f.ErrCode)
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				t.Fatal("the stream ended")
			}
		}
	}
}
