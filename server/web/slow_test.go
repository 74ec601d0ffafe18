package web_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/web"
)

// TestSlowReaders: a client that reads slowly but steadily gets its whole answer, however long that takes. One that
// stops reading does not.
func TestSlowReaders(t *testing.T) {
	const patience = time.Second
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
			if time.Since(start) < patience*3/2 {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	stalled := func(r io.Reader, w io.Writer) error {
		time.Sleep(2 * patience)
		_, err := io.Copy(w, r)
		return err
	}
	var both sync.WaitGroup
	for name, follow := range map[string]func(io.Reader, io.Writer) error{"steady": steady, "stalled": stalled} {
		both.Go(func() {
			text, err := s.readLarge(follow)
			if whole := json.Valid([]byte(text)); whole != (name == "steady") {
				t.Errorf("%s: %d bytes and %v: the whole answer: %t", name, len(text), err, whole)
			}
		})
	}
	both.Wait()
}

// readLarge asks for an answer of some 2 MB, over a connection with small buffers, and returns what follow reads.
func (s *site) readLarge(follow func(io.Reader, io.Writer) error) (string, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	small, _ := conn.(*net.TCPConn)
	const body = `{"n": 100000, "langevin": {"steps": 1}}`
	_, err = io.WriteString(conn, "POST /v1/models/gauss:sample HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+
		"Content-Length: 39\r\n\r\n"+body)
	if err := errors.Join(err, small.SetReadBuffer(64<<10), conn.SetDeadline(time.Now().Add(time.Minute))); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var text strings.Builder
	err = follow(resp.Body, &text)
	return text.String(), err
}

// TestRoomForBodies: while large bodies are being read, further ones are refused and told when to try again, in every
// protocol. Small ones are read.
func TestRoomForBodies(t *testing.T) {
	g := grpc.NewServer()
	langevinv1.RegisterSamplingServiceServer(g, langevinv1.UnimplementedSamplingServiceServer{})
	handler, err := web.Handler(g, web.Config{
		MaxBodyBytes: 1 << 20, MaxOpenBodyBytes: 200 << 10, MaxMessageBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	const rest, score = "/v1/models/gauss:sample", langevinv1.SamplingService_Score_FullMethodName
	ask := func(path, media string, body io.Reader) (int, string, string) {
		answer := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, body)
		r.Header.Set("Content-Type", media)
		handler.ServeHTTP(answer, r)
		return answer.Code, answer.Body.String(), answer.Header().Get("Retry-After")
	}
	spaces := strings.Repeat(" ", 250<<10)
	large := func() io.Reader { return strings.NewReader(spaces + "{}") }
	const served = http.StatusNotImplemented // by a service without methods
	body, write := io.Pipe()
	held := make(chan int, 1)
	go func() {
		status, _, _ := ask(rest, "application/json", body)
		held <- status
	}()
	for _, part := range []string{spaces, " "} { // once the second is taken, the first has its room
		if _, err := io.WriteString(write, part); err != nil {
			t.Fatal(err)
		}
	}
	if status, text, retry := ask(rest, "application/json", large()); status != http.StatusTooManyRequests ||
		retry != "1" || !strings.Contains(text, "http.max_open_body_bytes") || !strings.Contains(text, `"QUEUE_FULL"`) {
		t.Errorf("a second body: %d, Retry-After %q, %s", status, retry, text)
	}
	if status, text, _ := ask(score, "application/json", large()); status != http.StatusTooManyRequests ||
		!strings.Contains(text, "google.rpc.RetryInfo") {
		t.Errorf("a second body, Connect: %d %s", status, text)
	}
	message := strings.NewReader(string(envelope(spaces + `{"n": 1}`)))
	if _, text, _ := ask(langevinv1.SamplingService_Sample_FullMethodName, "application/connect+json",
		message); !strings.Contains(text, `"resource_exhausted"`) || !strings.Contains(text, "google.rpc.RetryInfo") {
		t.Errorf("a second body, a stream of Connect: %.300s", text)
	}
	if status, text, _ := ask(rest, "application/json", strings.NewReader("{}")); status != served {
		t.Errorf("a small body: %d %s", status, text)
	}
	if _, err := io.WriteString(write, "{}"); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if status := <-held; status != served {
		t.Errorf("the first body: %d", status)
	}
	if status, text, _ := ask(rest, "application/json", large()); status != served {
		t.Errorf("after the first body: %d %s", status, text)
	}
}
