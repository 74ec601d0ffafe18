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
	settings   settings
	effort     effort
	referee    *referee
	runtime    *ort.Runtime
	networks   map[string]*network
	peers      []*peer
	multiplier *peer // the one that can multiply matrices
}

// network is a model of bench/networks and the cost of one evaluation of one sample.
type network struct {
	path     string
	manifest models.Manifest
	flops    float64
	session  *ort.Session
	wide     *ort.Session // on all cores, for a single chain; nil where the server has none

	off map[string]float64 // by how much a peer's scores differ, divided by the largest
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
			flops: costs[name].FLOPs, off: map[string]float64{}}
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

// Names of the peers.
const (
	peerTorch    = "PyTorch"
	peerORT      = "Python ORT"
	peerJAX      = "JAX"
	peerOpenVINO = "OpenVINO"
	peerBfloat16 = "OpenVINO bf16"
)

// sameScores is how far the scores of sides that use float32 may differ, divided by the largest.
const sameScores = 1e-4

func (b *bench) startPeers(ctx context.Context) error {
	torch, python := b.settings.torch, b.settings.python
	for _, p := range []struct {
		name, python string
		script       []string
		allowed      float64
		allCores     bool
	}{
		{name: peerTorch, python: torch, script: []string{"torch_eager.py"}, allowed: sameScores},
		{name: peerORT, python: python, script: []string{"onnxruntime_loop.py"}, allowed: sameScores},
		{name: peerJAX, python: python, script: []string{"jax_scan.py"}, allowed: sameScores, allCores: true},
		{name: peerOpenVINO, python: python, script: []string{"openvino_loop.py", "f32"}, allowed: sameScores},
		{name: peerBfloat16, python: python, script: []string{"openvino_loop.py", "bf16"}, allowed: math.Inf(1)},
	} {
		if p.python == "none" {
			continue
		}
		started, err := startPeer(ctx, p.name, p.python, append([]string{"bench/peers/" + p.script[0]},
			p.script[1:]...)...)
		if err != nil && p.name == peerTorch {
			return fmt.Errorf("%w: install PyTorch, onnx and OpenBLAS (Debian: python3-torch python3-onnx "+
				"libopenblas0-openmp), or leave it out with TORCH=none", err)
		}
		if err != nil {
			return err
		}
		started.allowed, started.allCores = p.allowed, p.allCores
		b.peers = append(b.peers, started)
		if p.name == peerORT {
			b.multiplier = started
		}
	}
	return nil
}

// checkParity checks that all sides compute the same scores, and notes by how much the peers are off. A faster answer to
// another question does not count.
func (b *bench) checkParity(ctx context.Context) error {
	const rows = 5
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
			off := distance(got, want)
			if !(off <= p.allowed) {
				return fmt.Errorf("%s: %s is off by %.2g of the largest score, %g is allowed", name, p.name, off,
					p.allowed)
			}
			n.off[p.name] = off
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
