package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// chi returns norms of n samples of a Gaussian in 16 dimensions, scaled, at three levels. Their scores differ from the
// sample's own by noise, so that the levels are correlated.
func chi(r *rand.Rand, n int, scale float64) []float64 {
	var norms []float64
	for range n {
		square := [3]float64{}
		for range 16 {
			x := scale * r.NormFloat64()
			for level := range square {
				v := x + 0.3*r.NormFloat64()
				square[level] += v * v
			}
		}
		for _, s := range square {
			norms = append(norms, math.Sqrt(s))
		}
	}
	return norms
}

func sigmas() []float64 { return []float64{1, 0.1, 0.01} }

func fitted(t *testing.T, norms []float64) *Detector {
	t.Helper()
	d, err := Fit(sigmas(), norms)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *Detector) judge(norms []float64) (distances, p []float64) {
	for row := range slices.Chunk(norms, len(d.Sigmas)) {
		distances = append(distances, d.Distance(row))
		p = append(p, d.PValue(distances[len(distances)-1]))
	}
	return distances, p
}

// TestDeviations: of samples like those fitted, the deviations of every level have mean 0 and variance 1, and norms
// that are all larger by a tenth deviate by a tenth of their mean.
func TestDeviations(t *testing.T) {
	const n = 4000
	r := rand.New(rand.NewPCG(5, 6))
	d := fitted(t, chi(r, n, 1))
	var mean, square, larger [3]float64
	var moments, squares [3]float64 // of the norms themselves
	for row := range slices.Chunk(chi(r, n, 1), 3) {
		scaled := make([]float64, 3)
		for j, v := range row {
			scaled[j] = 1.1 * v
			moments[j], squares[j] = moments[j]+v/n, squares[j]+v*v/n
		}
		for j, z := range d.Deviations(row) {
			mean[j], square[j] = mean[j]+z/n, square[j]+z*z/n
		}
		for j, z := range d.Deviations(scaled) {
			larger[j] += z / n
		}
	}
	for j := range mean {
		want := 0.1 * moments[j] / math.Sqrt(squares[j]-moments[j]*moments[j])
		if math.Abs(mean[j]) > 0.1 || math.Abs(square[j]-1) > 0.1 || math.Abs(larger[j]-want) > 0.15 {
			t.Errorf("level %d: mean %.3f, mean square %.3f, of larger norms %.3f; want 0, 1, %.3f", j, mean[j],
				square[j], larger[j], want)
		}
	}
}

// TestPValuesAreUniform: over many fits, the share of samples of the same distribution whose p-value is at most a is a,
// also with the smallest calibration that is allowed.
func TestPValuesAreUniform(t *testing.T) {
	const fits, each = 120, 100
	r := rand.New(rand.NewPCG(1, 2))
	thresholds := []float64{0.01, 0.05, 0.25, 0.5, 0.9}
	share := make([]float64, len(thresholds))
	for range fits {
		_, p := fitted(t, chi(r, LeastRows, 1)).judge(chi(r, each, 1))
		for i, a := range thresholds {
			for _, v := range p {
				if v <= a {
					share[i] += 1. / fits / each
				}
			}
		}
	}
	for i, a := range thresholds {
		const n = LeastRows / 2
		exact := math.Floor(a*(n+1)+1e-9) / (n + 1)
		deviation := math.Sqrt(exact * (1 - exact) / fits * (1./each + 1./(n+2))) // of the sample and the calibration
		if math.Abs(share[i]-exact) > 4*deviation {
			t.Errorf("p-values up to %g: %.4f of them, want %.4f ± %.4f", a, share[i], exact, deviation)
		}
	}
}

// TestPValueCounts compares with counting, at, between and beyond the distances that calibrate.
func TestPValueCounts(t *testing.T) {
	d := &Detector{Calibration: []float64{1, 2, 2, 2, 5}}
	for _, distance := range []float64{0, 1, 1.5, 2, 3, 5, 6} {
		count := 1.
		for _, c := range d.Calibration {
			if c >= distance {
				count++
			}
		}
		if got := d.PValue(distance); got != count/6 {
			t.Errorf("p-value of %g is %g, want %g", distance, got, count/6)
		}
	}
	if d.LeastP() != d.PValue(6) {
		t.Errorf("least p-value %g, want %g", d.LeastP(), d.PValue(6))
	}
}

// TestDistance: of the distribution's samples the mean square is the number of levels, a common factor of norms does
// not matter, and it is the length in the inverse of the covariance that the factor has.
func TestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	norms := chi(r, MostRows, 1)
	d := fitted(t, norms)
	var square float64
	for _, v := range d.Calibration {
		square += v * v / float64(len(d.Calibration))
	}
	if math.Abs(square-3) > 0.15 {
		t.Errorf("mean square %.3f, want 3", square)
	}
	times := slices.Clone(norms)
	for i := range times {
		times[i] *= 1000
	}
	if scaled := fitted(t, times); math.Abs(scaled.Distance(times[:3])-d.Distance(norms[:3])) > 1e-6 {
		t.Errorf("distance %g of norms, and %g of a thousand times", d.Distance(norms[:3]), scaled.Distance(times[:3]))
	}
	x := [3]float64{0.3, -0.2, 0.1}
	at := make([]float64, 3)
	for i, row := range d.Factor { // L·x from the mean has the distance |x|
		at[i] = d.Mean[i]
		for j, l := range row {
			at[i] += l * x[j]
		}
	}
	if got, want := d.Distance(at), math.Sqrt(0.14); math.Abs(got-want) > 1e-9 {
		t.Errorf("distance %g, want %g", got, want)
	}
}

// TestDetects: samples of other sizes are far away, and those of the same distribution are not.
func TestDetects(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	d := fitted(t, chi(r, 1000, 1))
	typical, _ := d.judge(chi(r, 500, 1))
	for _, scale := range []float64{0.3, 2.5} {
		unusual, p := d.judge(chi(r, 500, scale))
		if area, _ := AUROC(typical, unusual); area < 0.99 || slices.Max(p) > 0.5 {
			t.Errorf("scale %g: area %.4f, largest p-value %.3f", scale, area, slices.Max(p))
		}
	}
	same, _ := d.judge(chi(r, 500, 1))
	if area, deviation := AUROC(typical, same); math.Abs(area-0.5) > 4*deviation {
		t.Errorf("the same distribution has area %.3f ± %.3f", area, deviation)
	}
}

// TestFitOfPoorData: norms that are all the same, or 0, or that say the same at every level, give a detector.
func TestFitOfPoorData(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, of := range map[string]func() []float64{
		"constant": func() []float64 { return []float64{1, 2, 3} },
		"zero":     func() []float64 { return []float64{0, 1, r.Float64()} },
		"equal":    func() []float64 { v := r.ExpFloat64(); return []float64{v, v, 2 * v} },
	} {
		var norms []float64
		for range LeastRows {
			norms = append(norms, of()...)
		}
		d := fitted(t, norms)
		if p := d.PValue(d.Distance([]float64{9, 1, 7})); p != d.LeastP() {
			t.Errorf("%s: the p-value of something else is %g", name, p)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	for _, rows := range []int{0, LeastRows - 1, MostRows + 1} {
		want := fmt.Sprintf("fit a detector: want %d to %d rows, not %d", LeastRows, MostRows, rows)
		if _, err := Fit(sigmas(), make([]float64, 3*rows)); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Detector){
		"sigmas has 0 levels":            func(d *Detector) { d.Sigmas = nil },
		"sigmas[1] is 0":                 func(d *Detector) { d.Sigmas[1] = 0 },
		"mean has 2":                     func(d *Detector) { d.Mean = d.Mean[:2] },
		"mean has NaN":                   func(d *Detector) { d.Mean[0] = math.NaN() },
		"factor[1]":                      func(d *Detector) { d.Factor[1][1] = -1 },
		"factor[2]":                      func(d *Detector) { d.Factor[2] = d.Factor[2][:2] },
		"factor has +Inf":                func(d *Detector) { d.Factor[2][0] = math.Inf(1) },
		"calibration has 0 distances":    func(d *Detector) { d.Calibration = nil },
		"calibration is not ascending":   func(d *Detector) { slices.Reverse(d.Calibration) },
		"calibration has NaN":            func(d *Detector) { d.Calibration[0] = math.NaN() },
		"calibration has 20001":          func(d *Detector) { d.Calibration = make([]float64, MostRows+1) },
		"sigmas has +Inf: want finite n": func(d *Detector) { d.Sigmas[0] = math.Inf(1) },
	} {
		d := fitted(t, chi(rand.New(rand.NewPCG(1, 1)), LeastRows, 1))
		change(d)
		if err := d.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestAUROC compares with comparing all pairs, and the error with the spread over many samples.
func TestAUROC(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var areas []float64
	var claimed float64
	for range 200 {
		var typical, unusual []float64
		for range 60 {
			typical = append(typical, math.Round(4*r.NormFloat64())) // with ties
			unusual = append(unusual, math.Round(4*r.NormFloat64()+4))
		}
		unusual = unusual[:40]
		brute := 0.
		for _, a := range typical {
			for _, b := range unusual {
				switch {
				case b > a:
					brute += 1. / 60 / 40
				case b == a:
					brute += 0.5 / 60 / 40
				}
			}
		}
		area, deviation := AUROC(typical, unusual)
		if math.Abs(area-brute) > 1e-12 {
			t.Fatalf("area %g, want %g", area, brute)
		}
		areas, claimed = append(areas, area), claimed+deviation/200
	}
	_, spread := moments(slices.Collect(slices.Chunk(areas, 1)))
	if math.Abs(claimed/spread[0]-1) > 0.25 {
		t.Errorf("error %.4f, the areas vary by %.4f", claimed, spread[0])
	}
}

// TestSigmas: geometric over the range of a model.
func TestSigmas(t *testing.T) {
	s := Sigmas(50, 0.01)
	if len(s) != Levels || s[0] != 50 || math.Abs(s[Levels-1]-0.01) > 1e-12 ||
		math.Abs(s[4]/s[3]-s[9]/s[8]) > 1e-9 || !slices.IsSortedFunc(s, func(a, b float64) int {
		if a > b {
			return -1
		}
		return 1
	}) {
		t.Errorf("%v", s)
	}
	if one := Sigmas(2, 2); !slices.Equal(one, []float64{2}) {
		t.Errorf("of a single level: %v", one)
	}
}
