package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth/authtest"
)

// stall sends a request over HTTP/1.1 that declares a body of the given length, and only begins it. The server may have
// hung up already.
func stall(conn net.Conn, request, media string, length int64) {
	_, _ = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		request, media, length, `{"n":`)
}

// TestRefusedBodies: whoever is refused before his body was read has the answer at once, whole, and soon no connection.
func TestRefusedBodies(t *testing.T) {
	file, _, _ := tokens(t)
	admin := freePort(t)
	r := start(t, func(c *server.Config) {
		c.Auth.Tokens, c.HTTP.Listen, c.Admin.Listen = file, "localhost:0", admin
	})
	score, sample := langevinv1.SamplingService_Score_FullMethodName, langevinv1.SamplingService_Sample_FullMethodName
	const none, huge = "text/plain", 99_999_999_999
	var all sync.WaitGroup
	for _, c := range []struct {
		address, request, media string
		length                  int64
		status                  int
	}{
		{r.http, "POST /v1/models/ring:sample", "application/json", 200, 401},
		{r.http, "POST /v1/models/ring:sample", "application/json", 1 << 20, 401},
		{r.http, "POST /v1/models/ring:sample", "application/json", huge, 401},
		{r.http, "DELETE /v1/models/ring:sample", none, 200, 405},
		{r.http, "DELETE /v1/models", none, 200, 405},
		{r.http, "GET /v1/models", none, 200, 401},
		{r.http, "GET /v1/samplers", none, 200, 200},
		{r.http, "GET /", none, 200, 200},
		{r.http, "GET /no-such-page", none, 200, 404},
		{r.http, "POST /v1/nothing", none, 200, 404},
		{r.http, "GET /healthz", none, 200, 200},
		{r.http, "POST " + score, "application/json", 200, 401},
		{r.http, "POST " + score, "application/proto", 200, 401},
		{r.http, "POST " + sample, "application/connect+json", 200, 200},
		{r.http, "POST " + sample, "application/grpc-web+proto", 200, 200},
		{r.http, "POST /inference.GRPCInferenceService/ModelInfer", "application/json", 200, 401},
		{admin, "GET /healthz", none, 200, 200},
		{admin, "POST /metrics", none, 200, 405},
		{admin, "POST /nothing", none, 200, 404},
	} {
		all.Go(func() {
			conn, err := net.Dial("tcp", c.address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			stall(conn, c.request, c.media, c.length)
			name := fmt.Sprintf("%s as %s with %d bytes", c.request, c.media, c.length)
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Error(err)
			}
			from := bufio.NewReader(conn)
			resp, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status || !resp.Close {
				t.Errorf("%s: %d, closed %t, want %d and closed", name, resp.StatusCode, resp.Close, c.status)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Errorf("%s: an answer is cut short: %v", name, err)
			}
			if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%s: the connection ends with %v", name, err)
			}
		})
	}
	all.Wait()
}

// TestDeclaredBodies: a body that is declared as too large is refused before it comes.
func TestDeclaredBodies(t *testing.T) {
	r := start(t, func(c *server.Config) { c.HTTP.Listen = "localhost:0" })
	for path, want := range map[string]string{
		"/v1/models/gauss:sample":                       "413 Request Entity Too Large",
		langevinv1.SamplingService_Score_FullMethodName: `"resource_exhausted"`,
	} {
		conn := silent(t, r.http, 1)[0]
		stall(conn, "POST "+path, "application/json", 99_999_999_999)
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %.400s %v, want %s", path, text, err, want)
		}
	}
}

// TestStalledBodies: connections that begin requests and do not end them, and ones that have done with a request, keep
// nobody out. Calls that are answered go on.
func TestStalledBodies(t *testing.T) {
	const most, many = 12, 40
	ca, dir := authtest.NewAuthority(t), t.TempDir()
	files := server.TLSConfig{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	ca.Issue(t, 2, "server", files.Cert, files.Key)
	trusting := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
	for scheme, config := range map[string]*tls.Config{"http": nil, "https": trusting} {
		t.Run(scheme, func(t *testing.T) {
			c := server.Default()
			c.Listen, c.HTTP.Listen, c.Models.Dir, c.Models.Default = "localhost:0", "localhost:0", folder(t), "gauss"
			c.Limits.MaxConnections = most
			if config != nil {
				c.TLS = files
			}
			r := launch(t, c)
			url := scheme + "://" + r.http
			clients := webClients(config)
			eventually(t, "not serving", func() bool {
				resp, err := clients["HTTP/1.1"].Get(url + "/healthz")
				if err == nil {
					resp.Body.Close()
				}
				return err == nil && resp.StatusCode == http.StatusOK
			})
			var events []*bufio.Reader
			for _, client := range clients {
				defer client.CloseIdleConnections()
				events = append(events, begin(t, client, url))
			}
			patient := reflecting(t, r.http, config)
			for range many {
				conn := dial(t, r.http, config)
				stall(conn, "POST /v1/models/gauss:sample", "application/json", 200)
			}
			for range many {
				// The server may have hung up already.
				_, _ = io.WriteString(dial(t, r.http, config), "GET /v1/samplers HTTP/1.1\r\nHost: ")
			}
			fresh := webClients(config)["HTTP/1.1"]
			defer fresh.CloseIdleConnections()
			for called := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				resp, err := fresh.Get(url + "/healthz")
				if err == nil {
					resp.Body.Close()
					break
				}
				if time.Since(called) > 5*time.Second {
					t.Fatalf("behind stalled requests: %v", err)
				}
			}
			if err := patient(); err != nil {
				t.Errorf("a stream that waits for its client ended with %v", err)
			}
			for _, from := range events {
				for range 100 {
					if line, err := from.ReadString('\n'); err != nil {
						t.Fatalf("a call that is answered ended with %q %v", line, err)
					}
				}
			}
		})
	}
}

// begin begins a call that lasts, and returns its events.
func begin(t *testing.T, client *http.Client, url string) *bufio.Reader {
	t.Helper()
	body := strings.NewReader(`{"n": 1000, "langevin": {"steps": 100000}, "preview": {"every_steps": 1}}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/models/gauss:sample", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	from := bufio.NewReader(resp.Body)
	if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, "started") {
		t.Fatalf("a call began with %q %v", line, err)
	}
	return from
}

// reflecting opens a stream of requests to a gRPC service over HTTP, and returns a function that asks and is answered
// once more.
func reflecting(t *testing.T, address string, config *tls.Config) (ask func() error) {
	t.Helper()
	secure := insecure.NewCredentials()
	if config != nil {
		secure = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(secure))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask = func() error {
		// Recv has the error of the stream.
		_ = stream.Send(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		})
		_, err := stream.Recv()
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	return ask
}

// dial connects, encrypted if config is not nil. The server may have hung up already.
func dial(t *testing.T, address string, config *tls.Config) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
