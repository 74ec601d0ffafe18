package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/auth/authtest"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// few draws a few chains and returns how the call ended.
func (r *running) few(ctx context.Context) error {
	stream, err := r.sample(ctx, &langevinv1.SampleRequest{
		N:       proto.Int64(10),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(10)}},
	})
	if err != nil {
		return err
	}
	return finish(stream)
}

// reason returns the reason in ErrorInfo, or nothing.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func detail[T any](err error) (found T, ok bool) {
	for _, detail := range status.Convert(err).Details() {
		if found, ok = detail.(T); ok {
			return found, true
		}
	}
	return found, false
}

// TestTLS: an encrypted server answers clients that trust it. With mTLS it answers only clients that it trusts too.
func TestTLS(t *testing.T) {
	ca, stranger := authtest.NewAuthority(t), authtest.NewAuthority(t)
	dir := t.TempDir()
	files := server.TLSConfig{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"),
		ClientCA: filepath.Join(dir, "ca")}
	ca.Issue(t, 2, "server", files.Cert, files.Key)
	if err := os.WriteFile(files.ClientCA, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(config *tls.Config) grpc.DialOption {
		return grpc.WithTransportCredentials(credentials.NewTLS(config))
	}
	known := &tls.Config{RootCAs: ca.Pool, Certificates: []tls.Certificate{ca.Pair(t, 3, "alice", nil)}}
	r := start(t, func(c *server.Config) { c.TLS = files }, with(known))
	if err := r.few(t.Context()); err != nil {
		t.Error(err)
	}
	for name, config := range map[string]*tls.Config{
		"no certificate":        {RootCAs: ca.Pool},
		"another's certificate": {RootCAs: ca.Pool, Certificates: []tls.Certificate{stranger.Pair(t, 4, "alice", nil)}},
		"no trust":              {RootCAs: stranger.Pool, Certificates: known.Certificates},
	} {
		conn, err := grpc.NewClient(r.conn.Target(), with(config))
		if err != nil {
			t.Fatal(err)
		}
		if err := (&running{conn: conn}).few(t.Context()); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// tokens writes a file of tokens and returns one for each scope.
func tokens(t *testing.T) (file, sample, admin string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tokens")
	sample, first := auth.NewToken("alice", auth.ScopeSample)
	admin, second := auth.NewToken("operator", auth.ScopeAdmin)
	if err := os.WriteFile(file, []byte(first+"\n"+second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, sample, admin
}

// TestTokens: what a call may do depends on its token, for unary calls and streams.
func TestTokens(t *testing.T) {
	file, sample, admin := tokens(t)
	r := start(t, func(c *server.Config) { c.Auth.Tokens = file })
	list := func(ctx context.Context) error {
		_, err := langevinv1.NewModelServiceClient(r.conn).ListModels(ctx, &langevinv1.ListModelsRequest{})
		return err
	}
	reflect := func(ctx context.Context) error {
		stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		_, err = stream.Recv()
		if errors.Is(err, io.EOF) { // let in
			return nil
		}
		return err
	}
	health := func(service string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := healthv1.NewHealthClient(r.conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service})
			return err
		}
	}
	watch := func(ctx context.Context) error {
		stream, err := healthv1.NewHealthClient(r.conn).Watch(ctx,
			&healthv1.HealthCheckRequest{Service: "model/gauss/1"})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	healths := func(ctx context.Context) error {
		_, err := healthv1.NewHealthClient(r.conn).List(ctx, &healthv1.HealthListRequest{})
		return err
	}
	reload := func(ctx context.Context) error {
		_, err := langevinv1.NewAdminServiceClient(r.conn).ReloadModels(ctx, &langevinv1.ReloadModelsRequest{})
		return err
	}
	load := func(ctx context.Context) error {
		_, err := inference.NewGRPCInferenceServiceClient(r.conn).RepositoryModelLoad(ctx,
			&inference.RepositoryModelLoadRequest{ModelName: "gauss.score"})
		return err
	}
	const ok, who, no = codes.OK, codes.Unauthenticated, codes.PermissionDenied
	for _, c := range []struct {
		name                          string
		call                          func(context.Context) error
		nothing, wrong, sample, admin codes.Code
	}{
		{"Sample", r.few, who, who, ok, no},
		{"ListModels", list, who, who, ok, no},
		{"reflection", reflect, who, who, ok, no},
		{"ReloadModels", reload, who, who, no, ok},
		{"RepositoryModelLoad", load, who, who, no, ok},
		{"health", health(""), ok, ok, ok, ok},
		{"health of a service", health("langevin.v1.SamplingService"), ok, ok, ok, ok},
		{"health of a model", health("model/gauss/1"), who, who, ok, ok},
		{"health of a model, watched", watch, who, who, ok, ok},
		{"health of all", healths, who, who, ok, no},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		for header, want := range map[string]codes.Code{
			"": c.nothing, "Bearer x": c.wrong, "Basic " + sample: c.wrong,
			"Bearer " + sample: c.sample, "bearer " + admin: c.admin,
		} {
			with := ctx
			if header != "" {
				with = metadata.AppendToOutgoingContext(ctx, "authorization", header)
			}
			err := c.call(with)
			if status.Code(err) != want {
				t.Errorf("%s with %.12q gives %v: want %v", c.name, header, err, want)
			}
			if wanted := map[codes.Code]string{who: langevinv1.ReasonUnauthenticated,
				no: langevinv1.ReasonForbidden}[want]; reason(err) != wanted {
				t.Errorf("%s with %.12q gives the reason %q: want %q", c.name, header, reason(err), wanted)
			}
			if strings.Contains(status.Convert(err).Message(), sample) {
				t.Errorf("%s reveals the token", c.name)
			}
		}
		cancel()
	}
	if strings.Contains(r.log.String(), sample) || strings.Contains(r.log.String(), admin) {
		t.Error("the log reveals tokens")
	}
}

// TestEveryMethodIsListed calls every method of every service with both scopes. Each must be open to one of them.
func TestEveryMethodIsListed(t *testing.T) {
	r := start(t, nil)
	calls := 0
	for _, p := range procedures(t, r.conn, "") {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := r.conn.Invoke(ctx, p.path, &emptypb.Empty{}, &emptypb.Empty{})
		if status.Code(err) == codes.PermissionDenied {
			t.Error(err)
		}
		cancel()
		calls++
	}
	if calls < 10 {
		t.Errorf("%d methods: the test checks nothing", calls)
	}
}

// TestPlaintextTokens: tokens do not cross a network unencrypted unless the configuration allows it.
func TestPlaintextTokens(t *testing.T) {
	file, _, _ := tokens(t)
	for listen, wanted := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1": true, "[::1]:1": true, "unix:///run/x": true,
		":1": false, "0.0.0.0:1": false, "10.0.0.1:1": false,
	} {
		c := server.Default()
		c.Listen, c.Auth.Tokens = listen, file
		if err := c.Validate(); (err == nil) != wanted {
			t.Errorf("%s: %v", listen, err)
		}
		c.Auth.AllowPlaintext = true
		if err := c.Validate(); err != nil {
			t.Errorf("%s, allowed: %v", listen, err)
		}
	}
}

// TestUnixSocket: a server can listen on a socket. It replaces the socket of a killed server, and nothing else.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	socket := func(c *server.Config) { c.Listen = "unix://" + path }
	r := start(t, socket)
	if err := r.few(t.Context()); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]error{"unix://" + path: syscall.EADDRINUSE, "unix://" + file: nil} {
		c := server.Default()
		c.Listen = address
		s, err := server.New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Listen(); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("listen on %s: %v", address, err)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file that is not a socket was changed: %v", err)
	}
}

// TestQuotaOnTheWire: a caller that asks for too much is told so, and when to try again. Other callers are served.
func TestQuotaOnTheWire(t *testing.T) {
	file, sample, admin := tokens(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), "operator admin", "operator sample")),
		0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *server.Config) {
		c.Auth.Tokens = file
		c.Quota.RowStepsPerSecond, c.Quota.RowStepsBurst = 1, 150
	})
	as := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	}
	if err := r.few(as(sample)); err != nil { // 100 row-steps
		t.Fatal(err)
	}
	err = r.few(as(sample))
	failure, _ := detail[*errdetails.QuotaFailure](err)
	if status.Code(err) != codes.ResourceExhausted || reason(err) != langevinv1.ReasonQuota ||
		failure.GetViolations()[0].GetSubject() != "alice" {
		t.Errorf("the second request gives %v", err)
	}
	if retry, ok := detail[*errdetails.RetryInfo](err); !ok || retry.GetRetryDelay().GetSeconds() < 30 ||
		retry.GetRetryDelay().GetSeconds() > 50 {
		t.Errorf("try again in %v: want 50 s, less what has passed", retry)
	}
	if err := r.few(as(admin)); err != nil {
		t.Errorf("another caller: %v", err)
	}
	_, err = r.sample(as(sample), &langevinv1.SampleRequest{N: proto.Int64(1000)})
	if _, ok := detail[*errdetails.RetryInfo](err); ok || reason(err) != langevinv1.ReasonQuota {
		t.Errorf("a request above the burst gives %v: want no RetryInfo, because waiting does not help", err)
	}
}

// TestSlowReader: the server ends the call of a client that does not read and frees its chains. The client can learn
// why.
func TestSlowReader(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.SlowReaderTimeout = 100 * time.Millisecond },
		grpc.WithInitialWindowSize(64<<10), grpc.WithInitialConnWindowSize(64<<10))
	stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{
		N:       proto.Int64(200_000), // 1.6 MB, far more than the window
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(1)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), "slow_reader_timeout"); {
		if time.Now().After(deadline) {
			t.Fatalf("the call was not ended:\n%s", r.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := finish(stream); status.Code(err) != codes.ResourceExhausted ||
		reason(err) != langevinv1.ReasonSlowConsumer {
		t.Errorf("the client learns %v", err)
	}
}

// TestCallTime: a call that its client never finishes still ends.
func TestCallTime(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.MaxCallTime = 50 * time.Millisecond })
	stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "limits.max_call_time") {
		t.Errorf("an open call ends with %v", err)
	}
	if _, err = r.sample(t.Context(), long()); status.Code(err) != codes.DeadlineExceeded ||
		reason(err) != langevinv1.ReasonDeadlineTooShort ||
		!strings.Contains(err.Error(), "limits.max_call_time is 50ms") {
		t.Errorf("a call that would take too long ends with %v", err)
	}
	r = start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err = r.sample(ctx, long()); reason(err) != langevinv1.ReasonDeadlineTooShort ||
		!strings.Contains(err.Error(), "the deadline is the client's") {
		t.Errorf("a call with too short a deadline ends with %v", err)
	}
}
