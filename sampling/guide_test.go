package sampling

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// classGradient returns ∇ log p_σ(k|x) for a mixture whose classes are its components: the component's score minus the
// mixture's.
func classGradient(m Mixture, k int) *countingModel {
	component := Mixture{Weights: []float64{1}, Means: [][]float64{m.Means[k]}, Std: m.Std}
	return &countingModel{score: func(ctx context.Context, dst, x, sigma []float32) error {
		if err := component.Score(ctx, dst, x, sigma); err != nil {
			return err
		}
		all := make([]float32, len(dst))
		err := m.Score(ctx, all, x, sigma)
		for i, v := range all {
			dst[i] -= v
		}
		return err
	}}
}

// countingModel counts its calls and rows.
type countingModel struct {
	score       ModelFunc
	calls, rows int
}

func (c *countingModel) Score(ctx context.Context, dst, x, sigma []float32) error {
	c.calls++
	c.rows += len(sigma)
	return c.score(ctx, dst, x, sigma)
}

// TestGuidedClass: the gradient of a classifier of two classes puts nearly every chain in the requested mode, even the
// rare one. Each chain ends where the exact score of that class puts it.
func TestGuidedClass(t *testing.T) {
	m := TwoGaussians()
	plan := short(t, false)
	for k := range m.Means {
		guided := mustRun(t, m, plan, nil, Request{N: 400, Seed: 1,
			Guide: &Guide{Model: classGradient(m, k), Weight: 1}})
		if share := m.Shares(guided)[k]; share < 0.95 {
			t.Errorf("class %d: %.3f of the chains are in its mode, want above 0.95", k, share)
		}
		component := Mixture{Weights: []float64{1}, Means: [][]float64{m.Means[k]}, Std: m.Std}
		exact := mustRun(t, component, plan, nil, Request{N: 400, Seed: 1})
		for i, v := range exact {
			if off := math.Abs(float64(v - guided[i])); off > 1e-3 {
				t.Fatalf("class %d: element %d is %g off the chain of the exact class score", k, i, off)
			}
		}
	}
}

// TestMixedModels: (1 - w)·s + w·g equals one model at w = 0 and the other at w = 1.
func TestMixedModels(t *testing.T) {
	m, plan := TwoGaussians(), short(t, true)
	other := Mixture{Weights: []float64{1}, Means: [][]float64{m.Means[1]}, Std: m.Std}
	for weight, alone := range map[float32]Model{0: m, 1: other} {
		mixed := mustRun(t, m, plan, nil, Request{N: 20, Seed: 1,
			Guide: &Guide{Model: &other, Weight: weight, Rule: GuideMix}})
		if !slices.Equal(mixed, mustRun(t, alone, plan, nil, Request{N: 20, Seed: 1})) {
			t.Errorf("weight %g: not the samples of that model alone", weight)
		}
	}
}

// TestGuidesShareABlock: chains with two different guides and chains without a guide share a block. Each model is
// called once for its own rows, and no score depends on the other rows.
func TestGuidesShareABlock(t *testing.T) {
	m := TwoGaussians()
	first, second := classGradient(m, 0), classGradient(m, 1)
	guides := []*Guide{nil, {Model: first, Weight: 1}, {Model: second, Weight: 2.5},
		{Model: first, Weight: -3, Rule: GuideMix}, nil}
	plan := short(t, false)
	prior := Prior{Kind: PriorNormal, Std: 10}
	block := NewBlock(2, 1)
	for i, g := range guides {
		block.Start(Chain{Plan: plan, Noise: Noise{Seed: 1, Chain: uint64(i)}, Guide: g}, prior)
	}
	if err := block.Evaluate(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if first.calls != 1 || first.rows != 2 || second.calls != 1 || second.rows != 1 {
		t.Errorf("guides were called %d and %d times for %d and %d rows, want once for 2 and 1",
			first.calls, second.calls, first.rows, second.rows)
	}
	for i, g := range guides {
		s, said := make([]float32, 2), make([]float32, 2)
		if err := m.Score(t.Context(), s, block.X(i), []float32{plan[0].Sigma}); err != nil {
			t.Fatal(err)
		}
		if g != nil {
			if err := g.Model.Score(t.Context(), said, block.X(i), []float32{plan[0].Sigma}); err != nil {
				t.Fatal(err)
			}
		}
		for j := range s {
			want := float64(s[j])
			if g != nil && g.Rule == GuideMix {
				want *= 1 - float64(g.Weight)
			}
			if g != nil {
				want += float64(g.Weight) * float64(said[j])
			}
			if got := float64(block.Score(i)[j]); math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("row %d: score %g, want %g", i, got, want)
			}
		}
	}
	const ofModels = 4*2 + 1 // allocations of classGradient and the mixture
	if n := testing.AllocsPerRun(10, func() { _ = block.guide(t.Context()) }); n > ofModels {
		t.Errorf("guiding allocates %v times", n)
	}
}

func TestGuideFailure(t *testing.T) {
	fail := func(context.Context, []float32, []float32, []float32) error { return errBrokenGuide }
	broken := &countingModel{score: fail}
	_, err := Run(t.Context(), TwoGaussians(), Request{
		Plan: short(t, false), Prior: Prior{Kind: PriorNormal, Std: 10}, Dim: 2, N: 1,
		Guide: &Guide{Model: broken, Weight: 1},
	})
	var failed *GuideError
	if !errors.As(err, &failed) || failed.Model != Model(broken) || !errors.Is(err, errBrokenGuide) {
		t.Errorf("%v, want a GuideError that wraps the model's error", err)
	}
}

var errBrokenGuide = errors.New("broken guide")

func TestBadGuides(t *testing.T) {
	m := &countingModel{}
	for field, guide := range map[string]Guide{
		"model":  {Model: TwoGaussians(), Weight: 1}, // not comparable
		"weight": {Model: m, Weight: float32(math.Inf(1))},
		"rule":   {Model: m, Weight: 1, Rule: 7},
	} {
		var bad *FieldError
		if err := guide.Validate(); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%v, want a FieldError that names %s", err, field)
		}
	}
	if err := (&Guide{Weight: 1}).Validate(); err == nil {
		t.Error("a guide without a model is accepted")
	}
}
