package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// What Submit and Stream.Poll can report, besides a job's own [sampling.FieldError] and [sampling.DivergedError].
var (
	ErrBusy     = errors.New("too much work is waiting")                // Submit: rows or bytes are past their limit
	ErrDeadline = errors.New("the deadline cannot be met")              // Submit: even an idle machine would be too slow
	ErrClosed   = errors.New("the scheduler is closed to new requests") // Submit, and Poll of a job cut off by Close
	ErrModel    = errors.New("the model failed")                        // Poll: the network's runtime reported an error
)

// Config bounds a scheduler. The zero Config consists entirely of default values.
type Config struct {
	Workers       int      // goroutines that call the model at once; the number of CPUs if zero
	Rows          int      // chains that a worker advances together; 256 if zero
	Grain         int      // the fewest chains worth a worker of their own: they are spread in multiples of this; 16 if zero
	MaxRows       int      // chains of all open jobs together, past which Submit is refused; 4,000,000 if zero
	MaxBytes      int64    // worst-case memory of all open jobs' plans and results, likewise; 1 GiB if zero
	MaxFrameBytes int      // finished frames of a job that wait for its reader, at least two frames; 8 MiB if zero
	Turns         Turns    // shared by the schedulers of several models on one machine; none if nil
	Observer      Observer // hears what happens; nobody if nil

	// Wide is the same model on all cores at once, for a block of one chain while the other workers have nothing to do.
	// Its results must be the model's to the last bit. None if nil.
	Wide sampling.Model
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, runtime.NumCPU())
	c.Rows = cmp.Or(c.Rows, 256)
	c.Grain = cmp.Or(c.Grain, quantum)
	c.MaxRows = cmp.Or(c.MaxRows, 4_000_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 1<<30)
	c.MaxFrameBytes = cmp.Or(c.MaxFrameBytes, 8<<20)
	c.Observer = cmp.Or(c.Observer, Observer(unobserved{}))
	return c
}

// Turns lets the workers of several schedulers share a number of cores: a worker holds one turn for a tick. Nil
// Turns are always free.
type Turns chan struct{}

// NewTurns returns n turns.
func NewTurns(n int) Turns { return make(Turns, n) }

func (t Turns) take() {
	if t != nil {
		t <- struct{}{}
	}
}

func (t Turns) give() {
	if t != nil {
		<-t
	}
}

// Scheduler draws the chains of many jobs through one model. Its methods are safe for concurrent use.
type Scheduler struct {
	model   sampling.Model
	dim     int
	config  Config
	cancel  context.CancelFunc // ends a model call in progress
	done    sync.WaitGroup     // workers
	cost    atomic.Pointer[Cost]
	ticking []atomic.Int64 // of each worker, when its tick began, in Unix nanoseconds; 0 between ticks

	mu      sync.Mutex
	work    *sync.Cond // the queue has chains, or stopped
	queue   queue
	idle    int // workers that wait for work
	open    map[*job]struct{}
	emptied chan struct{} // closed when closing and the last job has left
	rows    int           // of open jobs
	running int           // rows in the workers' blocks
	bytes   int64         // of open jobs
	closing bool          // refuses new jobs
	stopped bool          // workers return
}

// New starts a scheduler for a model whose samples have dim elements. Close it.
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

// Submit admits a job or refuses it at once: with the field's [sampling.FieldError], with ErrBusy, ErrDeadline or
// ErrClosed. When ctx ends, the job fails with its cause and its chains are gone by the next tick. The stream must
// be closed.
func (s *Scheduler) Submit(ctx context.Context, spec Job) (*Stream, error) {
	if err := spec.validate(s.dim); err != nil {
		return nil, err
	}
	if err := s.checkDeadline(ctx, spec); err != nil {
		return nil, err
	}
	j := s.newJob(spec)
	bytes := s.bytesOf(j)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return nil, ErrClosed
	case s.rows+j.N > s.config.MaxRows:
		return nil, fmt.Errorf("%w: %d chains are open and %d more would pass the limit of %d", ErrBusy, s.rows, j.N, s.config.MaxRows)
	case s.bytes+bytes > s.config.MaxBytes:
		return nil, fmt.Errorf("%w: open requests hold up to %d bytes and %d more would pass the limit of %d", ErrBusy, s.bytes, bytes, s.config.MaxBytes)
	}
	s.rows += j.N
	s.bytes += bytes
	s.open[j] = struct{}{}
	j.caller = s.queue.join(j.Caller, s.config.Workers)
	s.queue.push(j)
	s.work.Broadcast()
	unhook := context.AfterFunc(ctx, func() { s.drop(j, context.Cause(ctx)) })
	return &Stream{s: s, job: j, bytes: bytes, unhook: unhook}, nil
}

// drop fails a job and takes its waiting chains out of the queue.
func (s *Scheduler) drop(j *job, err error) {
	ended := j.stopped.Load()
	j.fail(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ended {
		s.giveUp(j)
	}
	s.queue.remove(j)
	j.parked = nil
}

// chunkBytes is the size that a chunk's rows fill, if one row is not larger.
const chunkBytes = 256 << 10

func (s *Scheduler) newJob(spec Job) *job {
	chunkRows := min(spec.N, max(1, chunkBytes/(4*s.dim)))
	j := &job{
		Job:       spec,
		submitted: time.Now(),
		window:    2*chunkRows + 2*s.config.Workers*s.config.Rows,
		rows:      make([]int, s.config.Workers),
		out: &output{
			dim:       s.dim,
			n:         spec.N,
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
	return j
}

// bytesOf is the most memory that a job's plan, window of results and frames can take.
func (s *Scheduler) bytesOf(j *job) int64 {
	const stepBytes = 40
	rowBytes := int64(4 * s.dim)
	bytes := int64(len(j.Plan))*stepBytes + rowBytes*int64(min(j.N, j.window)+j.out.chunkRows)
	if p := j.Preview; p != nil {
		bytes += rowBytes * int64(p.Chains) * int64(len(p.Steps))
	}
	return bytes
}

// Load says how busy the scheduler is.
type Load struct {
	Jobs    int // open: not yet closed by their readers
	Rows    int // chains of those jobs
	Waiting int // chains of those jobs that have not started, or were taken back half-way
	Running int // chains that workers advance now
}

// Load returns a snapshot.
func (s *Scheduler) Load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	load := Load{Jobs: len(s.open), Rows: s.rows, Running: s.running}
	for j := range s.open {
		if !j.stopped.Load() {
			load.Waiting += j.N - j.next + len(j.parked)
		}
	}
	return load
}

// Close refuses new jobs, waits until the open ones are closed by their readers or ctx ends, fails what is left with
// ErrClosed, and stops the workers. It returns ctx's error if it had to cut jobs off.
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
