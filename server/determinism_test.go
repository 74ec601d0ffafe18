package server_test

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// networks returns a models folder with real networks of random weights: an MLP on points, and a convolutional network
// on 8x8 images.
func networks(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"mlp":  modelstest.File(t, modelstest.MLP("SiLU", 1), manifest("mlp", 2)),
		"mlp2": modelstest.File(t, modelstest.MLP("Softplus", 3), manifest("mlp2", 2)),
		"conv": modelstest.File(t, modelstest.Conv("Elu", 8, 2), manifest("conv", 1, 8, 8)),
	} {
		path := filepath.Join(dir, name, "1", "model.onnx")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// manifest has steps so small that random weights do not diverge.
func manifest(name string, shape ...int) models.Manifest {
	m := modelstest.Manifest(name, shape...)
	m.Sigmas = []float64{1, 0.5, 0.25}
	m.Sampler.StepLR, m.Sampler.StepsPerLevel = 0.001, 12
	return m
}

// guided is the model mlp guided by mlp2.
const guided = "guided"

// order returns a request whose samples must be the same whatever else the server does.
func order(model string, n int64) *langevinv1.SampleRequest {
	req := &langevinv1.SampleRequest{Model: model, N: &n, Seed: proto.Uint64(7), FirstChain: 1000}
	if model == guided {
		req.Model = "mlp"
		req.Guidance = &langevinv1.Guidance{Model: "mlp2", Rule: langevinv1.GuidanceRule_GUIDANCE_RULE_MIX,
			Weight: proto.Float64(0.3)}
	}
	return req
}

// bits reads a call and hashes the bytes of its result.
func (r *running) bits(ctx context.Context, req *langevinv1.SampleRequest) (uint64, error) {
	hash := fnv.New64a()
	data, err := r.data(ctx, req)
	hash.Write(data)
	return hash.Sum64(), err
}

func (r *running) data(ctx context.Context, req *langevinv1.SampleRequest) ([]byte, error) {
	stream, err := r.sample(ctx, req)
	var data []byte
	for err == nil {
		var resp *langevinv1.SampleResponse
		resp, err = stream.Recv()
		data = append(data, resp.GetChunk().GetTensor().GetData()...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

// noisyNeighbours keeps random requests running until stop is called. It cancels some of them before their end.
func (r *running) noisyNeighbours(t *testing.T, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range uint64(4) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, i))
			for ctx.Err() == nil {
				req := order([]string{"mlp", "conv", guided}[random.IntN(3)], 1+random.Int64N(60))
				req.Seed = proto.Uint64(random.Uint64N(3))
				steps := proto.Int32(1 + random.Int32N(60))
				req.Sampler = &langevinv1.SampleRequest_Langevin{
					Langevin: &langevinv1.Langevin{Steps: steps, StepSize: proto.Float64(0.001)},
				}
				call, end := context.WithTimeout(ctx, time.Duration(1+random.IntN(60))*time.Millisecond)
				// The result of a neighbour does not matter.
				_, _ = r.data(call, req)
				end()
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestSameBits is the contract of the whole service on real networks. A chain has the same bits alone or next to random
// requests, on 1, 2 or 3 workers, in one request or split over several.
func TestSameBits(t *testing.T) {
	dir := networks(t)
	want := map[string]uint64{}
	for _, workers := range []int{1, 2, 3} {
		r := start(t, func(c *server.Config) { c.Models.Dir, c.Models.Default, c.Workers = dir, "mlp", workers })
		for i, company := range []bool{false, true, true} {
			stop := func() {}
			if company {
				stop = r.noisyNeighbours(t, uint64(10*workers+i))
			}
			for _, model := range []string{"mlp", "conv", guided} {
				got, err := r.bits(t.Context(), order(model, 75))
				if err != nil {
					t.Fatal(err)
				}
				if want[model] == 0 {
					want[model] = got
				}
				if got != want[model] {
					t.Errorf("%s on %d workers, company %v: bits %#x, want %#x",
						model, workers, company, got, want[model])
				}
				if got := splitBits(t, r, model, 75); got != want[model] {
					t.Errorf("%s on %d workers, split: bits %#x, want %#x", model, workers, got, want[model])
				}
			}
			stop()
		}
	}
}

// splitBits draws the chains of an order by several requests at once and hashes them in chain order.
func splitBits(t *testing.T, r *running, model string, n int64) uint64 {
	t.Helper()
	parts := []int64{1, 16, 17, 3, n - 37}
	data := make([][]byte, len(parts))
	var wg sync.WaitGroup
	first := uint64(1000)
	for i, part := range parts {
		req := order(model, part)
		req.FirstChain = first
		first += uint64(part)
		wg.Go(func() {
			var err error
			if data[i], err = r.data(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	hash := fnv.New64a()
	for _, d := range data {
		hash.Write(d)
	}
	return hash.Sum64()
}

// TestResumeAfterKill kills a server in the middle of a call. Another server with a different number of workers resumes
// from the last preview and ends with the same bits.
func TestResumeAfterKill(t *testing.T) {
	dir := networks(t)
	for _, model := range []string{"mlp", "conv", guided} {
		first := start(t, func(c *server.Config) {
			c.Models.Dir, c.Models.Default, c.Workers, c.Drain = dir, "mlp", 1,
				0
		})
		want, err := first.data(t.Context(), order(model, 20))
		if err != nil {
			t.Fatal(err)
		}
		req := order(model, 20)
		req.Preview = &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 1},
			Chains: proto.Int64(20)}
		stream, err := langevinv1.NewSamplingServiceClient(first.conn).Sample(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		resume := &langevinv1.Resume{}
		for resume.GetStep() < 17 {
			resp, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if s := resp.GetStarted(); s != nil {
				resume.Digest = s.GetDigest()
			}
			if p := resp.GetPreview(); p != nil && p.GetStep() <= 17 {
				resume.Step, resume.X = p.GetStep(), p.GetTensor()
			}
		}
		first.stop()

		second := start(t, func(c *server.Config) { c.Models.Dir, c.Models.Default, c.Workers = dir, "mlp", 3 })
		again := order(model, 20)
		again.Resume = resume
		got, err := second.data(t.Context(), again)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s resumed at step %d on another server: other bits", model, resume.GetStep())
		}
	}
}
