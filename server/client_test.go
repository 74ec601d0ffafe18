package server_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/server"
)

// address starts a server with real networks and returns its address.
func address(t *testing.T, dir string) (*running, string) {
	t.Helper()
	r := start(t, func(c *server.Config) { c.Models.Dir, c.Models.Default = dir, "mlp" })
	return r, r.conn.Target()
}

// dying returns the address of a server that goes away. Its first connection leads to one backend and breaks after the
// given number of bytes of answers. Later connections lead to another backend.
func dying(t *testing.T, first, later string, bytes int64) string {
	t.Helper()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		backend, limit := first, bytes
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			connect(&connections, conn, backend, limit)
			backend, limit = later, 1<<40
		}
	})
	t.Cleanup(func() {
		lis.Close()
		connections.Wait()
	})
	return lis.Addr().String()
}

// connect passes data between a client and a backend. It closes both after the given number of bytes have come back.
func connect(connections *sync.WaitGroup, conn net.Conn, backend string, limit int64) {
	server, err := net.Dial("tcp", backend)
	if err != nil {
		conn.Close()
		return
	}
	connections.Go(func() {
		defer server.Close()
		_, _ = io.Copy(server, conn) // ends with either connection
	})
	connections.Go(func() {
		defer conn.Close()
		_, _ = io.CopyN(conn, server, limit)
	})
}

func connected(t *testing.T, target string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func drawn(t *testing.T, c *client.Client, req client.SampleRequest) *client.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := c.Sample(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestClientGoesOn breaks the connection to one server in the middle of its answer. The client continues with another
// server and ends with the bits of an unbroken call.
func TestClientGoesOn(t *testing.T) {
	dir := networks(t)
	_, a := address(t, dir)
	b, other := address(t, dir)
	for name, tt := range map[string]struct {
		preview *client.PreviewOptions
		bytes   int64 // that arrive: an image has 256, all of them 16 kB
		resumed bool  // from states, not from the seed
	}{
		"states":       {&client.PreviewOptions{EverySteps: 3, Chains: 64}, 100_000, true},
		"frames":       {&client.PreviewOptions{Frames: 13, Chains: 64}, 100_000, true},
		"no previews":  {nil, 10_000, false},
		"few previews": {&client.PreviewOptions{EveryLevel: true, Chains: 3}, 5_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			req := client.SampleRequest{Model: "conv", N: 64, Seed: new(uint64(7)), FirstChain: 1000,
				Preview: tt.preview}
			want := drawn(t, connected(t, a), req)
			got := drawn(t, connected(t, dying(t, a, other, tt.bytes), client.WithResume()), req)
			if got.Resumed != 1 || !slices.Equal(want.X, got.X) {
				t.Errorf("resumed %d times; the same bits: %t", got.Resumed, slices.Equal(want.X, got.X))
			}
			if got.NFE < want.NFE != tt.resumed {
				t.Errorf("%d score evaluations after the break, %d without one; resumed from states: %t",
					got.NFE, want.NFE, tt.resumed)
			}
			if !slices.EqualFunc(want.Previews, got.Previews,
				func(a, b client.Preview) bool { return a.Step == b.Step && slices.Equal(a.X, b.X) }) {
				t.Errorf("%d previews, want the %d of an unbroken call", len(got.Previews), len(want.Previews))
			}
		})
	}
	if !strings.Contains(b.log.String(), "/langevin.v1.SamplingService/Sample") {
		t.Error("the second server was not called")
	}
}

// TestClientSplits draws one request on two servers. Both take part, and the bits equal those of one call.
func TestClientSplits(t *testing.T) {
	dir := networks(t)
	a, first := address(t, dir)
	b, second := address(t, dir)
	req := client.SampleRequest{Model: "conv", N: 100, Seed: new(uint64(7)), Preview: &client.PreviewOptions{Frames: 3}}
	rows := req
	rows.Columns = 7 // rows of an interpolation that parts cut
	want := drawn(t, connected(t, first), req)
	wantRows := drawn(t, connected(t, first), rows)
	c := connected(t, first+","+second, client.WithSplit(3), client.WithResume())
	took := func(r *running, method string) bool { return strings.Contains(r.log.String(), method) }
	for deadline := time.Now().Add(20 * time.Second); !took(a, "ListModels") ||
		!took(b, "ListModels"); { // until both are connected
		for _, err := range c.Models(t.Context()) {
			if err != nil || time.Now().After(deadline) {
				t.Fatal("the two servers were not both called within 20 s", err)
			}
		}
	}
	if got := drawn(t, c, req); !slices.Equal(want.X, got.X) || len(got.Previews) != 3 {
		t.Errorf("%d previews; the same bits: %t", len(got.Previews), slices.Equal(want.X, got.X))
	}
	if got := drawn(t, c, rows); !slices.Equal(wantRows.X, got.X) {
		t.Error("the parts of an interpolation have other bits")
	}
	if !took(b, "SamplingService/Sample") {
		t.Error("the second server drew nothing")
	}
}

// TestClientOfStoppedServer: the health check keeps calls away from a server that stops, and the server's drain does
// not wait for the client's watch.
func TestClientOfStoppedServer(t *testing.T) {
	dir := networks(t)
	a, first := address(t, dir)
	_, second := address(t, dir)
	c := connected(t, first+","+second)
	drawn(t, c, client.SampleRequest{Model: "mlp"})
	begun := time.Now()
	a.stop()
	err := <-a.done
	a.done <- nil // for the cleanup
	if err != nil || time.Since(begun) > 20*time.Second {
		t.Errorf("stopped after %s: %v", time.Since(begun), err)
	}
	for range 4 {
		drawn(t, c, client.SampleRequest{Model: "mlp"})
	}
}
