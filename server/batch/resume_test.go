package batch_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestResume: a job that resumes from the states of any preview has the same end.
func TestResume(t *testing.T) {
	s := start(t, sampling.TwoGaussians(), batch.Config{Workers: 2, Rows: 8})
	job := batch.Job{Plan: annealed(t, 4, 5), Prior: prior, Seed: 3, First: 10, N: 30,
		Preview: &batch.Preview{Steps: []int{0, 1, 7, 19}, Chains: 30}}
	whole, err := read(t.Context(), s, job)
	if err != nil {
		t.Fatal(err)
	}
	job.Preview = nil
	for _, f := range whole.frames {
		job.Start, job.StartStep = f.X, f.Step
		rest, err := read(t.Context(), s, job)
		if err != nil || !slices.Equal(rest.x, whole.x) {
			t.Errorf("resumed at step %d: other samples, or %v", f.Step, err)
		}
	}
	remembers := slices.Clone(job.Plan)
	remembers[3].F = 1
	for name, change := range map[string]func(*batch.Job){
		"past the end":      func(j *batch.Job) { j.StartStep = 20 },
		"before the start":  func(j *batch.Job) { j.StartStep = -1 },
		"too few states":    func(j *batch.Job) { j.Start = j.Start[2:] },
		"no states":         func(j *batch.Job) { j.Start = nil },
		"state not finite":  func(j *batch.Job) { j.Start = slices.Repeat([]float32{float32(math.NaN())}, 60) },
		"plan with history": func(j *batch.Job) { j.Plan = remembers },
		"preview before it": func(j *batch.Job) { j.Preview = &batch.Preview{Steps: []int{18, 20}, Chains: 1} },
		"known part of 3-D": func(j *batch.Job) {
			j.Known, _ = sampling.Inpaint([]float32{1, 2, 3}, []bool{true, true, true}, sampling.RefreshStep)
		},
	} {
		bad := job
		change(&bad)
		var field *sampling.FieldError
		if _, err := read(t.Context(), s, bad); !errors.As(err, &field) {
			t.Errorf("resume %s: %v, want a FieldError", name, err)
		}
	}
}
