package proposal

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// leastLength is the least length of what is taken for a series.
const leastLength = 16

// isSeries reports whether the rows of an array are taken for series: neighbouring numbers are nearly equal, far more
// than numbers half a row apart are.
func isSeries(a data.Array) bool {
	const near, apart = 0.8, 0.95
	if len(a.Shape) != 2 || a.Shape[1] < leastLength || a.Bytes() || a.Text() || a.Shape[0] < data.LeastRows {
		return false
	}
	length := a.Shape[1]
	alike := meanCorrelation(a.Values, length, 1)
	return alike >= near && meanCorrelation(a.Values, length, length/2) <= apart*alike
}

// meanCorrelation returns the mean correlation of numbers a distance apart in rows of a length.
func meanCorrelation(x []float32, length, distance int) float64 {
	n := float64(len(x) / length)
	mean, std := make([]float64, length), make([]float64, length)
	for i, v := range x {
		mean[i%length] += float64(v) / n
	}
	for i, v := range x {
		std[i%length] += math.Pow(float64(v)-mean[i%length], 2) / n
	}
	var sum float64
	for i := range x {
		t := i % length
		if u := t + distance; u < length && std[t] > 0 && std[u] > 0 {
			sum += (float64(x[i]) - mean[t]) * (float64(x[i+distance]) - mean[u]) / math.Sqrt(std[t]*std[u]) / n
		}
	}
	return sum / float64(length-distance)
}

// series proposes a training on an array of series.
func (r Request) series(ctx context.Context, a data.Array) (Proposal, error) {
	c := training.Config{Name: r.Name, Seed: seed, Description: "Trained on " + filepath.Base(r.Path)}
	c.Data = data.Config{Name: data.NPY, Dir: r.Path}
	p := Proposal{Config: c}
	if err := r.check(foundSeries); err != nil {
		return p, err
	}
	source, err := r.Reader.Open(ctx, c.Data, data.Train, seed)
	if err != nil {
		return p, err
	}
	length, numbers := a.Shape[1], 1
	if len(a.Shape) == 3 {
		numbers = a.Shape[2]
		p.Found = []string{fmt.Sprintf("%s: %d series of %d times %d numbers", r.Path, a.Shape[0], length, numbers)}
		if r.As == "" && mayBePictures(a) {
			p.Found = append(p.Found, "if they are pictures, train with --as pictures on numbers from 0 to 1")
		}
	} else {
		p.Found = []string{fmt.Sprintf("%s: %d series of %d numbers", r.Path, a.Shape[0], length),
			"neighbouring numbers are alike: rows are taken for series, not for a table (--as table)"}
	}
	if length < 2 || length*numbers > mostOfSeries {
		return p, fmt.Errorf("read %s: its series have %d times %d numbers: want at least 2 times, and at most %d "+
			"numbers in all", r.Path, length, numbers, mostOfSeries)
	}
	x, err := encoded(source, a.Shape[0], 10000)
	if err != nil {
		return p, err
	}
	return p, p.seriesSettings(x, a.Shape[1:], r.Path)
}

// mostEMA is the longest mean of the weights of series, which are still learning when the training ends.
const mostEMA = 0.997

// mostOfSeries is the most numbers of a series for which a training is proposed.
const mostOfSeries = 1 << 16

// seriesSettings chooses everything but the data. shape is that of a series.
func (p *Proposal) seriesSettings(x []float32, shape []int, path string) error {
	c := &p.Config
	const lastPart, steps = 0.02, 5
	c.Network = nn.Config{Name: nn.NameSeries, Blocks: 8, Patch: patch(shape[0]), Modulated: true}
	c.Network.Channels = channels(c.Network.Patch)
	std := p.scale(x, shape)
	if std == 0 {
		return fmt.Errorf("read %s: all its numbers are equal: want series that differ", path)
	}
	var stepLR float64
	var err error
	if c.Noise, stepLR, err = noise(x, elements(shape), short(lastPart*std), steps); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	c.Loss = loss.Config{Name: loss.EDM, DataStd: std, LogMean: short(math.Log(std)), LogStd: 1.5}
	c.Training = training.Training{
		Iterations: seriesRounds(shape[0]), BatchSize: 64, LogEvery: 50, EvalRows: 20 * c.Noise.Levels,
		CheckpointEvery: 1000, Checkpoints: 2,
	}
	c.Optimizer = adam(0.003, c.Training.Iterations)
	c.Optimizer.EMA = min(c.Optimizer.EMA, mostEMA)
	c.Sampler = training.Sampler{StepsPerLevel: steps, StepLR: stepLR, Denoise: true,
		ReverseSDE: &models.ReverseSDE{Steps: 50, Eta: 1}}
	c.Prior = sampling.Prior{Kind: sampling.PriorNormal, Std: c.Noise.First}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range x {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	c.Range = models.Range{Low: short(low - 0.1*(high-low)), High: short(high + 0.1*(high-low))}
	p.each, p.units = "series", fmt.Sprintf(", the data have a standard deviation of %g", std)
	return c.Validate()
}

// patch returns how many neighbouring times are one element of the blocks, for series of a length.
func patch(length int) int {
	const most, elements = 4, 16 // elements is the least number that is left
	for n := most; n > 1; n /= 2 {
		if length%n == 0 && length/n >= elements {
			return n
		}
	}
	return 1
}

// channels returns the channels of blocks whose work for each series is the same with any patch.
func channels(patch int) int {
	const one = 48 // with a patch of 1
	return int(one*math.Sqrt(float64(patch))/8) * 8
}

// scale sets the means of the network and returns the standard deviation of all numbers about them. It notes numbers of
// series whose sizes are far apart.
func (p *Proposal) scale(x []float32, shape []int) float64 {
	const farApart = 5
	n := &p.Config.Network
	if len(shape) == 1 {
		n.Mean, n.Std = moments(x)
		return n.Std
	}
	numbers := shape[1]
	column := make([]float32, len(x)/numbers)
	var square float64
	least, most := math.Inf(1), 0.0
	for k := range numbers {
		for i := range column {
			column[i] = x[i*numbers+k]
		}
		mean, std := moments(column)
		n.Means, square = append(n.Means, mean), square+std*std/float64(numbers)
		least, most = min(least, std), max(most, std)
	}
	n.Std = short(math.Sqrt(square))
	if most > farApart*least {
		p.Found = append(p.Found, fmt.Sprintf("its numbers have standard deviations from %g to %g, and one scale of "+
			"noise: divide each number by its own before, or the small ones are learned badly", least, most))
	}
	return n.Std
}

// seriesRounds returns the iterations for series of a length: fewer for long ones, whose iterations take longer.
func seriesRounds(length int) int {
	const most, least, full = 4000, 1000, 256 // full is the longest for which there is time for all
	return min(most, max(least, most*full/length/100*100))
}

func elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}
