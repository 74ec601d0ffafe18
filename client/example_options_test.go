package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Ends a call after a time. A server that would be late says so at once.
func ExampleClient_Sample_deadline() {
	c, done := connect(fake.Script{Sample: fake.Delay(time.Minute, ring())})
	defer done()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Sample(ctx, client.SampleRequest{Model: "ring", N: 1000})
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// A program that can wait for a busy server tries more often than the default.
func ExampleWithRetry() {
	full := fake.Fail(&client.Error{
		Code: codes.ResourceExhausted, Reason: langevinv1.ReasonQueueFull, RetryAfter: time.Millisecond,
		Message: "queue is full",
	})
	c, done := connect(fake.Script{Sample: fake.Sequence(full, full, full, full, full, ring())},
		client.WithRetry(client.RetryPolicy{Attempts: 10, BaseDelay: time.Millisecond}))
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{Model: "ring", N: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.X)
	// Output: [0 0 1 0.5]
}

// Draws sevens, and pushes them away from samples without a class.
func ExampleClass() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model: "mnist-class", N: 16, Given: client.Class(7), GuidanceScale: new(2.),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.N, "samples of class", res.Given)
	// Output: 16 samples of class 7
}

// Draws one sample of each of three classes.
func ExampleEach() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model: "fashion-class", N: 3,
		Given: client.Each{client.ClassName("Trouser"), client.ClassName("Bag"), client.Class(0)},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.N, "samples of", res.Given)
	// Output: 3 samples of [Trouser Bag 0]
}

// Draws a parameter given two observations: the product of two posteriors, divided by the prior that both contain.
func ExampleTerm() {
	c, done := connect(fake.Script{Sample: ring()})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model: "posterior", N: 1000, Given: client.Vector{0.3, -1},
		Sum: &client.Sum{Terms: []client.Term{
			{Given: client.Vector{0.1, -0.8}},
			{Given: client.Unconditional{}, Weight: new(-1.)},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(res.Sum.Terms), "further terms; only approximate:", res.Approximate)
	// Output: 2 further terms; only approximate: false
}

// The connection breaks after two events; the client continues on the next server that answers.
func ExampleWithResume() {
	c, done := connect(fake.Script{Sample: fake.Sequence(fake.Break(2, nil, ring()), ring())}, client.WithResume())
	defer done()

	stream := c.Stream(context.Background(), client.SampleRequest{Model: "ring", N: 3, Seed: new(uint64(1))})
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		if r, ok := event.(client.Resumed); ok {
			fmt.Println("going on after:", r.Cause)
		}
	}
	res, err := stream.Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.X, res.Resumed)
	// Output:
	// going on after: sample ring: connection broke
	// [0 0 1 0.5 2 1] 1
}

// Two servers draw one request at once, as client.New("gpu1:50051,gpu2:50051", client.WithSplit(2)) would.
func ExampleWithSplit() {
	draw := func(opts ...client.Option) []float32 {
		c, done := connect(fake.Script{Sample: ring()}, opts...)
		defer done()
		res, err := c.Sample(context.Background(), client.SampleRequest{Model: "ring", N: 100, Seed: new(uint64(1))})
		if err != nil {
			log.Fatal(err)
		}
		return res.X
	}
	fmt.Println(slices.Equal(draw(), draw(client.WithSplit(2))))
	// Output: true
}

// Connects to a server that has its own certificate authority and requires a client certificate.
func ExampleWithTLS() {
	c, err := client.New("dns:///langevin.example:50051",
		client.WithTLS(&tls.Config{MinVersion: tls.VersionTLS13}), // RootCAs and Certificates go here
		client.WithToken("s3cret"),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	fmt.Println(c.Target())
	// Output: dns:///langevin.example:50051
}

// A token is not sent where others can read it, unless the program allows it.
func ExampleWithToken() {
	_, err := client.New("langevin.example:50051", client.WithToken("s3cret"))
	fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n"))
	// Output:
	// client of "langevin.example:50051":
	// a token over plaintext can be read by others:
	// use WithTLS, or WithPlaintextToken if the network is private
}

// Logs what the client did about a failure.
func ExampleWithLogger() {
	plain := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // leaves out what changes from run to run
			if a.Key == slog.TimeKey || a.Key == "request_id" || a.Key == "wait" {
				return slog.Attr{}
			}
			return a
		},
	}))
	stopping := fake.Fail(&client.Error{Code: codes.Unavailable, Reason: langevinv1.ReasonDraining,
		Message: "the server is stopping"})
	c, done := connect(fake.Script{Sample: fake.Sequence(stopping, ring())}, client.WithLogger(plain))
	defer done()

	if _, err := c.Sample(context.Background(), client.SampleRequest{Model: "ring"}); err != nil {
		log.Fatal(err)
	}
	// Output: level=INFO msg="call failed, trying again" error="sample ring: the server is stopping" tries=1
}

// Shows intermediate states as pictures, for an image model whose pixels are in [0, 1].
func ExampleBatch_Images() {
	c, done := connect(fake.Script{Sample: fake.Samples([]int{1, 2, 2},
		func(uint64) []float32 { return []float32{0, 0.5, 1, 2} })})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model: "digits", PNG: true, Preview: &client.PreviewOptions{Frames: 10},
	})
	if err != nil {
		log.Fatal(err)
	}
	pictures, err := res.Previews[0].Images(0, 1) // png.Encode writes them to files
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pictures[0].Bounds().Size(), pictures[0].At(0, 1))
	// Output: (2,2) {255}
}

// Draws digits that a small, noisy picture may have been made from, and refuses an answer that does not represent them.
func ExampleMeasurement() {
	c, done := connect(fake.Script{Sample: fake.Samples([]int{1, 2, 2},
		func(chain uint64) []float32 { return []float32{0, 1, 1, float32(chain)} })})
	defer done()

	res, err := c.Sample(context.Background(), client.SampleRequest{
		Model: "mnist", N: 2,
		Measurement: &client.Measurement{
			Operator: client.Pool(2), Values: []float32{0.6}, NoiseStd: 0.05,
			Method: client.Particles{Count: 64}, RefuseCollapsed: true,
		},
	})
	if err != nil { // errors.Is(err, client.ErrCollapsed): try more particles
		log.Fatal(err)
	}
	fmt.Println(res.Row(0), res.Row(1))
	// Output: [0 1 1 0] [0 1 1 1]
}

// Raises an alarm for 1 % of the samples that are like the training data, and for as many of the others as it can tell.
func ExampleClient_Detect() {
	c, done := connect(fake.Script{
		Detect: func(_ context.Context, r client.DetectRequest) (*client.Detected, error) {
			d := &client.Detected{Calibrated: 999}
			for _, v := range r.X { // this fake knows numbers from 0 to 1
				d.Distance = append(d.Distance, float64(max(0, v-1)))
				d.PValue = append(d.PValue, map[bool]float64{false: 0.4, true: 0.001}[v > 1])
			}
			return d, nil
		},
	})
	defer done()

	found, err := c.Detect(context.Background(), client.DetectRequest{
		Model: "digits", X: []float32{0.3, 7, 0.9}, Shape: []int{1},
	})
	if err != nil { // errors.Is(err, client.ErrNoDetector): run langevin detect fit
		log.Fatal(err)
	}
	for i, p := range found.PValue {
		if p <= 0.01 {
			fmt.Printf("row %d is unlike the training data: p = %g\n", i, p)
		}
	}
	// Output: row 1 is unlike the training data: p = 0.001
}

// Takes samples to latents and back.
func ExampleClient_Encode() {
	const stretch = 10 // this fake flow moves points away from each other
	scaled := func(x []float32, by float32) *client.Flowed {
		f := &client.Flowed{Batch: client.Batch{Shape: []int{1}, N: len(x)}}
		for _, v := range x {
			f.X = append(f.X, v*by)
		}
		return f
	}
	c, done := connect(fake.Script{
		Encode: func(_ context.Context, req client.EncodeRequest) (*client.Flowed, error) {
			return scaled(req.X, stretch), nil
		},
		Decode: func(_ context.Context, req client.DecodeRequest) (*client.Flowed, error) {
			return scaled(req.Latent, 1.0/stretch), nil
		},
	})
	defer done()

	latents, err := c.Encode(context.Background(), client.EncodeRequest{Model: "line", X: []float32{1, 2}})
	if err != nil {
		log.Fatal(err)
	}
	samples, err := c.Decode(context.Background(), client.DecodeRequest{Model: "line", Latent: latents.X})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(latents.X, samples.X)
	// Output: [10 20] [1 2]
}

// Compares the likelihoods of two points.
func ExampleClient_LogLikelihood() {
	c, done := connect(fake.Script{
		LogLikelihood: func(context.Context, client.LogLikelihoodRequest) (*client.LogLikelihoods, error) {
			return &client.LogLikelihoods{LogP: []float64{-2.1, -40.5}, NFE: []int64{62, 80}}, nil
		},
	})
	defer done()

	res, err := c.LogLikelihood(context.Background(), client.LogLikelihoodRequest{
		Model: "ring", X: []float32{5, 0, 0, 0}, Shape: []int{2}, Exact: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.LogP)
	// Output: [-2.1 -40.5]
}
