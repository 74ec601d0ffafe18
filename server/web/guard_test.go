package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
)

// TestForeignPages: other pages in the same browser are refused, unless http.origins names them.
func TestForeignPages(t *testing.T) {
	s := open(t, func(c *server.Config) { c.HTTP.Origins = "https://friend.example" })
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"none", nil, 200},
		{"its own page", []string{"Sec-Fetch-Site", "same-origin", "Origin", s.url}, 200},
		{"another page", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another page, old browser", []string{"Origin", "https://evil.example"}, 403},
		{"a friend", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://friend.example"}, 200},
		{"a name that points here", []string{"Host", "evil.example"}, 403},
	} {
		resp := s.do(t.Context(), t, http.MethodPost, "/v1/models/gauss:sample", `{}`, c.header...)
		read(t, resp)
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.want)
		}
		if shared := resp.Header.Get("Access-Control-Allow-Origin"); (shared != "") != (c.name == "a friend") {
			t.Errorf("%s: Access-Control-Allow-Origin is %q", c.name, shared)
		}
	}
	resp := s.do(t.Context(), t, http.MethodOptions, "/v1/models/gauss:sample", "", "Origin", "https://friend.example",
		"Access-Control-Request-Method", "POST")
	if read(t, resp); resp.StatusCode != http.StatusNoContent ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Content-Type") {
		t.Errorf("preflight of a friend: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestTokens: gRPC's interceptors decide over HTTP too, in every protocol. Page and health need no token.
func TestTokens(t *testing.T) {
	token, line := auth.NewToken("alice", auth.ScopeSample)
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, func(c *server.Config) { c.Auth.Tokens = file })
	for _, path := range []string{"/", "/main.js", "/healthz", "/v1/samplers", "/openapi.json"} {
		if status, text := s.get(t, path); status != http.StatusOK {
			t.Errorf("%s without a token: %d %.100s", path, status, text)
		}
	}
	refused := s.do(t.Context(), t, http.MethodPost, "/v1/models/gauss:sample", `{}`)
	if got := refused.Header.Get("WWW-Authenticate"); got != `Bearer realm="langevin"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	const score = `{"model": "gauss", "x": {"values": [2, 0]}, "sigma": [1]}`
	for _, c := range []struct {
		name string
		call func(headers ...string) (int, string)
		none string
	}{
		{"rest", func(h ...string) (int, string) { return s.post(t, "/v1/models/gauss:sample", `{}`, h...) },
			`"UNAUTHENTICATED"`},
		{"list", func(h ...string) (int, string) { return s.get(t, "/v1/models", h...) }, `"UNAUTHENTICATED"`},
		{"connect", func(h ...string) (int, string) {
			return s.post(t, langevinv1.SamplingService_Score_FullMethodName, score,
				append(h, "Content-Type", "application/json")...)
		}, `"unauthenticated"`},
	} {
		if status, text := c.call(); status != http.StatusUnauthorized || !strings.Contains(text, c.none) {
			t.Errorf("%s without a token: %d %s", c.name, status, text)
		}
		if status, text := c.call("Authorization", "Bearer "+token); status != http.StatusOK {
			t.Errorf("%s with a token: %d %s", c.name, status, text)
		}
	}
}
