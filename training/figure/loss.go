package figure

import (
	"cmp"
	"fmt"
	"image"
	"io"
	"math"
)

// LossCurve is the training loss of one noise level.
type LossCurve struct {
	Sigma   float64
	Loss    []float64 // one value per iteration; NaN if the batch had no row of this level
	Minimum float64   // the exact minimum, drawn dashed; 0 if it is not known
}

// LossPlot shows the loss of each level over the iterations.
type LossPlot struct {
	Title  string
	Curves []LossCurve // largest sigma first; if there are more than ten, ten of them, evenly spaced, are drawn
	Every  int         // number of iterations per value of Loss, which is their mean; 1 if zero
	Window int         // number of values in the moving average; 100 if zero. It ignores values that are not finite
	LogX   bool        // iterations on a logarithmic axis
}

const maxCurves = 10

// PNG writes the plot with two pixels per point. The loss axis is logarithmic if all drawn values are above 0.
func (p LossPlot) PNG(w io.Writer) error {
	img, err := p.render()
	if err != nil {
		return err
	}
	return encodePNG(w, img)
}

func (p LossPlot) render() (*image.RGBA, error) {
	p.Every, p.Window = cmp.Or(p.Every, 1), cmp.Or(p.Window, 100)
	if p.Every < 0 || p.Window < 0 {
		return nil, fmt.Errorf("loss plot: every %d, window %d: want at least 1 each, or 0 for the default",
			p.Every, p.Window)
	}
	curves, err := p.smooth()
	if err != nil {
		return nil, err
	}
	c, err := newCanvas(760, 440, 2)
	if err != nil {
		return nil, err
	}
	a, err := p.axes(c, curves)
	if err != nil {
		return nil, err
	}
	if err := a.draw(p); err != nil {
		return nil, err
	}
	return c.img, a.drawCurves(curves)
}

// lossPath is one drawn curve: the moving average at a few hundred iterations.
type lossPath struct {
	LossCurve
	colour rgb
	at     []point // iteration, loss
}

// smooth averages the curves to be drawn.
func (p LossPlot) smooth() ([]lossPath, error) {
	if len(p.Curves) == 0 {
		return nil, fmt.Errorf("loss plot: no curves: want at least one")
	}
	var paths []lossPath
	chosen, colours := spread(len(p.Curves), maxCurves), ember(1, 0.15)
	for k, i := range chosen {
		depth := 0.33 + 0.5*float64(k)/float64(max(1, len(chosen)-1))
		path := lossPath{LossCurve: p.Curves[i], colour: colours.at(depth)}
		mean := movingAverage(path.Loss, p.Window)
		for _, j := range p.thin(len(mean)) {
			if finite(mean[j]) {
				path.at = append(path.at, point{float64((j + 1) * p.Every), mean[j]})
			}
		}
		if len(path.at) == 0 {
			return nil, fmt.Errorf("loss plot: curve of sigma %g: none of %d values is finite: want at least one",
				path.Sigma, len(path.Loss))
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// thin returns the indices of at most a few hundred of n values, evenly spaced on the iteration axis.
func (p LossPlot) thin(n int) []int {
	const steps = 400
	if n == 0 {
		return nil
	}
	var out []int
	for k := range steps + 1 {
		i := k * (n - 1) / steps
		if p.LogX {
			i = int(math.Round(math.Pow(float64(n), float64(k)/steps))) - 1
		}
		if len(out) == 0 || i > out[len(out)-1] {
			out = append(out, i)
		}
	}
	return out
}

// movingAverage returns, at each place, the mean of the finite values among the last window values. It returns NaN if
// there are none, or so few that their mean is mostly noise.
func movingAverage(x []float64, window int) []float64 {
	enough := 1
	if len(x) > window {
		enough = max(1, window/10)
	}
	mean, sum, n := make([]float64, len(x)), 0.0, 0
	for i, v := range x {
		if finite(v) {
			sum, n = sum+v, n+1
		}
		if i >= window && finite(x[i-window]) {
			sum, n = sum-x[i-window], n-1
		}
		if mean[i] = math.NaN(); n >= enough {
			mean[i] = sum / float64(n)
		}
	}
	return mean
}
