package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// peer is a running bench/peers/posterior.py, which draws by the algorithms that the authors published.
type peer struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startPeer(ctx context.Context, python string) (*peer, error) {
	p := &peer{command: exec.CommandContext(ctx, python, filepath.Join("bench", "peers", "posterior.py"))}
	p.command.Stderr = os.Stderr
	out, err := p.command.StdoutPipe()
	if err == nil {
		p.out = bufio.NewReader(out)
		p.in, err = p.command.StdinPipe()
	}
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s (make bench-posterior makes it): %w", python, err)
	}
	return p, nil
}

func (p *peer) close() error { return errors.Join(p.in.Close(), p.command.Wait()) }

// do sends a command and returns the samples of its answer, if it has some.
func (p *peer) do(command map[string]any) ([]float32, error) {
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	text, err := p.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read the answer of posterior.py: %w", err)
	}
	var answer struct {
		X     []float32
		Error string
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("posterior.py: %s", answer.Error)
	}
	return answer.X, nil
}

// rival is a method of ours with the settings of its loop in Python.
type rival struct {
	planned
	word     string
	settings map[string]any
}

// rivals returns DDRM and SNIPS as the server runs them by default with the network of a manifest.
func rivals(m models.Manifest) ([]rival, error) {
	twenty, err := sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], 20, sampling.KarrasRho)
	if err != nil {
		return nil, err
	}
	annealed, err := m.AnnealedLangevin()
	if err != nil {
		return nil, err
	}
	annealed.Consistent = false
	first, err := ddrm(twenty)
	if err != nil {
		return nil, err
	}
	second, err := snips(annealed)
	return []rival{
		{first, "ddrm", map[string]any{"sigmas": levelsIn(twenty), "eta": 0.85, "eta_b": 1}},
		{second, "snips", map[string]any{"sigmas": levelsIn(annealed.Schedule), "step_lr": annealed.StepLR,
			"steps_per_level": annealed.StepsPerLevel}},
	}, err
}

func levelsIn(s sampling.Schedule) []float64 {
	all := make([]float64, s.Levels())
	for i := range all {
		all[i] = s.Sigma(i)
	}
	return all
}

// dense returns the rows of the matrix of an operator.
func dense(op *linear.Operator, dim int) [][]float64 {
	rows := make([][]float64, op.Size())
	for i := range rows {
		rows[i] = make([]float64, dim)
	}
	unit, column := make([]float64, dim), make([]float64, op.Size())
	for j := range dim {
		unit[j] = 1
		op.Apply(column, unit)
		unit[j] = 0
		for i, v := range column {
			rows[i][j] = v
		}
	}
	return rows
}

// question is a measurement as the loop in Python gets it, and as ours do.
type question struct {
	op     *linear.Operator
	values []float32
	std    float64
	shape  []int
	n      int
}

func (p *peer) draw(r rival, q question, seed int) ([]float32, error) {
	dim := 1
	for _, v := range q.shape {
		dim *= v
	}
	return p.do(map[string]any{
		"do": "draw", "method": r.word, "rows": dense(q.op, dim), "values": q.values, "std": q.std, "shape": q.shape,
		"chains": q.n, "seed": seed, "threads": 2, "settings": r.settings,
	})
}

// comparePeers compares DDRM and SNIPS with the authors' algorithms: the reconstructions of digits, and the weights of
// the modes of the ring, each on one exported network.
// withPeer calls compare with the published algorithms.
func (b *bench) withPeer(ctx context.Context, compare func(ctx context.Context, p *peer) error) error {
	p, err := startPeer(ctx, b.python)
	if err != nil {
		return err
	}
	return errors.Join(compare(ctx, p), p.close())
}

func (b *bench) comparePeers(ctx context.Context) error {
	b.printf("## Beside the published algorithms\n\nThe authors' DDRM and SNIPS, as loops in Python (see "+
		"`bench/peers/posterior.py`) with their own noise and the same networks and noise levels. The first %d digits "+
		"of the test set were pooled 4 × 4, with noise of %g, and %d samples drawn of each. PSNR is that of their "+
		"mean, and of one. The difference has its standard error over digits, from the jackknife.\n\n"+
		"| method | PSNR | ours | the loop's | difference |\n|---|---|---|---|---|\n", b.rivalled, noise, averaged)
	return b.withPeer(ctx, b.peersOnDigits)
}

// compareRing compares the weights of the modes of the ring's network.
func (b *bench) compareRing(ctx context.Context) error {
	b.printf("## Beside the published algorithms: weights\n\nThe ring's network, given that the first coordinate is 3 "+
		"with noise of 0.5, %d samples of each of %d seeds. p is that of a χ² test for the same weights.\n\n"+
		"| method | weights of the eight modes, ours | the loop's | p |\n|---|---|---|---|\n", ringSamples, ringSeeds)
	return b.withPeer(ctx, b.peersOnRing)
}

func (b *bench) peersOnDigits(ctx context.Context, p *peer) error {
	test, err := b.pictures("t10k-images-idx3-ubyte", 0, b.rivalled)
	if err != nil {
		return err
	}
	if _, err := p.do(map[string]any{"do": "load", "path": b.model}); err != nil {
		return err
	}
	op, err := linear.Pool(linear.Shape{Channels: 1, Height: side, Width: side}, 4)
	if err != nil {
		return err
	}
	all, err := rivals(b.manifest)
	if err != nil {
		return err
	}
	for _, r := range all {
		var ours, theirs []quality
		for i, x := range test {
			q := question{op, observe(op, x, sampling.Noise{Seed: 1, Chain: uint64(i)}), noise, []int{1, side, side},
				averaged}
			y, err := op.Measurement(q.values, noise)
			if err != nil {
				return err
			}
			own, err := r.planned.draw(ctx, b.network, y, averaged, uint64(i))
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			other, err := p.draw(r, q, i)
			if err != nil {
				return err
			}
			ours, theirs = append(ours, qualityOf(own.x, x)), append(theirs, qualityOf(other, x))
		}
		b.rivalRow(r.name, "of the mean", ours, theirs, ofMean)
		b.rivalRow(r.name, "of one", ours, theirs, ofOne)
	}
	return nil
}

// rivalRow compares the PSNR of the same pictures by two samplers.
func (b *bench) rivalRow(method, what string, ours, theirs []quality, of func(quality) float64) {
	difference := func(without int) float64 {
		own := slices.Delete(slices.Clone(ours), without, without+1)
		other := slices.Delete(slices.Clone(theirs), without, without+1)
		return psnrOf(own, of) - psnrOf(other, of)
	}
	n := float64(len(ours))
	all := make([]float64, len(ours))
	for i := range all {
		all[i] = difference(i)
	}
	variance := 0.0
	for _, d := range all {
		variance += (d - mean(all)) * (d - mean(all)) * (n - 1) / n
	}
	own, other := psnrOf(ours, of), psnrOf(theirs, of)
	b.printf("| %s | %s | %.2f | %.2f | %+.2f ± %.2f (%+.1f %%) |\n", method, what, own, other, own-other,
		math.Sqrt(variance), 100*(own-other)/other)
}

const (
	ringSamples = 4000
	ringSeeds   = 3
)

func (b *bench) peersOnRing(ctx context.Context, p *peer) error {
	file, err := os.ReadFile(b.ring)
	if err != nil {
		return err
	}
	m, err := models.Read(file)
	if err != nil {
		return err
	}
	runtime, err := ort.OpenFound("")
	if err != nil {
		return err
	}
	network, err := runtime.Load(ctx, file, m, ort.Options{})
	if err != nil {
		return err
	}
	defer network.Close()
	if _, err := p.do(map[string]any{"do": "load", "path": b.ring}); err != nil {
		return err
	}
	op, err := linear.Matrix([]float32{1, 0}, 2)
	if err != nil {
		return err
	}
	q := question{op, []float32{3}, 0.5, []int{2}, ringSamples}
	y, err := op.Measurement(q.values, q.std)
	if err != nil {
		return err
	}
	all, err := rivals(m)
	if err != nil {
		return err
	}
	for _, r := range all {
		for seed := range ringSeeds {
			own, err := r.planned.draw(ctx, network, y, q.n, uint64(seed+1))
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			other, err := p.draw(r, q, seed+1)
			if err != nil {
				return err
			}
			if err := b.ringRow(r.name, own.x, other); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) ringRow(name string, own, other []float32) error {
	ring, err := sampling.Ring(8, 5, 1, nil)
	if err != nil {
		return err
	}
	ours, theirs := ring.Shares(own), ring.Shares(other)
	b.printf("| %s | %.3f | %.3f | %.3f |\n", name, ours, theirs, sameShares(ours, theirs, ringSamples))
	return nil
}

// sameShares returns the p-value of a χ² test for the same weights behind two shares of n samples each. Weights with
// fewer than least samples on average are one, for the test holds for large counts.
func sameShares(a, b []float64, n float64) float64 {
	const least = 10
	var sum, rareA, rareB float64
	seen := 0
	compare := func(a, b float64) {
		if all := a + b; all > 0 {
			sum += n * (a - b) * (a - b) / all
			seen++
		}
	}
	for k, v := range a {
		if n*(v+b[k])/2 < least {
			rareA, rareB = rareA+v, rareB+b[k]
			continue
		}
		compare(v, b[k])
	}
	compare(rareA, rareB)
	return distuv.ChiSquared{K: float64(seen - 1)}.Survival(sum)
}
