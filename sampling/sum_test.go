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

// countingModes counts the calls and rows of a mixture's modes.
type countingModes struct {
	*Modes
	calls, rows int
}

func (c *countingModes) ScoreGiven(ctx context.Context, dst, x, sigma, classes []float32) error {
	c.calls++
	c.rows += len(sigma)
	return c.Modes.ScoreGiven(ctx, dst, x, sigma, classes)
}

// TestGuidedClass: the gradient of a classifier of two classes puts nearly every chain in the requested mode, even the
// rare one. Each chain ends where the exact score of that class puts it.
func TestGuidedClass(t *testing.T) {
	m := TwoGaussians()
	plan := short(t, false)
	for k := range m.Means {
		guided := mustRun(t, m, plan, nil, Request{N: 400, Seed: 1,
			Sum: &Sum{Own: 1, Terms: []Term{{Model: classGradient(m, k), Weight: 1}}}})
		if share := m.Shares(guided)[k]; share < 0.95 {
			t.Errorf("class %d: %.3f of the chains are in its mode, want above 0.95", k, share)
		}
		exact := mustRun(t, m.Modes(), plan, nil, Request{N: 400, Seed: 1, Given: []float32{float32(k)}})
		for i, v := range exact {
			if off := math.Abs(float64(v - guided[i])); off > 1e-3 {
				t.Fatalf("class %d: element %d is %g off the chain of the exact class score", k, i, off)
			}
		}
	}
}

// TestOneTermOfASum: a sum that gives all weight to one term has that term's samples, bit for bit: another model, or
// the same model with a condition.
func TestOneTermOfASum(t *testing.T) {
	m, plan := TwoGaussians(), short(t, true)
	other := Mixture{Weights: []float64{1}, Means: [][]float64{m.Means[1]}, Std: m.Std}
	request := Request{N: 20, Seed: 1}
	of := func(m Model, given []float32, s *Sum) []float32 {
		r := request
		r.Given, r.Sum = given, s
		return mustRun(t, m, plan, nil, r)
	}
	one, none := []float32{1}, []float32{2}
	for name, pair := range map[string][2][]float32{
		"own":       {of(m, nil, &Sum{Own: 1, Terms: []Term{{Model: &other}}}), of(m, nil, nil)},
		"other":     {of(m, nil, &Sum{Terms: []Term{{Model: &other, Weight: 1}}}), of(other, nil, nil)},
		"condition": {of(m.Modes(), none, &Sum{Terms: []Term{{Given: one, Weight: 1}}}), of(m.Modes(), one, nil)},
		"none":      {of(m.Modes(), one, &Sum{Terms: []Term{{Given: none, Weight: 1}}}), of(m, nil, nil)},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: not the samples of that term alone", name)
		}
	}
}

// TestSumsShareABlock: chains with different conditions and sums share a block. Each model is called once, for all of
// its rows, and the score of a row is the weighted sum of the scores that its terms have alone, in float32 and in
// order.
func TestSumsShareABlock(t *testing.T) {
	m := TwoGaussians()
	own := &countingModes{Modes: m.Modes()}
	first, second := classGradient(m, 0), classGradient(m, 1)
	none := []float32{2}
	sums := []*Sum{
		nil, {Own: 1, Terms: []Term{{Model: first, Weight: 1}}}, {Own: 2, Terms: []Term{{Given: none, Weight: -1}}},
		{Own: 0.3, Terms: []Term{{Model: second, Weight: 2.5}, {Given: none, Weight: 0.1}, {Model: first, Weight: -3},
			{Given: []float32{1}, Weight: 0.7}}}, {Own: 3}, nil,
	}
	plan := short(t, false)
	prior := Prior{Kind: PriorNormal, Std: 10}
	block := NewBlock(2, 1)
	for i, s := range sums {
		block.Start(Chain{
			Plan: plan, Noise: Noise{Seed: 1, Chain: uint64(i)}, Sum: s, Given: []float32{float32(i % 3)},
		}, prior)
	}
	if err := block.Evaluate(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if own.calls != 1 || own.rows != len(sums)+3 {
		t.Errorf("the model was called %d times for %d rows, want once for %d", own.calls, own.rows, len(sums)+3)
	}
	if first.calls != 1 || first.rows != 2 || second.calls != 1 || second.rows != 1 {
		t.Errorf("terms' models were called %d and %d times for %d and %d rows, want once for 2 and 1",
			first.calls, second.calls, first.rows, second.rows)
	}
	alone := func(m Model, i int, given []float32) []float32 {
		s := make([]float32, 2)
		if err := ScoreGiven(t.Context(), m, s, block.X(i), []float32{plan[0].Sigma}, given); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i, s := range sums {
		want := alone(own, i, []float32{float32(i % 3)})
		if s != nil {
			for j := range want {
				want[j] = float32(s.Own * want[j])
			}
			for _, term := range s.Terms {
				model := term.Model
				if model == nil {
					model = own
				}
				for j, v := range alone(model, i, term.Given) {
					want[j] += float32(term.Weight * v)
				}
			}
		}
		if !slices.Equal(block.Score(i), want) {
			t.Errorf("row %d: score %v, want %v", i, block.Score(i), want)
		}
	}
}

// TestSumsAllocateNothing: once the buffers have grown, evaluating conditions and sums allocates nothing.
func TestSumsAllocateNothing(t *testing.T) {
	own := &constant{width: 1}
	other := &constant{}
	block := NewBlock(2, 8)
	sum := &Sum{Own: 1, Terms: []Term{{Given: []float32{1}, Weight: 1}, {Model: other, Weight: 1}}}
	for range 8 {
		block.Start(Chain{Plan: Plan{{Sigma: 1}}, Given: []float32{0}, Sum: sum}, square)
	}
	evaluate := func() {
		if err := block.Evaluate(t.Context(), own); err != nil {
			t.Fatal(err)
		}
	}
	evaluate()
	if n := testing.AllocsPerRun(10, evaluate); n > 0 {
		t.Errorf("an evaluation allocates %v times", n)
	}
}

// constant is a model that computes nothing.
type constant struct{ width int }

func (c *constant) Width() int                                                   { return c.width }
func (c *constant) Score(context.Context, []float32, []float32, []float32) error { return nil }
func (c *constant) ScoreGiven(context.Context, []float32, []float32, []float32, []float32) error {
	return nil
}

// TestCompanyOfConditions: the bits of a chain with a condition and a sum are the same alone, as a part of a larger
// run, and in a block whose other chains come and go.
func TestCompanyOfConditions(t *testing.T) {
	m, plan := TwoGaussians(), short(t, true)
	other := &Mixture{Weights: []float64{1}, Means: [][]float64{{1, 2}}, Std: 3}
	sum := &Sum{Own: 1.5, Terms: []Term{{Given: []float32{2}, Weight: -0.5}, {Model: other, Weight: 0.25}}}
	const n = 12
	given := make([]float32, n)
	for i := range given {
		given[i] = float32(i % 3)
	}
	r := Request{N: n, Seed: 3, Given: given, Sum: sum}
	all := mustRun(t, m.Modes(), plan, nil, r)
	for i := range n {
		r.N, r.FirstChain, r.Given = 1, uint64(i), given[i:i+1]
		if got := mustRun(t, m.Modes(), plan, nil, r); !slices.Equal(got, all[2*i:2*i+2]) {
			t.Errorf("chain %d alone: %v, with others %v", i, got, all[2*i:2*i+2])
		}
	}
	block := NewBlock(2, 1)
	block.Start(Chain{Plan: plan, Noise: Noise{Seed: 3, Chain: 4}, Given: given[4:5], Sum: sum}, square)
	for step := range plan {
		switch {
		case step%7 == 2:
			noise := Noise{Seed: 9, Chain: uint64(step)}
			block.Start(Chain{Plan: plan, Noise: noise, Given: given[step%3:][:1]}, square)
		case step%11 == 5 && block.Len() > 1:
			block.Remove(block.Len() - 1)
		}
		if err := block.Evaluate(t.Context(), m.Modes()); err != nil {
			t.Fatal(err)
		}
		for i := range block.Len() {
			block.Advance(i)
		}
	}
	if !slices.Equal(block.X(0), all[8:10]) {
		t.Errorf("chain 4 in company: %v, want %v", block.X(0), all[8:10])
	}
}

func TestTermFailure(t *testing.T) {
	fail := func(context.Context, []float32, []float32, []float32) error { return errBrokenTerm }
	broken := &countingModel{score: fail}
	_, err := Run(t.Context(), TwoGaussians(), Request{
		Plan: short(t, false), Prior: Prior{Kind: PriorNormal, Std: 10}, Dim: 2, N: 1,
		Sum: &Sum{Own: 1, Terms: []Term{{Model: broken, Weight: 1}}},
	})
	var failed *TermError
	if !errors.As(err, &failed) || failed.Model != Model(broken) || !errors.Is(err, errBrokenTerm) {
		t.Errorf("%v, want a TermError that wraps the model's error", err)
	}
}

var errBrokenTerm = errors.New("broken term")

func TestBadSums(t *testing.T) {
	m, inf := &countingModel{}, float32(math.Inf(1))
	for field, sum := range map[string]Sum{
		"terms[0].model":  {Own: 1, Terms: []Term{{Model: TwoGaussians(), Weight: 1}}}, // not comparable
		"terms[1].weight": {Own: 1, Terms: []Term{{Model: m}, {Model: m, Weight: inf}}},
		"own_weight":      {Own: -inf},
	} {
		var bad *FieldError
		if err := sum.Validate(); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%v, want a FieldError that names %s", err, field)
		}
	}
}

// TestBadConditions: conditions that do not fit the model or the number of rows are refused.
func TestBadConditions(t *testing.T) {
	modes := TwoGaussians().Modes()
	for name, c := range map[string]struct {
		m     Model
		given []float32
	}{
		"no conditions": {TwoGaussians(), []float32{1}},
		"too few":       {modes, []float32{1, 1}},
		"too many":      {modes, make([]float32, 4)},
	} {
		var bad *FieldError
		r := Request{Plan: short(t, false), Prior: square, Dim: 2, N: 3, Given: c.given}
		if _, err := Run(t.Context(), c.m, r); !errors.As(err, &bad) || bad.Field != "given" {
			t.Errorf("%s: Run returns %v, want a FieldError that names given", name, err)
		}
		flow := FlowRequest{SigmaMax: 10, SigmaMin: 0.1, Dim: 2, N: 3, Given: c.given}
		if _, err := FlowDecode(t.Context(), c.m, flow); !errors.As(err, &bad) || bad.Field != "given" {
			t.Errorf("%s: FlowDecode returns %v, want a FieldError that names given", name, err)
		}
	}
	block := NewBlock(2, 2)
	plan := short(t, false)
	block.Start(Chain{Plan: plan, Given: []float32{1}}, square)
	block.Start(Chain{Plan: plan}, square)
	if err := block.Evaluate(t.Context(), modes); err == nil {
		t.Error("a block with and without conditions is evaluated")
	}
}
