package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// connect replaces client.New("localhost:50051") and a server with two models, so that the examples need no network.
func connect(script fake.Script, opts ...client.Option) (c *client.Client, done func()) {
	server := fake.New(script)
	c, err := server.Client(opts...)
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { _ = c.Close(); server.Close() }
}

// ring answers chain i with the point (i, i/2).
func ring() fake.SampleFunc {
	return fake.Samples([]int{2}, func(chain uint64) []float32 { return []float32{float32(chain), float32(chain) / 2} })
}

func Example() {
	c, done := connect(fake.Script{Sample: ring()}) // in a program: client.New("localhost:50051")
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{Model: "ring", N: 3, Seed: new(uint64(1))})
	if err != nil {
		log.Fatal(err)
	}
	for i := range res.N {
		fmt.Println(res.Row(i))
	}
	fmt.Printf("%s version %d, seed %d\n", res.Model, res.Version, res.Seed)
	// Output:
	// [0 0]
	// [1 0.5]
	// [2 1]
	// ring version 1, seed 1
}

func ExampleClient_Stream() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	stream := c.Stream(context.Background(), client.SampleRequest{Model: "ring", N: 4})
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case client.Started:
			fmt.Printf("drawing %d chains with seed %d\n", e.N, e.Seed)
		case client.Progress:
			fmt.Printf("%d of %d steps\n", e.StepsDone, e.StepsTotal)
		case client.Done:
			fmt.Printf("%d score evaluations\n", e.NFE)
		}
	}
	res, err := stream.Result() // what the loop has read
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the last chain:", res.Row(3))
	// Output:
	// drawing 4 chains with seed 1
	// 1 of 8 steps
	// 8 of 8 steps
	// 8 score evaluations
	// the last chain: [3 1.5]
}

// Keeps a part of every sample fixed: draws points on the ring with x = 3.
func ExampleInpainting() {
	c, done := connect(fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
		emit func(client.Event) error) error {
		known := req.Condition.(client.Inpainting) // this fake server has 4 where nothing is known
		return fake.Samples([]int{2}, func(uint64) []float32 { return []float32{known.Values[0], 4} })(ctx, req, emit)
	}})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model:     "ring",
		Sampler:   client.AnnealedLangevin{Denoise: new(true)}, // ends with the known values, without noise
		Condition: client.Inpainting{Values: []float32{3, 0}, Mask: []bool{true, false}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Row(0))
	// Output: [3 4]
}

// Resumes from a preview of all chains.
func ExampleResume() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	req := client.SampleRequest{Model: "ring", N: 3, Preview: &client.PreviewOptions{Frames: 5, Chains: 3}}
	first, err := c.Sample(context.Background(), req)
	if err != nil {
		log.Fatal(err)
	}
	state := first.Previews[0]
	req.Seed, req.Preview = &first.Seed, nil // with another seed the chains would part from here on
	req.Resume = &client.Resume{Digest: first.Digest, Step: state.Step, X: state.Batch}
	again, err := c.Sample(context.Background(), req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slices.Equal(first.X, again.X))
	// Output: true
}

// Leaving the loop cancels the call, and the server frees its chains.
func ExampleStream_Events_break() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	stream := c.Stream(context.Background(), client.SampleRequest{Model: "ring", N: 1000})
	for event := range stream.Events() {
		if _, ok := event.(client.Progress); ok {
			break
		}
	}
	_, err := stream.Result()
	fmt.Println(errors.Is(err, client.ErrNotRead))
	// Output: true
}

func ExampleError() {
	busy := &client.Error{
		Code: codes.ResourceExhausted, Reason: langevinv1.ReasonQueueFull, RetryAfter: 2 * time.Second,
		Message: "4096 rows wait: want at most 4096",
	}
	c, done := connect(fake.Script{Sample: fake.Fail(busy)}, client.WithRetry(client.RetryPolicy{Attempts: 1}))
	defer done()

	_, err := c.Sample(context.Background(), client.SampleRequest{Model: "ring"})
	var e *client.Error
	switch {
	case errors.Is(err, client.ErrQueueFull) && errors.As(err, &e):
		fmt.Println("try again in", e.RetryAfter)
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow")
	}
	fmt.Println(err)
	// Output:
	// try again in 2s
	// sample ring: 4096 rows wait: want at most 4096
}

func ExampleClient_Models() {
	c, done := connect(fake.Script{Models: []client.Model{
		{Name: "2gauss", Version: 1, State: client.ModelReady, Shape: []int{2}, Default: true},
		{Name: "digits", Version: 3, State: client.ModelReady, Shape: []int{1, 28, 28}},
	}})
	defer done()

	for m, err := range c.Models(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Name, m.Version, m.State, m.Shape)
	}
	// Output:
	// 2gauss 1 ready [2]
	// digits 3 ready [1 28 28]
}

// Evaluates the vector field: the score at a point, at a small and a large sigma.
func ExampleClient_Score() {
	gaussian := func(_ context.Context, req client.ScoreRequest) (*client.Scores, error) {
		s := &client.Scores{Batch: client.Batch{Shape: req.Shape, N: len(req.Sigma)}}
		for i, sigma := range req.Sigma { // the score of N(0, 1) blurred by sigma, in one dimension
			s.X = append(s.X, -req.X[i]/(1+sigma*sigma))
		}
		return s, nil
	}
	c, done := connect(fake.Script{Score: gaussian})
	defer done()

	scores, err := c.Score(context.Background(), client.ScoreRequest{
		Model: "gaussian", X: []float32{2, 2}, Shape: []int{1}, Sigma: []float32{0, 3},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(scores.Row(0), scores.Row(1))
	// Output: [-2] [-0.2]
}
