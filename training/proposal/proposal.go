package proposal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// Request says what data there are, and what is known of them.
type Request struct {
	Path         string   // of a file or a folder
	Name         string   // of the model; empty: from the path
	As           As       // what an array of numbers is; empty: as it looks
	Drop         []string // columns of a table to leave out
	ImageSize    int      // of pictures: height and width; 0: from the pictures
	SkipBroken   bool     // of pictures: whether those that cannot be read are left out
	Flip         bool     // of pictures: whether they may be mirrored
	DecimalComma bool     // whether a comma in a number of a text file is its decimal point
	Reader       data.Reader
}

// As says what the rows of an array of numbers are.
type As string

// The words of [As].
const (
	AsTable    As = "table"
	AsSeries   As = "series"
	AsPictures As = "pictures"
)

// Proposal is a configuration, and why.
type Proposal struct {
	Config training.Config
	Found  []string // what the data are, in lines for the user

	each  string // what the rows of the data are called
	units string // what the noise levels are measured in, and compared with
}

// Chosen says in lines for the user what a configuration has, which is the proposed one or that one with changes.
func (p Proposal) Chosen(c training.Config) (lines []string) {
	if n := c.Data.ImageSize; n > 0 {
		lines = append(lines, fmt.Sprintf("the middle square of each, at %d x %[1]d pixels (--size)", n))
	}
	return append(lines, "network "+layers(c.Network),
		fmt.Sprintf("%d noise levels from %g to %g%s", c.Noise.Levels, c.Noise.First, c.Noise.Last, p.units),
		fmt.Sprintf("%d iterations of %d %s", c.Training.Iterations, c.Training.BatchSize, p.each))
}

// layers describes a network in words.
func layers(n nn.Config) string {
	switch n.Name {
	case nn.NameResidual:
		return fmt.Sprintf("%s of %d blocks of %d units", n.Name, n.Blocks, n.Hidden)
	case nn.NameUNet:
		return fmt.Sprintf("%s of %d and %d channels", n.Name, n.Outer, n.Inner)
	case nn.NameSeries:
		return fmt.Sprintf("%s of %d convolutions with %d channels, of %d times at once", n.Name, n.Blocks, n.Channels,
			max(1, n.Patch))
	}
	return n.Name
}

// New looks at data and proposes how to train on them. It reads them whole.
func New(ctx context.Context, r Request) (Proposal, error) {
	p, err := r.propose(ctx)
	return p, data.WithoutKey(err)
}

func (r Request) propose(ctx context.Context) (Proposal, error) {
	if r.Name == "" {
		r.Name = nameOf(r.Path)
	}
	info, err := os.Stat(r.Path)
	if err != nil && !strings.Contains(r.Path, ".npz:") {
		return Proposal{}, err
	}
	if err == nil && info.IsDir() {
		return r.folder(ctx)
	}
	return r.file(ctx)
}

// file proposes a training on a file: an array of pictures or of series, or a table.
func (r Request) file(ctx context.Context) (Proposal, error) {
	a, err := data.ReadArray(r.Path)
	switch {
	case err != nil || a.Text(): // words and empty places are errors of arrays, and not of tables
	case a.Bytes() && len(a.Shape) > 2:
		return r.array(ctx, a)
	case r.As == AsPictures && a.Numbers() && len(a.Shape) > 2 || r.As == "" && isPictures(a):
		return r.numbers(ctx, a)
	case r.As != AsTable && len(a.Shape) == 3 && a.Numbers():
		return r.series(ctx, a)
	case r.As == AsSeries && len(a.Shape) == 2 && a.Numbers() || r.As == "" && isSeries(a):
		return r.series(ctx, a)
	}
	switch {
	case err != nil && (r.As == AsPictures || r.As == AsSeries):
		return Proposal{}, err
	case r.As == AsPictures:
		return Proposal{}, fmt.Errorf("read %s: want an array of numbers or bytes [N, H, W], [N, C, H, W] or "+
			"[N, H, W, C] for pictures", r.Path)
	case r.As == "" && err == nil && len(a.Shape) > 3:
		return Proposal{}, fmt.Errorf("read %s: it has %s of shape %v: want a table [rows, columns], series "+
			"[series, time, numbers], or pictures of bytes, or of numbers from 0 to 1, with 1 or 3 channels", r.Path,
			a.Kind, a.Shape)
	case r.As == AsSeries:
		return Proposal{}, fmt.Errorf("read %s: want an array of numbers [series, time] or [series, time, numbers] "+
			"for series", r.Path)
	}
	p, notTable := r.table(ctx)
	if err != nil && errors.Is(notTable, data.ErrNoTable) { // then it matters what is wrong with the array
		return p, err
	}
	return p, notTable
}

var unnamed = regexp.MustCompile(`[^a-z0-9_.-]+`)

// nameOf returns a name for a model of the data at a path: the file's name without its endings.
func nameOf(path string) string {
	name := strings.ToLower(filepath.Base(filepath.Clean(path)))
	for ext := filepath.Ext(name); ext != "" && len(ext) < len(name); ext = filepath.Ext(name) {
		name = strings.TrimSuffix(name, ext)
	}
	name = strings.Trim(unnamed.ReplaceAllString(name, "-"), "_.-")
	if len(name) > 64 {
		name = strings.TrimRight(name[:64], "_.-")
	}
	if !models.ValidName(name) {
		return "model"
	}
	return name
}

// seed of everything that a proposal draws, and of the training.
const seed = 1

// encoded returns at most a number of samples of a source, as the network sees them.
func encoded(s data.Source, rows, most int) ([]float32, error) {
	x := make([]float32, min(rows, most)*elements(s.Shape()))
	return x, s.Read(x, 0)
}

// noise chooses the noise levels by techniques 1 and 2 of Song & Ermon (2020), and the step size of annealed Langevin
// dynamics by technique 4, for samples x of dim numbers.
func noise(x []float32, dim int, last float64, steps int) (training.Noise, float64, error) {
	const (
		overlap   = 0.567
		least     = 5    // below 5 dimensions levels overlap at any ratio
		mostRatio = 1.25 // known values need more levels: with a ratio of 4, imputed values of iris were a third worse
		mostRows  = 10000
		mostLevel = 500
	)
	first, err := sampling.MaxDistance(x, dim, mostRows, seed)
	if err != nil {
		return training.Noise{}, 0, err
	}
	if first <= 2*last {
		return training.Noise{}, 0, errors.New("all its rows are nearly equal: want rows that differ")
	}
	ratio, err := sampling.LevelRatio(max(dim, least), overlap)
	if err != nil {
		return training.Noise{}, 0, err
	}
	count, err := sampling.LevelCount(first, last, min(ratio, mostRatio))
	if err != nil {
		return training.Noise{}, 0, err
	}
	n := training.Noise{First: short(first), Last: last, Levels: min(mostLevel, max(2, int(math.Round(count))))}
	ratio = math.Pow(n.First/n.Last, 1/float64(n.Levels-1))
	stepLR, err := sampling.BestStepLR(n.Last, ratio, steps)
	return n, short(stepLR), err
}

// short rounds a number to three digits, for people to read.
func short(v float64) float64 {
	text := strconv.FormatFloat(v, 'g', 3, 64)
	if rounded, err := strconv.ParseFloat(text, 64); err == nil {
		return rounded
	}
	return v
}

// adam returns the settings of the optimizer that all proposals share. The mean of the weights forgets the first ones:
// a short training has a shorter mean.
func adam(rate float64, iterations int) optimizer.Config {
	const longest, times = 0.999, 3 // how often the length of the mean must fit into the training
	return optimizer.Config{
		LearningRate: rate, Warmup: min(500, iterations/10), Decay: optimizer.DecayCosine,
		Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, EMA: short(min(longest, 1-times/float64(iterations))),
	}
}
