package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestFlow: requests and answers of the three flow calls arrive as they were sent.
func TestFlow(t *testing.T) {
	flow := client.FlowOptions{SigmaMax: 10, SigmaMin: 0.1, RelativeTol: 1e-3, AbsoluteTol: 1e-4}
	encode := client.EncodeRequest{Model: "g", Version: 1, X: []float32{1, 2, 3, 4}, Shape: []int{2}, Flow: flow}
	decode := client.DecodeRequest{Model: "g", Version: 2, Latent: []float32{1, 2}, Flow: flow, Denoise: true}
	judge := client.LogLikelihoodRequest{Model: "g", X: []float32{5, 6}, Shape: []int{1}, Exact: true, Seed: 7}
	flowed := &client.Flowed{Batch: client.Batch{X: []float32{9, 8, 7, 6}, Shape: []int{2}, N: 2}, NFE: []int64{50, 60},
		Model: "g", Version: 1, Digest: "d"}
	likely := &client.LogLikelihoods{LogP: []float64{-1.5, -2}, NFE: []int64{3, 4}, Model: "g", Version: 1, Digest: "d"}
	var asked []any
	c := serve(t, fake.Script{
		Encode: func(_ context.Context, req client.EncodeRequest) (*client.Flowed, error) {
			asked = append(asked, req)
			return flowed, nil
		},
		Decode: func(_ context.Context, req client.DecodeRequest) (*client.Flowed, error) {
			asked = append(asked, req)
			return nil, &client.Error{Code: codes.FailedPrecondition, Reason: langevinv1.ReasonTolerance,
				Message: "tolerance 1e-3"}
		},
		LogLikelihood: func(_ context.Context, req client.LogLikelihoodRequest) (*client.LogLikelihoods, error) {
			asked = append(asked, req)
			return likely, nil
		},
	})
	latents, err := c.Encode(t.Context(), encode)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := c.LogLikelihood(t.Context(), judge)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decode(t.Context(), decode); !errors.Is(err, client.ErrTolerance) {
		t.Errorf("decode: %v, want ErrTolerance", err)
	}
	if diff := cmp.Diff([]any{encode, judge, decode}, asked); diff != "" {
		t.Errorf("requests (-sent +arrived):\n%s", diff)
	}
	if diff := cmp.Diff([]any{flowed, likely}, []any{latents, logs}); diff != "" {
		t.Errorf("answers (-sent +arrived):\n%s", diff)
	}
	_, err = c.Encode(t.Context(), client.EncodeRequest{X: make([]float32, 3), Shape: []int{2}})
	if !errors.Is(err, client.ErrInvalid) {
		t.Errorf("3 elements of shape [2]: %v, want ErrInvalid", err)
	}
	_, err = c.Encode(t.Context(), client.EncodeRequest{X: make([]float32, 3)})
	if !errors.Is(err, client.ErrMalformed) {
		t.Errorf("4 numbers for 3: %v, want ErrMalformed", err)
	}
}
