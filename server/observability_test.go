package server_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// freePort returns an address that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

// get calls the admin listener.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// scrape reads all series of the server's own, by name and labels.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	_, body := get(t, address, "/metrics")
	series := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), "} ")
		if value, err := strconv.ParseFloat(text, 64); err == nil && strings.HasPrefix(name, "langevin_") {
			series[name+"}"] = value
		}
	}
	return series
}

// TestMetricsAgreeWithTraffic: after calls with every outcome, a scrape has exactly their numbers.
func TestMetricsAgreeWithTraffic(t *testing.T) {
	address := freePort(t)
	r := start(t, func(c *server.Config) { c.Admin.Listen, c.Workers = address, 2 })
	const calls, chains, steps = 3, 20, 15 // modelstest's manifest has 3 levels of 5 steps
	for range calls {
		stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{N: proto.Int64(chains)})
		if err == nil {
			err = finish(stream)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{Model: "nobody"}); err == nil {
		t.Error("a model that does not exist was sampled", stream)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := r.sample(ctx, long())
	if err != nil {
		t.Fatal(err)
	}
	busy := scrape(t, address)
	for busy[`langevin_running_rows{model="gauss",version="1"}`] == 0 {
		busy = scrape(t, address)
	}
	const version1 = `{model="gauss",version="1"}`
	if sum := busy["langevin_running_rows"+version1] + busy["langevin_queue_rows"+version1]; sum != 100_000 {
		t.Errorf("running and waiting chains are %v together, want 100000", sum)
	}
	cancel()
	_ = finish(stream) // cancelled
	got := scrape(t, address)
	const ofSample = `langevin_requests_total{method="langevin.v1.SamplingService/Sample",`
	for got[`langevin_cancel_latency_seconds_count{model="gauss"}`] == 0 ||
		got[ofSample+`model="gauss",outcome="cancelled"}`] == 0 ||
		got[`langevin_open_calls{model="gauss",version="1"}`] > 0 ||
		got[`langevin_running_rows{model="gauss",version="1"}`] > 0 {
		got = scrape(t, address)
	}
	ticks := got[`langevin_step_duration_seconds_count{model="gauss"}`]
	taken := got[`langevin_chain_steps_total{model="gauss"}`]
	for series, want := range map[string]float64{
		ofSample + `model="gauss",outcome="ok"}`:                calls,
		ofSample + `model="gauss",outcome="cancelled"}`:         1,
		ofSample + `model="other",outcome="invalid"}`:           1,
		`langevin_sample_duration_seconds_count{model="gauss"}`: calls,
		`langevin_first_event_seconds_count{model="gauss"}`:     calls,
		`langevin_queue_wait_seconds_count{model="gauss"}`:      calls + 1,
		`langevin_cancel_latency_seconds_count{model="gauss"}`:  1,
		`langevin_running_rows{model="gauss",version="1"}`:      0,
		`langevin_queue_rows{model="gauss",version="1"}`:        0,
		`langevin_batch_fill_ratio_count{model="gauss"}`:        ticks,
	} {
		if v, found := got[series]; !found || v != want {
			t.Errorf("%s is %v (found %v), want %v", series, v, found, want)
		}
	}
	if taken < calls*chains*steps {
		t.Errorf("%v steps of chains counted, want at least the %d of the calls that finished",
			taken, calls*chains*steps)
	}
	if fill := got[`langevin_batch_fill_ratio_sum{model="gauss"}`] * 256; fill != taken {
		t.Errorf("blocks contained %v chains and %v took a step", fill, taken)
	}
	for series := range maps.Keys(got) {
		if strings.Contains(series, "nobody") {
			t.Errorf("a client created a label: %s", series)
		}
	}
}

func TestAdminListener(t *testing.T) {
	address := freePort(t)
	r := start(t, func(c *server.Config) { c.Admin.Listen = address })
	for path, want := range map[string]string{
		"/healthz": "serving\n", "/readyz": "serving\n", "/debug/pprof/cmdline": "server", "/metrics": "go_goroutines",
	} {
		if code, body := get(t, address, path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.100q, want %q", path, code, body, want)
		}
	}
	if code, body := get(t, address, "/"); code != http.StatusNotFound || !strings.Contains(body, "/debug/pprof/") {
		t.Errorf("/ is %d %q, want 404 with the paths that there are", code, body)
	}
	ask := func(method, path string, headers ...string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := ask("POST", "/metrics"); resp.StatusCode != http.StatusMethodNotAllowed ||
		resp.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"},
	} {
		if resp := ask("GET", "/debug/pprof/cmdline", headers...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("a page of another origin, %v: %d", headers, resp.StatusCode)
		}
	}
	own := ask("GET", "/metrics", "Sec-Fetch-Site", "same-origin", "Origin", "http://"+address)
	if own.StatusCode != http.StatusOK || own.Header.Get("X-Frame-Options") != "DENY" ||
		own.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("its own page: %d %v", own.StatusCode, own.Header)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.Close = "rebound.example:9090", true
	if resp, err := http.DefaultClient.Do(request); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("request for another host name: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	r.waitHealthy(t, "model/gauss")
	r.waitHealthy(t, "liveness")

	c := server.Default()
	for listen, ok := range map[string]bool{":9090": false, "0.0.0.0:9090": false, "localhost:9090": true,
		"[::1]:0": true, "nonsense": false} {
		c.Admin.Listen = listen
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("admin.listen %s: %v", listen, err)
		}
	}
	c.Admin.Listen, c.Admin.AllowRemote = ":9090", true
	if err := c.Validate(); err != nil {
		t.Errorf("allowed: %v", err)
	}
}

// TestMetricsListener: it has metrics and health for other machines, and nothing else.
func TestMetricsListener(t *testing.T) {
	address := freePort(t)
	start(t, func(c *server.Config) { c.Metrics.Listen = address })
	for _, ask := range []struct{ path, want string }{
		{"/metrics", `langevin_connections{listener="metrics"} 1`}, // first: later ones may follow an open connection
		{"/healthz", "serving\n"}, {"/readyz", "serving\n"},
	} {
		if code, body := get(t, address, ask.path); code != http.StatusOK || !strings.Contains(body, ask.want) {
			t.Errorf("%s: %d %.100q, want %q", ask.path, code, body, ask.want)
		}
	}
	for _, path := range []string{"/", "/debug/pprof/cmdline", "/langevin.v1.AdminService/ReloadModels"} {
		if code, body := get(t, address, path); code != http.StatusNotFound || !strings.Contains(body, "/readyz") {
			t.Errorf("%s is %d %q, want 404 with the paths that there are", path, code, body)
		}
	}
	c := server.Default()
	for listen, ok := range map[string]bool{":9091": true, "0.0.0.0:9091": true, "": true, "nonsense": false} {
		c.Metrics.Listen = listen
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("metrics.listen %s: %v", listen, err)
		}
	}
}

// TestWithoutBuiltInModels: only the folder's models are there, and no request reaches another.
func TestWithoutBuiltInModels(t *testing.T) {
	r := start(t, nil)
	list, err := langevinv1.NewModelServiceClient(r.conn).ListModels(t.Context(), &langevinv1.ListModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.GetModels() {
		if _, err := fs.Stat(models.Zoo(), m.GetName()); err == nil {
			t.Errorf("%s is there", m.GetName())
		}
	}
	if len(list.GetModels()) == 0 {
		t.Error("no models")
	}
	c := server.Default()
	if c.Models.BuiltIn = false; c.Validate() == nil {
		t.Error("no models at all: accepted")
	}
}

// collector is an OpenTelemetry collector that remembers what it receives.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*tracev1.Span
}

func (c *collector) Export(
	_ context.Context, req *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range req.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			c.spans = append(c.spans, s.GetSpans()...)
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// TestTraces: the spans of a call reach the collector in the caller's trace, with an event for each level.
func TestTraces(t *testing.T) {
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := &collector{}
	sink := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(sink, seen)
	go sink.Serve(lis) // its error says that Stop was called
	defer sink.Stop()

	r := start(t, func(c *server.Config) { c.Tracing.Endpoint, c.Tracing.Insecure = lis.Addr().String(), true })
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-"+parent+"-01")
	stream, err := r.sample(ctx, &langevinv1.SampleRequest{})
	if err == nil {
		err = finish(stream)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.conn.Close()
	r.stop()
	if err := <-r.done; err != nil { // the last spans are sent while the server stops
		t.Fatal(err)
	}
	r.done <- nil // for the clean-up

	names := map[string]*tracev1.Span{}
	for _, s := range seen.spans {
		names[s.GetName()] = s
		if id := hex.EncodeToString(s.GetTraceId()); id != trace {
			t.Errorf("span %s is in trace %s, want the caller's", s.GetName(), id)
		}
	}
	if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got,
		[]string{"langevin.v1.SamplingService/Sample", "queue", "sample"}) {
		t.Fatalf("spans are %q", got)
	}
	root := names["langevin.v1.SamplingService/Sample"]
	if id := hex.EncodeToString(root.GetParentSpanId()); id != parent {
		t.Errorf("the call's parent is %s, want the caller's span", id)
	}
	for _, name := range []string{"queue", "sample"} {
		if hex.EncodeToString(names[name].GetParentSpanId()) != hex.EncodeToString(root.GetSpanId()) {
			t.Errorf("%s is not below the call", name)
		}
	}
	if n := len(names["sample"].GetEvents()); n != 3 {
		t.Errorf("%d events, want one for each of 3 levels", n)
	}
	if names["queue"].GetEndTimeUnixNano() > names["sample"].GetStartTimeUnixNano() {
		t.Error("sampling began before the wait was over")
	}
}
