package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
	"github.com/langevin-ml/langevin/server/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a server whose networks are exact scores of N(0, 1), without ONNX Runtime.
type service struct {
	sampling langevinv1.SamplingServiceClient
	models   langevinv1.ModelServiceClient
	admin    langevinv1.AdminServiceClient
	conn     *grpc.ClientConn
	log      *safeBuffer
	slow     atomic.Int64 // duration of a model call in nanoseconds
	broken   atomic.Bool  // model calls panic
	loaded   sync.Map     // *batch.Scheduler by version
	seen     recorder
}

// version is a version of a model.
type version struct {
	model  string
	number int
}

// safeBuffer is a log that a test may read while the server writes to it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *service) Score(_ context.Context, dst, x, sigma []float32) error {
	time.Sleep(time.Duration(s.slow.Load()))
	if s.broken.Load() {
		return errors.New("secret cause")
	}
	dim := len(x) / len(sigma)
	for i, v := range x {
		s := sigma[i/dim]
		dst[i] = -v / (1 + s*s)
	}
	return nil
}

// conditional is the exact score of N(mean, 1), where the condition chooses the mean: a class is its own mean, a vector
// has it as its first number, and none has mean 0.
type conditional struct {
	*service
	condition *models.Condition
}

func (c *conditional) Width() int { return c.condition.Width() }

func (c *conditional) ScoreGiven(ctx context.Context, dst, x, sigma, given []float32) error {
	if err := c.Score(ctx, dst, x, sigma); err != nil {
		return err
	}
	dim := len(x) / len(sigma)
	for i := range dst {
		mean, s := given[i/dim*c.Width()], sigma[i/dim]
		if int(mean) != c.condition.Classes || c.condition.Size > 0 {
			dst[i] += mean / (1 + s*s)
		}
	}
	return nil
}

// load replaces ONNX Runtime. The model called failed does not load.
func (s *service) load(_ context.Context, file models.File) (*rpc.Engine, error) {
	if file.Name == "failed" {
		return nil, errors.New("no kernel for this operator")
	}
	config := batch.Config{Workers: 2, Rows: 64, MaxRows: 5000}
	var model sampling.Model = s
	if c := file.Manifest.Condition; c != nil {
		model = &conditional{s, c}
	}
	scheduler := batch.New(model, file.Manifest.Dim(), config)
	s.loaded.Store(version{file.Name, file.Version}, scheduler)
	return &rpc.Engine{Device: "cpu", Scheduler: scheduler, Identity: "exact", Session: io.NopCloser(nil)}, nil
}

// conditions returns the models with conditions. Their samples have shape [3, 2, 2], or [12] with a vector.
func conditions() map[string]models.Condition {
	return map[string]models.Condition{
		"photos":  {Classes: 3, Names: []string{"red", "green", "blue"}, Dropped: true},
		"sides":   {Size: 12, Dropped: true},
		"clothes": {Classes: 2, Names: []string{"shirt", "shoe"}},
	}
}

func start(t *testing.T) *service {
	t.Helper()
	zoo := fstest.MapFS{}
	for name, shape := range map[string][]int{"points": {2}, "failed": {2}, "digits": {1, 4, 5}} {
		m := modelstest.Manifest(name, shape...)
		if name == "digits" {
			m = withDetector(t, m)
		}
		zoo[name+"/1/model.onnx"] = &fstest.MapFile{Data: modelstest.File(t, modelstest.Gaussian(shape...), m)}
	}
	for name, c := range conditions() {
		means, shape := slices.Repeat([][]float32{make([]float32, 12)}, c.Classes+1), []int{3, 2, 2}
		graph := modelstest.GaussianOfClass(means, shape...)
		if c.Size > 0 {
			graph, shape = modelstest.GaussianOfVector(c.Size, c.Dropped), []int{c.Size}
		}
		m := modelstest.Conditional(c, name, shape...)
		if name == "clothes" { // of less noise than the others
			m.Sigmas = m.Sigmas[1:]
		}
		m = withDetector(t, m)
		zoo[name+"/1/model.onnx"] = &fstest.MapFile{Data: modelstest.File(t, graph, m)}
	}
	jumps := modelstest.Manifest("jumps", 2)
	jumps.Sampler.Kind = models.SamplerConsistency
	jumps.Sampler.Consistency = &models.Consistency{Sigmas: []float64{2, 1}}
	zoo["jumps/1/model.onnx"] = &fstest.MapFile{Data: modelstest.File(t, modelstest.Gaussian(2), jumps)}
	file := modelstest.File(t, modelstest.Gaussian(3), withDetector(t, pets()))
	zoo["pets/1/model.onnx"] = &fstest.MapFile{Data: file}
	zoo["points/3/model.onnx"] = zoo["points/1/model.onnx"]
	zoo["torn/1/model.onnx"] = &fstest.MapFile{Data: zoo["points/1/model.onnx"].Data[:40]}
	repo, err := models.NewRepository(zoo, "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{log: &safeBuffer{}}
	h, err := host.New(repo, s.load, host.Options{Default: "points"})
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(rpc.Interceptors(slog.New(slog.NewTextHandler(s.log, nil)), &s.seen,
		rpc.CallLimits{Time: time.Hour, Unread: time.Minute}), grpc.WaitForHandlers(true))...)
	services := rpc.Registrar(server)
	langevinv1.RegisterSamplingServiceServer(services,
		rpc.NewSampling(h, rpc.Limits{Chains: 4000, Steps: 2000, ScoreRows: 100, Particles: 32}))
	langevinv1.RegisterModelServiceServer(services, rpc.NewModels(h))
	langevinv1.RegisterAdminServiceServer(services, rpc.NewAdmin(idle{}, rpc.NewModels(h)))
	lis := bufconn.Listen(1 << 20)
	go server.Serve(lis) // returns an error after Stop
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.conn = conn
	s.sampling, s.models = langevinv1.NewSamplingServiceClient(conn), langevinv1.NewModelServiceClient(conn)
	s.admin = langevinv1.NewAdminServiceClient(conn)
	return s
}

// events are the events of a call, by kind.
type events struct {
	started  *langevinv1.Started
	previews []*langevinv1.Preview
	chunks   []*langevinv1.Chunk // joined, because the clock decides how the result is divided
	pieces   int                 // chunks before they were joined
	progress []*langevinv1.Progress
	done     *langevinv1.Done
}

// sample reads a whole call and checks the order of its events.
func (s *service) sample(t *testing.T, ctx context.Context, req *langevinv1.SampleRequest) (events, error) {
	t.Helper()
	var all events
	stream, err := s.sampling.Sample(ctx, req)
	if err != nil {
		return all, err
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if all.done == nil {
				t.Error("the stream ended without a done event")
			}
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if all.done != nil || (all.started == nil) != (resp.GetStarted() != nil) {
			t.Errorf("event out of order: %v", resp)
		}
		switch e := resp.GetEvent().(type) {
		case *langevinv1.SampleResponse_Started:
			all.started = e.Started
		case *langevinv1.SampleResponse_Preview:
			all.previews = append(all.previews, e.Preview)
		case *langevinv1.SampleResponse_Chunk:
			all.join(t, e.Chunk)
		case *langevinv1.SampleResponse_Progress:
			all.progress = append(all.progress, e.Progress)
		case *langevinv1.SampleResponse_Done:
			all.done = e.Done
		}
	}
}

// join adds a chunk to the ones before, of which there is at most one.
func (e *events) join(t *testing.T, c *langevinv1.Chunk) {
	t.Helper()
	e.pieces++
	if len(e.chunks) == 0 {
		e.chunks = []*langevinv1.Chunk{c}
		return
	}
	all, next := e.chunks[0].GetTensor(), c.GetTensor()
	if c.GetFirstChain() != e.chunks[0].GetFirstChain()+uint64(all.GetShape()[0]) {
		t.Errorf("a chunk starts at chain %d after %v", c.GetFirstChain(), all.GetShape())
	}
	all.Shape[0] += next.GetShape()[0]
	all.Data, all.Values = append(all.Data, next.GetData()...), append(all.Values, next.GetValues()...)
	all.Png = append(all.Png, next.GetPng()...)
}

// TestEmptyRequest: {} draws one sample of the newest version of the default model, and the started event has the
// defaults. A request made from it gives the same sample.
func TestEmptyRequest(t *testing.T) {
	s := start(t)
	first, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	f := first.started
	if f.GetModel() != "points" || f.GetVersion() != 3 || f.GetN() != 1 || len(f.GetDigest()) != 64 ||
		f.GetEngine() != "exact" ||
		!slices.Equal(f.GetShape(), []int64{2}) || f.GetAnnealedLangevin().GetStepsPerLevel() == 0 ||
		f.GetRequestId() == "" {
		t.Errorf("started says %v", f)
	}
	if len(first.chunks) != 1 || !slices.Equal(first.chunks[0].GetTensor().GetShape(), []int64{1, 2}) ||
		len(first.chunks[0].GetTensor().GetData()) != 8 {
		t.Errorf("chunks %v, want one of 1 row, 8 bytes", first.chunks)
	}
	if first.done.GetNfe() != f.GetSteps() || first.done.GetN() != 1 {
		t.Errorf("done says %v, want %d evaluations", first.done, f.GetSteps())
	}
	again, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{
		Model: f.GetModel(), Version: f.GetVersion(), N: &f.N, Seed: &f.Seed, FirstChain: f.GetFirstChain(),
		Sampler: &langevinv1.SampleRequest_AnnealedLangevin{AnnealedLangevin: f.GetAnnealedLangevin()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(again.chunks[0], first.chunks[0]) {
		t.Error("the settings of the started event give another sample")
	}
	other, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if other.started.GetSeed() == f.GetSeed() {
		t.Error("two calls without a seed got the same")
	}
}

// TestFormatsAgree draws the same chains as bytes, numbers and pictures.
func TestFormatsAgree(t *testing.T) {
	s := start(t)
	get := func(model string, format langevinv1.TensorFormat) *langevinv1.Tensor {
		t.Helper()
		got, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{Model: model, N: proto.Int64(3),
			Seed: proto.Uint64(5), Format: format})
		if err != nil {
			t.Fatal(err)
		}
		return got.chunks[0].GetTensor()
	}
	for model, channels := range map[string]int{"digits": 1, "photos": 3} {
		raw := get(model, langevinv1.TensorFormat_TENSOR_FORMAT_RAW)
		floats := get(model, langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS)
		pictures := get(model, langevinv1.TensorFormat_TENSOR_FORMAT_PNG)
		for i, v := range floats.GetValues() {
			bits := binary.LittleEndian.Uint32(raw.GetData()[4*i:])
			if math.Float32bits(v) != bits {
				t.Fatalf("%s: element %d is %g as a number and %g in bytes", model, i, v, math.Float32frombits(bits))
			}
		}
		m := modelstest.Manifest(model, 1)
		height, width := int(raw.GetShape()[2]), int(raw.GetShape()[3])
		if len(pictures.GetPng()) != 3 {
			t.Fatalf("%d pictures, want 3", len(pictures.GetPng()))
		}
		picture, err := png.Decode(bytes.NewReader(pictures.GetPng()[1]))
		if err != nil {
			t.Fatal(err)
		}
		row := floats.GetValues()[channels*height*width:]
		for y := range height {
			for x := range width {
				r, g, b, _ := picture.At(x, y).RGBA()
				for c, got := range []uint32{r >> 8, g >> 8, b >> 8}[:channels] {
					v := (float64(row[(c*height+y)*width+x]) - m.Range.Low) / (m.Range.High - m.Range.Low) * 255
					if want := math.Round(min(max(v, 0), 255)); float64(got) != want {
						t.Errorf("%s: channel %d at (%d, %d) is %d, want %g", model, c, x, y, got, want)
					}
				}
			}
		}
	}
}

// TestChunksPreviewsProgress reads a call that is long enough to have all three.
func TestChunksPreviewsProgress(t *testing.T) {
	s := start(t)
	// Two blocks run one after the other, with 1000 steps each. An event is due every 300 ms at the latest, so there is
	// progress, and what the first block drew comes before the second one has finished.
	s.slow.Store(int64(400 * time.Microsecond))
	const n = 200
	got, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{
		N: proto.Int64(n), Seed: proto.Uint64(1), FirstChain: 50, Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(1000)}},
		Preview: &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_Frames{Frames: 5},
			Chains: proto.Int64(7)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for _, p := range got.previews {
		steps = append(steps, p.GetStep())
		if len(p.GetTensor().GetValues()) != 14 || p.GetFirstChain() != 50 ||
			p.GetKind() != langevinv1.PreviewKind_PREVIEW_KIND_STATE {
			t.Errorf("preview %v", p)
		}
	}
	if !slices.Equal(steps, []int64{0, 250, 500, 750, 1000}) {
		t.Errorf("previews of steps %v", steps)
	}
	last := got.previews[4].GetTensor().GetValues()
	if !slices.Equal(last, got.chunks[0].GetTensor().GetValues()[:14]) {
		t.Error("the last preview is not the result")
	}
	if len(got.progress) == 0 || got.progress[0].GetStepsTotal() != n*1000 || got.progress[0].GetRemaining() == nil {
		t.Errorf("progress %v", got.progress)
	}
	c := got.chunks[0]
	if c.GetFirstChain() != 50 || c.GetTensor().GetShape()[0] != n || got.done.GetNfe() != n*1000 {
		t.Errorf("%v chains from %d after %d evaluations", c.GetTensor().GetShape(), c.GetFirstChain(),
			got.done.GetNfe())
	}
	if got.pieces < 2 {
		t.Errorf("the result came in %d piece, and the first block did not come before the second", got.pieces)
	}
}

func TestRequestID(t *testing.T) {
	s := start(t)
	for given, kept := range map[string]bool{"abc-123": true, "": false, "with space": false,
		strings.Repeat("x", 65): false} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), langevinv1.RequestIDHeader, given)
		var header metadata.MD
		if _, err := s.models.GetModel(ctx, &langevinv1.GetModelRequest{}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		id := header.Get(langevinv1.RequestIDHeader)
		if len(id) != 1 || (id[0] == given) != kept || id[0] == "" {
			t.Errorf("id %q came back as %q, want it kept: %v", given, id, kept)
		}
	}
}

func TestScore(t *testing.T) {
	s := start(t)
	resp, err := s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
		X: &langevinv1.Tensor{Values: []float32{2, 4, -6, 8}}, Sigma: []float32{1,
			3}, Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetScore(); !slices.Equal(got.GetValues(), []float32{-1, -2, 0.6, -0.8}) ||
		!slices.Equal(got.GetShape(), []int64{2, 2}) {
		t.Errorf("score %v", got)
	}
	tests := []struct {
		name string
		req  *langevinv1.ScoreRequest
		says string
	}{
		{"no points", &langevinv1.ScoreRequest{Sigma: []float32{1}}, "x is 0 elements: want rows of 2"},
		{"half a point", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, 2, 3}},
			Sigma: []float32{1}}, "x is 3 elements"},
		{"odd bytes", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Data: make([]byte, 9)}, Sigma: []float32{1}},
			"x.data is 9 bytes"},
		{"two encodings", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Data: make([]byte, 8),
			Values: []float32{1, 2}}, Sigma: []float32{1}}, "more than one"},
		{"wrong shape", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, 2}, Shape: []int64{2, 1}},
			Sigma: []float32{1}}, "x.shape is [2 1]: want [2 2]"},
		{"overflowing shape",
			&langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, 2}, Shape: []int64{1 << 62, 4}},
				Sigma: []float32{1}}, "x.shape"},
		{"NaN point", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, float32(math.NaN())}},
			Sigma: []float32{1}}, "x is NaN at element 1"},
		{"too many rows", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Data: make([]byte, 8*101)},
			Sigma: []float32{1}}, "x is 101 rows: want at most 100"},
		{"no sigma", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, 2}}}, "sigma is 0 values"},
		{"zero sigma", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: []float32{1, 2}}, Sigma: []float32{0}},
			"sigma[0] is 0"},
		{"wrong count of sigmas", &langevinv1.ScoreRequest{X: &langevinv1.Tensor{Values: make([]float32, 6)},
			Sigma: []float32{1, 1}}, "sigma is 2 values"},
	}
	for _, test := range tests {
		_, err := s.sampling.Score(t.Context(), test.req)
		if got := status.Convert(err); got.Code() != codes.InvalidArgument ||
			!strings.Contains(got.Message(), test.says) {
			t.Errorf("%s: %v, want INVALID_ARGUMENT with %q", test.name, err, test.says)
		}
	}
}

func TestModels(t *testing.T) {
	s := start(t)
	var names []string
	token := ""
	for {
		page, err := s.models.ListModels(t.Context(), &langevinv1.ListModelsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.GetModels() {
			name := m.GetName()
			if m.GetDefault() {
				name += "*"
			}
			if m.GetState() == langevinv1.ModelState_MODEL_STATE_FAILED {
				name += "!"
				if m.GetError() == "" {
					t.Errorf("%s failed without a reason", m.GetName())
				}
			}
			names = append(names, fmt.Sprintf("%s/%d", name, m.GetVersion()))
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	want := []string{
		"clothes/1", "digits/1", "failed!/1", "jumps/1", "pets/1", "photos/1", "points*/3", "points*/1", "sides/1",
		"torn!/1",
	}
	if !slices.Equal(names, want) {
		t.Errorf("models %v, want %v", names, want)
	}
	got, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: "digits"})
	if err != nil {
		t.Fatal(err)
	}
	if m := got.GetModel(); !slices.Equal(m.GetShape(), []int64{1, 4, 5}) || m.GetDevice() != "cpu" ||
		len(m.GetSigmas()) == 0 || m.GetAnnealedLangevin() == nil {
		t.Errorf("model %v", m)
	}
	for name, call := range map[string]func() error{
		"page_size": func() error {
			_, err := s.models.ListModels(t.Context(), &langevinv1.ListModelsRequest{PageSize: -1})
			return err
		},
		"page_token": func() error {
			_, err := s.models.ListModels(t.Context(), &langevinv1.ListModelsRequest{PageToken: "x\ny"})
			return err
		},
		"name": func() error {
			_, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: "A B"})
			return err
		},
	} {
		if got := status.Convert(call()); got.Code() != codes.InvalidArgument ||
			!strings.HasPrefix(got.Message(), name+" is ") {
			t.Errorf("bad %s: %v", name, got)
		}
	}
	if _, err := s.models.GetModel(t.Context(),
		&langevinv1.GetModelRequest{Name: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown model: %v", err)
	}
}

// FuzzSample: no request makes the server panic, and every refusal has a code of the table.
func FuzzSample(f *testing.F) {
	for _, req := range []*langevinv1.SampleRequest{
		{}, {N: proto.Int64(3), Seed: proto.Uint64(1), Model: "points"},
		{Preview: &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_EveryLevel{EveryLevel: true}}},
		{Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Sigma: proto.Float64(0.5),
			Steps: proto.Int32(3)}}},
	} {
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var req langevinv1.SampleRequest
		if proto.Unmarshal(data, &req) != nil {
			return
		}
		s := start(t)
		_, err := s.sample(t, t.Context(), &req)
		switch status.Code(err) {
		case codes.OK, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.ResourceExhausted:
		default:
			t.Errorf("%v: %v", &req, err)
		}
	})
}

var _ sampling.Model = (*service)(nil)
