package web_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/server"
)

// TestDrain: after a stop, a stream over HTTP runs to its end, and new requests are refused.
func TestDrain(t *testing.T) {
	s := open(t, nil)
	resp := s.do(t.Context(), t, http.MethodPost, "/v1/models/gauss:sample", `{"n": 200, "langevin": {"steps": 5000}}`,
		"Accept", "application/x-ndjson")
	r := bufio.NewReader(resp.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.stop()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), `"done"`) {
		t.Errorf("the stream ended with %v and %.200s", err, rest)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	s.done <- nil
}

// TestDrainTimeout: a request that outlasts the drain is told to try another server.
func TestDrainTimeout(t *testing.T) {
	s := open(t, func(c *server.Config) { c.Drain = 50 * time.Millisecond })
	resp := s.do(t.Context(), t, http.MethodPost, "/v1/models/gauss:sample", forever, "Accept", "application/x-ndjson")
	r := bufio.NewReader(resp.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.stop()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), `"UNAVAILABLE","message":"the server is stopping"`) {
		t.Errorf("the stream ended with %v and %.200s", err, rest)
	}
}
