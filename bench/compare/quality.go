package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// qualityBench compares what samples cost and how good they are: ours, those of the official NCSN loop, and those of
// diffusers. All of them evaluate one network, and `langevin eval` judges all of them.
type qualityBench struct {
	settings settings
	manifest models.Manifest
	network  string // path of the model file
	digest   string // of that file
	kept     kept
	peers    []*peer
	results  qualityResults
}

// loop is a way in which a peer draws.
type loop struct {
	peer     string // its name
	name     string
	settings map[string]any
}

// Names of the peers that draw.
const (
	peerNCSN      = "NCSN loop"
	peerDiffusers = "diffusers"
)

func runQuality(ctx context.Context, s settings) (err error) {
	b := &qualityBench{settings: s, network: filepath.Join("models", "zoo", s.model, "1", models.FileName)}
	b.results = qualityResults{model: s.model, started: time.Now(), quick: s.quick, n: s.samples, seeds: s.seeds}
	file, err := os.ReadFile(b.network)
	if err != nil {
		return err
	}
	b.digest = fmt.Sprintf("%x", sha256.Sum256(file))
	if b.manifest, err = models.Read(file); err != nil {
		return err
	}
	if err := os.MkdirAll(s.networks, 0o755); err != nil {
		return err
	}
	if b.kept, err = readKept(filepath.Join(s.networks, s.model+"-peers.json")); err != nil {
		return err
	}
	defer func() {
		for _, p := range b.peers {
			err = errors.Join(err, p.close())
		}
	}()
	if err := b.start(ctx); err != nil {
		return err
	}
	others := otherWork()
	if err := b.theirs(ctx); err != nil {
		return err
	}
	if err := b.ours(ctx); err != nil {
		return err
	}
	b.results.took = time.Since(b.results.started)
	b.results.others = otherWork() - others
	return s.write("RESULTS-QUALITY.md", b.results.markdown())
}

// start starts the peers. diffusers is left out, with the reason, where it cannot be installed.
func (b *qualityBench) start(ctx context.Context) error {
	library, err := ort.OpenFound("")
	if err != nil {
		return err
	}
	ncsn, err := startPeer(ctx, peerNCSN, b.settings.python, "bench/peers/ncsn_quality.py")
	if err != nil {
		return err
	}
	b.peers = append(b.peers, ncsn)
	switch python := b.settings.diffusers; {
	case python == "none":
		b.results.leftOut = "DIFFUSERS=none"
	default:
		p, err := startPeer(ctx, peerDiffusers, python, "bench/peers/diffusers_quality.py")
		if err != nil {
			b.results.leftOut = strings.ReplaceAll(err.Error(), "\n", "; ")
			break
		}
		b.peers = append(b.peers, p)
	}
	b.results.machine = append([]string{machine(), source("ONNX Runtime " + library.Version())}, facts(b.peers...)...)
	return nil
}

// loops returns what the peers draw. The official loop has the model's levels, and every fifth of them. Its step size
// is the one that the rule of Song & Ermon (2020, technique 4) gives.
func (b *qualityBench) loops() []loop {
	sigmas := b.manifest.Sigmas
	var all []loop
	for _, c := range []struct {
		kind  string
		steps []int
	}{
		{"DDPM", []int{50, 100}}, {"DDIM", []int{50}}, {"DPM-Solver++ (2M)", []int{10, 20}},
		{"DPM-Solver++ (2M), Karras", []int{10, 20}}, {"SDE-DPM-Solver++ (2M)", []int{20, 50}},
		{"UniPC", []int{10, 20}},
	} {
		for _, steps := range c.steps {
			all = append(all, loop{peerDiffusers, fmt.Sprintf("%s, %d steps", c.kind, steps), map[string]any{
				"kind": c.kind, "steps": steps, "sigmas": sigmas,
				"low": b.manifest.Range.Low, "high": b.manifest.Range.High,
			}})
		}
	}
	return append(all, b.annealedLoop(everyNth(sigmas, 5), 5), b.annealedLoop(sigmas, 4))
}

// annealedLoop returns the official loop, which begins with uniform noise over the range of the data.
func (b *qualityBench) annealedLoop(sigmas []float64, steps int) loop {
	last := sigmas[len(sigmas)-1]
	ratio := math.Pow(sigmas[0]/last, 1/float64(len(sigmas)-1))
	stepLR, err := sampling.BestStepLR(last, ratio, steps)
	if err != nil {
		panic(err) // impossible: a valid schedule has a ratio above 1
	}
	settings := map[string]any{"sigmas": sigmas, "steps_per_level": steps, "step_lr": stepLR,
		"low": b.manifest.Range.Low, "high": b.manifest.Range.High}
	return loop{peerNCSN, fmt.Sprintf("%d levels, %d steps each", len(sigmas), steps), settings}
}

// everyNth returns every n-th of a schedule's sigmas, and the last one.
func everyNth(sigmas []float64, n int) []float64 {
	var some []float64
	for i := (len(sigmas) - 1) % n; i < len(sigmas); i += n {
		some = append(some, sigmas[i])
	}
	return some
}

// ours measures our samplers by eval --frontier, which goes on from what an earlier run left.
func (b *qualityBench) ours(ctx context.Context) error {
	arguments := []string{"--frontier", "-n", fmt.Sprint(b.settings.samples), "--seeds", fmt.Sprint(b.settings.seeds),
		"--seed", fmt.Sprint(firstQualitySeed), "--samplers", b.settings.samplers,
		"--out", filepath.Join(b.settings.networks, b.settings.model)}
	var f struct{ Points []qualityPoint }
	if err := b.eval(ctx, &f, arguments...); err != nil {
		return err
	}
	b.results.ours = f.Points
	return nil
}

// firstQualitySeed is the first seed of a comparison. No sampler's settings were chosen by it.
const firstQualitySeed = 51

// theirs draws with the peers, all settings with the first seed, then with the next, and judges the samples. As with
// eval --frontier, the results have all seeds that were ever measured.
func (b *qualityBench) theirs(ctx context.Context) error {
	loops := slices.DeleteFunc(b.loops(), func(l loop) bool { return b.peer(l) == nil })
	for seed := range b.settings.seeds {
		for _, l := range loops {
			if err := b.run(ctx, l, firstQualitySeed+seed); err != nil {
				return fmt.Errorf("%s, %s: %w", l.peer, l.name, err)
			}
		}
	}
	for _, l := range loops {
		runs := b.kept.of(keyOfSeeds(b.digest, b.settings.samples, l))
		b.results.theirs = append(b.results.theirs, qualityPoint{Curve: l.peer, Setting: l.name,
			Evaluations: runs[0].Evaluations, Runs: runs})
	}
	return nil
}

// peer returns the peer of a loop, or nil if it does not take part.
func (b *qualityBench) peer(l loop) *peer {
	if i := slices.IndexFunc(b.peers, func(p *peer) bool { return p.name == l.peer }); i >= 0 {
		return b.peers[i]
	}
	return nil
}

// run draws and judges, unless an earlier comparison did.
func (b *qualityBench) run(ctx context.Context, l loop, seed int) error {
	key := keyOf(b.digest, b.settings.samples, l, seed)
	if _, found := b.kept.runs[key]; found {
		return nil
	}
	log.Printf("%s, %s, seed %d", l.peer, l.name, seed)
	run, err := b.draw(ctx, b.peer(l), l, seed)
	if err != nil {
		return err
	}
	return b.kept.add(key, run)
}

func (b *qualityBench) draw(ctx context.Context, p *peer, l loop, seed int) (qualityRun, error) {
	if err := p.load(b.network); err != nil {
		return qualityRun{}, err
	}
	out := filepath.Join(b.settings.networks, "samples.npy")
	a, err := p.ask(command{"do": "draw", "settings": l.settings, "chains": b.settings.samples, "seed": seed,
		"shape": b.manifest.Shape, "threads": runtime.NumCPU(), "out": out})
	if err != nil {
		return qualityRun{}, err
	}
	var run qualityRun
	err = b.eval(ctx, &run, "--samples", out)
	run.Seconds, run.Evaluations = a.Seconds, a.Evaluations // eval knows of no drawing
	return run, err
}

// eval runs langevin eval on the model and reads its JSON.
func (b *qualityBench) eval(ctx context.Context, into any, arguments ...string) error {
	arguments = append([]string{"eval", b.settings.model, "--local", "--json"}, arguments...)
	command := exec.CommandContext(ctx, b.settings.langevin, arguments...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(command.Args, " "), err)
	}
	return json.Unmarshal(out, into)
}
