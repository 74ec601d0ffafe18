package paper

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// Unconditional is a network trained on the points of a mixture at one noise level, or without noise.
type Unconditional struct {
	Name    string
	Mixture sampling.Mixture
	Model   sampling.Model
	Sigma   float64   // of the training, at which the model is evaluated
	History []float64 // training losses, each the mean of Every iterations
	Every   int
	Loss    float64 // of the trained network on new points
	Least   float64 // of the exact score
}

// Conditional is a noise-conditional network of a mixture's points.
type Conditional struct {
	Name     string
	Mixture  sampling.Mixture
	Model    sampling.Model
	Schedule sampling.Schedule
}

const (
	fromFigure2 = "NCSN 2019, figure 2"
	fromLeast   = "loss of the exact score"
)

// SlicedSection is figure 2 of the 2019 paper: a network trained by sliced score matching on points without noise.
func SlicedSection(ctx context.Context, u Unconditional) (Section, error) {
	s := sliced()
	const small = 1e-3 // a sigma that the network treats as no noise
	found, err := eval.ScoreError(ctx, u.Model, u.Mixture, small, 10_000, 1, -bound, bound)
	if err != nil {
		return s, fmt.Errorf("figure 2: %w", err)
	}
	s.Findings = []Finding{
		Between(u.Name, "training loss, mean of the last 1,000 iterations", u.lastLosses(), -1.05, -0.90, fromFigure2),
		Near(u.Name, "loss on fresh points", u.Loss, u.Least, 0.03, fromLeast),
		Between(u.Name, "squared error of the score where the data are, over the error of no score",
			found.Relative, 0, 0.1, fromFigure2),
		Between(u.Name, "squared error where the data are, over the error all over the square",
			found.Data/found.Grid, 0, 0.1, fromFigure2),
	}
	fields, err := fieldsOf(ctx, u)
	if err != nil {
		return s, err
	}
	s.Pictures = []Picture{
		NewPicture("figure-2.png", "The exact score and the network's, over the density.", fields.PNG).Broad(),
		NewPicture("figure-2-loss.png", "The loss during the training; dashed: the loss of the exact score.",
			lossPlot(u).PNG),
	}
	return s, nil
}

// lastLosses returns the mean training loss of the last 1,000 iterations.
func (u Unconditional) lastLosses() float64 {
	last := u.History[max(0, len(u.History)-max(1, 1000/u.Every)):]
	return stat.Mean(last, nil)
}

func lossPlot(u Unconditional) figure.LossPlot {
	return figure.LossPlot{
		Title: u.Name + ": loss", Every: u.Every, Window: 1, LogX: true,
		Curves: []figure.LossCurve{{Sigma: u.Sigma, Loss: u.History, Minimum: u.Least}},
	}
}

// fieldsOf returns a figure of the exact score and the network's.
func fieldsOf(ctx context.Context, u Unconditional) (figure.Figure, error) {
	f := figure.Figure{Bounds: figure.Range{Low: -bound, High: bound}, Columns: 2}
	for _, m := range []struct {
		title string
		model sampling.Model
	}{{"exact score", u.Mixture.Annealed()}, {"the network's", u.Model}} {
		field, err := figure.ScoreField(ctx, m.model, u.Sigma, f.Bounds)
		if err != nil {
			return f, fmt.Errorf("%s: %w", u.Name, err)
		}
		f.Panels = append(f.Panels, figure.Panel{Title: m.title,
			Layers: []figure.Layer{figure.Backdrop(figure.MixtureDensity(u.Mixture, 0)), field}})
	}
	return f, nil
}

// SingleLevelSection is denoising score matching at one level: networks for modes of std 1, trained at sigma 1.
func SingleLevelSection(networks []Unconditional) Section {
	s := singleLevel()
	for _, u := range networks {
		s.Findings = append(s.Findings,
			Near(u.Name, "loss on fresh points", u.Loss, u.Least, 0.03, fromLeast),
			Near(u.Name, "training loss, mean of the last 1,000 iterations", u.lastLosses(), u.Least, 0.03, fromLeast))
		s.Pictures = append(s.Pictures, NewPicture("denoising-"+u.Name+".png",
			u.Name+": the loss during the training; dashed: the loss of the exact score.", lossPlot(u).PNG))
	}
	return s
}

// These are the least losses of denoising score matching at ten levels, for modes of std 1, computed with exact scores.
var (
	leastSigmas      = []float64{20, 14.73, 10.85, 7.52, 5.54, 3.84, 2.83, 1.96, 1.44, 1}
	leastTwoGaussian = []float64{0.037, 0.067, 0.110, 0.170, 0.202, 0.192, 0.166, 0.213, 0.327, 0.499}
	leastRing        = []float64{0.035, 0.057, 0.101, 0.193, 0.306, 0.462, 0.572, 0.646, 0.687, 0.744}
)

// ConditionalSection compares noise-conditional networks of two Gaussians and of the ring with the least losses. It
// samples them by annealed Langevin dynamics, as in figure 3, and draws their scores.
func ConditionalSection(ctx context.Context, twoGaussians, ring Conditional, o Options) (Section, error) {
	s := conditional()
	for _, c := range []struct {
		Conditional
		least  []float64
		within func(found outcome) []Finding
	}{{twoGaussians, leastTwoGaussian, twoGaussianShares}, {ring, leastRing, ringShares}} {
		losses, err := levelFindings(ctx, c.Conditional, c.least, o.Seed)
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.Name, err)
		}
		found, err := c.draw(ctx, o)
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.Name, err)
		}
		s.Findings = append(append(s.Findings, losses...), c.within(found)...)
		pictures, err := c.pictures(ctx, found.samples.Slice(0, min(o.Shown, found.samples.Len())), o.Seed)
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.Name, err)
		}
		s.Pictures = append(s.Pictures, pictures...)
	}
	slices.SortStableFunc(s.Pictures,
		func(a, b Picture) int { return -cmp.Compare(path.Ext(a.File), path.Ext(b.File)) }) // .png, .gif
	return s, nil
}

// levelFindings compares the loss of each level with the least one. It computes the excess as half the squared error of
// the network, because the noise adds the same to both losses.
func levelFindings(ctx context.Context, c Conditional, least []float64, seed uint64) ([]Finding, error) {
	var all []Finding
	for i, sigma := range leastSigmas {
		r, err := eval.ScoreError(ctx, c.Model, c.Mixture, sigma, 10_000, seed, 0, 0)
		if err != nil {
			return nil, err
		}
		loss := least[i] + r.Data*float64(c.Mixture.Dim())/2
		all = append(all, Near(c.Name, fmt.Sprintf("loss at sigma %g", sigma), loss, least[i], 0.1*least[i], fromLeast))
	}
	return all, nil
}

// networkChains is the number of chains that a network draws. Each takes 5,000 evaluations.
const networkChains = 2000

// draw samples as in figure 3, from sigma 20 to 1, with the network's fifty levels.
func (c Conditional) draw(ctx context.Context, o Options) (outcome, error) {
	r := run{name: c.Name + ", annealed by the network",
		mixture: c.Mixture, plan: annealed(geometric(20, 1, 50), 100, 0.1, false)}
	return r.sampleBy(ctx, c.Model, min(o.Chains, networkChains), o.Seed)
}

func twoGaussianShares(o outcome) []Finding {
	return []Finding{
		Between(o.name, "weight of mode (5, 5)", o.weights[0], 0.75, 0.82, fromFigure3),
		Near(o.name, "variance about the nearest mean", o.variance, 2.03, 0.2, fromExact),
	}
}

func ringShares(o outcome) []Finding {
	low, high := math.Inf(1), 0.
	for _, w := range o.weights {
		low, high = min(low, w), max(high, w)
	}
	return []Finding{
		Between(o.name, "smallest weight of a mode", low, 0.10, 0.125, fromExact),
		Between(o.name, "largest weight of a mode", high, 0.125, 0.15, fromExact),
		Between(o.name, "share inside the ring, radius below 2", o.hole, 0, 0.03, fromExact),
	}
}

// pictures draws the data and the samples, and the network's and the exact scores at both ends of the noise schedule.
func (c Conditional) pictures(ctx context.Context, samples eval.Rows, seed uint64) ([]Picture, error) {
	f := figure.Figure{Bounds: figure.Range{Low: -bound, High: bound}, Columns: 3}
	for _, row := range []struct {
		title string
		x     []float32
		sigma float64
	}{{"data", eval.Draw(c.Mixture, samples.Len(), seed).X, 20}, {"annealed Langevin, network", samples.X, 1}} {
		dots, err := figure.Samples(row.x)
		if err != nil {
			return nil, err
		}
		f.Panels = append(f.Panels, figure.Panel{Title: row.title, Layers: []figure.Layer{dots}})
		for _, m := range []struct {
			of    string
			model sampling.Model
		}{{"exact score", c.Mixture}, {"network", c.Model}} {
			field, err := figure.ScoreField(ctx, m.model, row.sigma, f.Bounds)
			if err != nil {
				return nil, err
			}
			f.Panels = append(f.Panels, figure.Panel{Title: fmt.Sprintf("%s, sigma %g", m.of, row.sigma),
				Layers: []figure.Layer{figure.Backdrop(figure.MixtureDensity(c.Mixture, row.sigma)), field}})
		}
	}
	strip := figure.Annealed{Bounds: f.Bounds, Schedule: c.Schedule, Model: c.Model, Exact: c.Mixture,
		Density: func(sigma, x, y float64) float64 { return figure.MixtureDensity(c.Mixture, sigma)(x, y) }}
	return []Picture{
		NewPicture("conditional-"+c.Name+".png",
			fmt.Sprintf("%s: %d samples, and scores at the ends of the ladder.", c.Name, samples.Len()), f.PNG).Broad(),
		NewPicture("conditional-"+c.Name+".gif",
			c.Name+": the score from the largest sigma to the smallest, exact at the left.",
			func(w io.Writer) error { return strip.Animate(ctx, w, figure.Timing{}) }),
	}, nil
}
