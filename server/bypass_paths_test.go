package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/server/auth"
)

// twisted returns other ways to write the path of a method, which a router may take for the method and a guard not.
func twisted(path string) []string {
	service, method, _ := strings.Cut(path[1:], "/")
	const open = "/grpc.health.v1.Health/Check" // which needs no token
	return []string{
		"/" + path, path + "/", "/" + service + "//" + method, "/" + service + "/./" + method,
		"/" + service + "/x/../" + method, "/x/.." + path, "/." + path, "/v1/.." + path, "/v1/models/..;" + path,
		strings.ToUpper(path), "/" + service + "/" + strings.ToLower(method),
		"/" + strings.ToLower(service) + "/" + method,
		"/" + service + "%2f" + method, "%2f" + path[1:], "/" + service + "%2F..%2F" + service + "/" + method,
		strings.ReplaceAll(path, ".", "%2e"), "/%6c" + path[2:], path + "%00", path + "%20", path + ";a=b",
		path + "%3f",
		open + "%2f..%2f.." + path, open + "/../.." + path, "/grpc.health.v1.Health" + path,
		"/healthz/.." + path, "/healthz" + path, "/debug/pprof" + path, "/langevin" + path, `\` + path[1:],
	}
}

// send makes an HTTP request with a path as it is, and returns the status.
func send(t *testing.T, client *http.Client, method, host, path, body string, headers ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+host, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	escaped, query, _ := strings.Cut(path, "?")
	r.URL.RawPath, r.URL.RawQuery = escaped, query
	if r.URL.Path, err = url.PathUnescape(escaped); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	resp, err := client.Do(r)
	if err != nil { // the client or the server does not take such a path
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestBypassByPath: no way to write a path and no HTTP method leads past the guard of a method.
func TestBypassByPath(t *testing.T) {
	b := besiege(t)
	before := scrape(t, b.admin)
	clients, tried := webClients(nil), 0
	for _, client := range clients {
		defer client.CloseIdleConnections()
	}
	for _, p := range b.faces[0].procedures {
		if p.scope == "" {
			continue
		}
		for _, path := range twisted(p.path) {
			if code, err := b.faces[0].call(t.Context(), path, p.request, "", ""); code == codes.OK {
				t.Errorf("gRPC lets %s in: %v", path, err)
			}
			for version, client := range clients {
				for _, media := range []string{"application/json", "application/grpc"} {
					status := send(t, client, http.MethodPost, b.http, path, `{}`, "Content-Type", media)
					if status/100 == 2 && media == "application/json" {
						t.Errorf("%s lets POST %s in: %d", version, path, status)
					}
					tried++
				}
			}
		}
		for _, verb := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"} {
			for _, query := range []string{"", "?connect=v1&encoding=json&message=%7B%7D"} {
				if status := send(t, clients["HTTP/1.1"], verb, b.http, p.path+query, ""); status/100 == 2 {
					t.Errorf("%s %s%s: %d", verb, p.path, query, status)
				}
				tried++
			}
		}
	}
	t.Logf("%d requests", tried)
	after := scrape(t, b.admin)
	for series := range after {
		denied := strings.Contains(series, `outcome="denied"`) || strings.Contains(series, `outcome="invalid"`)
		if strings.HasPrefix(series, "langevin_requests_total") && !denied && after[series] != before[series] ||
			strings.HasPrefix(series, "langevin_reloads_total") && after[series] != before[series] {
			t.Errorf("%s has changed by %v", series, after[series]-before[series])
		}
	}
}

// routes returns the patterns of a router, which are in its source, so that a new one is not forgotten.
func routes(t *testing.T, file, pattern string) []string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		all = append(all, m[1])
	}
	if len(all) < 5 {
		t.Fatalf("%s has %d routes: the form of its source has changed", file, len(all))
	}
	return all
}

// requestsOfREST returns a request for every path of the HTTP listener that belongs to no service, as a verb and a
// path: one for each verb of a model.
func requestsOfREST(t *testing.T) (all [][2]string) {
	t.Helper()
	for _, route := range routes(t, "web/routes.go", `(?m)^\t\t"(/[^"]*)": `) {
		target := map[bool]string{true: "1", false: "gauss"}[strings.Contains(route, "/versions/")]
		path := strings.NewReplacer("{name}", "gauss", "{target}", target, "{version}", "1").Replace(route)
		if strings.HasSuffix(path, "/infer") {
			all = append(all, [2]string{http.MethodPost, path})
			continue
		}
		all = append(all, [2]string{http.MethodGet, path})
		if strings.Contains(route, "{target}") {
			for _, verb := range []string{"sample", "score", "encode", "decode", "likelihood"} {
				all = append(all, [2]string{http.MethodPost, path + ":" + verb})
			}
		}
	}
	return all
}

// TestBypassOfREST: every path of the HTTP listener needs the token that its method needs, but for those that
// docs/security.md lists.
func TestBypassOfREST(t *testing.T) {
	b := besiege(t)
	client := webClients(nil)["HTTP/1.1"]
	defer client.CloseIdleConnections()
	open := []string{ // some of them answer NOT_FOUND
		"/", "/healthz", "/v1/", "/v2/", "/v2/health/live", "/v2/health/ready",
	}
	for _, request := range requestsOfREST(t) {
		verb, path := request[0], request[1]
		if slices.Contains(open, path) {
			continue
		}
		for _, a := range attempts(b.token[auth.ScopeSample], b.revoked) {
			var headers []string
			for _, h := range headersOf(a.headers) {
				headers = append(headers, h[0], h[1])
			}
			if strings.HasPrefix(a.name, "two headers") {
				continue // send sets a header once; TestAuthBypass has two of them
			}
			status := send(t, client, verb, b.http, path+a.query, `{}`, headers...)
			if status != 401 && (status != 400 || a.query == "") { // a query that it does not know is a mistake
				t.Errorf("%s %s with %s: %d, want 401", verb, path, a.name, status)
			}
		}
		for token, refused := range map[string]bool{
			b.token[auth.ScopeAdmin]: true, b.token[auth.ScopeSample]: false,
		} {
			status := send(t, client, verb, b.http, path, `{}`, "Authorization", "Bearer "+token)
			if (status == 403) != refused || status == 401 || status == 404 {
				t.Errorf("%s %s with a token (refused: %v): %d", verb, path, refused, status)
			}
		}
	}
	for _, path := range twisted("/v1/models/gauss:sample") {
		if status := send(t, client, http.MethodPost, b.http, path, `{}`); status/100 == 2 {
			t.Errorf("POST %s: %d", path, status)
		}
	}
}

// TestBypassByRequestLine: a request in a form that clients do not write needs the token too.
func TestBypassByRequestLine(t *testing.T) {
	b := besiege(t)
	good := b.token[auth.ScopeSample]
	for name, request := range map[string]string{
		"an absolute address": "GET http://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"another's address":   "GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"HTTP/1.0":            "GET /v1/models HTTP/1.0\r\n\r\n",
		"two hosts":           "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
		"CONNECT":             "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a space before the colon": "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer " + good +
			"\r\n\r\n",
		"a folded header": "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: y\r\n Authorization: Bearer " + good +
			"\r\n\r\n",
		"a trailer": "POST /v1/models/gauss:sample HTTP/1.1\r\nHost: localhost\r\nTrailer: Authorization\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer " + good + "\r\n\r\n",
		"two lengths": "POST /v1/models/gauss:sample HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n" +
			"Content-Length: 3\r\n\r\n{} ",
	} {
		conn, err := net.Dial("tcp", b.http)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if !slices.Contains([]int{400, 401, 403, 404, 405}, resp.StatusCode) {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

// TestBypassOfAdmin: the admin listener, which has no tokens, answers no request that another site can make a browser
// send to it by a name of its own, on any of its paths.
func TestBypassOfAdmin(t *testing.T) {
	b := besiege(t)
	clients := webClients(nil)
	paths := routes(t, "admin.go", `mux\.Handle(?:Func)?\("((?:[A-Z]+ )?/[^"]+)"`)
	for _, client := range clients {
		defer client.CloseIdleConnections()
		for _, route := range paths {
			verb, path, found := strings.Cut(route, " ")
			if !found {
				verb, path = http.MethodGet, route
			}
			if path == "/langevin.v1.AdminService/" {
				path += "ReloadModels"
			}
			for _, host := range []string{
				"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:9090",
				"127.0.0.1@evil.example", "0.0.0.0", "[::]", "10.0.0.1", "2130706433", "localhost.", "127.0.0.1.",
				url.PathEscape("[::1].evil.example"),
			} {
				if status := send(t, client, verb, b.admin, path, "", "Host", host); status != 403 && status != 400 &&
					status != 0 {
					t.Errorf("%s %s for %s: %d, want 403", verb, path, host, status)
				}
			}
		}
	}
	for series, n := range scrape(t, b.admin) {
		if strings.HasPrefix(series, "langevin_reloads_total") || strings.Contains(series, "AdminService") {
			t.Errorf("%s is %v", series, n)
		}
	}
	if status, _ := get(t, b.admin, "/healthz"); status != http.StatusOK {
		t.Errorf("for localhost: %d", status)
	}
}
