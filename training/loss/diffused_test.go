package loss

import (
	"math"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

func mustGeometric(t *testing.T, first, last float64, levels int) sampling.Schedule {
	t.Helper()
	schedule, err := sampling.Geometric(first, last, levels)
	if err != nil {
		t.Fatal(err)
	}
	return schedule
}

// TestPlaces checks the places of the rows of a process: the standard deviations of Song et al. (2021), on the data,
// and the weights of the bound on the likelihood, g²/std².
func TestPlaces(t *testing.T) {
	schedule := mustGeometric(t, 50, 0.01, 10)
	const u = 0.25
	integral := func(t float64) float64 { return 0.1*t + 9.95*t*t }
	beta := func(t float64) float64 { return 0.1 + 19.9*t }
	for process, want := range map[string]func(t float64) Place{
		"ve": func(t float64) Place {
			return Place{0.01 * math.Pow(5000, t), 2 * math.Log(5000)}
		},
		"vp": func(t float64) Place {
			std2 := 1 - math.Exp(-integral(t))
			return Place{math.Sqrt(std2 / math.Exp(-integral(t))), beta(t) / std2}
		},
		"sub_vp": func(t float64) Place {
			std := 1 - math.Exp(-integral(t))
			return Place{std / math.Exp(-integral(t)/2), beta(t) * (1 - math.Exp(-2*integral(t))) / (std * std)}
		},
	} {
		c := Config{Name: Diffusion, Process: new(sampling.Process), Likelihood: true}
		if err := c.Process.UnmarshalText([]byte(process)); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(10); err != nil {
			t.Fatal(err)
		}
		at := c.Places(schedule)
		for level := range 10 {
			time := 1e-5 + (1-1e-5)*(1-(float64(level)+u)/10)
			got, want := at(level, u), want(time)
			if math.Abs(got.Sigma/want.Sigma-1) > 1e-9 || math.Abs(got.Weight/want.Weight-1) > 1e-9 {
				t.Errorf("%s, level %d: %+v, want %+v", process, level, got, want)
			}
		}
	}
	// With 1,000 steps, DDPM ends almost where the process VP ends: ᾱ is within a few per cent of e^(-B(1)).
	at := Config{Name: DDPM}.Places(mustGeometric(t, 50, 0.01, 1000))
	if want := math.Sqrt(math.Exp(integral(1)) - 1); math.Abs(at(0, u).Sigma/want-1) > 0.06 {
		t.Errorf("DDPM's largest sigma is %g, want about %g", at(0, u).Sigma, want)
	}
	if want := math.Sqrt(1e-4 / (1 - 1e-4)); math.Abs(at(999, u).Sigma/want-1) > 1e-9 {
		t.Errorf("DDPM's smallest sigma is %g, want %g", at(999, u).Sigma, want)
	}
}

// TestLogNormalPlaces compares the quantiles of the places with those of the normal distribution, far from the ends of
// the schedule: 15.87 % of the rows lie more than a standard deviation above the mean of ln σ, and as many below.
func TestLogNormalPlaces(t *testing.T) {
	schedule := mustGeometric(t, 1e4, 1e-6, 100)
	c := Config{Name: EDM, DataStd: 0.5, LogMean: -1.2, LogStd: 1.2}
	if err := c.Validate(100); err != nil {
		t.Fatal(err)
	}
	at := c.Places(schedule)
	for _, test := range []struct{ rows, deviations float64 }{
		{0.5, 0}, {0.158655254, 1}, {1 - 0.158655254, -1}, {0.022750132, 2}, {1 - 0.022750132, -2},
	} {
		level := math.Floor(test.rows * 100)
		got := at(int(level), test.rows*100-level)
		want := math.Exp(-1.2 + 1.2*test.deviations)
		if math.Abs(got.Sigma/want-1) > 1e-6 || got.Weight != edmWeight(got.Sigma, 0.5) {
			t.Errorf("%g of the rows have a larger sigma than %+v, want sigma %g", test.rows, got, want)
		}
	}
	// A schedule that ends within the distribution holds all of it.
	at = c.Places(mustGeometric(t, 0.5, 0.1, 7))
	if first, last := at(0, 0).Sigma, at(6, 1).Sigma; math.Abs(first-0.5) > 1e-9 || math.Abs(last-0.1) > 1e-9 {
		t.Errorf("the places are between %g and %g, want the schedule's ends", last, first)
	}
	for _, bad := range []Config{
		{Name: EDM, DataStd: 0.5, LogStd: -1}, {Name: EDM, DataStd: 0.5, LogMean: 1},
		{Name: EDM, DataStd: 0.5, LogStd: math.NaN()}, {Name: DSM, LogStd: 1},
	} {
		if bad.Validate(100) == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

// TestEDMWeight: with the weight of Karras et al. (2022), a network with F = 0 ignores its input, and its loss is D/2
// on N(0, data_std²) at every level: ½ E‖σs + z‖²·(1 + σ²/data_std²) for s = -x/(σ² + data_std²).
func TestEDMWeight(t *testing.T) {
	const std = 0.3
	for _, sigma := range []float64{0.01, 0.3, 10} {
		v := sigma*sigma + std*std
		// σs + z = (z·std² - σx₀)/v for x = x₀ + σz. Its variance is (std⁴ + σ²std²)/v² = std²/v.
		if got := 0.5 * std * std / v * edmWeight(sigma, std); math.Abs(got-0.5) > 1e-12 {
			t.Errorf("sigma %g: loss %g an element, want 0.5", sigma, got)
		}
	}
}
