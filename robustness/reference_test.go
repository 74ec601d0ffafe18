package robustness_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/sampling"
)

// reference draws requests alone, in one goroutine and without a server.
type reference struct{ drawn map[string]robustness.Drawn }

func (r *reference) draw(digest string, req *langevinv1.SampleRequest, seed uint64) (robustness.Drawn, error) {
	same := &langevinv1.SampleRequest{N: req.N, FirstChain: req.FirstChain, Sampler: req.Sampler}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(same)
	if err != nil {
		return robustness.Drawn{}, err
	}
	key := fmt.Sprint(digest, seed, string(text))
	if drawn, ok := r.drawn[key]; ok {
		return drawn, nil
	}
	l := req.GetLangevin()
	plan, err := sampling.Langevin{Sigma: l.GetSigma(), Steps: int(l.GetSteps()), StepSize: l.GetStepSize(),
		Denoise: l.GetDenoise()}.Plan()
	if err != nil {
		return robustness.Drawn{}, err
	}
	model := sampling.ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		score(meanOf(digest), dst, x, sigma)
		return nil
	})
	states := map[int64][]float32{}
	x, err := sampling.Run(context.Background(), model, sampling.Request{
		Plan: plan, Prior: modelstest.Manifest("points", dim).Prior, Dim: dim, Seed: seed,
		FirstChain: req.GetFirstChain(), N: int(req.GetN()),
		Observe: func(step int, x []float32) { states[int64(step)] = slices.Clone(x) },
	})
	if errors.Is(err, sampling.ErrDiverged) { // the states until then are compared
		err = nil
	}
	drawn := robustness.Drawn{X: x, State: func(step int64) []float32 { return states[step] }}
	r.drawn[key] = drawn
	return drawn, err
}
