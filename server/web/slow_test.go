package web_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// TestSlowReaders: a client that reads slowly but steadily gets its whole answer, however long that takes. One that
// stops reading does not.
func TestSlowReaders(t *testing.T) {
	const patience = 400 * time.Millisecond
	s := open(t, func(c *server.Config) { c.Limits.SlowReaderTimeout = patience })
	steady := func(r io.Reader, w io.Writer) error {
		buffer := make([]byte, 64<<10)
		for start := time.Now(); ; {
			n, err := r.Read(buffer)
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			if time.Since(start) < 3*patience {
				time.Sleep(patience / 40)
			}
		}
	}
	stalled := func(r io.Reader, w io.Writer) error {
		time.Sleep(3 * patience)
		_, err := io.Copy(w, r)
		return err
	}
	if text, err := s.readLarge(t, steady); !json.Valid([]byte(text)) {
		t.Errorf("a steady reader got %d bytes and %v", len(text), err)
	}
	if text, err := s.readLarge(t, stalled); json.Valid([]byte(text)) {
		t.Errorf("a reader that stopped got all %d bytes and %v", len(text), err)
	}
}

// readLarge asks for an answer of some 2 MB, over a connection with small buffers, and returns what follow reads.
func (s *site) readLarge(t *testing.T, follow func(io.Reader, io.Writer) error) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	small, _ := conn.(*net.TCPConn)
	const body = `{"n": 100000, "langevin": {"steps": 1}}`
	_, err = io.WriteString(conn, "POST /v1/models/gauss:sample HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+
		"Content-Length: 39\r\n\r\n"+body)
	if err := errors.Join(err, small.SetReadBuffer(64<<10), conn.SetDeadline(time.Now().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	err = follow(resp.Body, &text)
	return text.String(), err
}

// TestRoomForBodies: while large bodies are being read, further ones are refused and told when to try again, in every
// protocol. Small ones are read.
func TestRoomForBodies(t *testing.T) {
	s := open(t, func(c *server.Config) { c.HTTP.MaxOpenBodyBytes = 200 << 10 })
	const rest, score = "/v1/models/gauss:sample", langevinv1.SamplingService_Score_FullMethodName
	spaces := strings.Repeat(" ", 250<<10)
	large := func(path, media, body string) (int, string, string) {
		resp := s.do(t.Context(), t, http.MethodPost, path, body, "Content-Type", media)
		text := read(t, resp)
		return resp.StatusCode, text, resp.Header.Get("Retry-After")
	}
	body, write := io.Pipe()
	held, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+rest, body)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(held)
		if err != nil {
			done <- 0
			return
		}
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	if _, err := io.WriteString(write, spaces); err != nil { // it is read, and waits for more
		t.Fatal(err)
	}
	await(t, "the first body to be read", func() bool {
		status, _, _ := large(rest, "application/json", spaces+"{}")
		return status == http.StatusTooManyRequests
	})
	if status, text, retry := large(rest, "application/json", spaces+"{}"); retry != "1" ||
		!strings.Contains(text, "http.max_open_body_bytes") || !strings.Contains(text, `"QUEUE_FULL"`) {
		t.Errorf("a second body: %d, Retry-After %q, %s", status, retry, text)
	}
	if status, text, _ := large(score, "application/json", spaces+"{}"); status != http.StatusTooManyRequests ||
		!strings.Contains(text, "google.rpc.RetryInfo") {
		t.Errorf("a second body, Connect: %d %s", status, text)
	}
	message := string(envelope(spaces + `{"n": 1}`))
	if _, text, _ := large(langevinv1.SamplingService_Sample_FullMethodName, "application/connect+json",
		message); !strings.Contains(text, `"resource_exhausted"`) || !strings.Contains(text, "google.rpc.RetryInfo") {
		t.Errorf("a second body, a stream of Connect: %.300s", text)
	}
	if status, text, _ := large(rest, "application/json", "{}"); status != http.StatusOK {
		t.Errorf("a small body: %d %s", status, text)
	}
	if _, err := io.WriteString(write, "{}"); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if status := <-done; status != http.StatusOK {
		t.Errorf("the first body: %d", status)
	}
	if status, text, _ := large(rest, "application/json", spaces+"{}"); status != http.StatusOK {
		t.Errorf("after the first body: %d %s", status, text)
	}
}
