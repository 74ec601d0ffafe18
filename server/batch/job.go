package batch

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/langevin-ml/langevin/sampling"
)

// Job describes the chains of one request. Chain i of a job uses the noise of chain First+i with the job's seed.
type Job struct {
	Caller  string // jobs of one caller share that caller's part of the machine
	Plan    sampling.Plan
	Prior   sampling.Prior
	Seed    uint64
	First   uint64
	N       int             // number of chains, at least 1
	Columns int             // if above 1, chains form rows of interpolated samples; see sampling.ChainAt
	Known   *sampling.Known // fixes a part of every chain; nil for none

	// Given is the condition of the model: one row for all chains, or one for each. It is needed if the model is a
	// [sampling.Conditional], and nil otherwise.
	Given []float32

	// Sum is followed by every chain instead of the model's score; nil for none. The models of its terms must stay
	// usable until the stream is closed.
	Sum *sampling.Sum

	// Measured is what was measured of every sample; nil for nothing. With it there is no Known, Sum or Columns, and
	// a Start only where a chain has one state.
	Measured *sampling.Measured

	// LeastSize, if above 0, fails the job with a [CollapsedError] at the first chain with a smaller effective size of
	// its particles.
	LeastSize float64

	// TermCost is the time that the terms of other models add to a tick: the sum of the [Scheduler.Cost] of the models'
	// schedulers, the Tick once for each model and the Row once for each term. Zero means unknown.
	TermCost Cost

	// Start, if not nil, holds the states of the N chains after StartStep steps, row-major. The job resumes there. A
	// plan whose steps use history can only be resumed at step 0.
	Start     []float32
	StartStep int

	// Held is the number of bytes that the caller of Submit holds for the job until it closes the stream: its request,
	// and its plan if no other job shares it. Start is counted in any case.
	Held int64

	// Charge, if not nil, is called once nothing else refuses the job. If it returns an error, the job is refused with
	// it. It must not wait.
	Charge func() error

	Preview  *Preview // nil for none
	Follower Follower // is told of the job's progress; nil for none
}

// Preview requests intermediate states of a job's first chains.
type Preview struct {
	Steps    []int // numbers of steps taken: strictly increasing, from 0 (the initial state) to the plan's length
	Chains   int   // number of chains, from 1 to N
	Denoised bool  // return x + σ²·s(x, σ) before the last step instead of the state; step 0 returns the state
}

func (j *Job) validate(model sampling.Model, dim int) error {
	if err := j.Plan.Validate(); err != nil {
		return err
	}
	if err := j.Prior.Validate(); err != nil {
		return err
	}
	if j.N < 1 {
		return &sampling.FieldError{Field: "n", Given: j.N, Want: "at least 1"}
	}
	if j.Known != nil && !j.Known.Fits(dim) {
		return &sampling.FieldError{
			Field: "known",
			Given: "a part of other samples",
			Want:  fmt.Sprintf("a part of samples of %d elements", dim),
		}
	}
	if err := checkGiven(model, j.Given, j.N); err != nil {
		return err
	}
	if err := j.validateMeasured(dim); err != nil {
		return err
	}
	if j.Sum != nil {
		if err := j.Sum.Validate(); err != nil {
			return err
		}
		if err := checkTerms(model, j.Sum); err != nil {
			return err
		}
	}
	if err := j.validateStart(dim); err != nil || j.Preview == nil {
		return err
	}
	return j.validatePreview()
}

func (j *Job) validateMeasured(dim int) error {
	if j.Measured == nil {
		return nil
	}
	if j.Known != nil || j.Sum != nil || j.Columns > 1 || j.Start != nil && j.Measured.Rows() > 1 {
		return &sampling.FieldError{
			Field: "measured",
			Given: "together with known, sum, columns, or start for several particles",
			Want:  "a measurement alone",
		}
	}
	return j.Measured.Validate(dim)
}

// evaluations returns how many rows a chain takes in a step, of all models.
func (j *Job) evaluations() int { return j.Sum.Evaluations() * j.Measured.Rows() }

// checkTerms returns a FieldError for the first term whose condition does not fit its model.
func checkTerms(model sampling.Model, sum *sampling.Sum) error {
	for i, t := range sum.Terms {
		of := model
		if t.Model != nil {
			of = t.Model
		}
		var bad *sampling.FieldError
		if errors.As(checkGiven(of, t.Given, 1), &bad) {
			bad.Field = fmt.Sprintf("terms[%d].given", i)
			return bad
		}
	}
	return nil
}

// checkGiven returns a FieldError unless given has conditions of the model for n rows. The rows of a block are
// evaluated together, so a row without a condition would fail the others.
func checkGiven(model sampling.Model, given []float32, n int) error {
	if sampling.WidthOf(model) > 0 && len(given) == 0 {
		return &sampling.FieldError{Field: "given", Given: "nothing", Want: "a condition: the model needs one"}
	}
	return sampling.CheckGiven(model, given, n)
}

func (j *Job) validateStart(dim int) error {
	refuse := func(field string, given any, want string) error {
		return &sampling.FieldError{Field: field, Given: given, Want: want}
	}
	switch {
	case j.Start == nil && j.StartStep != 0:
		return refuse("start_step", j.StartStep, "0 without start states")
	case j.Start == nil:
		return nil
	case len(j.Start) != j.N*dim:
		return refuse("start", fmt.Sprintf("%d elements", len(j.Start)), fmt.Sprintf("%d chains of %d", j.N, dim))
	case j.StartStep < 0 || j.StartStep >= len(j.Plan):
		return refuse("start_step", j.StartStep, fmt.Sprintf("0 to %d", len(j.Plan)-1))
	case j.StartStep > 0 && j.Plan.UsesHistory():
		return refuse("start_step", j.StartStep, "0: this sampler needs earlier steps, which a state does not contain")
	}
	for i, v := range j.Start {
		if v-v != 0 {
			return refuse("start", fmt.Sprintf("%g at element %d", v, i), "finite numbers")
		}
	}
	return nil
}

func (j *Job) validatePreview() error {
	if j.Preview.Chains < 1 || j.Preview.Chains > j.N {
		return &sampling.FieldError{
			Field: "preview.chains", Given: j.Preview.Chains, Want: fmt.Sprintf("1 to n, which is %d", j.N),
		}
	}
	for i, s := range j.Preview.Steps {
		if s < j.StartStep || s > len(j.Plan) || i > 0 && s <= j.Preview.Steps[i-1] {
			return &sampling.FieldError{
				Field: "preview.steps",
				Given: s,
				Want:  fmt.Sprintf("strictly increasing steps from %d to %d", j.StartStep, len(j.Plan)),
			}
		}
	}
	return nil
}

// job is a Job inside the scheduler.
type job struct {
	Job
	caller    *caller
	deadline  time.Time // zero for none
	bytes     int64     // worst-case memory
	path      int       // steps that each chain takes
	each      int       // rows of a block that a chain takes: the evaluations of a step
	given     int       // elements of a condition
	weight    float64   // time of a step, where 1 is that of a step of one evaluation
	points    bool      // chain i is a point to evaluate at the sigma of Plan[i]
	submitted time.Time
	window    int          // most chains that may be running, or finished and not yet read
	frameAt   []bool       // whether to preview the state after each number of steps; nil without previews
	stopped   atomic.Bool  // needs no more steps: finished, failed or cancelled
	level     atomic.Int32 // the furthest level that a chain has reached
	out       *output

	// Every worker writes these in every tick. The padding separates them from the fields read for every row.
	_        cpu.CacheLinePad
	steps    atomic.Int64
	position atomic.Int64 // steps taken by the chain that moved last
	_        cpu.CacheLinePad

	// Guarded by Scheduler.mu.
	next    int      // chains started so far
	read    int      // chains in chunks that have been read to their end
	parked  []parked // chains taken back before their end, to resume first
	queued  bool     // is in its caller's queue
	started time.Time
	rows    []int     // rows in each worker's block
	placed  int       // chains in all of them
	givenUp time.Time // when it was ended before it finished
	ready   bool      // its chains may start
	width   int       // rows that it counts for among its caller's ready jobs
	claim   int       // the most that width may be
	left    float64   // work that was left when it was last accounted, in row steps

	closeOnce sync.Once
}

// begin records that the job's first chain starts. The caller holds Scheduler.mu.
func (j *job) begin(now time.Time, o Observer) {
	j.started = now
	if j.points {
		return
	}
	o.Started(j.started.Sub(j.submitted))
	if j.Follower != nil {
		j.level.Store(-1)
		j.Follower.Started()
		j.follow(j.StartStep)
	}
}

// charge calls Charge, if there is one.
func (j *job) charge() error {
	if j.Charge == nil {
		return nil
	}
	return j.Charge()
}

// parked is a chain that was taken back before its end.
type parked struct {
	chain int
	sampling.Paused
}

// waiting returns the number of chains that a worker could get now.
func (j *job) waiting() int {
	if j.stopped.Load() {
		return 0
	}
	return len(j.parked) + min(j.N-j.next, j.read+j.window-j.next)
}

// wants returns how many rows the job can use and counts for.
func (j *job) wants() int {
	if !j.ready || j.stopped.Load() {
		return 0
	}
	return min(j.claim, (j.placed+j.waiting())*j.each)
}

// chain returns chain i of the job.
func (j *job) chain(i int) sampling.Chain {
	c := sampling.ChainAt(j.Seed, j.First+uint64(i), j.Columns)
	c.Plan, c.Known, c.Sum, c.Measured = j.Plan, j.Known, j.Sum, j.Measured
	c.Given = sampling.GivenAt(j.given, j.Given, i)
	if j.points {
		c.Plan = j.Plan[i : i+1]
	}
	return c
}

// previews reports whether to preview chain i after the given number of steps.
func (j *job) previews(i, step int) bool {
	return j.frameAt != nil && i < j.Preview.Chains && j.frameAt[step]
}

// fail ends the job with err, unless it has ended already.
func (j *job) fail(err error) {
	j.stopped.Store(true)
	j.out.fail(err)
}
