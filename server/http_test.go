package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// TestLongRequests: the time limit of a request over HTTP ends neither a stream of requests nor an answer.
func TestLongRequests(t *testing.T) {
	const limit = 150 * time.Millisecond
	c := Default()
	c.Listen, c.HTTP.Listen = "localhost:0", "localhost:0"
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen()
	if err := errors.Join(err, s.ListenHTTP()); err != nil {
		t.Fatal(err)
	}
	s.frontend.http.ReadTimeout = limit
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	defer func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // other models may still be loading
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient(s.HTTPAddress().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Run("requests", func(t *testing.T) { testPatientStream(t, conn, 3*limit) })
	t.Run("answer", func(t *testing.T) { testLongAnswer(t, "http://"+s.HTTPAddress().String(), 3*limit) })
}

// testPatientStream asks twice in one stream, with a pause.
func testPatientStream(t *testing.T, conn *grpc.ClientConn, pause time.Duration) {
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	for range 2 {
		// Recv has the error of the stream.
		_ = stream.Send(ask)
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("an open stream ended with %v", err)
		}
		time.Sleep(pause)
	}
	_ = stream.CloseSend() // as above
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a closed stream ended with %v", err)
	}
}

// testLongAnswer reads events over HTTP/1.1 until they have come for some time.
func testLongAnswer(t *testing.T, url string, atLeast time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/models/ring:sample",
		strings.NewReader(`{"n": 1000, "langevin": {"steps": 100000}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	start := time.Now()
	for r := bufio.NewReader(resp.Body); time.Since(start) < atLeast; {
		line, err := r.ReadString('\n')
		if err != nil || strings.Contains(line, `"error"`) {
			t.Fatalf("after %v: %v %s", time.Since(start), err, line)
		}
	}
}

// TestListenersHaveTimeLimits: a client that sends nothing cannot keep a connection.
func TestListenersHaveTimeLimits(t *testing.T) {
	c := Default()
	c.Listen, c.HTTP.Listen = "localhost:0", "localhost:0"
	c.Admin.Listen, c.Metrics.Listen = "localhost:0", "localhost:0"
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sides, err := s.listenSides()
	if err := errors.Join(err, s.ListenHTTP()); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]*http.Server{"http": s.frontend.http, "admin": sides[0].server,
		"metrics": sides[1].server} {
		if h.IdleTimeout == 0 || h.ReadTimeout == 0 || h.ReadHeaderTimeout == 0 || h.MaxHeaderBytes == 0 {
			t.Errorf("%s: idle %v, read %v, header %v, %d bytes of headers", name, h.IdleTimeout, h.ReadTimeout,
				h.ReadHeaderTimeout, h.MaxHeaderBytes)
		}
	}
	if err := errors.Join(sides.close(), s.frontend.listener.Close(), s.drain(0)); err != nil {
		t.Error(err)
	}
}
