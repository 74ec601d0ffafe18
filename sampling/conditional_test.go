package sampling

import (
	"math"
	"slices"
	"testing"
)

// short returns a plan from 10 to 0.1 that mixes within a mode.
func short(t *testing.T, denoise bool) Plan {
	t.Helper()
	plan, err := AnnealedLangevin{Schedule: geometric(t, 10, 0.1, 20), StepsPerLevel: 10, StepLR: 0.001,
		Denoise: denoise}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestInpaint fixes the first coordinate of the two-Gaussian mixture at the mean of one mode. The second coordinate
// must follow, the known one must stay within its noise, and the value given for the hidden one must not matter.
func TestInpaint(t *testing.T) {
	m := TwoGaussians()
	free := spread(m, mustRun(t, m, short(t, false), nil, Request{N: 2000, Seed: 3})) // with nothing known
	for _, refresh := range []Refresh{RefreshLevel, RefreshStep} {
		for _, mode := range []float64{5, -5} {
			var runs [2][]float32
			for i, hidden := range []float32{0, float32(math.NaN())} {
				known, err := Inpaint([]float32{float32(mode), hidden}, []bool{true, false}, refresh)
				if err != nil {
					t.Fatal(err)
				}
				runs[i] = mustRun(t, m, short(t, false), nil, Request{Known: known, N: 400, Seed: 3})
			}
			if !slices.Equal(runs[0], runs[1]) {
				t.Error("the hidden part of the values changes the samples")
			}
			var near, v float64
			for i := 0; i < len(runs[0]); i += 2 {
				// With RefreshStep the known part is one Langevin step away from where it was set.
				if off := math.Abs(float64(runs[0][i]) - mode); off > 6*0.1 {
					t.Errorf("refresh %v: the known coordinate is %g off", refresh, off)
				}
				if off := float64(runs[0][i+1]) - mode; math.Abs(off) < 5 {
					near++
					v += off * off
				}
			}
			// Setting the known part is not exact conditioning. A chain that moved to the other mode at a large sigma
			// can stay there. This is rare, and the papers claim no more.
			if share := near / 400; share < 0.97 || math.Abs(v/near/free-1) > 0.25 {
				t.Errorf("refresh %v, known %g: %.3f of the other coordinates are at that mode, want nearly all",
					refresh, mode, share)
				t.Errorf("their variance is %.2f, want %.2f", v/near, free)
			}
		}
	}
}

// TestInpaintDenoised: after a last step without noise the known part is exactly the given values.
func TestInpaintDenoised(t *testing.T) {
	known, err := Inpaint([]float32{1.25, 0}, []bool{true, false}, RefreshLevel)
	if err != nil {
		t.Fatal(err)
	}
	x := mustRun(t, TwoGaussians(), short(t, true), nil, Request{Known: known, N: 20, Seed: 3})
	for i := 0; i < len(x); i += 2 {
		if x[i] != 1.25 {
			t.Errorf("the known coordinate is %g, want 1.25", x[i])
		}
	}
}

// TestColourise draws 2 pixels of 3 channels of N(0, 1) data. The grey must be exact, and the two directions orthogonal
// to it must keep the variance of the data.
func TestColourise(t *testing.T) {
	const n = 3000
	grey := []float32{0.5, -2}
	known, err := Colourise(grey, 3, RefreshLevel)
	if err != nil {
		t.Fatal(err)
	}
	x := mustRun(t, gaussian(1), short(t, true), nil, Request{Known: known, Dim: 6, N: n, Seed: 1})
	var across float64
	for i := range n {
		for p, want := range grey {
			r, g, b := float64(x[6*i+p]), float64(x[6*i+2+p]), float64(x[6*i+4+p])
			if math.Abs((r+g+b)/3-float64(want)) > 1e-5 {
				t.Fatalf("pixel %d of sample %d has grey %g, want %g", p, i, (r+g+b)/3, want)
			}
			across += (r - g) * (r - g) / 2 / (2 * n)
		}
	}
	plain := mustRun(t, gaussian(1), short(t, true), nil, Request{Dim: 6, N: n, Seed: 1})
	if want := variance(plain); math.Abs(across-want) > 0.1*want {
		t.Errorf("variance across the grey axis is %.3f, and %.3f without a known part", across, want)
	}
}

// TestInterpolation: the ends of a row equal runs with one noise stream alone, from the row's initial state. Any part
// of the chains is the same when it is drawn alone.
func TestInterpolation(t *testing.T) {
	const columns = 5
	m, plan := TwoGaussians(), short(t, false)
	rows := mustRun(t, m, plan, nil, Request{Columns: columns, N: 3 * columns, Seed: 4})
	for row := range uint64(3) {
		first := mustRun(t, m, plan, nil, Request{Seed: 4, FirstChain: 2 * row, N: 1})
		start := make([]float32, 2)
		square.Draw(start, Noise{Seed: 4, Chain: 2 * row})
		last := mustRun(t, m, plan, nil, Request{Seed: 4, FirstChain: 2*row + 1, N: 1, Start: start})
		i := int(row) * columns * 2
		if !slices.Equal(rows[i:i+2], first) || !slices.Equal(rows[i+2*columns-2:i+2*columns], last) {
			t.Errorf("row %d runs from %v to %v, want %v to %v",
				row, rows[i:i+2], rows[i+2*columns-2:i+2*columns], first, last)
		}
	}
	part := mustRun(t, m, plan, nil, Request{Columns: columns, FirstChain: 7, N: 2, Seed: 4})
	if !slices.Equal(part, rows[14:18]) {
		t.Error("chains 7 and 8 differ when they are drawn alone")
	}
	// A mix of two independent N(0, I) at any angle is N(0, I).
	z, q := make([]float32, 1<<16), make([]float32, 1<<16)
	chain := ChainAt(1, 2, columns)
	chain.Noise.Normal(z, 0)
	chain.Blend.mix(z, q, 0)
	if v := variance(z); math.Abs(v-1) > 0.03 {
		t.Errorf("mixed noise has variance %g", v)
	}
}

func TestBadKnown(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		values []float32
		mask   []bool
	}{
		"mask of another length": {[]float32{1, 2}, []bool{true}},
		"empty mask":             {[]float32{1, 2}, []bool{false, false}},
		"NaN where known":        {[]float32{nan, 2}, []bool{true, false}},
	} {
		if _, err := Inpaint(c.values, c.mask, RefreshLevel); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := Colourise([]float32{nan}, 3, RefreshLevel); err == nil {
		t.Error("NaN grey was accepted")
	}
	if _, err := Colourise([]float32{1}, 1, RefreshLevel); err == nil {
		t.Error("one channel was accepted")
	}
	known, err := Inpaint([]float32{1, 2, 3}, []bool{true, false, false}, RefreshLevel)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Plan: short(t, false), Prior: square, Dim: 2, N: 1, Known: known}
	if _, err := Run(t.Context(), TwoGaussians(), r); err == nil {
		t.Error("a known part of 3 elements was accepted for samples of 2")
	}
}
