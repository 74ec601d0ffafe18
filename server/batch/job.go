package batch

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/langevin-ml/langevin/sampling"
)

// Job is what one request wants drawn. Chain i of a job is chain First+i of the seed's noise.
type Job struct {
	Caller  string // whose turn it takes; jobs of one caller share that caller's turns
	Plan    sampling.Plan
	Prior   sampling.Prior
	Seed    uint64
	First   uint64
	N       int             // chains, at least 1
	Columns int             // above 1: chains are rows of samples between two, see sampling.ChainAt
	Known   *sampling.Known // a part held fixed in every chain; nil for none
	Guide   *sampling.Guide // bends the score of every chain; nil for none. Its model must serve until the stream is closed

	// GuideCost is what Guide's model adds to a tick, [Scheduler.Cost] of its own scheduler; zero if it is not known.
	GuideCost Cost

	// Start, unless nil, holds the states of the N chains, row-major, after StartStep steps: the job resumes there. A
	// plan whose steps use history can be resumed at step 0 only.
	Start     []float32
	StartStep int

	Preview  *Preview // nil for none
	Follower Follower // hears how far the job is; nobody if nil
}

// Preview asks for intermediate states of a job's first chains.
type Preview struct {
	Steps    []int // after how many steps: strictly increasing, from 0 (the initial state) to the length of the plan
	Chains   int   // how many chains, from 1 to N
	Denoised bool  // show x + σ²·s(x, σ) as of the last step taken instead of the state; step 0 shows the state
}

func (j *Job) validate(dim int) error {
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
		return &sampling.FieldError{Field: "known", Given: "a part of other samples", Want: fmt.Sprintf("a part of samples of %d elements", dim)}
	}
	if j.Guide != nil {
		if err := j.Guide.Validate(); err != nil {
			return err
		}
	}
	if err := j.validateStart(dim); err != nil || j.Preview == nil {
		return err
	}
	return j.validatePreview()
}

func (j *Job) validateStart(dim int) error {
	switch {
	case j.Start == nil && j.StartStep != 0:
		return &sampling.FieldError{Field: "start_step", Given: j.StartStep, Want: "0 without start states"}
	case j.Start == nil:
		return nil
	case len(j.Start) != j.N*dim:
		return &sampling.FieldError{Field: "start", Given: fmt.Sprintf("%d elements", len(j.Start)), Want: fmt.Sprintf("%d chains of %d", j.N, dim)}
	case j.StartStep < 0 || j.StartStep >= len(j.Plan):
		return &sampling.FieldError{Field: "start_step", Given: j.StartStep, Want: fmt.Sprintf("0 to %d", len(j.Plan)-1)}
	case j.StartStep > 0 && j.Plan.UsesHistory():
		return &sampling.FieldError{Field: "start_step", Given: j.StartStep, Want: "0: the steps of this sampler remember earlier ones, which a state does not hold"}
	}
	for i, v := range j.Start {
		if v-v != 0 {
			return &sampling.FieldError{Field: "start", Given: fmt.Sprintf("%g at element %d", v, i), Want: "finite numbers"}
		}
	}
	return nil
}

func (j *Job) validatePreview() error {
	if j.Preview.Chains < 1 || j.Preview.Chains > j.N {
		return &sampling.FieldError{Field: "preview.chains", Given: j.Preview.Chains, Want: fmt.Sprintf("1 to n, which is %d", j.N)}
	}
	for i, s := range j.Preview.Steps {
		if s < j.StartStep || s > len(j.Plan) || i > 0 && s <= j.Preview.Steps[i-1] {
			return &sampling.FieldError{Field: "preview.steps", Given: s, Want: fmt.Sprintf("strictly increasing steps from %d to %d", j.StartStep, len(j.Plan))}
		}
	}
	return nil
}

// job is a Job in the scheduler.
type job struct {
	Job
	caller    *caller
	submitted time.Time
	window    int          // chains that may be out at once: running, or finished and not yet read
	frameAt   []bool       // for every number of steps taken, whether it is previewed; nil without previews
	stopped   atomic.Bool  // wants no more steps: finished, failed or cancelled
	level     atomic.Int32 // the furthest that a chain has come to
	out       *output

	_        cpu.CacheLinePad // what all workers write in every tick, apart from what they read for every row
	steps    atomic.Int64
	position atomic.Int64 // steps taken by the chain that moved last
	_        cpu.CacheLinePad

	// Guarded by Scheduler.mu.
	next    int      // chains handed out so far
	read    int      // chains whose result the reader has taken
	parked  []parked // chains taken back half-way, to be resumed first
	queued  bool     // stands in its caller's queue
	started time.Time
	rows    []int     // chains in each worker's block
	placed  int       // sum of rows
	givenUp time.Time // when it was ended before it had finished

	closeOnce sync.Once
}

// begin notes that the job's first chain starts. The caller holds Scheduler.mu.
func (j *job) begin(o Observer) {
	j.started = time.Now()
	o.Started(j.started.Sub(j.submitted))
	if j.Follower != nil {
		j.level.Store(-1)
		j.Follower.Started()
		j.follow(j.StartStep)
	}
}

// parked is a chain taken back half-way.
type parked struct {
	chain, step int
	x, h        []float32
}

// waiting returns how many chains could be handed to a worker now.
func (j *job) waiting() int {
	if j.stopped.Load() {
		return 0
	}
	return len(j.parked) + min(j.N-j.next, j.read+j.window-j.next)
}

// chain returns the job's chain i.
func (j *job) chain(i int) sampling.Chain {
	c := sampling.ChainAt(j.Seed, j.First+uint64(i), j.Columns)
	c.Plan, c.Known, c.Guide = j.Plan, j.Known, j.Guide
	return c
}

// previews reports whether chain i is shown after the given number of steps.
func (j *job) previews(i, step int) bool {
	return j.frameAt != nil && i < j.Preview.Chains && j.frameAt[step]
}

// fail ends the job with err, unless it has ended already.
func (j *job) fail(err error) {
	j.stopped.Store(true)
	j.out.fail(err)
}
