package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort/proof/prooftest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

func TestMain(m *testing.M) {
	server.AddCompression()
	goleak.VerifyTestMain(m, goleak.Cleanup(prooftest.Start()))
}

// site is a server with an HTTP listener.
type site struct {
	url  string
	stop context.CancelFunc
	done chan error
}

// open starts a server with a point model, "gauss", and an image model, "tiles"; with -browser also the built-in ones.
// The page offers the models that are ready when it loads, so a browser waits for all of them.
func open(t testing.TB, change func(*server.Config)) *site {
	t.Helper()
	c := server.Default()
	c.Listen, c.HTTP.Listen, c.Models.Dir, c.Models.Default = "localhost:0", "localhost:0", t.TempDir(), "gauss"
	c.Models.BuiltIn = *inBrowser || *withTypeScript // they take longer to load than most tests
	for name, data := range map[string][]byte{
		"gauss": modelstest.GaussianFile(t, "gauss", 2),
		"tiles": modelstest.File(t, modelstest.Gaussian(1, 4, 6),
			modelstest.WithDetector(t, modelstest.Manifest("tiles", 1, 4, 6))),
	} {
		path := filepath.Join(c.Models.Dir, name, "1", "model.onnx")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&c)
	}
	srv, err := server.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lis, err := srv.Listen()
	if err == nil {
		err = srv.ListenHTTP()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{url: "http://" + srv.HTTPAddress().String(), stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- srv.Serve(ctx, lis) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		<-s.done
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if status, _ := s.get(t, "/healthz"); status == http.StatusOK && (!*inBrowser || s.loaded(t)) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("not serving after a minute")
		}
	}
}

// loaded reports whether no model is still loading.
func (s *site) loaded(t testing.TB) bool {
	_, models := s.get(t, "/v1/models")
	return !strings.Contains(strings.ToLower(models), "loading")
}

// do sends a request with headers given in pairs.
func (s *site) do(ctx context.Context, t testing.TB, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func read(t testing.TB, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (s *site) get(t testing.TB, path string, headers ...string) (int, string) {
	t.Helper()
	resp := s.do(t.Context(), t, http.MethodGet, path, "", headers...)
	return resp.StatusCode, read(t, resp)
}

func (s *site) post(t *testing.T, path, body string, headers ...string) (int, string) {
	t.Helper()
	resp := s.do(t.Context(), t, http.MethodPost, path, body, headers...)
	return resp.StatusCode, read(t, resp)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// result is the JSON object of a Sample call.
type result struct {
	Model   string      `json:"model"`
	Seed    uint64      `json:"seed"`
	N       int         `json:"n"`
	NFE     int         `json:"nfe"`
	Samples [][]float32 `json:"samples"`
}

func TestModels(t *testing.T) {
	s := open(t, nil)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, text := s.get(t, "/v1/models"); !strings.Contains(text, `"loading"`) {
			break
		}
	}
	var names []string
	for token := ""; ; {
		_, text := s.get(t, "/v1/models?page_size=1&page_token="+token)
		page := decode[struct {
			Models []struct {
				Name, State string
				Shape       []int
			}
			NextPageToken string `json:"next_page_token"`
		}](t, text)
		for _, m := range page.Models {
			names = append(names, m.Name+" "+m.State)
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	if got := strings.Join(names, ", "); !strings.Contains(got, "gauss ready, ") ||
		!strings.HasSuffix(got, "tiles ready") {
		t.Errorf("models: %s", got)
	}
	_, text := s.get(t, "/v1/models/tiles")
	if m := decode[struct{ Shape []int }](t, text); len(m.Shape) != 3 || m.Shape[2] != 6 {
		t.Errorf("tiles: %s", text)
	}
	if status, text := s.get(t, "/v1/models/tile"); status != http.StatusNotFound ||
		!strings.Contains(text, "did you mean") {
		t.Errorf("an unknown model: %d %s, want 404 with the near name", status, text)
	}
}

// TestSampleSaysWhatCollapsed: with particles every form says what the last event of a stream says of their weights: a
// JSON object in fields, CSV in trailers, a PNG file in headers.
func TestSampleSaysWhatCollapsed(t *testing.T) {
	type weights struct {
		EffectiveSize float64 `json:"effective_size"`
		LogEvidence   float64 `json:"log_evidence"`
		Collapsed     int
	}
	s := open(t, nil)
	const order = `{"n": 9, "seed": 1, "measurement": {"matrix": {"rows": [[1, 0.5]]}, "values": [1], ` +
		`"noise_std": 0.1, "particles": {"count": 2}, "least_effective_size": 2}}`
	_, text := s.post(t, "/v1/models/gauss:sample", order)
	got := decode[weights](t, text)
	_, events := s.post(t, "/v1/models/gauss:sample", order, "Accept", "application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(events), "\n")
	want := decode[struct{ Done weights }](t, lines[len(lines)-1]).Done
	if got != want || want.Collapsed == 0 || want.LogEvidence == 0 {
		t.Errorf("the object has %+v, the last event %+v, of which all are above 0", got, want)
	}
	if _, text := s.post(t, "/v1/models/gauss:sample", `{"seed": 1}`); strings.Contains(text, "collapsed") {
		t.Errorf("without a measurement the object is %s", text)
	}
	csv, picture := "/v1/models/gauss:sample text/csv", "/v1/models/tiles:sample image/png"
	one := `{"seed": 1, "measurement": {"matrix": {"rows": [[1` + strings.Repeat(",0", 23) + `]]}, "values": [1], ` +
		`"noise_std": 0.1, "particles": {"count": 2}}}`
	await(t, "the models", func() bool { return s.loaded(t) })
	_, text = s.post(t, "/v1/models/tiles:sample", one)
	for _, try := range []struct {
		form, order string
		want        *weights // nil for none
		in          func(*http.Response) http.Header
	}{
		{csv, `{"seed": 1, "measurement": {"matrix": {"rows": [[1, 0]]}, "values": [1], "ddrm": {}}}`, nil,
			func(r *http.Response) http.Header { return r.Trailer }},
		{picture, strings.Replace(one, `"particles": {"count": 2}`, `"ddrm": {}`, 1), nil,
			func(r *http.Response) http.Header { return r.Header }},
		{csv, order, &want, func(r *http.Response) http.Header { return r.Trailer }},
		{csv, `{"seed": 1}`, nil, func(r *http.Response) http.Header { return r.Trailer }},
		{picture, one, new(decode[weights](t, text)), func(r *http.Response) http.Header { return r.Header }},
		{picture, `{"seed": 1}`, nil, func(r *http.Response) http.Header { return r.Header }},
	} {
		path, media, _ := strings.Cut(try.form, " ")
		resp := s.do(t.Context(), t, http.MethodPost, path, try.order, "Accept", media)
		read(t, resp) // trailers come after the body
		got, want := try.in(resp), []string{"", "", ""}
		if try.want != nil {
			want = []string{fmt.Sprint(try.want.EffectiveSize), fmt.Sprint(try.want.LogEvidence),
				fmt.Sprint(try.want.Collapsed)}
		}
		if a := resp.Header.Get("X-Approximate"); a != strconv.FormatBool(strings.Contains(try.order, "ddrm")) {
			t.Errorf("%s %s: X-Approximate is %q", try.form, try.order, a)
		}
		for i, name := range []string{"X-Effective-Size", "X-Log-Evidence", "X-Collapsed"} {
			if resp.StatusCode != http.StatusOK || got.Get(name) != want[i] {
				t.Errorf("%s %s: status %d, %s is %q, want %q", try.form, try.order, resp.StatusCode, name,
					got.Get(name), want[i])
			}
		}
	}
}

// TestSampleForms: the samples are the same as one object, as lines, as SSE and as CSV.
func TestSampleForms(t *testing.T) {
	s := open(t, nil)
	const order = `{"n": 300, "seed": 18446744073709551615}`
	_, text := s.post(t, "/v1/models/gauss:sample", strings.Replace(order, "18446744073709551615", "7", 1))
	whole := decode[result](t, text)
	if whole.Model != "gauss" || whole.Seed != 7 || len(whole.Samples) != 300 || whole.NFE != 300*15 {
		t.Fatalf("object: %d samples, %d evaluations, of %s from seed %d", len(whole.Samples), whole.NFE, whole.Model,
			whole.Seed)
	}
	want, err := json.Marshal(whole.Samples)
	if err != nil {
		t.Fatal(err)
	}
	same := func(form string, rows [][]float32) {
		t.Helper()
		if got, err := json.Marshal(rows); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: other samples (%d rows, %v)", form, len(rows), err)
		}
	}
	type event struct {
		Started, Done *struct{ N int }
		Chunk         *struct{ Tensor [][]float32 }
	}
	var lines [][]float32
	_, text = s.post(t, "/v1/models/gauss:sample", `{"n": 300, "seed": 7}`, "Accept", "application/x-ndjson")
	for line := range strings.Lines(text) {
		if e := decode[event](t, line); e.Chunk != nil {
			lines = append(lines, e.Chunk.Tensor...)
		}
	}
	same("lines", lines)
	var events [][]float32
	var names []string
	_, text = s.post(t, "/v1/models/gauss/versions/1:sample", `{"n": 300, "seed": "7", "preview": {"frames": 2}}`,
		"Accept", "text/event-stream")
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(block, "event: "), "\ndata: ")
		if names = append(names, name); name == "chunk" {
			events = append(events, decode[struct{ Tensor [][]float32 }](t, data).Tensor...)
		}
	}
	same("events", events)
	if first, last := names[0], names[len(names)-1]; first != "started" || last != "done" ||
		!strings.Contains(strings.Join(names, " "), "preview") {
		t.Errorf("events are %v", names)
	}
	_, text = s.post(t, "/v1/models/gauss:sample", `{"n": 300, "seed": 7}`, "Accept", "text/csv")
	same("csv", decode[[][]float32](t, "[["+strings.ReplaceAll(strings.TrimSpace(text), "\n", "],[")+"]]"))
}

// TestLargeSeeds: a number that most JSON readers cannot represent is a string.
func TestLargeSeeds(t *testing.T) {
	s := open(t, nil)
	_, text := s.post(t, "/v1/models/gauss:sample", `{"seed": 18446744073709551615}`)
	if !strings.Contains(text, `"seed":"18446744073709551615"`) {
		t.Errorf("%s", text)
	}
}

func TestPicture(t *testing.T) {
	s := open(t, nil)
	resp := s.do(t.Context(), t, http.MethodPost, "/v1/models/tiles:sample", `{"seed": 1}`, "Accept", "image/png")
	picture, err := png.Decode(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b := picture.Bounds(); b.Dx() != 6 || b.Dy() != 4 {
		t.Errorf("picture of %v, want 6 by 4", b)
	}
	if status, text := s.post(t, "/v1/models/tiles:sample", `{"n": 2}`, "Accept", "image/png"); status != 400 ||
		!strings.Contains(text, `"field":"n"`) {
		t.Errorf("two samples as one picture: %d %s", status, text)
	}
	if status, text := s.post(t, "/v1/models/gauss:sample", `{}`, "Accept", "image/png"); status != 400 ||
		!strings.Contains(text, `"field":"format"`) {
		t.Errorf("a point as a picture: %d %s", status, text)
	}
}

// TestScoreAndFlow checks values that are known exactly, because the model is the score of N(0, I).
func TestScoreAndFlow(t *testing.T) {
	s := open(t, nil)
	_, text := s.post(t, "/v1/models/gauss:score", `{"x": [[2, 0], [0, -4]], "sigma": 1}`)
	if got := decode[struct{ Score [][]float64 }](t, text).Score; len(got) != 2 || got[0][0] != -1 || got[1][1] != 2 {
		t.Errorf("scores %v, want -x/2", got)
	}
	_, text = s.post(t, "/v1/models/gauss:encode", `{"x": [1, 2]}`)
	latent := decode[struct{ Latent [][]float64 }](t, text).Latent
	body, err := json.Marshal(map[string]any{"latent": latent})
	if err != nil {
		t.Fatal(err)
	}
	_, text = s.post(t, "/v1/models/gauss:decode", string(body))
	if x := decode[struct{ Sample [][]float64 }](t, text).Sample; len(x) != 1 || x[0][0] < 0.99 || x[0][0] > 1.01 ||
		x[0][1] < 1.99 || x[0][1] > 2.01 {
		t.Errorf("decoded %v, want [1 2]", x)
	}
	// log N(0; 0, (1 + 0.1²) I) = -log(2π·1.01) = -1.8478; the prior at sigma_max approximates N(0, 1 + 10²).
	_, text = s.post(t, "/v1/models/gauss:likelihood", `{"x": [[0, 0]], "exact": true}`)
	if got := decode[struct {
		L []float64 `json:"log_likelihood"`
	}](t, text).L; len(got) != 1 || got[0] < -1.86 || got[0] > -1.82 {
		t.Errorf("log likelihood %v, want about -1.84", got)
	}
	var status int
	status, text = s.post(t, "/v1/models/gauss:detect", `{"x": [[0, 0]]}`)
	if status != http.StatusBadRequest || !strings.Contains(text, "NO_DETECTOR") ||
		!strings.Contains(text, "langevin detect fit gauss --models-dir FOLDER --data FILE adds one to its file") {
		t.Errorf("detect without a detector: %d %s", status, text)
	}
	_, text = s.post(t, "/v1/models/tiles:detect", `{"x": [[`+strings.Repeat("9,", 23)+`9]]}`)
	if got := decode[struct {
		P        []float64 `json:"p_value"`
		Distance []float64
	}](t, text); len(got.P) != 1 || got.P[0] != 1./101 || got.Distance[0] < 10 {
		t.Errorf("what is far away is %s", text)
	}
}

func TestRequestID(t *testing.T) {
	s := open(t, nil)
	resp := s.do(t.Context(), t, http.MethodPost, "/v1/models/gauss:sample", `{"n": 0}`, "X-Request-Id", "mine")
	if text := read(t, resp); resp.Header.Get("X-Request-Id") != "mine" ||
		!strings.Contains(text, `"request_id":"mine"`) {
		t.Errorf("%v %s", resp.Header, text)
	}
}

func TestDeadline(t *testing.T) {
	s := open(t, nil)
	if status, text := s.post(t, "/v1/models/gauss:sample?timeout=20ms", forever, "Accept",
		"text/csv"); status != http.StatusGatewayTimeout || !strings.Contains(text, "DEADLINE_EXCEEDED") {
		t.Errorf("a call that cannot be done in 20 ms: %d %s", status, text)
	}
	body := string(envelope(`{"model": "gauss", ` + forever[1:]))
	_, text := s.post(t, langevinv1.SamplingService_Sample_FullMethodName, body, "Content-Type",
		"application/connect+json", "Connect-Timeout-Ms", "20")
	if !strings.Contains(text, "deadline_exceeded") {
		t.Errorf("the same in the Connect protocol: %q", text)
	}
}

// TestGRPC: gRPC clients find the whole API on the HTTP port too, including bidirectional streams.
func TestGRPC(t *testing.T) {
	s := open(t, nil)
	conn, err := grpc.NewClient(strings.TrimPrefix(s.url, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := langevinv1.NewSamplingServiceClient(conn).Sample(t.Context(),
		&langevinv1.SampleRequest{N: proto.Int64(5)})
	events := 0
	for err == nil {
		_, err = stream.Recv()
		events++
	}
	if !errors.Is(err, io.EOF) || events < 4 {
		t.Errorf("%d events and %v", events, err)
	}
	_, err = langevinv1.NewSamplingServiceClient(conn).Score(t.Context(), &langevinv1.ScoreRequest{})
	if details := status.Convert(err).Details(); status.Code(err) != codes.InvalidArgument || len(details) != 2 {
		t.Errorf("a mistake: %v with details %v", err, details)
	}
	reflect, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Recv reports the error of the stream, so Send's error adds nothing.
	_ = reflect.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
	if resp, err := reflect.Recv(); err != nil || len(resp.GetListServicesResponse().GetService()) < 3 {
		t.Errorf("reflection: %v, %v", resp, err)
	}
	reflect.CloseSend()
}

// forever takes longer than any test waits, and uses up the server's room for chains.
const forever = `{"n": 1000, "langevin": {"steps": 100000}}`

// TestClosedRequestFreesChains: when the client of a stream leaves, its chains make room for others.
func TestClosedRequestFreesChains(t *testing.T) {
	for _, accept := range []string{"application/x-ndjson", "text/event-stream", "application/json", "text/csv",
		"connect"} {
		t.Run(accept, func(t *testing.T) { testClosedRequest(t, accept) })
	}
}

func testClosedRequest(t *testing.T, accept string) {
	s := open(t, func(c *server.Config) { c.Limits.MaxOpenChains = 1000 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil { // until there is room in addition to the small requests below
			askForever(ctx, t, s.url, accept)
		}
	}()
	const one = `{"n": 1, "langevin": {"steps": 1}}`
	await(t, "the server to be full", func() bool {
		status, text := s.post(t, "/v1/models/gauss:sample", one)
		return status == http.StatusTooManyRequests && strings.Contains(text, `"retry_after":`)
	})
	cancel()
	<-ended
	await(t, "room", func() bool {
		status, _ := s.post(t, "/v1/models/gauss:sample", one)
		return status == http.StatusOK
	})
}

// askForever sends the request that fills the server, in one of the forms, and reads the answer until ctx ends.
func askForever(ctx context.Context, t *testing.T, url, accept string) {
	path, media, body := "/v1/models/gauss:sample", "application/json", []byte(forever)
	if accept == "connect" {
		path, media = langevinv1.SamplingService_Sample_FullMethodName, "application/connect+json"
		body = envelope(`{"model": "gauss", ` + forever[1:])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Content-Type", media)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // ends when ctx is cancelled
		resp.Body.Close()
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}

// envelope returns a message in the form of the Connect protocol's streams.
func envelope(message string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// TestConnect uses the Connect protocol as browsers do, and gRPC-Web.
func TestConnect(t *testing.T) {
	s := open(t, nil)
	const sample = langevinv1.SamplingService_Sample_FullMethodName
	stream := func(body string) []string {
		resp := s.do(t.Context(), t, http.MethodPost, sample, string(envelope(body)), "Content-Type",
			"application/connect+json")
		var messages []string
		for r := bufio.NewReader(resp.Body); ; {
			prefix := make([]byte, 5)
			if _, err := io.ReadFull(r, prefix); err != nil {
				return messages
			}
			message := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
			if _, err := io.ReadFull(r, message); err != nil {
				t.Fatal(err)
			}
			messages = append(messages, string(message))
		}
	}
	got := stream(`{"model": "gauss", "n": 5, "seed": 1}`)
	if len(got) < 4 || !strings.Contains(got[0], "started") || !strings.Contains(got[len(got)-2], "done") ||
		strings.Contains(got[len(got)-1], "error") {
		t.Errorf("a stream: %q", got)
	}
	got = stream(`{"model": "gauss", "n": -5}`)
	if last := got[len(got)-1]; !strings.Contains(last, "invalid_argument") ||
		!strings.Contains(last, "google.rpc.BadRequest") {
		t.Errorf("a mistake in a stream: %q, want the code and its details", last)
	}
	status, text := s.post(t, langevinv1.SamplingService_Score_FullMethodName,
		`{"model": "gauss", "x": {"values": [2, 0]}, "sigma": [1], "format": "TENSOR_FORMAT_FLOATS"}`,
		"Content-Type", "application/json")
	if status != http.StatusOK || !strings.Contains(text, "-1") {
		t.Errorf("a unary call: %d %s", status, text)
	}
	resp := s.do(t.Context(), t, http.MethodPost, sample, "\x00\x00\x00\x00\x00", "Content-Type",
		"application/grpc-web+proto", "X-Grpc-Web", "1")
	if text := read(t, resp); !strings.Contains(strings.ToLower(text), "grpc-status: 0") {
		t.Errorf("gRPC-Web: %d %q, want status 0 in the trailer", resp.StatusCode, text)
	}
}

// TestPortInUse: the error names the setting that chooses another port.
func TestPortInUse(t *testing.T) {
	s := open(t, nil)
	c := server.Default()
	c.Listen, c.HTTP.Listen = "localhost:0", strings.TrimPrefix(s.url, "http://")
	second, err := server.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.ListenHTTP(); err == nil || !strings.Contains(err.Error(), "--http-listen") ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("a port in use: %v, want one line with --http-listen", err)
	}
}

func TestPageIsServed(t *testing.T) {
	s := open(t, nil)
	resp := s.do(t.Context(), t, http.MethodGet, "/", "")
	if text := read(t, resp); resp.StatusCode != http.StatusOK || !strings.Contains(text, "<title>") ||
		resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page: %d %v %.100s", resp.StatusCode, resp.Header, text)
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if status, _ := s.get(t, "/", "If-None-Match", resp.Header.Get("Etag")); status != http.StatusNotModified {
		t.Errorf("asked again: %d, want 304", status)
	}
	if status, text := s.get(t, "/nothing"); status != http.StatusNotFound || !strings.Contains(text, "/v1/models") {
		t.Errorf("no such page: %d %s", status, text)
	}
}
