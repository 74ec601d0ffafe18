package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
)

// TestBrowserGuards asks for every path of the HTTP listener as a browser would. Every answer, refusals too, has the
// security headers. A page of another site, and a name that somebody points to this machine, are refused everywhere or
// may not read the answer.
func TestBrowserGuards(t *testing.T) {
	r := start(t, func(c *server.Config) { c.HTTP.Listen = "localhost:0" })
	paths := map[string]string{"/": "GET", "/main.js": "GET", "/nowhere": "GET", "/langevin.v1.Nobody/X": "POST"}
	for _, request := range requestsOfREST(t) {
		paths[request[1]] = request[0]
	}
	for _, p := range procedures(t, r.conn, "") {
		if p.scope != auth.ScopeAdmin { // which this listener serves to nobody
			paths[p.path] = http.MethodPost
		}
	}
	for path, verb := range paths {
		for name, c := range map[string]struct {
			host, site, origin string
			refused            bool
		}{
			"its own page":            {"localhost", "same-origin", "http://localhost", false},
			"another page":            {"localhost", "cross-site", "https://evil.example", verb == http.MethodPost},
			"a page of a neighbour":   {"localhost", "same-site", "http://x.localhost", verb == http.MethodPost},
			"a page without a name":   {"localhost", "cross-site", "null", verb == http.MethodPost},
			"an old browser":          {"localhost", "", "https://evil.example", verb == http.MethodPost},
			"a name that points here": {"evil.example", "same-origin", "http://evil.example", true},
		} {
			request, err := http.NewRequestWithContext(t.Context(), verb, "http://"+r.http+path,
				strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Host, request.Close = c.host, true
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Origin", c.origin)
			if c.site != "" {
				request.Header.Set("Sec-Fetch-Site", c.site)
			}
			resp, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if refused := resp.StatusCode == http.StatusForbidden; refused != c.refused {
				t.Errorf("%s %s for %s: %d, want it refused: %v", verb, path, name, resp.StatusCode, c.refused)
			}
			if shared := resp.Header.Get("Access-Control-Allow-Origin"); shared != "" {
				t.Errorf("%s %s for %s: shared with %s", verb, path, name, shared)
			}
			for header, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
				"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin",
			} {
				if got := resp.Header.Get(header); !strings.HasPrefix(got, want) {
					t.Errorf("%s %s for %s: %s is %q, want %s", verb, path, name, header, got, want)
				}
			}
		}
	}
}
