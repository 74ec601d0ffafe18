package figure

import (
	"bytes"
	"image"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestMovingAverageOfFiniteValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := []float64{4, nan, 2, inf, 6, 1, nan, nan, nan, 5}
	for window := 1; window <= 12; window++ {
		for i, got := range movingAverage(x, window) {
			var sum, n float64
			for j := max(0, i-window+1); j <= i; j++ {
				if finite(x[j]) {
					sum, n = sum+x[j], n+1
				}
			}
			if want := sum / n; math.Abs(got-want) > 1e-12 || math.IsNaN(got) != math.IsNaN(want) {
				t.Errorf("window %d: mean %d is %g, want %g", window, i, got, want)
			}
		}
	}
	long := movingAverage(slices.Repeat([]float64{3}, 200), 100)
	if !math.IsNaN(long[8]) || long[9] != 3 {
		t.Errorf("means %g and %g of 9 and 10 values of 100: want none, then 3", long[8], long[9])
	}
}

// falling returns a loss that falls from 1 to end.
func falling(end float64, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = end + (1-end)*math.Exp(-float64(i)/50)
	}
	return x
}

func TestLossCurvesEndAtTheirMinima(t *testing.T) {
	p := LossPlot{Title: "loss", Curves: []LossCurve{
		{Sigma: 20, Loss: falling(0.04, 2000), Minimum: 0.04},
		{Sigma: 1, Loss: falling(0.5, 2000), Minimum: 0.5},
	}}
	for _, p.LogX = range []bool{false, true} {
		img, err := p.render()
		if err != nil {
			t.Fatal(err)
		}
		curves, err := LossPlot{Curves: p.Curves, LogX: p.LogX, Every: 1, Window: 100}.smooth()
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.axes(&canvas{scale: 2}, curves)
		if err != nil {
			t.Fatal(err)
		}
		for k, c := range curves {
			q := a.at(1900, p.Curves[k].Minimum)
			if got := colourAt(img, floor(2*q.x), floor(2*q.y)); got != c.colour {
				t.Errorf("log %v: the curve of sigma %g is not at its minimum near the end: %06x",
					p.LogX, c.Sigma, uint32(got))
			}
			dashes := dashesAt(img, a, p.Curves[k].Minimum)
			if dashes < 3 {
				t.Errorf("log %v: %d dashes at the minimum of sigma %g", p.LogX, dashes, c.Sigma)
			}
		}
	}
	if !bytes.Equal(bytesOf(t, p.PNG), bytesOf(t, p.PNG)) {
		t.Error("two runs give different bytes")
	}
}

// dashesAt counts the dashes on the row of a loss.
func dashesAt(img *image.RGBA, a *plotAxes, loss float64) int {
	n, inked := 0, false
	y := floor(2 * a.at(1, loss).y)
	for x := int(2*a.box.x) + 4; x < int(2*(a.box.x+a.box.w)); x++ {
		now := darkness(colourAt(img, x, y)) > 0.2
		if now && !inked {
			n++
		}
		inked = now
	}
	return n
}

func TestLossPlotShowsTenOfManyLevels(t *testing.T) {
	p := LossPlot{Window: 10, Every: 1}
	for k := range 50 {
		p.Curves = append(p.Curves, LossCurve{Sigma: float64(50 - k), Loss: falling(0.5, 100)})
	}
	curves, err := p.smooth()
	if err != nil || len(curves) != 10 || curves[0].Sigma != 50 || curves[9].Sigma != 1 {
		t.Errorf("%d curves (%v), want 10 from first to last", len(curves), err)
	}
	if _, err := p.render(); err != nil {
		t.Error(err)
	}
}

func TestNegativeLossesHaveALinearAxis(t *testing.T) {
	p := LossPlot{Curves: []LossCurve{{Sigma: 1, Loss: []float64{1, 0, -0.998}, Minimum: -0.998}}, Window: 1}
	curves, err := p.smooth()
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.axes(&canvas{scale: 1}, curves)
	if err != nil || a.y.log {
		t.Errorf("log axis %v (%v)", a.y.log, err)
	}
	single := LossPlot{Curves: []LossCurve{{Sigma: 1, Loss: []float64{0.5}}}}
	for _, p := range []LossPlot{p, single} {
		if _, err := p.render(); err != nil {
			t.Error(err)
		}
	}
}

func TestLabelsAreSpacedOut(t *testing.T) {
	for _, places := range [][]float64{
		{10}, {50, 50, 50}, {0, 0, 0, 0, 0}, {100, 99, 98, 97}, {5, 80, 6, 81, 7}, {40, 40, 60, 60, 61, 20, 21},
	} {
		got := spaceOut(places, 14, 0, 100)
		for i := range got {
			if got[i] < -0.1 || got[i] > 100.1 {
				t.Errorf("spaceOut(%v) is %v: want between 0 and 100", places, got)
			}
			for j := range i {
				if math.Abs(got[i]-got[j]) < 13.5 || (places[i]-places[j])*(got[i]-got[j]) < 0 {
					t.Errorf("spaceOut(%v) is %v: %d and %d are too close or swapped", places, got, j, i)
				}
			}
		}
	}
}

func TestBadLossPlots(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		plot LossPlot
		want string
	}{
		{LossPlot{}, "no curves"},
		{LossPlot{Curves: []LossCurve{{Sigma: 3}}}, "sigma 3: none of 0 values"},
		{LossPlot{Curves: []LossCurve{{Sigma: 3, Loss: []float64{nan, nan}}}}, "sigma 3: none of 2 values"},
		{LossPlot{Curves: []LossCurve{{Sigma: 3, Loss: []float64{1}, Minimum: nan}}}, "exact minima"},
		{LossPlot{Curves: []LossCurve{{Sigma: 3, Loss: []float64{1}}}, Window: -2}, "window -2"},
	} {
		if err := tt.plot.PNG(io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want one that says %q", err, tt.want)
		}
	}
}
