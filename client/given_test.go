package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// labelled answers as a server whose chain i is i plus a hundred times its class.
func labelled(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
	return fake.Samples([]int{1}, func(chain uint64) []float32 {
		given := req.Given
		if each, ok := given.(client.Each); ok {
			given = each[chain-req.FirstChain]
		}
		class, _ := given.(client.Class)
		return []float32{float32(chain) + 100*float32(class)}
	})(ctx, req, emit)
}

// TestConditionsOfParts: a request with a condition for each chain is split and continued with the right conditions.
func TestConditionsOfParts(t *testing.T) {
	const n = 40
	request := client.SampleRequest{
		Model: "m", N: n, Seed: new(uint64(1)), FirstChain: 3, GuidanceScale: new(2.),
		Sum: &client.Sum{OwnWeight: new(0.5), Terms: []client.Term{
			{Given: client.Class(1)}, {Model: "other", Version: 2, Weight: new(-1.), Given: client.Vector{1, 2}},
		}},
	}
	each, want := make(client.Each, n), make([]float32, n)
	for i := range each {
		each[i] = client.Class(i % 7)
		want[i] = float32(3 + i + 100*(i%7))
	}
	request.Given = each
	for name, options := range map[string][]client.Option{
		"one call": nil, "split": {client.WithSplit(2)}, "resume": {client.WithResume()},
	} {
		t.Run(name, func(t *testing.T) {
			answer := fake.SampleFunc(labelled)
			if name == "resume" {
				answer = fake.Sequence(fake.Break(4, nil, inPieces(labelled)), labelled)
			}
			server := fake.New(fake.Script{Sample: answer})
			defer server.Close()
			c, err := server.Client(options...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			res, err := c.Sample(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, res.X); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(request.Given, res.Given); diff != "" {
				t.Errorf("conditions of the result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(request.Sum, res.Sum); diff != "" || *res.GuidanceScale != 2 {
				t.Errorf("sum of the result, scale %g (-want +got):\n%s", *res.GuidanceScale, diff)
			}
		})
	}
}

// inPieces answers with chunks of half of the chains each.
func inPieces(answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		return answer(ctx, req, func(e client.Event) error {
			c, ok := e.(client.Chunk)
			if !ok {
				return emit(e)
			}
			half := c.N / 2
			first := client.Chunk{Batch: row(c.X[:half]...), FirstChain: c.FirstChain}
			second := client.Chunk{Batch: row(c.X[half:]...), FirstChain: c.FirstChain + uint64(half)}
			return errors.Join(emit(first), emit(second))
		})
	}
}

// TestTermsMustAgree: a call is not continued with other files of the models of its terms.
func TestTermsMustAgree(t *testing.T) {
	of := func(digest string) fake.SampleFunc {
		return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
			req.Sum = &client.Sum{OwnWeight: new(1.), Terms: []client.Term{{Model: "other", Digest: digest}}}
			return labelled(ctx, req, emit)
		}
	}
	server := fake.New(fake.Script{Sample: fake.Sequence(fake.Break(2, nil, of("a")), of("b"))})
	defer server.Close()
	c, err := server.Client(client.WithResume())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Sample(t.Context(), client.SampleRequest{N: 4, Sum: &client.Sum{Terms: []client.Term{{Model: "other"}}}})
	if !errors.Is(err, client.ErrChanged) || !strings.Contains(err.Error(), "terms") {
		t.Errorf("%v, want ErrChanged because of the terms", err)
	}
}

// TestGivenMessages: every condition comes back from its message.
func TestGivenMessages(t *testing.T) {
	for _, g := range []client.Given{
		nil, client.Class(3), client.ClassName("shoe"), client.Vector{1, -2}, client.Unconditional{},
		client.Each{client.Class(0), client.Unconditional{}, client.ClassName("a"), client.Vector{0}},
	} {
		list, err := client.GivenList(g)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, client.GivenOf(list)); diff != "" {
			t.Errorf("%v (-sent +received):\n%s", g, diff)
		}
	}
}

func TestBadGiven(t *testing.T) {
	c, done := connect(fake.Script{Sample: labelled})
	defer done()
	for want, r := range map[string]client.SampleRequest{
		"given has a condition for 2 chains or rows: want one for all, or one for each of the 3": {
			N: 3, Given: client.Each{client.Class(1), client.Class(2)},
		},
		"given[1] is an Each":                    {N: 2, Given: client.Each{client.Class(1), client.Each{}}},
		`given.class_name is "\xff": want UTF-8`: {Given: client.ClassName("\xff")},
		"given.class is 4294967296":              {Given: client.Class(1 << 32)},
		"terms[0].given is an Each":              {Sum: &client.Sum{Terms: []client.Term{{Given: client.Each{}}}}},
		"terms[1].version is 429496729":          {Sum: &client.Sum{Terms: []client.Term{{}, {Version: 1 << 32}}}},
	} {
		if _, err := c.Sample(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestRowsGiven: the rows of one request keep their conditions where it takes several calls.
func TestRowsGiven(t *testing.T) {
	const rows = 70_000
	each, sigma := make(client.Each, rows), []float32{1}
	for i := range each {
		each[i] = client.Class(i)
	}
	firsts := make(chan string, 8)
	script := fake.Script{
		Models: []client.Model{{Name: "m", Version: 1, Shape: []int{1}}},
		Score: func(_ context.Context, r client.ScoreRequest) (*client.Scores, error) {
			given := r.Given.(client.Each)
			firsts <- fmt.Sprint(given[0], len(given) == len(r.X), *r.GuidanceScale)
			b := client.Batch{X: r.X, N: len(r.X), Shape: []int{1}}
			return &client.Scores{Model: "m", Version: 1, Batch: b}, nil
		},
		Encode: func(_ context.Context, r client.EncodeRequest) (*client.Flowed, error) {
			firsts <- fmt.Sprint(r.Given)
			return nil, &client.Error{Reason: langevinv1.ReasonInvalid}
		},
	}
	c, done := connect(script)
	defer done()
	if _, err := c.Score(t.Context(), client.ScoreRequest{
		Model: "m", X: make([]float32, rows), Shape: []int{1}, Sigma: sigma, Given: each, GuidanceScale: new(3.),
	}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-firsts: true, <-firsts: true}
	if !got["0 true 3"] || !got["35000 true 3"] {
		t.Errorf("the calls had the first conditions %v, want 0 and 35000 and as many as rows", got)
	}
	_, _ = c.Encode(t.Context(), client.EncodeRequest{Model: "m", X: []float32{1}, Given: client.ClassName("shoe")})
	if given := <-firsts; given != "shoe" {
		t.Errorf("Encode is given %s, want shoe", given)
	}
}

// TestEvaluationsOfAStep counts what a server evaluates for what a call follows.
func TestEvaluationsOfAStep(t *testing.T) {
	for _, tt := range []struct {
		started client.Started
		want    int
	}{
		{client.Started{}, 1},
		{client.Started{GuidanceScale: new(1.)}, 1},
		{client.Started{GuidanceScale: new(0.)}, 2},
		{client.Started{Guidance: &client.Guidance{}}, 2},
		{client.Started{Sum: &client.Sum{OwnWeight: new(2.)}}, 1},
		{client.Started{Sum: &client.Sum{Terms: make([]client.Term, 2)}, GuidanceScale: new(3.)}, 4},
	} {
		if got := tt.started.Evaluations(); got != tt.want {
			t.Errorf("%+v: %d evaluations of a step, want %d", tt.started, got, tt.want)
		}
	}
}
