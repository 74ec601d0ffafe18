package figure

import (
	"cmp"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"time"
)

// Frame has the states of all chains after some step.
type Frame struct {
	X     []float32 // one row per chain
	Step  int       // number of steps done; 0 for the initial states
	Level int       // of the noise schedule; 0 is the largest sigma
	Sigma float64
}

// ChainOptions has options of [Chains]. The zero value means all defaults.
type ChainOptions struct {
	Timing      // 80 ms per frame and 2 s for the last one if zero
	Trail  int  // number of frames in a point's trail; 4 if zero, no trail if negative
	Zoom   bool // start wide enough to show almost all points, and close in on the square; false keeps the axes
}

func (o ChainOptions) withDefaults() ChainOptions {
	o.Delay = cmp.Or(o.Delay, 80*time.Millisecond)
	o.Hold = cmp.Or(o.Hold, 2*time.Second)
	o.Trail = cmp.Or(o.Trail, 4)
	return o
}

// Chains writes the path of chains from noise to data as a GIF, with one frame for each of frames; shape and r are as
// in [Still]. All frames have the same chains in the same order. The colour of a point depends on where its chain ends,
// so that the path of each chain is visible. The number of points outside the square is written above it. Steps that
// are long for the picture leave no trail, because a straight line would not show the chain's path.
func Chains(w io.Writer, shape []int, r Range, frames []Frame, o ChainOptions) error {
	if len(frames) == 0 {
		return fmt.Errorf("chains: no frames: want at least one")
	}
	o = o.withDefaults()
	kind, err := drawable(shape, r, frames[0].X)
	if err != nil {
		return err
	}
	for i, f := range frames {
		if len(f.X) != len(frames[0].X) {
			return fmt.Errorf("chains: frame %d has %d numbers, frame 0 has %d: want equal",
				i, len(f.X), len(frames[0].X))
		}
	}
	if kind == images {
		return imageChains(w, imageGrid{shape: shape, values: r, scale: 1, side: 480}, frames, o)
	}
	return pointChains(w, r, frames, o)
}

func imageChains(w io.Writer, g imageGrid, frames []Frame, o ChainOptions) error {
	levels := countLevels(frames)
	return animate(w, len(frames), o.Timing, func(i int) (*image.RGBA, error) {
		return g.render(frames[i].X, frames[i].title(levels), fmt.Sprintf("step %d", frames[i].Step))
	})
}

func pointChains(w io.Writer, r Range, frames []Frame, o ChainOptions) error {
	levels, colours := countLevels(frames), colourByEnd(r, frames[len(frames)-1].X)
	views := slices.Repeat([]Range{r}, len(frames))
	if o.Zoom {
		views = zoom(r, frames)
	}
	return animate(w, len(frames), o.Timing, func(i int) (*image.RGBA, error) {
		f := frames[i]
		note := fmt.Sprintf("step %d", f.Step)
		if out := outside(views[i], f.X); out > 0 && !o.Zoom {
			note = fmt.Sprintf("%d outside, %s", out, note)
		}
		layers := []Layer{&square{r}, &swarm{frames[max(0, i-max(0, o.Trail)) : i+1], colours}}
		return Figure{Bounds: views[i], Panels: []Panel{{Title: f.title(levels), Note: note, Layers: layers}}}.render(1)
	})
}

func countLevels(frames []Frame) int {
	levels := 0
	for _, f := range frames {
		levels = max(levels, f.Level+1)
	}
	return levels
}

func (f Frame) title(levels int) string {
	if levels == 1 {
		return sigmaText(f.Sigma)
	}
	return fmt.Sprintf("%s, level %d of %d", sigmaText(f.Sigma), f.Level+1, levels)
}

// zoom returns a view for each frame with the centre of r. It is wide enough for 98 % of the coordinates of this frame
// and all later ones, and smoothed over neighbouring frames. The last view is r.
func zoom(r Range, frames []Frame) []Range {
	const reach = 4 // number of frames on either side for the mean
	centre, half := (r.Low+r.High)/2, make([]float64, len(frames))
	last := len(frames) - 1
	half[last] = (r.High - r.Low) / 2
	for i := last - 1; i >= 0; i-- {
		half[i] = max(half[i+1], farCoordinate(frames[i].X, centre))
	}
	views := make([]Range, len(frames))
	for i := range views {
		k := min(reach, i, last-i)
		var sum float64
		for _, h := range half[i-k : i+k+1] {
			sum += math.Log(h)
		}
		h := math.Exp(sum / float64(2*k+1))
		views[i] = Range{centre - h, centre + h}
	}
	views[last] = r
	return views
}

// farCoordinate returns the 98th percentile of the distance of x's finite elements from centre.
func farCoordinate(x []float32, centre float64) float64 {
	var d []float64
	for _, v := range x {
		if finite(float64(v)) {
			d = append(d, math.Abs(float64(v)-centre))
		}
	}
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)*98/100]
}
