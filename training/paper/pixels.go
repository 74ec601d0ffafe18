package paper

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"

	"github.com/langevin-ml/langevin/training/figure"
)

// SlicedTraining is a training on images by sliced score matching.
type SlicedTraining struct {
	Name    string
	Noise   float64   // standard deviation of the noise on the pixels; 0: none
	History []float64 // training losses, each the mean of Every iterations; at least two
	Every   int
}

const fromFigure1 = "NCSN 2019, figure 1"

// PixelNoiseSection is figure 1 of the 2019 paper: the loss on unchanged images, which has no minimum if pixels depend
// on each other, and the loss with a little noise on every pixel. note says how the trainings differ from the paper's.
func PixelNoiseSection(clean, noisy SlicedTraining, note string) Section {
	s := pixelNoise()
	s.Note = note
	s.Findings = append(clean.findings(0.25, 10, 0.7, 1), noisy.findings(0, 0.12, 0, 0.4)...)
	s.Pictures = []Picture{
		clean.picture("figure-1-left.png", "The loss on images as they are."),
		noisy.picture("figure-1-right.png",
			fmt.Sprintf("The loss on images with noise of standard deviation %g on every pixel.", noisy.Noise)),
	}
	return s
}

// findings measures how much the loss fluctuates over the last half: from one mean to the next, and at most.
func (t SlicedTraining) findings(leastChange, mostChange, leastLost, mostLost float64) []Finding {
	half := len(t.History) / 2
	change, lost, best := 0., 0., math.Inf(1)
	for i, loss := range t.History {
		best = min(best, loss)
		if i < half {
			continue
		}
		change += math.Abs(loss-t.History[i-1]) / float64(len(t.History)-half)
		lost = max(lost, min(1-loss/best, 1))
	}
	scale := math.Abs(stat.Mean(t.History[half:], nil))
	return []Finding{
		Between(t.Name, fmt.Sprintf("mean change of the loss in %d iterations, over its mean", t.Every), change/scale,
			leastChange, mostChange, fromFigure1),
		Between(t.Name, "largest part of the best loss so far that is lost again",
			lost, leastLost, mostLost, fromFigure1),
	}
}

func (t SlicedTraining) picture(file, caption string) Picture {
	plot := figure.LossPlot{Title: t.Name, Every: t.Every, Window: 1,
		Curves: []figure.LossCurve{{Sigma: t.Noise, Loss: t.History}}}
	return NewPicture(file, caption, plot.PNG)
}
