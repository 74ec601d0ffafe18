package server_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/auth/authtest"
)

// TestNoSecrets: whatever is asked of a server that logs everything, no token, no hash of a token and no part of a
// private key appears in its log, its metrics, its traces, its answers or its errors.
func TestNoSecrets(t *testing.T) {
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	seen, sink := &collector{}, grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(sink, seen)
	go sink.Serve(lis) // its error says that Stop was called
	defer sink.Stop()
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20langevin_OFTHECOLLECTOR")

	ca, admin, dir := authtest.NewAuthority(t), freePort(t), t.TempDir()
	files := server.TLSConfig{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	ca.Issue(t, 2, "server", files.Cert, files.Key)
	file, sample, operator := tokens(t)
	wrong, _ := auth.NewToken("mallory", auth.ScopeAdmin)
	trusts := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
	r := start(t, func(c *server.Config) {
		c.TLS, c.Auth.Tokens, c.Admin.Listen, c.HTTP.Listen = files, file, admin, "localhost:0"
		c.Tracing.Endpoint, c.Tracing.Insecure = lis.Addr().String(), true
		c.Log.Level, c.GRPC.HandshakeTimeout = slog.LevelDebug, time.Second
	}, grpc.WithTransportCredentials(credentials.NewTLS(trusts)))

	secrets := []string{sample, operator, wrong, "OFTHECOLLECTOR"}
	for _, token := range []string{sample, operator, wrong} {
		secrets = append(secrets, fmt.Sprintf("%x", sha256.Sum256([]byte(token))))
	}
	secrets = append(secrets, keyLines(t, files.Key)...)
	found := strings.Builder{} // everything that the server says
	spoil := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	traffic := func() {
		for _, token := range []string{sample, operator, wrong} {
			r.ask(t, &found, token)
			r.askWeb(t, &found, token, trusts.Clone())
		}
		for _, path := range []string{"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/readyz"} {
			_, body := get(t, admin, path)
			found.WriteString(body)
		}
	}
	traffic()
	for _, conn := range silent(t, r.http, 2) { // no handshake
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nAuthorization: Bearer "+sample+"\r\n\r\n")
		hungUp(t, conn, 20*time.Second)
	}
	old, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	spoil(file, "alice sample "+sample+"\n"+operator+" admin\n"+wrong+"\n") // tokens in the place of hashes
	spoil(files.Key, strings.Replace(string(old), "PRIVATE", "SECRET", 2))
	eventually(t, "the broken files are not noticed", func() bool {
		traffic()
		return strings.Count(r.log.String(), "not reloaded") >= 2
	})
	r.conn.Close()
	r.stop()
	if err := <-r.done; err != nil { // the last spans are sent while the server stops
		t.Fatal(err)
	}
	r.done <- nil
	for _, span := range seen.spans {
		found.WriteString(prototext.Format(span))
	}
	if len(seen.spans) < 3 || !strings.Contains(r.log.String(), "level=DEBUG") {
		t.Errorf("%d spans and this log: the test sees too little\n%s", len(seen.spans), r.log)
	}
	found.WriteString(r.log.String())
	for line := range strings.Lines(found.String()) {
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(line, secret) }) {
			t.Errorf("this reveals a secret: %.300s", line)
		}
	}
}

// keyLines returns the lines of a private key.
func keyLines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[1 : len(lines)-1]
}

// ask makes calls over gRPC that succeed, that are refused and that are wrong, and writes down what the server answers.
func (r *running) ask(t *testing.T, found *strings.Builder, token string) {
	t.Helper()
	for _, pairs := range [][]string{
		{"authorization", "Bearer " + token}, {"authorization", token}, {"authorization", "Basic " + token},
		{"authorization-bin", "Bearer " + token}, {"authorization", "Bearer " + token, "authorization", token},
		{"authorization", "Bearer " + token, "cookie", token}, {"x-padding", token + strings.Repeat("x", 20<<10)},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), pairs...)
		stream, err := langevinv1.NewSamplingServiceClient(r.conn).Sample(ctx, &langevinv1.SampleRequest{})
		for err == nil {
			_, err = stream.Recv()
		}
		_, reload := langevinv1.NewAdminServiceClient(r.conn).ReloadModels(ctx, &langevinv1.ReloadModelsRequest{})
		_, score := langevinv1.NewSamplingServiceClient(r.conn).Score(ctx, &langevinv1.ScoreRequest{Model: "nobody"})
		for _, err := range []error{err, reload, score} {
			fmt.Fprintln(found, err, prototext.Format(status.Convert(err).Proto()))
		}
	}
}

// askWeb does the same over HTTP.
func (r *running) askWeb(t *testing.T, found *strings.Builder, token string, trusts *tls.Config) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: trusts, DisableKeepAlives: true}}
	for _, path := range []string{
		"/v1/models", "/v1/models/gauss:sample", "/v1/models/nobody:sample", "/nowhere", "/",
		"/langevin.v1.SamplingService/Sample", "/langevin.v1.AdminService/ReloadModels",
	} {
		for _, header := range []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+r.http+path,
				strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set(header, "Bearer "+token)
			request.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			fmt.Fprintln(found, path, resp.Status, resp.Header, string(body), err)
			resp.Body.Close()
			cancel()
		}
	}
}
