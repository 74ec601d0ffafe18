package batch

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Errors of Submit and Stream.Poll, besides a job's own [sampling.FieldError] and [sampling.DivergedError].
var (
	ErrBusy     = errors.New("too much work is waiting")   // Submit: see BusyError
	ErrDeadline = errors.New("the deadline cannot be met") // Submit, and Poll of a job that comes too late
	ErrClosed   = errors.New("the server is stopping")     // Submit, and Poll of a job that Close ended
	ErrModel    = errors.New("the model failed")           // Poll: the network's runtime returned an error

	// ErrCollapsed is wrapped by the CollapsedError of Poll.
	ErrCollapsed = errors.New("the weights of a chain's particles collapsed")
)

// Config bounds a scheduler. The zero Config consists entirely of default values.
type Config struct {
	Workers       int           // goroutines that call the model at the same time; the number of CPUs if zero
	Rows          int           // most rows that a worker advances together; 256 if zero (a chain takes one or more)
	Grain         int           // chains are divided among workers in multiples of this; 16 if zero
	MaxRows       int           // most chains of all open jobs together; 4,000,000 if zero
	Memory        *Memory       // counts what open jobs hold; an account of its own for 1 GiB if nil
	MaxFrameBytes int           // memory for a job's unread frames, at least two frames; 8 MiB if zero
	MaxWait       time.Duration // most time of the work before a job that cannot start at once; a minute if zero
	Cores         Semaphore     // limits the ticks of all models on a machine; no limit if nil
	Observer      Observer      // is told what happens; nil for none

	// Wide is the same model on all cores at once. It serves a block of one chain while the other workers are idle. Its
	// results must equal the model's to the last bit. Nil for none.
	Wide sampling.Model
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, runtime.NumCPU())
	c.Rows = cmp.Or(c.Rows, 256)
	c.Grain = cmp.Or(c.Grain, quantum)
	c.MaxRows = cmp.Or(c.MaxRows, 4_000_000)
	c.Memory = cmp.Or(c.Memory, NewMemory(1<<30))
	c.MaxFrameBytes = cmp.Or(c.MaxFrameBytes, 8<<20)
	c.MaxWait = cmp.Or(c.MaxWait, time.Minute)
	c.Observer = cmp.Or(c.Observer, Observer(unobserved{}))
	return c
}

// Semaphore limits how many workers of several schedulers run at once. A worker acquires it for each tick. A nil
// Semaphore has no limit.
type Semaphore chan struct{}

// NewSemaphore returns a semaphore that n workers can hold at once.
func NewSemaphore(n int) Semaphore { return make(Semaphore, n) }

func (s Semaphore) acquire() {
	if s != nil {
		s <- struct{}{}
	}
}

func (s Semaphore) release() {
	if s != nil {
		<-s
	}
}

// Scheduler draws the chains of many jobs through one model. Its methods are safe for concurrent use.
type Scheduler struct {
	model   sampling.Model
	dim     int
	config  Config
	cancel  context.CancelFunc // ends a model call in progress
	done    sync.WaitGroup     // workers
	ticking []atomic.Int64     // for each worker, the Unix time in ns at which its tick began; 0 between ticks

	mu      sync.Mutex
	work    *sync.Cond // signals that the queue has chains, or stopped
	queue   queue
	idle    int // number of workers that wait for work
	open    map[*job]struct{}
	emptied chan struct{} // closed once closing is set and the last job has left
	rows    int           // chains of open jobs
	running int           // chains in the workers' blocks
	used    int           // rows of the blocks that they take
	closing bool          // new jobs are refused
	stopped bool          // workers must return

	pace      pace      // measured cost of a tick
	quiet     pace      // the least cost of a measurement or a tick
	sigma     float32   // at which it was measured
	measured  time.Time // when it was last measured or corrected
	doubted   bool      // an idle worker must measure it again
	refreshed time.Time // see refresh
	late      []*job    // scratch of refresh
}

// New starts a scheduler for a model whose samples have dim elements. The caller must close it.
func New(model sampling.Model, dim int, config Config) *Scheduler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Scheduler{
		model:   model,
		dim:     dim,
		config:  config.withDefaults(),
		cancel:  cancel,
		queue:   queue{callers: map[string]*caller{}},
		open:    map[*job]struct{}{},
		emptied: make(chan struct{}),
	}
	s.work = sync.NewCond(&s.mu)
	s.queue.rows = s.config.Workers * s.config.Rows
	s.ticking = make([]atomic.Int64, s.config.Workers)
	for id := range s.config.Workers {
		w := &worker{
			id:    id,
			s:     s,
			block: sampling.NewBlock(dim, s.config.Rows),
			rows:  make([]chain, 0, s.config.Rows),
			shown: make([]float32, dim),
		}
		s.done.Go(func() { w.run(ctx) })
	}
	return s
}

// Submit admits a job or refuses it at once, with a [sampling.FieldError], ErrBusy, ErrDeadline or ErrClosed. When ctx
// ends, the job fails with ctx's cause, and its chains are gone by the next tick. The caller must close the stream.
func (s *Scheduler) Submit(ctx context.Context, spec Job) (*Stream, error) {
	if err := spec.validate(s.model, s.dim); err != nil {
		return nil, err
	}
	j := s.newJob(spec)
	j.deadline, _ = ctx.Deadline()
	if err := s.enter(ctx, j); err != nil {
		return nil, err
	}
	unhook := context.AfterFunc(ctx, func() { s.drop(j, context.Cause(ctx)) })
	return &Stream{s: s, job: j, unhook: unhook}, nil
}

// enter admits a job and queues it, or returns why not.
func (s *Scheduler) enter(ctx context.Context, j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return ErrClosed
	}
	if err := s.admits(ctx, j.demand(), j.submitted); err != nil {
		return err
	}
	if err := s.reserve(j); err != nil {
		return err
	}
	if err := j.charge(); err != nil {
		s.unreserve(j)
		return err
	}
	s.insert(j)
	return nil
}

// reserve takes a job's part of the limits of open jobs, or returns a BusyError. The caller holds mu.
func (s *Scheduler) reserve(j *job) error {
	if over := s.rows + j.N - s.config.MaxRows; over > 0 {
		return busy(s.drains(float64(over)/float64(s.rows)),
			"%d chains are open and %d more would pass the limit of %d", s.rows, j.N, s.config.MaxRows)
	}
	if m := s.config.Memory; !m.reserve(j.bytes) {
		used := m.Used()
		return busy(s.drains(float64(used+j.bytes-m.limit)/float64(max(1, used))),
			"open requests hold up to %d bytes and %d more would pass the limit of %d", used, j.bytes, m.limit)
	}
	s.rows += j.N
	return nil
}

// unreserve returns a job's part of the limits. The caller holds mu.
func (s *Scheduler) unreserve(j *job) {
	s.rows -= j.N
	s.config.Memory.release(j.bytes)
}

// insert queues an admitted job. The caller holds mu.
func (s *Scheduler) insert(j *job) {
	s.open[j] = struct{}{}
	j.caller = s.queue.join(j.Caller, s.config.Workers)
	j.left = float64(j.N) * float64(j.path) * j.weight
	j.caller.left += j.left
	s.queue.add(j)
	s.work.Broadcast()
}

// wake tells idle workers of jobs that have become ready. The caller holds mu.
func (s *Scheduler) wake() {
	if s.idle > 0 && len(s.queue.active) > 0 {
		s.work.Broadcast()
	}
}

// drop fails a job and removes its waiting chains from the queue.
func (s *Scheduler) drop(j *job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(j, err)
}

// end is drop for a caller that holds mu.
func (s *Scheduler) end(j *job, err error) {
	ended := j.stopped.Load()
	j.fail(err)
	if !ended {
		s.giveUp(j)
	}
	s.queue.remove(j)
	j.parked = nil
	s.wake()
}

// chunkBytes is the size of a chunk, unless a single row is larger.
const chunkBytes = 256 << 10

func (s *Scheduler) newJob(spec Job) *job {
	chunkRows := min(spec.N, max(1, chunkBytes/(4*s.dim)))
	j := &job{
		Job:       spec,
		submitted: time.Now(),
		window:    2*chunkRows + 2*s.config.Workers*s.config.Rows,
		rows:      make([]int, s.config.Workers),
		path:      len(spec.Plan) - spec.StartStep,
		each:      spec.evaluations(),
		given:     sampling.WidthOf(s.model),
		weight:    s.weight(spec),
		claim:     quantum,
		out: &output{
			dim:       s.dim,
			n:         spec.N,
			diagnosed: spec.Measured.Rows() > 1,
			chunkRows: chunkRows,
			ready:     make(chan struct{}, 1),
			observer:  s.config.Observer,
		},
	}
	if p := spec.Preview; p != nil {
		j.out.frameRows = p.Chains
		j.out.frameLimit = max(2, s.config.MaxFrameBytes/(4*s.dim*p.Chains))
		j.out.pending = map[int]*frame{}
		j.frameAt = make([]bool, len(spec.Plan)+1)
		for _, step := range p.Steps {
			j.frameAt[step] = true
		}
	}
	j.bytes = s.bytesOf(j)
	return j
}

// weight returns how many steps of one evaluation take as long as a step of the job.
func (s *Scheduler) weight(spec Job) float64 {
	own := float64(spec.Sum.OwnEvaluations() * spec.Measured.Rows())
	if row := s.Cost().Row; row > 0 {
		return own + float64(spec.TermCost.Row)/float64(row)
	}
	return own
}

// copies is how many times the message of a chunk exists while it is sent: as a tensor, as a message, as text.
const copies = 5

// bytesOf returns the most memory that a job can take: what its caller holds for it, its states at the start, its
// window of results with a bit for each, the chunk that is sent, and its frames.
func (s *Scheduler) bytesOf(j *job) int64 {
	rowBytes := int64(4 * s.dim)
	kept := int64(min(j.N, j.window))
	kept += s.statesOf(j)
	bytes := j.Held + 4*int64(len(j.Start)+len(j.Given)) + rowBytes*(kept+int64(copies*j.out.chunkRows)) + kept/8
	if p := j.Preview; p != nil {
		bytes += rowBytes * int64(p.Chains) * int64(len(p.Steps))
	}
	return bytes
}

// statesOf returns the most rows that the chains of a job have for their particles: those in blocks, or taken back.
func (s *Scheduler) statesOf(j *job) int64 {
	states := j.Measured.Rows()
	if states == 1 {
		return 0
	}
	const copies = 4 // state and score, of the chain and in the evaluation
	running := min(j.N, s.config.Workers*(1+s.config.Rows/states))
	return int64(copies) * int64(states) * int64(running)
}

// Stats describes how busy a scheduler is.
type Stats struct {
	Jobs    int // jobs whose readers have not closed them
	Rows    int // chains of these jobs
	Waiting int // chains of these jobs that have not started, or were taken back before their end
	Running int // chains that workers advance now
}

// Stats returns how busy the scheduler is now.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Jobs: len(s.open), Rows: s.rows, Running: s.running}
	for j := range s.open {
		if !j.stopped.Load() {
			stats.Waiting += j.N - j.next + len(j.parked)
		}
	}
	return stats
}

// Close refuses new jobs and waits until readers have closed the open ones or ctx ends. Then it fails the remaining
// jobs with ErrClosed and stops the workers. It returns ctx's error if it had to end jobs.
func (s *Scheduler) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		if len(s.open) == 0 {
			close(s.emptied)
		}
	}
	s.mu.Unlock()
	var err error
	select {
	case <-s.emptied:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.stop()
	return err
}

func (s *Scheduler) stop() {
	s.mu.Lock()
	s.stopped = true
	for j := range s.open {
		j.fail(ErrClosed)
	}
	s.work.Broadcast()
	s.mu.Unlock()
	s.cancel()
	s.done.Wait()
}
