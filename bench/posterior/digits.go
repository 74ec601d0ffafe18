package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

const (
	side     = 28
	pixels   = side * side
	noise    = 0.05 // of each measured value
	averaged = 16   // posterior samples whose mean is compared
)

// pictures reads n pictures of an IDX file, from index first on, with levels from 0 to 1.
func (b *bench) pictures(file string, first, n int) ([][]float64, error) {
	raw, err := os.ReadFile(filepath.Join(b.data, file))
	if err != nil {
		return nil, err
	}
	const head = 16
	if len(raw) < head+(first+n)*pixels {
		return nil, fmt.Errorf("%s has fewer than %d pictures", file, first+n)
	}
	all := make([][]float64, n)
	for i := range all {
		all[i] = make([]float64, pixels)
		for j := range all[i] {
			all[i][j] = float64(raw[head+(first+i)*pixels+j]) / 255
		}
	}
	return all, nil
}

// wiener is the best linear estimate of a picture from a measurement, with the mean and the covariance of the training
// pictures.
type wiener struct {
	mean []float64
	gain *mat.Dense // C A'(A C A' + noise²)⁻¹
	of   *linear.Operator
}

func newWiener(train [][]float64, op *linear.Operator) (*wiener, error) {
	w := &wiener{mean: make([]float64, pixels), of: op}
	for _, x := range train {
		for j, v := range x {
			w.mean[j] += v / float64(len(train))
		}
	}
	m := op.Size()
	cross, inner := mat.NewDense(pixels, m, nil), mat.NewDense(m, m, nil)
	centred, y := make([]float64, pixels), make([]float64, m)
	for _, x := range train {
		for j, v := range x {
			centred[j] = v - w.mean[j]
		}
		op.Apply(y, centred)
		cross.RankOne(cross, 1/float64(len(train)), mat.NewVecDense(pixels, centred), mat.NewVecDense(m, y))
		inner.RankOne(inner, 1/float64(len(train)), mat.NewVecDense(m, y), mat.NewVecDense(m, y))
	}
	for j := range m {
		inner.Set(j, j, inner.At(j, j)+noise*noise)
	}
	var inverse mat.Dense
	if err := inverse.Inverse(inner); err != nil {
		return nil, err
	}
	w.gain = mat.NewDense(pixels, m, nil)
	w.gain.Mul(cross, &inverse)
	return w, nil
}

func (w *wiener) estimate(values []float32) []float64 {
	e := make([]float64, w.of.Size())
	w.of.Apply(e, w.mean)
	for j, v := range values {
		e[j] = float64(v) - e[j]
	}
	x := mat.NewVecDense(pixels, nil)
	x.MulVec(w.gain, mat.NewVecDense(len(e), e))
	for j, v := range w.mean {
		x.SetVec(j, x.AtVec(j)+v)
	}
	return x.RawVector().Data
}

// observe measures a picture with noise.
func observe(op *linear.Operator, x []float64, n sampling.Noise) []float32 {
	exact, values := make([]float64, op.Size()), make([]float32, op.Size())
	op.Apply(exact, x)
	n.Normal(values, 0)
	for j, v := range exact {
		values[j] = float32(v + noise*float64(values[j]))
	}
	return values
}

// compareDigits reconstructs digits of the test set from small, noisy pictures.
func (b *bench) compareDigits(ctx context.Context) error {
	train, err := b.pictures("train-images-idx3-ubyte", 0, 20_000)
	if err != nil {
		return err
	}
	test, err := b.pictures("t10k-images-idx3-ubyte", 0, b.digits)
	if err != nil {
		return err
	}
	b.printf("## Digits\n\nThe first %d digits of the test set of MNIST, pooled, with noise of %g. PSNR is that of "+
		"the mean of %d samples, and of one. Agreement is the mean square of (y - A x)/noise, 1 for the true "+
		"digit. The effective size is the mean over chains of the least over steps. The time is that of the "+
		"whole row, with a digit on each core.\n\n", b.digits, noise, averaged)
	b.printf("| pooling | method | evaluations a sample | PSNR of the mean | of one | agreement | effective size | " +
		"s a sample |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for _, factor := range []int{4, 7} {
		op, err := linear.Pool(linear.Shape{Channels: 1, Height: side, Width: side}, factor)
		if err != nil {
			return err
		}
		filter, err := newWiener(train, op)
		if err != nil {
			return err
		}
		if err := b.digitRows(ctx, factor, op, filter, test); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) digitRows(
	ctx context.Context, factor int, op *linear.Operator, filter *wiener, test [][]float64,
) error {
	var off float64
	for i, x := range test {
		off += squareError(filter.estimate(observe(op, x, sampling.Noise{Seed: 1, Chain: uint64(i)})), x)
	}
	b.printf("| %d × %d | Wiener filter | | %.2f | | | | |\n", factor, factor, psnr(off/float64(len(test))))
	methods, err := b.digitMethods()
	if err != nil {
		return err
	}
	for _, m := range methods {
		if err := b.digitRow(ctx, factor, op, m, test); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// levels returns the noise levels that the server has by default for the given number of steps.
func (b *bench) levels(steps int) (sampling.Schedule, error) {
	s := b.manifest.Sigmas
	return sampling.Karras(s[0], s[len(s)-1], steps, sampling.KarrasRho)
}

// spread is the one that the server has by default.
func (b *bench) spread() float64 { return (b.manifest.Range.High - b.manifest.Range.Low) / 4 }

func (b *bench) digitMethods() ([]planned, error) {
	var all []planned
	var failed error
	add := func(p planned, err error) { all, failed = append(all, p), cmpErr(failed, err) }
	fifty, err := b.levels(50)
	if err != nil {
		return nil, err
	}
	twenty, err := b.levels(20)
	if err != nil {
		return nil, err
	}
	annealed, err := b.manifest.AnnealedLangevin()
	if err != nil {
		return nil, err
	}
	annealed.Consistent = false
	add(particles(fifty, 16, b.spread(), true))
	add(ddrm(twenty))
	add(ddrm(fifty))
	add(snips(annealed))
	add(likelihood(annealed, 0))
	return all, failed
}

func (b *bench) digitRow(
	ctx context.Context, factor int, op *linear.Operator, m planned, test [][]float64,
) error {
	off := make([]quality, len(test))
	agreement, size := make([]float64, len(test)), make([]float64, len(test))
	start := time.Now()
	err := each(ctx, len(test), func(ctx context.Context, i int) error {
		values := observe(op, test[i], sampling.Noise{Seed: 1, Chain: uint64(i)})
		y, err := op.Measurement(values, noise)
		if err != nil {
			return err
		}
		d, err := m.draw(ctx, b.network, y, averaged, uint64(i))
		if err != nil {
			return err
		}
		for k := range averaged {
			agreement[i] += agrees(op, widened(d.x[k*pixels:(k+1)*pixels]), values) / averaged
			size[i] += d.diagnoses[k].EffectiveSize / averaged
		}
		off[i] = qualityOf(d.x, test[i])
		return nil
	})
	if err != nil {
		return err
	}
	sizeText := ""
	if m.by.Rows() > 1 {
		sizeText = fmt.Sprintf("%.2f", mean(size))
	}
	b.printf("| %d × %d | %s | %d | %.2f | %.2f | %.2f | %s | %.2f |\n", factor, factor, m.name,
		m.plan.NFE()*m.by.Rows(), psnrOf(off, ofMean), psnrOf(off, ofOne), mean(agreement), sizeText,
		time.Since(start).Seconds()/float64(len(test)*averaged))
	return nil
}

// quality is the mean squares of the errors of the reconstructions of a picture.
type quality struct {
	mean float64 // of the mean of the samples
	one  float64 // of one sample
}

func ofMean(q quality) float64 { return q.mean }
func ofOne(q quality) float64  { return q.one }

// qualityOf returns the quality of the samples of a picture.
func qualityOf(samples []float32, truth []float64) (q quality) {
	count := len(samples) / len(truth)
	middle := make([]float64, len(truth))
	for k := range count {
		one := widened(samples[k*len(truth) : (k+1)*len(truth)])
		for j, v := range one {
			middle[j] += v / float64(count)
		}
		q.one += squareError(one, truth) / float64(count)
	}
	q.mean = squareError(middle, truth)
	return q
}

// psnrOf returns the PSNR of the mean square over pictures of what of chooses.
func psnrOf(all []quality, of func(quality) float64) float64 {
	sum := 0.0
	for _, q := range all {
		sum += of(q) / float64(len(all))
	}
	return psnr(sum)
}

func widened(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// agrees returns the mean square of the error of what would have been measured, in units of the noise.
func agrees(op *linear.Operator, x []float64, values []float32) (sum float64) {
	y := make([]float64, op.Size())
	op.Apply(y, x)
	for j, v := range values {
		e := (y[j] - float64(v)) / noise
		sum += e * e / float64(len(values))
	}
	return sum
}

// squareError returns the mean square of the difference of two pictures.
func squareError(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += (v - b[i]) * (v - b[i]) / float64(len(a))
	}
	return sum
}

func psnr(squareError float64) float64 { return -10 * math.Log10(squareError) }
