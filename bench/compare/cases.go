package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

const (
	ours        = "Langevin"
	productSize = 1024 // size of the matrix of bench/networks
)

// drawCase is chains of one network, drawn by the scheduler without a service and compared with the peers.
type drawCase struct {
	network  string
	chains   int
	steps    int
	ratio    float64 // target for PyTorch's time divided by ours
	fraction float64 // target for our part of the machine's rate of products; 0 for none
}

var drawCases = []drawCase{
	{network: "toy", chains: 1, steps: 1000, ratio: 4},
	{network: "toy", chains: 16, steps: 1000, ratio: 4},
	{network: "toy", chains: 128, steps: 1000, ratio: 4},
	{network: "toy", chains: 10_240, steps: 50, ratio: 4, fraction: 0.5},
	{network: "image", chains: 1, steps: 20, ratio: 1.3, fraction: 0.8},
	{network: "image", chains: 64, steps: 5, ratio: 1.3, fraction: 0.8},
}

// drawResult is the result of a drawCase. Seconds are for drawing all chains once.
type drawResult struct {
	drawCase
	seen  map[string]series
	flops float64            // operations for drawing all chains once
	off   map[string]float64 // see network
}

func (c drawCase) String() string {
	return fmt.Sprintf("%s, %s %s of %d steps", c.network, thousands(c.chains), plural(c.chains, "chain"), c.steps)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// threads returns the numbers of threads that the peers are tried with. The best counts.
func threads() []int {
	if n := runtime.NumCPU(); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}

func sideName(peer string, threads int) string { return fmt.Sprintf("%s, %d", peer, threads) }

func (b *bench) compareDraws(ctx context.Context, r *results) error {
	for _, c := range drawCases {
		result, err := b.compareDraw(ctx, c)
		if err != nil {
			return err
		}
		r.draws = append(r.draws, result)
	}
	return nil
}

func (b *bench) compareDraw(ctx context.Context, c drawCase) (drawResult, error) {
	n := b.networks[c.network]
	sampler := n.annealing(c.steps)
	plan, err := sampler.Plan()
	if err != nil {
		return drawResult{}, err
	}
	e := newPipeline(n, n.session, n.blocks(ort.Device{}, runtime.NumCPU()))
	sides := append([]side{e.drawing(ours, plan, c.chains)}, b.peerSides(n, sampler, c.chains)...)
	if c.fraction > 0 {
		sides = append(sides, b.products()...)
	}
	seen, err := b.referee.measureInRounds(ctx, c.String(), b.effort, sides)
	if err != nil {
		return drawResult{}, err
	}
	return drawResult{c, seen, n.flops * float64(c.chains*len(plan)), n.off}, e.close(ctx)
}

func (b *bench) peerSides(n *network, sampler sampling.AnnealedLangevin, chains int) []side {
	var sides []side
	for _, p := range b.peers {
		counts := threads()
		if p.allCores {
			counts = counts[len(counts)-1:]
		}
		for _, t := range counts {
			sides = append(sides, side{sideName(p.name, t), func(_ context.Context, repeat int) (time.Duration, error) {
				return p.anneal(n, sampler, chains, t, repeat)
			}, p.name})
		}
	}
	return sides
}

const product = "sgemm"

// products returns the sides that multiply matrices with ONNX Runtime, each thread its own. They measure what the
// machine can do.
func (b *bench) products() []side {
	p := b.multiplier
	path := filepath.Join(b.settings.networks, "product.onnx")
	var sides []side
	for _, t := range threads() {
		sides = append(sides, side{sideName(product, t), func(_ context.Context, repeat int) (time.Duration, error) {
			return p.products(path, productSize, t, repeat)
		}, ""})
	}
	return sides
}

// productRate returns the floating-point operations per second of the given number of threads that multiply matrices.
func (r drawResult) productRate(threads int) float64 {
	return float64(threads) * 2 * productSize * productSize * productSize / r.seen[sideName(product, threads)].median()
}
