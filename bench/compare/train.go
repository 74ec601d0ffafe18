package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/ort"
)

// trainBench measures the training steps of Langevin, in its own process, and of PyTorch.
type trainBench struct {
	settings settings
	referee  *referee
	trainer  *peer
	torch    *peer
	results  trainResults
}

// trainCase is the training of a preset.
type trainCase struct {
	name   string
	preset string
	set    []string // settings that differ from the preset
	every  int      // iterations between two lines of the log, and the smallest number that can be measured
	ratio  float64  // target for PyTorch's time divided by ours
}

var trainCases = []trainCase{
	{name: "toy MLP, batch 128", preset: "toy-2gauss", set: []string{"training.batch_size=128", "noise.levels=10"},
		every: 20, ratio: 4},
	{name: "toy MLP, batch 1,024", preset: "toy-2gauss", set: []string{"training.batch_size=1024", "noise.levels=10"},
		every: 20, ratio: 4},
	{name: "small U-Net, batch 90", preset: "mnist-small", every: 1, ratio: 1},
	{name: "CondRefineNetDilated, ngf 16, batch 16", preset: "anneal-mnist",
		set: []string{"network.ngf=16", "training.batch_size=16"}, every: 1, ratio: 1},
}

// The largest relative differences allowed between the two sides: in the losses of the first batches, and in the
// distance that the averaged weights move over these batches. Adam divides by the size of a gradient, so tiny
// differences in small gradients show in the distance.
const (
	lossTolerance = 1e-4
	moveTolerance = 1e-2
)

// trainResult is the result of a trainCase. Seconds are for one step.
type trainResult struct {
	trainCase
	loss, moved float64 // largest relative differences between the two sides before anything was timed
	seen        map[string]series
}

func runTrain(ctx context.Context, s settings) (err error) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		return err
	}
	runtime, err := ort.Open(library) // only for its version
	if err != nil {
		return err
	}
	b := &trainBench{settings: s, referee: &referee{patience: s.effort().patience, others: otherWork}}
	b.results = trainResults{started: time.Now(), quick: s.quick}
	if b.trainer, err = startPeer(ctx, ours, s.trainer, "-library", library); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.trainer.close()) }()
	if b.torch, err = startPeer(ctx, "PyTorch", s.torch, "bench/peers/torch_train.py"); err != nil {
		return fmt.Errorf("%w: install PyTorch, onnx and OpenBLAS (Debian: python3-torch python3-onnx "+
			"libopenblas0-openmp)", err)
	}
	defer func() { err = errors.Join(err, b.torch.close()) }()
	b.results.machine = append([]string{machine(), source("ONNX Runtime " + runtime.Version())},
		facts(b.trainer, b.torch)...)
	for _, c := range trainCases {
		result, err := b.compare(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		b.results.cases = append(b.results.cases, result)
	}
	b.results.took = time.Since(b.results.started)
	b.results.measured, b.results.disturbed = b.referee.measured, b.referee.disturbed
	return os.WriteFile(s.out, b.results.markdown(), 0o644)
}

func (b *trainBench) compare(ctx context.Context, c trainCase) (trainResult, error) {
	r := trainResult{trainCase: c}
	folder := filepath.Join(b.settings.networks, strings.Map(plainName, c.name))
	set := append([]string{fmt.Sprintf("training.log_every=%d", c.every)}, c.set...)
	us, err := b.trainer.ask(command{"do": "begin", "folder": folder, "preset": c.preset, "set": set})
	if err != nil {
		return r, err
	}
	them, err := b.torch.ask(command{"do": "begin", "folder": folder})
	if err != nil {
		return r, err
	}
	if r.loss, r.moved, err = agreement(us, them); err != nil {
		return r, err
	}
	r.seen, err = b.referee.measureInRounds(ctx, c.name, b.settings.effort(),
		append([]side{b.ourSteps(c)}, b.torchSteps(c)...))
	for _, s := range r.seen {
		for i := range s {
			s[i] /= float64(c.every)
		}
	}
	return r, err
}

// plainName removes characters that do not belong in a file name.
func plainName(r rune) rune {
	if strings.ContainsRune(" ,", r) {
		return -1
	}
	return r
}

// agreement checks that both sides train the same network on the same data. A faster answer to another question does
// not count.
func agreement(us, them answer) (loss, moved float64, err error) {
	if len(us.Losses) == 0 || len(us.Losses) != len(them.Losses) {
		return 0, 0, fmt.Errorf("%d losses of ours, %d of PyTorch's", len(us.Losses), len(them.Losses))
	}
	for i, want := range us.Losses {
		loss = math.Max(loss, math.Abs(them.Losses[i]-want)/math.Abs(want))
	}
	moved = math.Abs(them.Moved-us.Moved) / math.Abs(us.Moved)
	if !(loss <= lossTolerance && moved <= moveTolerance) {
		err = fmt.Errorf("the sides do not train the same: losses %.6g and PyTorch's %.6g, weights moved by %.6g and "+
			"PyTorch's %.6g",
			us.Losses, them.Losses, us.Moved, them.Moved)
	}
	return loss, moved, err
}

func (b *trainBench) ourSteps(c trainCase) side {
	return side{ours, func(_ context.Context, repeat int) (time.Duration, error) {
		return b.trainer.steps(command{"do": "train", "repeat": repeat * c.every})
	}, ""}
}

// torchSteps returns the ways in which PyTorch is tried. The best counts.
func (b *trainBench) torchSteps(c trainCase) []side {
	var sides []side
	for _, layout := range c.layouts() {
		for _, t := range threads() {
			sides = append(sides, side{sideName(layout, t), func(_ context.Context, repeat int) (time.Duration, error) {
				return b.torch.steps(command{"do": "train", "repeat": repeat * c.every, "layout": layout, "threads": t})
			}, "PyTorch"})
		}
	}
	return sides
}

// layouts returns the layouts of images in memory. Points have one.
func (c trainCase) layouts() []string {
	if strings.HasPrefix(c.preset, "toy") {
		return []string{"contiguous"}
	}
	return []string{"contiguous", "channels_last"}
}

func (p *peer) steps(c command) (time.Duration, error) {
	a, err := p.ask(c)
	return time.Duration(a.Seconds * float64(time.Second)), err
}
