package robustness_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/robustness"
)

func TestQuantile(t *testing.T) {
	times := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.2: 1, 0.5: 3, 0.8: 4, 0.99: 5, 1: 5} {
		if got := robustness.Quantile(times, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := robustness.Quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

// TestTrend fits lines without noise, and with the noise of an autoregressive process, whose true slope lies within
// three standard errors as often as it should.
func TestTrend(t *testing.T) {
	line := make([]float64, 240)
	for i := range line {
		line[i] = 7 + 0.25*float64(i)
	}
	if got := robustness.TrendOf(line); math.Abs(got.Slope-0.25) > 1e-9 || got.Error > 1e-9 {
		t.Errorf("an exact line: %+v", got)
	}
	random, outside := rand.New(rand.NewPCG(1, 1)), 0
	for range 200 {
		noise := 0.0
		for i := range line {
			noise = 0.7*noise + random.NormFloat64()
			line[i] = 7 + 0.01*float64(i) + noise
		}
		if got := robustness.TrendOf(line); math.Abs(got.Slope-0.01) > 3*got.Error {
			outside++
		}
	}
	// Student's t of 10 degrees of freedom is beyond 3 in 1.3 % of cases; some more since neighbours resemble.
	if outside > 12 {
		t.Errorf("%d of 200 slopes are more than three errors off", outside)
	}
}
