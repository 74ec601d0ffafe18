package figure

import (
	"math"
	"slices"
	"testing"
)

func TestStrokeCoversItsArea(t *testing.T) {
	for _, tt := range []struct{ dx, dy, radius float64 }{
		{0, 0, 1}, {0, 0, 2.3}, {0, 0, 8}, {20, 0, 1.5}, {11, 17, 0.7}, {-9, 4, 3}, {20, 5, 0.2},
	} {
		c, err := newCanvas(80, 80, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got float64
		c.stroke(point{40.3, 40.6}, point{40.3 + tt.dx, 40.6 + tt.dy}, tt.radius,
			func(_, _ int, coverage float64) { got += coverage })
		want := math.Pi*tt.radius*tt.radius + 2*tt.radius*math.Hypot(tt.dx, tt.dy)
		if math.Abs(got-want) > 0.06*want+0.3 {
			t.Errorf("stroke by (%g, %g) of radius %g covers %.2f pixels, want %.2f",
				tt.dx, tt.dy, tt.radius, got, want)
		}
	}
}

func TestOKLCHPrimaries(t *testing.T) {
	// This table has white, black and the sRGB primaries with their known OKLCH coordinates.
	for _, tt := range []struct {
		l, c, h float64
		want    rgb
	}{
		{1, 0, 0, 0xffffff}, {0, 0, 0, 0},
		{0.627955, 0.257683, 29.23388, 0xff0000},
		{0.866440, 0.294827, 142.49534, 0x00ff00},
		{0.452014, 0.313214, 264.05202, 0x0000ff},
	} {
		got, want := oklch(tt.l, tt.c, tt.h).bytes(), tt.want.bytes()
		for i := range got {
			if d := int(got[i]) - int(want[i]); d < -1 || d > 1 {
				t.Errorf("oklch(%g, %g, %g) is %x, want %06x", tt.l, tt.c, tt.h, got, uint32(tt.want))
			}
		}
	}
}

func TestEmberDarkensEvenly(t *testing.T) {
	luminance := func(c rgb) float64 {
		var y float64
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v := float64(c.bytes()[i]) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			y += weight * v
		}
		return y
	}
	r := ember(1, 0.15)
	if r.at(0) != white || r.at(-3) != white || r.at(7) != r.at(1) {
		t.Errorf("ramp starts at %06x and ends at %06x, beyond it %06x",
			uint32(r.at(0)), uint32(r.at(1)), uint32(r.at(7)))
	}
	for i := 32; i < len(r); i += 32 {
		if before, now := luminance(r[i-32]), luminance(r[i]); now >= before {
			t.Errorf("luminance rises from %.3f to %.3f at %d", before, now, i)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		r    Range
		want []float64
	}{
		{Range{-8, 8}, []float64{-5, 0, 5}},
		{Range{0, 1}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{Range{-40, 40}, []float64{-40, -20, 0, 20, 40}},
		{Range{0, 10000}, []float64{0, 2000, 4000, 6000, 8000, 10000}},
	} {
		got := ticks(tt.r, 5)
		if len(got) != len(tt.want) || slices.ContainsFunc(got, func(v float64) bool {
			return !slices.ContainsFunc(tt.want, func(w float64) bool { return math.Abs(v-w) < 1e-9 })
		}) {
			t.Errorf("ticks of %v are %v, want %v", tt.r, got, tt.want)
		}
	}
	if got := tickText(-0.30000000000000004); got != "−0.3" {
		t.Errorf("tick text %q", got)
	}
}

func TestLongTitlesAreCut(t *testing.T) {
	c, err := newCanvas(100, 30, 1)
	if err != nil {
		t.Fatal(err)
	}
	long, err := c.cut("a title that is much too long", titleSize, 60)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.width(long, titleSize)
	if err != nil || w > 60 || w < 40 {
		t.Errorf("%q is %g points wide (%v), want just under 60", long, w, err)
	}
	if short, err := c.cut("short", titleSize, 60); err != nil || short != "short" {
		t.Errorf("cut a title that fits to %q (%v)", short, err)
	}
}
