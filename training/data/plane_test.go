package data

import (
	"math"
	"testing"
)

// The toys of the papers' code are what they say: radius, side, arms.
func TestPlane(t *testing.T) {
	const n = 50_000
	var radius, spread float64
	x := readAll(t, Config{Name: Annulus, Radius: 5, Std: 0.5}, Train, 0, n)
	for i := range n {
		r := math.Hypot(float64(x[2*i]), float64(x[2*i+1]))
		radius += r / n
		spread += (r - 5) * (r - 5) / n
	}
	if math.Abs(radius/5-1) > 0.01 || math.Abs(math.Sqrt(spread)/0.5-1) > 0.02 {
		t.Errorf("annulus has radius %g ± %g, want 5 ± 0.5", radius, math.Sqrt(spread))
	}
	x = readAll(t, Config{Name: Square, Side: 8}, Train, 0, n)
	var variance float64
	for _, v := range x {
		variance += float64(v) * float64(v) / (2 * n)
		if math.Abs(float64(v)) > 4 {
			t.Fatalf("%g lies outside of the square", v)
		}
	}
	if math.Abs(variance/(64.0/12)-1) > 0.02 {
		t.Errorf("square has variance %g, want 16/3", variance)
	}
	x = readAll(t, Config{Name: Spirals, Radius: 6, Std: 0.01, Turns: 2}, Train, 0, n)
	for i := range n {
		a, b := float64(x[2*i]), float64(x[2*i+1])
		r := math.Hypot(a, b)
		turn := math.Mod(math.Atan2(b, a)-2*math.Pi*2*r/6, math.Pi) // 0 on either arm
		if off := r * math.Abs(math.Sin(turn)); off > 1 {
			t.Fatalf("(%g, %g) is %g off its arm", a, b, off)
		}
	}
}

// The density of the annulus adds up to 1, and its score is the slope of the density.
func TestAnnulusDensity(t *testing.T) {
	a := AnnulusDensity{Radius: 2, Std: 0.4}
	var total float64
	const h = 0.02
	for x := -5.0 + h/2; x < 5; x += h {
		for y := -5.0 + h/2; y < 5; y += h {
			total += math.Exp(a.LogDensity(x, y)) * h * h
		}
	}
	if math.Abs(total-1) > 1e-3 {
		t.Errorf("the density adds up to %g, want 1", total)
	}
	for _, p := range [][2]float64{{1, 0.5}, {-2, 1}, {0.2, -0.1}, {0, 3}} {
		const e = 1e-5
		sx, sy := a.Score(p[0], p[1])
		dx := (a.LogDensity(p[0]+e, p[1]) - a.LogDensity(p[0]-e, p[1])) / (2 * e)
		dy := (a.LogDensity(p[0], p[1]+e) - a.LogDensity(p[0], p[1]-e)) / (2 * e)
		if math.Abs(sx-dx) > 1e-6*max(1, math.Abs(dx)) || math.Abs(sy-dy) > 1e-6*max(1, math.Abs(dy)) {
			t.Errorf("score at %v is (%g, %g), the density's slope (%g, %g)", p, sx, sy, dx, dy)
		}
	}
	if got := SquareLogDensity(4, 1, -2); got != -math.Log(16) || !math.IsInf(SquareLogDensity(4, 2.1, 0), -1) {
		t.Errorf("log density in the square is %g, want -ln 16, and -∞ outside", got)
	}
}
