package server_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// TestRefusalsAreRecorded: every request over HTTP that is refused has its id in the answer, one line in the log and
// one count in the metric, with the code that it would have over gRPC, whether it became a call or not.
func TestRefusalsAreRecorded(t *testing.T) {
	admin := freePort(t)
	r := start(t, func(c *server.Config) {
		c.HTTP.Listen, c.Admin.Listen, c.HTTP.MaxBodyBytes = "localhost:0", admin, 1<<12
	})
	const (
		json, proto = "application/json", "application/proto"
		stream, web = "application/connect+json", "application/grpc-web+proto"

		sample = langevinv1.SamplingService_Sample_FullMethodName
		score  = langevinv1.SamplingService_Score_FullMethodName
		list   = langevinv1.ModelService_ListModels_FullMethodName
		get    = langevinv1.ModelService_GetModel_FullMethodName
		rest   = "/v1/models/gauss:sample"
	)
	large := strings.Repeat(" ", 1<<13)
	for i, c := range []struct {
		address, method, path, headers, body string
		counted, code                        string
	}{
		{r.http, "POST", rest, "", `{"n": `, sample, "InvalidArgument"},
		{r.http, "POST", rest, "", `{"chains": 3}`, sample, "InvalidArgument"},
		{r.http, "POST", rest, "", `{"n": 0}`, sample, "InvalidArgument"}, // a call
		{r.http, "POST", rest + "?timeout=abc", "", `{}`, sample, "InvalidArgument"},
		{r.http, "POST", rest, "Content-Encoding: br", `{}`, sample, "Unimplemented"},
		{r.http, "POST", rest, "", large, sample, "ResourceExhausted"},
		{r.http, "POST", rest, "Accept: image/png", `{"n": 2}`, sample, "InvalidArgument"},
		{r.http, "POST", rest, "Origin: https://evil.example", `{}`, "other", "PermissionDenied"},
		{r.http, "GET", "/v1/models", "Host: evil.example", ``, "other", "PermissionDenied"},
		{r.http, "GET", "/v1/models?page=3", "", ``, list, "InvalidArgument"},
		{r.http, "GET", "/v1/models/gauss/versions/x", "", ``, get, "InvalidArgument"},
		{r.http, "GET", "/v1/models/nobody", "", ``, get, "NotFound"}, // a call
		{r.http, "GET", "/v1/made-up", "", ``, "other", "NotFound"},
		{r.http, "GET", "/made-up.js", "", ``, "other", "NotFound"},
		{r.http, "DELETE", "/v1/models", "", ``, "other", "Unimplemented"},
		{r.http, "GET", score, "", ``, score, "Unimplemented"},
		{r.http, "POST", score, "Content-Type: text/plain", `{}`, score, "InvalidArgument"},
		{r.http, "POST", score, "Content-Type: " + json, `{"x": `, score, "InvalidArgument"},
		{r.http, "POST", score, "Content-Type: " + proto, "\xff\xff", score, "InvalidArgument"},
		{r.http, "POST", score, "Content-Type: " + json + "\nConnect-Timeout-Ms: x", `{}`, score, "InvalidArgument"},
		{r.http, "POST", sample, "Content-Type: " + stream, `no envelope`, sample, "InvalidArgument"},
		{r.http, "POST", sample, "Content-Type: " + web, `no envelope`, sample, "InvalidArgument"},
		{r.http, "POST", sample, "Content-Type: " + web, "\x00\x00\x00\x00\x02\xff\xff", sample, "InvalidArgument"},
		{r.http, "POST", sample, "Content-Type: " + stream + "\nConnect-Content-Encoding: br", "\x01\x00\x00\x00\x02{}",
			sample, "InvalidArgument"},
		{r.http, "POST", "/langevin.v1.SamplingService/Draw", "Content-Type: " + json, `{}`, "other", "Unimplemented"},
		{admin, "POST", "/metrics", "", ``, "other", "Unimplemented"},
		{admin, "GET", "/made-up", "", ``, "other", "NotFound"},
		{admin, "GET", "/metrics", "Origin: https://evil.example", ``, "other", "PermissionDenied"},
	} {
		before := requestsOf(t, admin)
		id := "visit-" + strconv.Itoa(i)
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+c.address+c.path,
			strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Id", id)
		for _, h := range headersOf(c.headers) {
			req.Header.Set(h[0], h[1])
			if h[0] == "Host" {
				req.Host = h[1]
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if given := resp.Header.Values("X-Request-Id"); len(given) != 1 || given[0] != id {
			t.Errorf("%s %s %q: the answer's ids are %q", c.method, c.path, c.body, given)
		}
		eventually(t, c.method+" "+c.path+" is not logged", func() bool {
			return strings.Contains(r.log.String(), "request_id="+id+" ")
		})
		var lines []string
		for line := range strings.Lines(r.log.String()) {
			if strings.Contains(line, "request_id="+id+" ") {
				lines = append(lines, line)
			}
		}
		if len(lines) != 1 || !strings.Contains(lines[0], "code="+c.code+" ") ||
			!strings.Contains(lines[0], "method="+c.counted+" ") {
			t.Errorf("%s %s %q: want one line of %s with %s, got %q", c.method, c.path, c.body, c.counted, c.code,
				lines)
		}
		after := requestsOf(t, admin)
		more := 0.0
		for series, n := range after {
			if n -= before[series]; n > 0 {
				more += n
				if !strings.Contains(series, `method="`+strings.TrimPrefix(c.counted, "/")+`"`) {
					t.Errorf("%s %s: counted as %s", c.method, c.path, series)
				}
			}
		}
		if more != 1 {
			t.Errorf("%s %s %q: counted %v times", c.method, c.path, c.body, more)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	resp, err := http.Get("http://" + r.http + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("the page: %d without an id: %v", resp.StatusCode, resp.Header)
	}
}

// requestsOf reads the counters of calls.
func requestsOf(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	series := scrape(t, admin)
	maps.DeleteFunc(series, func(name string, _ float64) bool {
		return !strings.HasPrefix(name, "langevin_requests_total")
	})
	return series
}
