package figure

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// drift returns chains that move in straight lines.
func drift(frames int, from, to []float32) []Frame {
	out := make([]Frame, frames)
	for i := range out {
		t := float32(i) / float32(frames-1)
		x := make([]float32, len(from))
		for k := range x {
			x[k] = from[k] + t*(to[k]-from[k])
		}
		out[i] = Frame{X: x, Step: 10 * i, Level: i, Sigma: math.Pow(0.5, float64(i))}
	}
	return out
}

func TestChainsMoveAcrossTheFrames(t *testing.T) {
	frames := drift(9, []float32{-6, -6, 6, -6}, []float32{5, 5, -5, 5})
	draw := func(w io.Writer) error { return Chains(w, []int{2}, plane, frames, ChainOptions{}) }
	g, seen := gifOf(t, draw)
	if want := []int{8, 8, 8, 8, 8, 8, 8, 8, 200}; !slices.Equal(g.Delay, want) || g.LoopCount != 0 {
		t.Errorf("delays %v, loop count %d: want %v, for ever", g.Delay, g.LoopCount, want)
	}
	for i, f := range frames {
		for k := range 2 {
			x, y := one().place(0, float64(f.X[2*k]), float64(f.X[2*k+1]))
			want := colourByEnd(plane, frames[8].X)[k].bytes()
			for c, v := range colourAt(seen[i], x/2, y/2).bytes() {
				if math.Abs(float64(v)-float64(want[c])) > 40 {
					t.Errorf("frame %d, chain %d: colour %06x, want near %x",
						i, k, uint32(colourAt(seen[i], x/2, y/2)), want)
					break
				}
			}
		}
	}
	if !bytes.Equal(bytesOf(t, draw), bytesOf(t, draw)) {
		t.Error("two runs give different bytes")
	}
}

func TestTrailsFade(t *testing.T) {
	frames := drift(20, []float32{-6, 0}, []float32{6, 0})
	darkAt := func(o ChainOptions, x float64) float64 {
		_, seen := gifOf(t, func(w io.Writer) error { return Chains(w, []int{2}, plane, frames, o) })
		i, j := one().place(0, x, 0)
		return darkness(colourAt(seen[19], i/2, j/2))
	}
	last, before := float64(frames[18].X[0]+frames[19].X[0])/2, float64(frames[16].X[0]+frames[17].X[0])/2
	if a, b := darkAt(ChainOptions{}, last), darkAt(ChainOptions{}, before); a <= b || b == 0 {
		t.Errorf("trail's darkness %.3f near, %.3f further back: want falling, above 0", a, b)
	}
	if d := darkAt(ChainOptions{Trail: -1}, before); d != 0 {
		t.Errorf("darkness %.3f with no trail", d)
	}
}

func TestZoomClosesInOnTheSquare(t *testing.T) {
	var frames []Frame
	for i := range 30 {
		x := make([]float32, 200)
		for k := range x {
			x[k] = float32(40*math.Pow(0.88, float64(i))) * float32(k-100) / 100
		}
		frames = append(frames, Frame{X: x})
	}
	frames[3].X[7] = float32(math.NaN())
	views := zoom(plane, frames)
	if views[29] != plane {
		t.Errorf("last view %v, want %v", views[29], plane)
	}
	for i, v := range views {
		if math.Abs(v.Low+v.High) > 1e-9 {
			t.Errorf("view %d is %v: want centred", i, v)
		}
		if out := outside(v, frames[i].X); out > 20 && i < 15 {
			t.Errorf("view %d leaves out %d of 100 points", i, out)
		}
		if i > 0 && v.High > views[i-1].High+1e-9 {
			t.Errorf("view %d is %v, wider than the one before, %v", i, v, views[i-1])
		}
	}
}

func TestColourTellsWhereAChainEnds(t *testing.T) {
	c := colourByEnd(plane, []float32{5, 5, 6, 6, -5, -5, float32(math.NaN()), 1})
	if c[0] != c[1] || c[0] == c[2] || c[3] != caption {
		t.Errorf("colours %x: want the same for one direction, another for the opposite, grey for none", c)
	}
}

func TestImagesStandInAGrid(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{
		0, 1, 0.5, 0.25, // left top, right top, left below, right below
		-3, 7, 0, 0,
		1, 1, 1, nan,
	}
	img := pngOf(t, func(w io.Writer) error { return Still(w, []int{1, 2, 2}, Range{0, 1}, x, "grey") })
	left, top, zoom := 24, int(2*(titleRow+2)), 640/4
	for _, tt := range []struct {
		image, pixel int
		want         rgb
	}{
		{0, 0, 0}, {0, 1, white}, {0, 2, 0x808080}, {0, 3, 0x404040},
		{1, 0, 0}, {1, 1, white}, {2, 0, white}, {2, 3, warning},
	} {
		x := left + tt.image%2*(2*zoom+2) + tt.pixel%2*zoom
		y := top + tt.image/2*(2*zoom+2) + tt.pixel/2*zoom
		for _, d := range []int{0, zoom - 1} {
			if got := colourAt(img, x+d, y+d); got != tt.want {
				t.Errorf("image %d, pixel %d at (%d, %d) is %06x, want %06x",
					tt.image, tt.pixel, x+d, y+d, uint32(got), uint32(tt.want))
			}
		}
	}
	for d := range 2 {
		if got := colourAt(img, left+2*zoom+d, top+5); got != white {
			t.Errorf("gap is %06x, want white", uint32(got))
		}
	}
}

func TestColourPlanes(t *testing.T) {
	g := imageGrid{shape: []int{3, 1, 2}, values: Range{-1, 1}}
	x := []float32{1, -1, 0, 1, -1, -1} // red plane, green plane, blue plane
	for i, want := range []rgb{0xff8000, 0x00ff00} {
		if got, ok := g.pixel(x, i); got != want || !ok {
			t.Errorf("pixel %d is %06x, want %06x", i, uint32(got), uint32(want))
		}
	}
}

func TestImageChains(t *testing.T) {
	var frames []Frame
	for i := range 4 {
		frames = append(frames, Frame{X: slices.Repeat([]float32{float32(i) / 3}, 9*5*4), Level: i, Sigma: 1})
	}
	g, seen := gifOf(t, func(w io.Writer) error {
		return Chains(w, []int{1, 5, 4}, Range{0, 1}, frames, ChainOptions{Timing: Timing{Delay: time.Second}})
	})
	if want := []int{100, 100, 100, 200}; !slices.Equal(g.Delay, want) {
		t.Errorf("delays %v, want %v", g.Delay, want)
	}
	for i, want := range []rgb{0, 0x555555, 0xaaaaaa, white} {
		if got := colourAt(seen[i], g.Config.Width/2, g.Config.Height/2); got != want {
			t.Errorf("frame %d is %06x, want %06x", i, uint32(got), uint32(want))
		}
	}
}

func TestStillIsDeterministic(t *testing.T) {
	x := make([]float32, 4000)
	for i := range x {
		x[i] = float32(math.Mod(float64(i)*7.13, 16) - 8)
	}
	draw := func(w io.Writer) error { return Still(w, []int{2}, plane, x, "points") }
	if !bytes.Equal(bytesOf(t, draw), bytesOf(t, draw)) {
		t.Error("two runs give different bytes")
	}
}

// TestImageRows: the height of the picture is the given number of images.
func TestImageRows(t *testing.T) {
	draw := func(rows int) image.Point {
		text := bytesOf(t, func(w io.Writer) error {
			return ImageRows(w, []int{1, 4, 4}, Range{0, 1}, make([]float32, 12*16), rows, "")
		})
		img, err := png.Decode(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return img.Bounds().Size()
	}
	if wide, high := draw(1), draw(12); wide.X < 4*wide.Y || high.Y < 4*high.X {
		t.Errorf("1 row of 12 is %v, 12 rows of 1 are %v", wide, high)
	}
	if err := ImageRows(io.Discard, []int{1, 4, 4}, Range{0, 1}, make([]float32, 12*16), 5, ""); err == nil {
		t.Error("12 images in 5 rows are drawn")
	}
	if err := ImageRows(io.Discard, []int{2}, Range{0, 1}, make([]float32, 12), 2, ""); err == nil {
		t.Error("points are drawn as images")
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	unit := Range{0, 1}
	for _, tt := range []struct {
		shape []int
		r     Range
		n     int
		want  string
	}{
		{[]int{4}, unit, 4, "shape [4] cannot be drawn: want [2] (points), [1,H,W] or [3,H,W] (images)"},
		{nil, unit, 4, "shape [] cannot be drawn"},
		{[]int{2, 28, 28}, unit, 2 * 784, "shape [2,28,28] cannot be drawn"},
		{[]int{1, 0, 28}, unit, 4, "shape [1,0,28] cannot be drawn"},
		{[]int{2}, unit, 0, "shape [2]: 0 numbers"},
		{[]int{2}, unit, 5, "5 numbers: want 2 for each sample"},
		{[]int{1, 28, 28}, unit, 785, "785 numbers: want 784 for each sample"},
		{[]int{2}, Range{1, 1}, 4, "range from 1 to 1"},
		{[]int{2}, Range{math.NaN(), 1}, 4, "range from NaN to 1"},
		{[]int{1, 1, 1}, unit, 8_000_000, "want at most"},
	} {
		x := make([]float32, tt.n)
		still := Still(io.Discard, tt.shape, tt.r, x, "")
		chains := Chains(io.Discard, tt.shape, tt.r, []Frame{{X: x}}, ChainOptions{})
		for _, err := range []error{still, chains} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("shape %v, %d numbers: error %v, want one that says %q", tt.shape, tt.n, err, tt.want)
			}
		}
	}
	if err := Chains(io.Discard, []int{2}, plane, nil, ChainOptions{}); err == nil ||
		!strings.Contains(err.Error(), "no frames") {
		t.Errorf("no frames: error %v", err)
	}
	uneven := []Frame{{X: make([]float32, 4)}, {X: make([]float32, 6)}}
	if err := Chains(io.Discard, []int{2}, plane, uneven, ChainOptions{}); err == nil ||
		!strings.Contains(err.Error(), "frame 1 has 6") {
		t.Errorf("uneven frames: error %v", err)
	}
}

func ExampleStill() {
	err := Still(io.Discard, []int{4}, Range{-1, 1}, make([]float32, 8), "")
	fmt.Println(err)
	// Output: samples of shape [4] cannot be drawn: want [2] (points), [1,H,W] or [3,H,W] (images)
}
