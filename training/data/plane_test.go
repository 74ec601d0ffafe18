package data

import (
	"math"
	"testing"
)

// TestPlane checks the radius, the side and the arms of the toys in the papers' code.
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

// TestAnnulusDensity: the density of the annulus integrates to 1, and its score is the gradient of the log density.
func TestAnnulusDensity(t *testing.T) {
	a := annulusDensity{radius: 2, std: 0.4}
	var total float64
	const h = 0.02
	for x := -5.0 + h/2; x < 5; x += h {
		for y := -5.0 + h/2; y < 5; y += h {
			total += math.Exp(a.logDensity(x, y)) * h * h
		}
	}
	if math.Abs(total-1) > 1e-3 {
		t.Errorf("the density adds up to %g, want 1", total)
	}
	for _, p := range [][2]float64{{1, 0.5}, {-2, 1}, {0.2, -0.1}, {0, 3}} {
		const e = 1e-5
		sx, sy := a.score(p[0], p[1])
		dx := (a.logDensity(p[0]+e, p[1]) - a.logDensity(p[0]-e, p[1])) / (2 * e)
		dy := (a.logDensity(p[0], p[1]+e) - a.logDensity(p[0], p[1]-e)) / (2 * e)
		if math.Abs(sx-dx) > 1e-6*max(1, math.Abs(dx)) || math.Abs(sy-dy) > 1e-6*max(1, math.Abs(dy)) {
			t.Errorf("score at %v is (%g, %g), the density's slope (%g, %g)", p, sx, sy, dx, dy)
		}
	}
	if got := squareLogDensity(4, 1, -2); got != -math.Log(16) || !math.IsInf(squareLogDensity(4, 2.1, 0), -1) {
		t.Errorf("log density in the square is %g, want -ln 16, and -∞ outside", got)
	}
}

// annulusDensity is the exact distribution of annulus: a uniform angle and a distance from the origin of N(radius,
// std²). A distance below 0 is on the other side of the origin.
type annulusDensity struct{ radius, std float64 }

// logDensity returns the log density at a point. It is unbounded at the origin.
func (a annulusDensity) logDensity(x, y float64) float64 {
	r := math.Hypot(x, y)
	near, far := (r-a.radius)/a.std, (r+a.radius)/a.std
	both := -near*near/2 + math.Log1p(math.Exp((near*near-far*far)/2))
	return both - math.Log(2*math.Pi)/2 - math.Log(a.std) - math.Log(2*math.Pi*r)
}

// score returns the gradient of the log density at a point other than the origin.
func (a annulusDensity) score(x, y float64) (sx, sy float64) {
	r := math.Hypot(x, y)
	near, far := (r-a.radius)/a.std, (r+a.radius)/a.std
	share := 1 / (1 + math.Exp((near*near-far*far)/2)) // the share of the near side
	slope := -(share*near+(1-share)*far)/a.std - 1/r
	return slope * x / r, slope * y / r
}

// squareLogDensity returns the exact log density of square, which is -∞ outside. Its score is 0 inside.
func squareLogDensity(side, x, y float64) float64 {
	if math.Abs(x) > side/2 || math.Abs(y) > side/2 {
		return math.Inf(-1)
	}
	return -2 * math.Log(side)
}
