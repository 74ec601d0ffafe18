package proposal

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// Limits of what is proposed for pictures, so that a training takes minutes on two cores.
const (
	mostSide      = 32 // pixels; more if the user asks for them
	leastSide     = 8
	leastOfClass  = 10 // pictures of each class, on average
	mostClasses   = 100
	mostSurveyed  = 2000 // pictures from which the noise levels follow
	fewPictures   = 1000
	pictureRounds = 6000 // iterations
)

// pictureProposal begins a proposal for a kind of pictures.
func (r Request) pictureProposal(kind string) Proposal {
	return Proposal{Config: training.Config{
		Name: r.Name, Seed: seed, Description: "Trained on " + filepath.Base(r.Path),
		Data: data.Config{Name: kind, Dir: r.Path, RandomFlip: r.Flip, Dequantize: data.DequantizeUniform},
	}}
}

// folder proposes a training on a folder: of pictures, or of a dataset in LeCun's format.
func (r Request) folder(ctx context.Context) (Proposal, error) {
	p := r.pictureProposal(data.Pictures)
	if err := cmp.Or(r.check(foundFolder), r.checkSize()); err != nil {
		return p, err
	}
	p.Config.Data.SkipBroken = r.SkipBroken
	if data.IDX(r.Path) {
		p.Config.Data.Name, p.Config.Data.ImageSize = data.MNIST, r.ImageSize
		p.Found = append(p.Found, r.Path+": a dataset in LeCun's format")
		return p, p.pictures(ctx, r)
	}
	s, err := r.Reader.Survey(ctx, p.Config.Data)
	if err != nil {
		return p, err
	}
	colours := "colour"
	if p.Config.Data.Grey = s.Grey; s.Grey {
		colours = "grey"
	}
	p.Found = append(p.Found, fmt.Sprintf("%s: %d %s pictures, shortest side %d pixels and more, mostly %d", r.Path,
		s.Pictures, colours, s.Least, s.Middle))
	if s.Clear {
		p.Config.Data.Background = "white"
		p.Found = append(p.Found, "some are transparent: white is behind them (--set data.background=black)")
	}
	if n := len(s.Classes); n >= 2 && n <= mostClasses && s.Pictures >= leastOfClass*n {
		p.Config.Data.ClassFolders = true
		p.Config.Condition = &training.Condition{Kind: training.ConditionClass, Dropped: 0.1, Names: s.Classes}
		p.Found = append(p.Found, fmt.Sprintf("%d folders are taken for classes", n))
	}
	p.Config.Data.ImageSize = r.ImageSize
	if r.ImageSize == 0 {
		p.Config.Data.ImageSize = min(mostSide, max(leastSide, s.Middle/4*4))
	}
	return p, p.pictures(ctx, r)
}

// array proposes a training on an array of pictures of bytes.
func (r Request) array(ctx context.Context, a data.Array) (Proposal, error) {
	p := r.pictureProposal(data.NPY)
	if err := r.check(foundBytes); err != nil {
		return p, err
	}
	p.Config.Data.Layout, _, _ = layout(a.Shape)
	p.Found = append(p.Found, fmt.Sprintf("%s: pictures as bytes, of shape %v", r.Path, a.Shape))
	return p, p.pictures(ctx, r)
}

// numbers is array for pictures of numbers.
func (r Request) numbers(ctx context.Context, a data.Array) (Proposal, error) {
	p := r.pictureProposal(data.NPY)
	if err := r.check(foundPictures); err != nil {
		return p, err
	}
	if low, high := slices.Min(a.Values), slices.Max(a.Values); low < 0 || high > 1 {
		return p, fmt.Errorf("read %s: its numbers go from %g to %g: want 0 to 1 for pictures, or bytes", r.Path, low,
			high)
	}
	p.Config.Data.Dequantize = "" // the numbers are used as they are
	if p.Config.Data.Layout, _, _ = layout(a.Shape); p.Config.Data.Layout == "" {
		p.Config.Data.Layout = data.ChannelsFirst
	}
	p.Found = append(p.Found, fmt.Sprintf("%s: numbers from 0 to 1 of shape %v", r.Path, a.Shape))
	if r.As == "" {
		found := "neighbouring numbers are alike in both directions: they are taken for pictures (--as series)"
		if len(a.Shape) == 4 {
			found = "they are taken for pictures"
		}
		p.Found = append(p.Found, found)
	}
	return p, p.pictures(ctx, r)
}

// layout returns the order of the axes of an array of pictures, empty for the usual one, and their height and width.
func layout(shape []int) (order data.Layout, height, width int) {
	isColour := func(n int) bool { return n == 1 || n == 3 }
	switch {
	case len(shape) == 3:
		return "", shape[1], shape[2]
	case len(shape) == 4 && isColour(shape[3]) && !isColour(shape[1]):
		return data.ChannelsLast, shape[1], shape[2]
	case len(shape) == 4 && isColour(shape[1]):
		return "", shape[2], shape[3]
	}
	return "", 0, 0
}

// mayBePictures reports whether an array of numbers has the shape of pictures on which a training is proposed.
func mayBePictures(a data.Array) bool {
	_, height, width := layout(a.Shape)
	return a.Numbers() && !a.Text() && a.Shape[0] >= data.LeastRows && min(height, width) >= leastSide &&
		height%4 == 0 && width%4 == 0
}

// isPictures reports whether an array of numbers is taken for pictures: they go from 0 to 1, and if no axis has the
// channels, neighbouring ones are alike in both directions.
func isPictures(a data.Array) bool {
	const alike = 0.5
	if !mayBePictures(a) || slices.Min(a.Values) < 0 || slices.Max(a.Values) > 1 {
		return false
	}
	if len(a.Shape) == 4 {
		return true
	}
	size, width := a.Shape[1]*a.Shape[2], a.Shape[2]
	x := a.Values[:min(a.Shape[0], mostSurveyed)*size]
	return meanCorrelation(x, size, 1) >= alike && meanCorrelation(x, size, width) >= alike
}

// pictures chooses everything but the data.
func (p *Proposal) pictures(ctx context.Context, r Request) error {
	c := &p.Config
	source, _, err := r.Reader.Parts(ctx, c.Data, seed) // of both parts, so that all broken pictures are named at once
	if err != nil {
		return err
	}
	shape := source.Shape()
	if shape[1]%4 != 0 || shape[2]%4 != 0 {
		return fmt.Errorf("read %s: its pictures have %d x %d pixels: want multiples of 4 each way, as --size gives "+
			"those of a folder", r.Path, shape[1], shape[2])
	}
	count := source.(data.Finite).Len() // as every source of a file
	dim := shape[0] * shape[1] * shape[2]
	x, err := encoded(source, count, mostSurveyed)
	if err != nil {
		return err
	}
	const last, steps = 0.01, 4
	var stepLR float64
	if c.Noise, stepLR, err = noise(x, dim, last, steps); err != nil {
		return fmt.Errorf("read %s: %w", r.Path, err)
	}
	mean, std := moments(x)
	c.Network = nn.Config{Name: nn.NameUNet, Outer: 32, Inner: 96, Blocks: 2, Mean: mean, Std: std}
	c.Loss = loss.Config{Name: loss.EDM, DataStd: std, LogMean: -1.2, LogStd: 1.4}
	c.Training = training.Training{
		Iterations: pictureRounds, BatchSize: 64, LogEvery: 50, EvalRows: max(2000, c.Noise.Levels),
		CheckpointEvery: 1000, Checkpoints: 2,
	}
	if count < fewPictures {
		c.Training.Iterations = pictureRounds / 2
		c.Training.TestEvery, c.Training.KeepBest = 5*c.Training.LogEvery, true
		p.Found = append(p.Found, fmt.Sprintf("%d pictures for training are few: the weights are kept that do best on "+
			"held-out ones, before the model remembers many of them", count))
	}
	c.Optimizer = adam(0.001, c.Training.Iterations)
	c.Sampler = training.Sampler{StepsPerLevel: steps, StepLR: stepLR, Consistent: true, Denoise: true,
		ReverseSDE: &models.ReverseSDE{Steps: 35, Eta: 2}}
	c.Prior = sampling.Prior{Kind: sampling.PriorNormal, Std: c.Noise.First}
	c.Range = models.Range{Low: 0, High: 1}
	p.each, p.units = "pictures", ", where black is 0 and white 1"
	return c.Validate()
}

// moments returns the mean and the standard deviation of all numbers.
func moments(x []float32) (mean, std float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		std += math.Pow(float64(v)-mean, 2) / float64(len(x))
	}
	return short(mean), short(math.Sqrt(std))
}
