package figure

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// gifOf decodes the GIF that draw writes, and returns its frames as a viewer shows them, each drawn over the previous
// ones.
func gifOf(t *testing.T, draw func(io.Writer) error) (*gif.GIF, []*image.RGBA) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(bytesOf(t, draw)))
	if err != nil {
		t.Fatal(err)
	}
	return g, shown(g)
}

func shown(g *gif.GIF) []*image.RGBA {
	screen := image.NewRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	var frames []*image.RGBA
	for _, f := range g.Image {
		draw.Draw(screen, f.Rect, f, f.Rect.Min, draw.Over)
		frame := image.NewRGBA(screen.Rect)
		copy(frame.Pix, screen.Pix)
		frames = append(frames, frame)
	}
	return frames
}

// walk returns an animation with every kind of change: a dot moves over a glow that changes.
func walk(t *testing.T, frames int) []Figure {
	t.Helper()
	var out []Figure
	for k := range frames {
		glow := Backdrop(func(x, y float64) float64 { return math.Exp(-(x*x + y*y) / float64(1+k*k)) })
		if k == frames/2 {
			out = append(out, out[k-1]) // a frame in which nothing changes
			continue
		}
		out = append(out, one(glow, fieldLayer(t, linear(-1), 1), samplesLayer(t, float32(k), 2)))
	}
	return out
}

func TestAnimationShowsItsFigures(t *testing.T) {
	figures := walk(t, 7)
	animate := func(w io.Writer) error {
		return Animate(w, figures, Timing{Delay: 123 * time.Millisecond, Hold: 2 * time.Second})
	}
	g, frames := gifOf(t, animate)
	if want := []int{12, 12, 12, 12, 12, 12, 200}; !slices.Equal(g.Delay, want) {
		t.Errorf("delays %v, want %v", g.Delay, want)
	}
	if !bytes.Equal(bytesOf(t, animate), bytesOf(t, animate)) {
		t.Error("two runs give different bytes")
	}
	if g.LoopCount != 0 {
		t.Errorf("loop count %d, want 0, for ever", g.LoopCount)
	}
	for k, f := range figures {
		want, err := f.render(1)
		if err != nil {
			t.Fatal(err)
		}
		if frames[k].Rect != want.Rect {
			t.Fatalf("frame %d is %v, want %v", k, frames[k].Rect, want.Rect)
		}
		var sum, worst float64
		for i := range want.Pix {
			d := math.Abs(float64(want.Pix[i]) - float64(frames[k].Pix[i]))
			sum, worst = sum+d, max(worst, d)
		}
		if mean := sum / float64(len(want.Pix)); mean > 0.8 || worst > 40 {
			t.Errorf("frame %d differs from its figure by %.2f on average and %.0f at worst", k, mean, worst)
		}
	}
}

func TestWhatStandsStillDoesNotShimmer(t *testing.T) {
	figures := walk(t, 5)
	_, frames := gifOf(t, func(w io.Writer) error { return Animate(w, figures, Timing{}) })
	shades := map[rgb]rgb{}
	for k, f := range figures {
		img, err := f.render(1)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(img.Pix); i += 4 {
			drawn := rgb(img.Pix[i])<<16 | rgb(img.Pix[i+1])<<8 | rgb(img.Pix[i+2])
			seen := rgb(frames[k].Pix[i])<<16 | rgb(frames[k].Pix[i+1])<<8 | rgb(frames[k].Pix[i+2])
			if before, ok := shades[drawn]; ok && before != seen {
				t.Fatalf("frame %d shows %06x as %06x, before as %06x", k, uint32(drawn), uint32(seen), uint32(before))
			}
			shades[drawn] = seen
		}
	}
	if shades[white] != white || shades[black] != black {
		t.Errorf("white is shown as %06x, ink as %06x", uint32(shades[white]), uint32(shades[black]))
	}
}

func TestFewColoursStayExact(t *testing.T) {
	c := census{}
	for i := range 200 {
		c[rgb(i*0x010203)] = 1 + i%7*1000
	}
	p := c.palette()
	for v := range c {
		if got := p[p.nearest(v)-1]; got != v {
			t.Errorf("%06x became %06x though there is room for all", uint32(v), uint32(got))
		}
	}
}

func TestPaletteCoversManyColours(t *testing.T) {
	c := census{}
	for i := range 64 * 64 {
		c[rgb(i%64*4)<<16|rgb(i/64*4)<<8|0x80] = 1 + i%5
	}
	p := c.palette()
	if len(p) != maxColours {
		t.Fatalf("%d entries, want %d", len(p), maxColours)
	}
	if m := p.model(); len(m) != 256 || m[0] != (color.RGBA{}) {
		t.Errorf("model of %d entries starts with %v, want 256 and transparent", len(m), m[0])
	}
	for v := range c {
		a, b := v.bytes(), p[p.nearest(v)-1].bytes()
		for i := range a {
			if d := math.Abs(float64(a[i]) - float64(b[i])); d > 24 {
				t.Errorf("%x became %x", a, b)
			}
		}
	}
}

func TestBadAnimations(t *testing.T) {
	wide := Figure{Bounds: plane, Panels: make([]Panel, 2)}
	for _, tt := range []struct {
		name    string
		figures []Figure
		want    string
	}{
		{"none", nil, "no frames"},
		{"bad figure", []Figure{one(), {Bounds: plane}}, "frame 1: figure: no panels"},
		{"sizes", []Figure{one(), wide}, "frame 1: "},
	} {
		if err := Animate(io.Discard, tt.figures, Timing{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
}

// toy returns an animation of the exact scores of the ring at a few levels.
func toy(t *testing.T, levels int) Annealed {
	t.Helper()
	ring, err := sampling.Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := sampling.Geometric(20, 1, levels)
	if err != nil {
		t.Fatal(err)
	}
	density := func(sigma, x, y float64) float64 { return MixtureDensity(ring, sigma)(x, y) }
	return Annealed{Bounds: plane, Schedule: schedule, Model: ring, Density: density}
}

func TestAnnealedAnimationHasAFrameALevel(t *testing.T) {
	d := toy(t, 3)
	draw := func(w io.Writer) error { return d.Animate(t.Context(), w, Timing{}) }
	g, frames := gifOf(t, draw)
	if want := []int{20, 20, 100}; !slices.Equal(g.Delay, want) {
		t.Errorf("delays %v, want %v", g.Delay, want)
	}
	// At sigma 1 the ring glows and its hole does not. At sigma 20 almost everything is white.
	glow := func(frame int, x, y float64) float64 {
		var sum float64
		i, j := one().place(0, x, y)
		for dy := range 6 {
			for dx := range 6 {
				sum += darkness(colourAt(frames[frame], i/2+dx-3, j/2+dy-3)) / 36
			}
		}
		return sum
	}
	if ring, hole := glow(2, 5, 0), glow(2, 0, 0); ring < 2*hole {
		t.Errorf("darkness %.2f on the ring, %.2f in the hole", ring, hole)
	}
	if early, late := glow(0, 5, 0), glow(2, 5, 0); late < 2*early {
		t.Errorf("darkness %.2f on the ring at first, %.2f at last", early, late)
	}
	d.Exact = d.Model
	if both, _ := gifOf(t, draw); both.Config.Width < g.Config.Width*17/10 || len(both.Image) != 3 {
		t.Errorf("with an exact model %d frames %d wide, want 3 and two panels", len(both.Image), both.Config.Width)
	}
}

func TestExperimentFigures(t *testing.T) {
	d := toy(t, 50)
	x := make([]float32, 40)
	four, err := d.Figure(t.Context(), x, x)
	if err != nil || len(four.Panels) != 4 || four.columns() != 2 {
		t.Errorf("annealed figure has %d panels (%v), want 2 by 2", len(four.Panels), err)
	}
	strip, err := d.Strip(t.Context(), 10)
	if err != nil || len(strip.Panels) != 10 || strip.Panels[0].Title != "σ = 20.0" ||
		strip.Panels[9].Title != "σ = 1.00" {
		t.Errorf("strip %v (%v)", strip.Panels, err)
	}
	l := Langevin{Bounds: plane, Sigma: 1, Exact: d.Model, Model: d.Model,
		Density: MixtureDensity(sampling.TwoGaussians(), 0), Data: x, ByExact: x, ByModel: x}
	six, err := l.Figure(t.Context())
	if err != nil || len(six.Panels) != 6 || six.rows() != 2 {
		t.Errorf("Langevin figure has %d panels (%v), want 2 by 3", len(six.Panels), err)
	}
	for _, f := range []Figure{four, strip, six} {
		if _, err := f.render(0.3); err != nil {
			t.Error(err)
		}
	}
}

func TestBadExperiments(t *testing.T) {
	d := toy(t, 3)
	x := make([]float32, 4)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	figureError := func(_ Figure, err error) error { return err }
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no model", Annealed{Bounds: plane, Schedule: d.Schedule}.Animate(t.Context(), io.Discard, Timing{}),
			"want a model"},
		{"no schedule", figureError(Annealed{Bounds: plane, Model: d.Model}.Strip(t.Context(), 3)), "noise schedule"},
		{"no levels", figureError(d.Strip(t.Context(), 0)), "strip of 0 levels"},
		{"no samples", figureError(d.Figure(t.Context(), x, nil)), `panel "annealed Langevin": samples: 0 numbers`},
		{"stopped", d.Animate(stopped, io.Discard, Timing{}), "score field at sigma 20: context canceled"},
		{"no density", figureError(Langevin{Bounds: plane, Exact: d.Model, Model: d.Model}.Figure(t.Context())),
			"want an exact model"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q", tt.name, tt.err, tt.want)
		}
	}
	if err := d.Animate(stopped, io.Discard, Timing{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not wrap the context's", err)
	}
}

func BenchmarkScoreGIF(b *testing.B) {
	ring, err := sampling.Ring(8, 5, 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	schedule, err := sampling.Geometric(20, 1, 50)
	if err != nil {
		b.Fatal(err)
	}
	density := func(sigma, x, y float64) float64 { return MixtureDensity(ring, sigma)(x, y) }
	d := Annealed{Bounds: plane, Schedule: schedule, Model: ring, Density: density}
	for b.Loop() {
		if err := d.Animate(b.Context(), io.Discard, Timing{}); err != nil {
			b.Fatal(err)
		}
	}
}
