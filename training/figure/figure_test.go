package figure

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/draw"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

var plane = Range{-8, 8}

// bytesOf returns what draw writes.
func bytesOf(t *testing.T, draw func(io.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := draw(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pngOf decodes the PNG that write writes.
func pngOf(t *testing.T, write func(io.Writer) error) *image.RGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(bytesOf(t, write)))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, out.Rect.Min, draw.Src)
	return out
}

// drawn returns the picture in f's PNG.
func drawn(t *testing.T, f Figure) *image.RGBA {
	t.Helper()
	img, err := f.render(2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func colourAt(img *image.RGBA, x, y int) rgb {
	p := img.Pix[img.PixOffset(x, y):]
	return rgb(p[0])<<16 | rgb(p[1])<<8 | rgb(p[2])
}

// darkness is 0 for white and 1 for black.
func darkness(c rgb) float64 {
	b := c.bytes()
	return 1 - (float64(b[0])+float64(b[1])+float64(b[2]))/(3*255)
}

// place returns the pixel of (x, y) in a panel of f as PNG draws it.
func (f Figure) place(panel int, x, y float64) (int, int) {
	a := axes{box: f.box(panel), bounds: f.Bounds}
	p := a.at(x, y)
	return floor(2 * p.x), floor(2 * p.y)
}

func count(img *image.RGBA, want rgb) int {
	n, r := 0, img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if colourAt(img, x, y) == want {
				n++
			}
		}
	}
	return n
}

func one(layers ...Layer) Figure {
	return Figure{Bounds: plane, Panels: []Panel{{Title: "title", Layers: layers}}}
}

func samplesLayer(t *testing.T, x ...float32) Layer {
	t.Helper()
	l, err := Samples(x)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDensityIsDarkWhereItIsLarge(t *testing.T) {
	f := one(Density(func(x, y float64) float64 { return math.Exp(-((x-5)*(x-5) + (y-5)*(y-5)) / 2) }))
	img := drawn(t, f)
	for _, tt := range []struct{ x, y, share float64 }{
		{5, 5, 1}, {5, 4, math.Exp(-0.5)}, {3, 5, math.Exp(-2)}, {-5, -5, 0}, {5, -5, 0},
	} {
		x, y := f.place(0, tt.x, tt.y)
		got, want := darkness(colourAt(img, x, y)), darkness(ember(1, 0.15).at(tt.share))
		if math.Abs(got-want) > 0.02 {
			t.Errorf("darkness at (%g, %g) is %.3f, want %.3f", tt.x, tt.y, got, want)
		}
	}
}

func TestLogDensityAndBackdropScales(t *testing.T) {
	linear := func(x, _ float64) float64 { return x }
	for _, tt := range []struct {
		name       string
		layer      Layer
		x          float64
		share, max float64
	}{
		{"log, 4 of 10 below the top", LogDensity(linear, 10), 4, 0.6, 1},
		{"log, below the floor", LogDensity(linear, 10), -6, 0, 1},
		{"backdrop, from the least", Backdrop(func(x, _ float64) float64 { return 24 + x }), 0, 8.0 / 32, 0.4},
	} {
		f := one(tt.layer)
		x, y := f.place(0, tt.x, 0)
		got, want := darkness(colourAt(drawn(t, f), x, y)), darkness(tt.layer.(*heat).colours.at(tt.share))
		if math.Abs(got-want) > 0.02 {
			t.Errorf("%s: darkness %.3f, want %.3f", tt.name, got, want)
		}
	}
}

func TestEmptyDensityIsWhite(t *testing.T) {
	for name, l := range map[string]Layer{
		"zero":          Density(func(_, _ float64) float64 { return 0 }),
		"log zero":      LogDensity(func(_, _ float64) float64 { return math.Inf(-1) }, 10),
		"flat backdrop": Backdrop(func(_, _ float64) float64 { return 3 }),
	} {
		f := one(l)
		if x, y := f.place(0, 1, 1); colourAt(drawn(t, f), x, y) != white {
			t.Errorf("%s is not white", name)
		}
	}
}

func TestSamplesDarkenTheirPlaces(t *testing.T) {
	f := one(samplesLayer(t, 5, 5, 5, 5, -5, 0))
	img := drawn(t, f)
	at := func(x, y float64) float64 {
		i, j := f.place(0, x, y)
		return darkness(colourAt(img, i, j))
	}
	if once, twice := at(-5, 0), at(5, 5); once < 0.3 || twice <= once {
		t.Errorf("darkness %.2f under one dot and %.2f under two: want clear and rising", once, twice)
	}
	if d := at(0, 0); d != 0 {
		t.Errorf("darkness %.2f where no dot is", d)
	}
}

func TestManyDotsAddUpWithoutRounding(t *testing.T) {
	c, err := newCanvas(20, 20, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := c.newFilm()
	for range 300 {
		f.dot(point{10.5, 10.5}, 2, 0.001)
	}
	f.develop(0)
	want := 1 - math.Pow(0.999, 300)
	if got := darkness(colourAt(c.img, 10, 10)); math.Abs(got-want) > 0.003 {
		t.Errorf("darkness %.4f, want %.4f", got, want)
	}
}

func TestNothingLeavesThePanel(t *testing.T) {
	big := float32(math.MaxFloat32)
	dotted := one(samplesLayer(t, 8, 8, -8, -8, 8.05, 0, 0, -8.05, big, 0, 0, -big, 9, 9))
	plain := one(Density(func(_, _ float64) float64 { return 0 }))
	a, b := drawn(t, dotted), drawn(t, plain)
	canvas := canvas{scale: 2}
	inside := canvas.pixels(plain.box(0))
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if !image.Pt(x, y).In(inside) && colourAt(a, x, y) != colourAt(b, x, y) {
				t.Fatalf("a dot marks pixel (%d, %d) outside the panel %v", x, y, inside)
			}
		}
	}
}

func TestLostPointsAreReported(t *testing.T) {
	nan := float32(math.NaN())
	if n := count(drawn(t, one(samplesLayer(t, 1, 1, 2, 2))), warning); n != 0 {
		t.Errorf("%d pixels in the warning colour for finite points", n)
	}
	if n := count(drawn(t, one(samplesLayer(t, 1, 1, nan, 2))), warning); n < 20 {
		t.Errorf("%d pixels in the warning colour for a point that is not finite, want a text", n)
	}
	if n := outside(plane, []float32{0, 0, 9, 0, 0, -9, nan, 9, 8, -8}); n != 2 {
		t.Errorf("%d points outside, want 2", n)
	}
}

// linear returns the model whose score is k·x.
func linear(k float32) sampling.Model {
	return sampling.ModelFunc(func(_ context.Context, dst, x, _ []float32) error {
		for i, v := range x {
			dst[i] = k * v
		}
		return nil
	})
}

func fieldLayer(t *testing.T, m sampling.Model, sigma float64) Layer {
	t.Helper()
	l, err := ScoreField(t.Context(), m, sigma, plane)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lean returns how far the ink of the arrow in the cell around (x, y) is from the centre of the cell, away from the
// origin, in pixels. An arrow is heaviest at its head, unless it is so short that it has only a head.
func lean(img *image.RGBA, f Figure, x, y float64) (away, ink float64) {
	half := (plane.High - plane.Low) / fieldSide / 2
	x0, y0 := f.place(0, x-half, y+half)
	x1, y1 := f.place(0, x+half, y-half)
	cx, cy := f.place(0, x, y)
	r := math.Hypot(x, y)
	for j := y0; j < y1; j++ {
		for i := x0; i < x1; i++ {
			d := darkness(colourAt(img, i, j))
			away += d * (float64(i-cx)*x - float64(j-cy)*y) / r
			ink += d
		}
	}
	return away / ink, ink
}

func TestArrowsPointAlongTheScore(t *testing.T) {
	for name, k := range map[string]float32{"inward": -1, "outward": 1} {
		f := one(fieldLayer(t, linear(k), 1))
		img := drawn(t, f)
		var near, far float64
		for cell := range fieldSide * fieldSide {
			x, y := plane.Low+(float64(cell%fieldSide)+0.5)*0.8, plane.Low+(float64(cell/fieldSide)+0.5)*0.8
			away, ink := lean(img, f, x, y)
			switch r := math.Hypot(x, y); {
			case r > 4.4 && r < 7 && away*float64(k) < 0.5:
				t.Errorf("%s: the arrow at (%.1f, %.1f) leans %.2f away from the origin", name, x, y, away)
			case r < 1:
				near += ink / 4
			case r > 6 && r < 6.2:
				far = ink
			}
		}
		if near*3 > far {
			t.Errorf("%s: ink %.1f in the middle and %.1f far out: want longer arrows for stronger scores",
				name, near, far)
		}
	}
}

func TestFieldsOfOneSigmaShareAScale(t *testing.T) {
	weak, strong := fieldLayer(t, linear(-0.2), 1), fieldLayer(t, linear(-1), 1)
	other := fieldLayer(t, linear(-1), 2)
	f := Figure{Bounds: plane,
		Panels: []Panel{{Layers: []Layer{strong}}, {Layers: []Layer{weak}}, {Layers: []Layer{other}}}}
	img := drawn(t, f)
	ink := make([]float64, 3)
	for k := range ink {
		x0, y0 := f.place(k, -7.9, 7.9)
		x1, y1 := f.place(k, 7.9, -7.9)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				ink[k] += darkness(colourAt(img, x, y))
			}
		}
	}
	if ink[1]*1.5 > ink[0] {
		t.Errorf("ink %.0f of a field and %.0f of one five times weaker: want much less", ink[0], ink[1])
	}
	if math.Abs(ink[2]-ink[0]) > 0.1*ink[0] {
		t.Errorf("ink %.0f and %.0f of equal fields at two sigmas: want equal", ink[0], ink[2])
	}
}

func TestPNGHoldsTheFigure(t *testing.T) {
	f := Figure{Title: "title", Bounds: plane, Panels: []Panel{{Note: "note", Layers: []Layer{samplesLayer(t, 1, 2)}}}}
	if got, want := pngOf(t, f.PNG), drawn(t, f); got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
		t.Errorf("PNG of %v differs from the figure of %v", got.Rect, want.Rect)
	}
}

func TestPanelsStandInRows(t *testing.T) {
	var panels []Panel
	for k := range 6 {
		panels = append(panels, Panel{Layers: []Layer{Density(func(_, _ float64) float64 { return float64(k % 2) })}})
	}
	f := Figure{Title: "six", Bounds: plane, Columns: 3, Panels: panels}
	img := drawn(t, f)
	for k := range panels {
		x, y := f.place(k, 0, 0)
		if dark := darkness(colourAt(img, x, y)) > 0.5; dark != (k%2 == 1) {
			t.Errorf("panel %d is dark: %v", k, dark)
		}
	}
	if last := f.box(5); img.Bounds().Dx() < int(2*(last.x+last.w)) || img.Bounds().Dy() < int(2*(last.y+last.h)) {
		t.Errorf("picture of %v does not hold the last panel %v", img.Bounds(), last)
	}
}

func TestBadFigures(t *testing.T) {
	broken := errors.New("broken")
	density := func(v float64) Layer { return Density(func(_, _ float64) float64 { return v }) }
	failing := sampling.ModelFunc(func(context.Context, []float32, []float32, []float32) error { return broken })
	nan := linear(float32(math.NaN()))
	layer := func(_ Layer, err error) error { return err }
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no panels", Figure{Bounds: plane}.PNG(io.Discard), "no panels"},
		{"columns", Figure{Bounds: plane, Columns: -1, Panels: make([]Panel, 1)}.PNG(io.Discard), "-1 columns"},
		{"bounds", Figure{Bounds: Range{3, 3}, Panels: make([]Panel, 1)}.PNG(io.Discard), "bounds from 3 to 3"},
		{"infinite bounds", Figure{Bounds: Range{0, math.Inf(1)}, Panels: make([]Panel, 1)}.PNG(io.Discard),
			"bounds from 0 to +Inf"},
		{"NaN density", one(density(math.NaN())).PNG(io.Discard), "density at (-8, 8) is NaN"},
		{"negative density", one(density(-1)).PNG(io.Discard), "density at (-8, 8) is -1"},
		{"empty samples", layer(Samples(nil)), "0 numbers"},
		{"half a point", layer(Samples(make([]float32, 3))), "3 numbers"},
		{"field bounds", layer(ScoreField(t.Context(), nan, 1, Range{1, 0})), "bounds from 1 to 0"},
		{"NaN score", layer(ScoreField(t.Context(), nan, 1, plane)), "score at (-7.6, -7.6) is (NaN, NaN)"},
		{"model", layer(ScoreField(t.Context(), failing, 2, plane)), "score field at sigma 2: broken"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q", tt.name, tt.err, tt.want)
		}
	}
	if err := layer(ScoreField(t.Context(), failing, 2, plane)); !errors.Is(err, broken) {
		t.Errorf("error %v does not wrap the model's", err)
	}
}

// TestSeries: a series is drawn from left to right, high numbers above low ones, and bad series are refused.
func TestSeries(t *testing.T) {
	rising := []float32{-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1}
	var picture bytes.Buffer
	draw := func(shape []int, x []float32) image.Image {
		picture.Reset()
		if err := Series(&picture, shape, Range{-1, 1}, x, "rising"); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&picture)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	img := draw([]int{len(rising)}, rising)
	inked := func(x, y float64) bool { // in the box of the first series, from 0 to 1
		px, py := 2*(marginEdge+x*seriesWidth), 2*(headingRow+y*seriesHeight)
		_, g, _, _ := img.At(int(px), int(py)).RGBA()
		return g < 0xc000
	}
	if !inked(0.3, 0.7) || !inked(0.7, 0.3) || inked(0.2, 0.2) || inked(0.8, 0.8) {
		t.Error("a rising series does not go from the lower left to the upper right")
	}
	var pairs []float32 // a rising number, and one of another size that falls
	for i, v := range rising {
		pairs = append(pairs, v, 1000+rising[len(rising)-1-i])
	}
	img = draw([]int{len(rising), 2}, pairs)
	if !inked(0.3, 0.7) || !inked(0.7, 0.3) || !inked(0.3, 0.3) || !inked(0.7, 0.7) || inked(0.5, 0.2) {
		t.Error("series of two numbers do not cross")
	}
	for want, err := range map[string]error{
		"range":              Series(io.Discard, []int{9}, Range{1, 1}, rising, ""),
		"at least one whole": Series(io.Discard, []int{16}, Range{0, 1}, rising, ""),
		"at least 8":         Series(io.Discard, []int{3}, Range{0, 1}, rising, ""),
		"series of 18":       Series(io.Discard, []int{9, 2}, Range{0, 1}, rising, ""),
		"shape [9,1,1]":      Series(io.Discard, []int{9, 1, 1}, Range{0, 1}, rising, ""),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}
