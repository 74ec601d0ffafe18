package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// bench holds everything that is measured.
type bench struct {
	settings settings
	effort   effort
	referee  *referee
	runtime  *ort.Runtime
	networks map[string]*network
	peers    []*peer // PyTorch, if it takes part, then ONNX Runtime in Python
}

// network is a model of bench/networks and the cost of one evaluation of one sample.
type network struct {
	path     string
	manifest models.Manifest
	flops    float64
	session  *ort.Session
	wide     *ort.Session // on all cores, for a single chain; nil where the server has none
}

func newBench(ctx context.Context, s settings) (b *bench, err error) {
	b = &bench{
		settings: s, effort: s.effort(), networks: map[string]*network{},
		referee: &referee{patience: s.effort().patience, others: otherWork},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.runtime, err = ort.OpenFound(""); err != nil {
		return b, err
	}
	if err := b.loadNetworks(ctx); err != nil {
		return b, err
	}
	if err := b.startPeers(ctx); err != nil {
		return b, err
	}
	return b, b.checkParity(ctx)
}

func (b *bench) loadNetworks(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(b.settings.networks, "networks.json"))
	if err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	var costs map[string]struct{ FLOPs float64 }
	if err := json.Unmarshal(text, &costs); err != nil {
		return fmt.Errorf("networks.json: %w", err)
	}
	for _, name := range []string{"toy", "image"} {
		n := &network{path: filepath.Join(b.settings.networks, "models", name, "1", models.FileName),
			flops: costs[name].FLOPs}
		file, err := os.ReadFile(n.path)
		if err != nil {
			return err
		}
		if n.manifest, err = models.Read(file); err != nil {
			return err
		}
		if n.session, err = b.runtime.Load(ctx, file, n.manifest, ort.Options{Threads: 1}); err != nil {
			return err
		}
		if n.session.Grain() == 1 {
			if n.wide, err = b.runtime.Load(ctx, file, n.manifest, ort.Options{Threads: runtime.NumCPU()}); err != nil {
				return err
			}
		}
		b.networks[name] = n
	}
	return nil
}

func (b *bench) startPeers(ctx context.Context) error {
	if b.settings.torch != "none" {
		p, err := startPeer(ctx, "PyTorch", b.settings.torch, "bench/peers/torch_eager.py")
		if err != nil {
			return fmt.Errorf("%w: install PyTorch, onnx and OpenBLAS (Debian: python3-torch python3-onnx "+
				"libopenblas0-openmp), or leave it out with TORCH=none", err)
		}
		b.peers = append(b.peers, p)
	}
	p, err := startPeer(ctx, "Python ORT", b.settings.python, "bench/peers/onnxruntime_loop.py")
	if err == nil {
		b.peers = append(b.peers, p)
	}
	return err
}

// checkParity checks that all sides compute the same scores. A faster answer to another question does not count.
func (b *bench) checkParity(ctx context.Context) error {
	const rows, tolerance = 5, 1e-4
	for name, n := range b.networks {
		random := rand.New(rand.NewPCG(1, 0))
		x, sigma := make([]float32, rows*n.manifest.Dim()), make([]float32, rows)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		for i := range sigma {
			sigma[i] = float32(0.1 + random.Float64())
		}
		want := make([]float32, len(x))
		if err := n.session.Score(ctx, want, x, sigma); err != nil {
			return err
		}
		for _, p := range b.peers {
			got, err := p.score(n, x, sigma)
			if err != nil {
				return err
			}
			if off := distance(got, want); !(off <= tolerance) {
				return fmt.Errorf("%s: %s is off by %.2g of the largest score, %g is allowed",
					name, p.name, off, tolerance)
			}
		}
	}
	return nil
}

// distance returns the largest difference divided by the largest element of want.
func distance(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var off, size float64
	for i, v := range want {
		off = max(off, math.Abs(float64(got[i])-float64(v)))
		size = max(size, math.Abs(float64(v)))
	}
	return off / size
}

// annealing returns the network's default sampler with the given total number of steps, or at most one level more.
func (n *network) annealing(steps int) sampling.AnnealedLangevin {
	levels := min(len(n.manifest.Sigmas), steps)
	schedule, err := sampling.NewSchedule(n.manifest.Sigmas[:levels]...)
	if err != nil {
		panic(err) // impossible: it is a part of a valid schedule
	}
	return sampling.AnnealedLangevin{
		Schedule: schedule, StepsPerLevel: steps / levels, StepLR: n.manifest.Sampler.StepLR,
	}
}

func (b *bench) close() error {
	var errs []error
	for _, p := range b.peers {
		errs = append(errs, p.close())
	}
	for _, n := range b.networks {
		errs = append(errs, n.session.Close())
		if n.wide != nil {
			errs = append(errs, n.wide.Close())
		}
	}
	return errors.Join(errs...)
}
