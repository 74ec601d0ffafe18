package paper

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// Images is a noise-conditional model of images, and its training and test images.
type Images struct {
	Name       string
	Shape      []int // channels, height, width
	Model      sampling.Model
	Sampler    sampling.AnnealedLangevin
	Prior      sampling.Prior
	Classifier eval.Classifier // nil: no classification
	Train      eval.Rows       // in [0, 1], like Test; empty if NoData says why
	Test       eval.Rows
	NoData     string
	Seed       uint64
	Sizes      ImageSizes
	Progress   func(done, total int, now string) // called after each experiment; may be nil
}

// ImageSizes has the sizes of the experiments.
type ImageSizes struct {
	Rows      int // number of images in figure 4
	Side      int // side of the square of samples in figure 5
	Known     int // number of images to complete in figure 6
	Completed int // number of completions of each
	Blends    int // number of rows of the interpolation
	Columns   int // number of images in each row
	Baseline  int // number of chains in figure 7
	Steps     int // number of steps of each chain
}

// SmallImages returns sizes that suit a CPU.
func SmallImages() ImageSizes {
	return ImageSizes{Rows: 6, Side: 6, Known: 5, Completed: 4, Blends: 3, Columns: 8, Baseline: 9, Steps: 400}
}

// PaperImages returns the sizes of the papers' figures.
func PaperImages() ImageSizes {
	return ImageSizes{Rows: 10, Side: 20, Known: 20, Completed: 20, Blends: 10, Columns: 10, Baseline: 100, Steps: 1000}
}

const fromAlgorithm = "property of the algorithm"

func (m Images) dim() int { return m.Shape[0] * m.Shape[1] * m.Shape[2] }

// ImageSections repeats the experiments on images: intermediate and final samples, inpainting, interpolation, a single
// noise level, and nearest neighbours. If data are missing, the sections that need them say so.
func ImageSections(ctx context.Context, m Images) ([]Section, error) {
	plan, err := m.Sampler.Plan()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	var samples eval.Rows // of figure 5; figure 9 needs them
	var all []Section
	experiments := []struct {
		name    string
		outline func() Section
		data    bool // needs the images
		do      func(s *Section) error
	}{
		{"intermediate samples", intermediate, false, func(s *Section) error { return m.intermediate(ctx, plan, s) }},
		{"samples", uncurated, false, func(s *Section) (err error) { samples, err = m.grid(ctx, plan, s); return err }},
		{"inpainting", inpainting, true, func(s *Section) error { return m.inpaint(ctx, plan, s) }},
		{"interpolation", interpolation, false, func(s *Section) error { return m.interpolate(ctx, plan, s) }},
		{"one noise level", baseline, true, func(s *Section) error { return m.singleLevel(ctx, s) }},
		{"nearest neighbours", neighbours, true, func(s *Section) error { return m.neighbours(samples, s) }},
	}
	for i, e := range experiments {
		s := e.outline()
		if e.data && m.NoData != "" {
			s.Skipped = m.NoData
		} else if err := e.do(&s); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", e.name, m.Name, err)
		}
		all = append(all, s)
		if m.Progress != nil {
			m.Progress(i+1, len(experiments), e.name)
		}
	}
	return all, nil
}

// WithoutImages returns all sections on images, with the reason why they are skipped.
func WithoutImages(why string) []Section {
	all := []Section{intermediate(), uncurated(), inpainting(), interpolation(), baseline(), neighbours()}
	for i := range all {
		all[i].Skipped = why
	}
	return all
}

func (m Images) run(ctx context.Context, r sampling.Request) (eval.Rows, error) {
	r.Dim = m.dim()
	if r.Start == nil {
		r.Prior = m.Prior
	}
	x, err := sampling.Run(ctx, m.Model, r)
	return eval.Rows{X: x, Dim: r.Dim}, err
}

// picture is a grid of images, as square as possible.
func (m Images) picture(file, caption string, x []float32) Picture {
	return NewPicture(file, caption, func(w io.Writer) error {
		return figure.Still(w, m.Shape, figure.Range{Low: 0, High: 1}, x, "")
	})
}

// intermediate draws the states of some chains at levels spread over the noise schedule.
func (m Images) intermediate(ctx context.Context, plan sampling.Plan, s *Section) error {
	n, columns := m.Sizes.Rows, m.Sizes.Rows // the grid is square
	var frames [][]float32
	var sigmas []float64
	levels := m.Sampler.Schedule.Levels()
	show := map[int]bool{}
	for k := range columns - 1 { // the last column is for the samples
		show[(k*(levels-1)/(columns-1)+1)*m.Sampler.StepsPerLevel] = true
	}
	x, err := m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, N: n, Observe: func(step int, x []float32) {
		if show[step] {
			frames, sigmas = append(frames, slices.Clone(x)), append(sigmas, float64(plan[step-1].Sigma))
		}
	}})
	if err != nil {
		return err
	}
	for k, frame := range frames {
		distance := math.Sqrt(squaredDistance(frame, x.X) / float64(len(frame)))
		s.Findings = append(s.Findings,
			Between(m.Name, fmt.Sprintf("root mean square distance to the sample at sigma %.3g, over sigma", sigmas[k]),
				distance/sigmas[k], 0.8, 1.5, fromAlgorithm))
	}
	var grid []float32
	for i := range n {
		for _, frame := range append(slices.Clone(frames), x.X) {
			grid = append(grid, frame[i*x.Dim:(i+1)*x.Dim]...)
		}
	}
	s.Pictures = []Picture{m.picture("figure-4.png", "Each row an image, from noise at the left.", grid)}
	return nil
}

func squaredDistance(x, y []float32) float64 {
	var sum float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return sum
}

// grid draws samples without a selection.
func (m Images) grid(ctx context.Context, plan sampling.Plan, s *Section) (eval.Rows, error) {
	x, err := m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, N: m.Sizes.Side * m.Sizes.Side})
	if err != nil {
		return x, err
	}
	x = x.Clamped(0, 1)
	s.Pictures = []Picture{m.picture("figure-5.png", fmt.Sprintf("%d samples, none left out.", x.Len()), x.X)}
	if m.Classifier == nil {
		return x, nil
	}
	_, probabilities, err := m.Classifier.Classify(ctx, x)
	if err != nil {
		return x, err
	}
	classes, err := eval.Classes(probabilities)
	if err != nil {
		return x, err
	}
	found := 0
	for _, share := range classes.Shares {
		if share > 0 {
			found++
		}
	}
	s.Findings = []Finding{
		Between(m.Name, "share classified with a probability above 0.9", classes.Confident,
			0.9-2*math.Sqrt(0.09/float64(x.Len())), 1, "own aim: 0.9"),
		Between(m.Name, "classes among the samples",
			float64(found), 0.8*float64(len(classes.Shares)), float64(len(classes.Shares)), "own aim"),
	}
	return x, nil
}

// halfMask returns the mask whose known part is the left half of every image.
func (m Images) halfMask() []bool {
	mask := make([]bool, m.dim())
	width := m.Shape[2]
	for i := range mask {
		mask[i] = i%width < width/2
	}
	return mask
}

// inpaint completes the right halves of test images.
func (m Images) inpaint(ctx context.Context, plan sampling.Plan, s *Section) error {
	mask := m.halfMask()
	n := min(m.Sizes.Known, m.Test.Len())
	var grid []float32
	worst := 0.
	for k := range n {
		image := m.Test.Row(k)
		x, err := m.complete(ctx, plan, image, mask, m.Sizes.Completed, uint64(k*m.Sizes.Completed))
		if err != nil {
			return err
		}
		grid = append(grid, m.row(image, mask, x)...)
		for i := range x.Len() {
			for j, v := range x.Row(i) {
				if mask[j] {
					worst = max(worst, math.Abs(float64(v)-float64(image[j])))
				}
			}
		}
	}
	leak, err := m.leak(ctx, plan, mask)
	if err != nil {
		return err
	}
	s.Pictures = []Picture{m.rowsPicture("figure-6.png",
		"Left: what is known; right: the test image; between: completions.", grid, n)}
	s.Findings = []Finding{
		Between(m.Name, "largest error of a known pixel, over the smallest sigma",
			worst/m.Sampler.Schedule.Last(), 0, 5, fromAlgorithm),
		Near(m.Name, "largest change of a completion when the hidden half of its image is changed",
			leak, 0, 0, fromAlgorithm),
	}
	return nil
}

func (m Images) complete(
	ctx context.Context, plan sampling.Plan, image []float32, mask []bool, n int, first uint64,
) (eval.Rows, error) {
	known, err := sampling.Inpaint(image, mask, sampling.RefreshLevel)
	if err != nil {
		return eval.Rows{}, err
	}
	return m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, FirstChain: first, N: n, Known: known})
}

// row returns the known part of an image, its completions, and the image itself.
func (m Images) row(image []float32, mask []bool, completions eval.Rows) []float32 {
	row := slices.Clone(image)
	for i, known := range mask {
		if !known {
			row[i] = 0.5
		}
	}
	return append(append(row, completions.X...), image...)
}

// rowsPicture returns a picture of n rows of images.
func (m Images) rowsPicture(file, caption string, x []float32, n int) Picture {
	return NewPicture(file, caption, func(w io.Writer) error {
		return figure.ImageRows(w, m.Shape, figure.Range{Low: 0, High: 1}, x, n, "")
	})
}

// leak returns the change of a completion when the hidden half of its image changes.
func (m Images) leak(ctx context.Context, plan sampling.Plan, mask []bool) (float64, error) {
	image := m.Test.Row(0)
	changed := slices.Clone(image)
	for i, known := range mask {
		if !known {
			changed[i] = 1 - changed[i]
		}
	}
	a, err := m.complete(ctx, plan, image, mask, 1, 0)
	if err != nil {
		return 0, err
	}
	b, err := m.complete(ctx, plan, changed, mask, 1, 0)
	return largestDifference(a.X, b.X), err
}

func largestDifference(x, y []float32) float64 {
	largest := 0.
	for i := range min(len(x), len(y)) {
		largest = max(largest, math.Abs(float64(x[i])-float64(y[i])))
	}
	return largest
}

// interpolate changes the noise of one sample gradually into the noise of another.
func (m Images) interpolate(ctx context.Context, plan sampling.Plan, s *Section) error {
	n := m.Sizes.Columns
	x, err := m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, N: m.Sizes.Blends * n, Columns: n})
	if err != nil {
		return err
	}
	start := make([]float32, x.Dim)
	m.Prior.Draw(start, sampling.Noise{Seed: m.Seed})
	s.Pictures = []Picture{m.rowsPicture("interpolation.png", "Each row goes from one sample to another.",
		x.X, m.Sizes.Blends)}
	for _, end := range []struct {
		text   string
		chain  uint64
		column int
	}{{"first", 0, 0}, {"last", 1, n - 1}} {
		pure, err := m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, FirstChain: end.chain, N: 1, Start: start})
		if err != nil {
			return err
		}
		s.Findings = append(s.Findings,
			Near(m.Name, "largest difference of the "+end.text+" column from a sample of unmixed noise",
				largestDifference(x.Row(end.column), pure.X), 0, 0, fromAlgorithm))
	}
	near, far := 0., 0.
	for row := range m.Sizes.Blends {
		for column := 1; column < n; column++ {
			near += math.Sqrt(squaredDistance(x.Row(row*n+column-1), x.Row(row*n+column))) / float64(n-1)
		}
		far += math.Sqrt(squaredDistance(x.Row(row*n), x.Row(row*n+n-1)))
	}
	s.Findings = append(s.Findings, Between(m.Name, "distance of neighbours in a row over the distance of its ends",
		near/far, 0, 0.95, "NCSNv2 2020, interpolation"))
	return nil
}

// singleLevel samples like the paper's baseline: only at the smallest sigma, from uniform noise.
func (m Images) singleLevel(ctx context.Context, s *Section) error {
	plan, err := sampling.Langevin{Sigma: m.Sampler.Schedule.Last(), Steps: m.Sizes.Steps, StepSize: 2e-5}.Plan()
	if err != nil {
		return err
	}
	start := make([]float32, m.Sizes.Baseline*m.dim())
	for i := range m.Sizes.Baseline {
		sampling.Prior{Kind: sampling.PriorUniform, High: 1}.Draw(start[i*m.dim():(i+1)*m.dim()],
			sampling.Noise{Seed: m.Seed, Chain: uint64(i)})
	}
	x, err := m.run(ctx, sampling.Request{Plan: plan, Seed: m.Seed, N: m.Sizes.Baseline, Start: start})
	if err != nil {
		return err
	}
	x = x.Clamped(0, 1)
	memory, err := eval.MemoryMetric(x, m.Test, m.Train)
	if err != nil {
		return err
	}
	s.Note = fmt.Sprintf("This uses the noise-conditional network of the other figures, only at sigma %.3g, with %d "+
		"steps. The paper's baseline is a network "+
		"trained only on this level: “langevin train baseline-mnist”, which takes hours on a CPU.",
		m.Sampler.Schedule.Last(), m.Sizes.Steps)
	s.Pictures = []Picture{m.picture("figure-7.png", fmt.Sprintf("%d chains by one noise level.", x.Len()), x.X)}
	s.Findings = []Finding{Between(m.Name, "distance of test images to the nearest training image, over the "+
		"distance of these",
		memory.Expected/memory.Value, 0, 0.75, "NCSN 2019, figure 7")}
	return nil
}

// neighbours draws samples and their nearest training images.
func (m Images) neighbours(samples eval.Rows, s *Section) error {
	const side = 8
	shown := samples.Slice(0, min(side, samples.Len()))
	grid, err := eval.NeighbourRows(shown, m.Train, side-1)
	if err != nil {
		return err
	}
	memory, err := eval.MemoryMetric(samples, m.Test, m.Train)
	if err != nil {
		return err
	}
	s.Pictures = []Picture{m.rowsPicture("figure-9.png", "Left: samples; right of each: the nearest training images.",
		grid.X, shown.Len())}
	s.Findings = []Finding{Between(m.Name, "distance to the nearest training image, over the distance of test images",
		memory.Value/memory.Expected, 0.6, 1.5, "own aim: no copies")}
	return nil
}
