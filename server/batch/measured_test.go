package batch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestParticles: chains of particles have the bits of sampling.Run, though they do not fit into the block and other
// callers take their rows in between.
func TestParticles(t *testing.T) {
	model := sampling.TwoGaussians()
	op, err := linear.Mask([]bool{true, false})
	if err != nil {
		t.Fatal(err)
	}
	y, err := op.Measurement([]float32{4}, 3)
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := sampling.Geometric(20, 0.1, 30)
	if err != nil {
		t.Fatal(err)
	}
	p := sampling.Particles{Schedule: schedule, Count: 10, Threshold: 0.5, Guided: true, Spread: 5}
	plan, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	job := batch.Job{
		Caller: "a", Plan: plan, Prior: p.Prior(), Seed: 1, N: 9, Measured: &sampling.Measured{Measurement: y, By: p},
	}
	want := make([]sampling.Diagnosis, job.N)
	x, err := sampling.Run(t.Context(), model, sampling.Request{
		Plan: plan, Prior: job.Prior, Dim: 2, Seed: 1, N: job.N, Measured: job.Measured, Diagnosed: want,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, slow(model, time.Millisecond), batch.Config{Workers: 2, Rows: 32})
	stream, err := s.Submit(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for range 3 { // each takes rows from the first job
		time.Sleep(3 * time.Millisecond)
		other := batch.Job{Caller: "b", Plan: annealed(t, 2, 2), Prior: prior, Seed: 1, N: 40}
		if _, err := read(t.Context(), s, other); err != nil {
			t.Fatal(err)
		}
	}
	var got []float32
	var found []sampling.Diagnosis
	for len(found) < job.N {
		event, err := stream.Poll()
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := event.(*batch.Chunk); ok {
			got, found = append(got, c.X...), append(found, c.Diagnoses...)
		}
	}
	if !slices.Equal(got, x) || !slices.Equal(found, want) {
		t.Errorf("samples %v %v, want %v %v", got, found, x, want)
	}
}
