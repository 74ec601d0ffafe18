package batch

import (
	"io"
	"math/bits"
	"sync"

	"github.com/langevin-ml/langevin/sampling"
)

// Event is a message of a [Stream]: a *[Frame] or a *[Chunk].
type Event interface{ event() }

// Frame is an intermediate state of the previewed chains, all after the same number of steps.
type Frame struct {
	Step    int       // steps taken
	X       []float32 // Preview.Chains rows
	Dropped int       // frames lost since the last one because the reader was slow
}

// Chunk is a part of the result: whole rows in chain order, without gaps.
type Chunk struct {
	First int // index of its first chain in the job
	X     []float32

	// Diagnoses has one for each chain if chains have particles, and is nil otherwise.
	Diagnoses []sampling.Diagnosis
}

func (*Frame) event() {}
func (*Chunk) event() {}

// output collects what workers produce for one job until its reader takes it. It keeps all results. If there are more
// than frameLimit frames, it drops the oldest. So a slow reader delays nobody and loses only previews.
type output struct {
	dim, n     int
	diagnosed  bool // chains have particles
	chunkRows  int
	frameRows  int
	frameLimit int
	observer   Observer
	ready      chan struct{} // capacity 1; receives when something has changed since the reader looked

	mu       sync.Mutex
	chunks   []*chunk // starts with the first that is not yet read
	taken    int      // number of chunks read to their end
	flushed  bool     // whether the reader also takes a part of a chunk
	finished int      // number of finished chains
	pending  map[int]*frame
	frames   []*Frame
	dropped  int // frames lost since the last one read
	lost     int // frames lost in total
	err      error
}

// chunk is a Chunk that is being filled.
type chunk struct {
	Chunk
	missing int
	done    []uint64  // a bit for each row
	small   [1]uint64 // done of a small chunk, which needs no memory of its own
	read    int       // rows that have been read
}

func newChunk(first, rows int, x []float32) *chunk {
	c := &chunk{Chunk: Chunk{First: first, X: x}, missing: rows}
	if c.done = c.small[:]; rows > 64 {
		c.done = make([]uint64, (rows+63)/64)
	}
	return c
}

// fill stores row i.
func (c *chunk) fill(i int, x []float32, d sampling.Diagnosis) {
	copy(c.X[i*len(x):], x)
	if c.Diagnoses != nil {
		c.Diagnoses[i] = d
	}
	c.done[i/64] |= 1 << (i % 64)
	c.missing--
}

// prefix returns the number of rows before the first one that is missing.
func (c *chunk) prefix() int {
	for i, word := range c.done {
		if n := bits.TrailingZeros64(^word); n < 64 {
			return 64*i + n
		}
	}
	return 64 * len(c.done)
}

// part returns the rows from the first unread one to before the given one, and counts them as read.
func (c *chunk) part(end, dim int) *Chunk {
	part := &Chunk{First: c.First + c.read, X: c.X[c.read*dim : end*dim : end*dim]}
	if c.Diagnoses != nil {
		part.Diagnoses = c.Diagnoses[c.read:end:end]
	}
	c.read = end
	return part
}

// rest returns the unread rows of a chunk that nobody needs afterwards.
func (c *chunk) rest(dim int) *Chunk {
	c.First, c.X = c.First+c.read, c.X[c.read*dim:]
	if c.Diagnoses != nil {
		c.Diagnoses = c.Diagnoses[c.read:]
	}
	return &c.Chunk
}

// frame is a Frame that is being filled.
type frame struct {
	Frame
	missing int
}

// finish stores the sample of chain i. It reports whether all chains have finished.
func (o *output) finish(i int, x []float32, d sampling.Diagnosis) (all bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil { // the reader of points may be gone, with the memory that they are written to
		return false
	}
	c := o.chunk(i / o.chunkRows)
	c.fill(i-c.First, x, d)
	o.finished++
	if o.chunks[0].missing == 0 {
		o.signal()
	}
	return o.finished == o.n
}

// chunk returns the chunk with the given number, which must not have been read yet. It creates the chunk if necessary.
func (o *output) chunk(number int) *chunk {
	for len(o.chunks) <= number-o.taken {
		first := (o.taken + len(o.chunks)) * o.chunkRows
		rows := min(o.chunkRows, o.n-first)
		c := newChunk(first, rows, make([]float32, rows*o.dim))
		if o.diagnosed {
			c.Diagnoses = make([]sampling.Diagnosis, rows)
		}
		o.chunks = append(o.chunks, c)
	}
	return o.chunks[number-o.taken]
}

// preview stores the state of chain i after the given number of steps. Every chain takes its steps in order, so frames
// are also completed in order.
func (o *output) preview(i, step int, x []float32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.pending[step]
	if f == nil {
		f = &frame{Frame{Step: step, X: make([]float32, o.frameRows*o.dim)}, o.frameRows}
		o.pending[step] = f
	}
	copy(f.X[i*o.dim:], x)
	if f.missing--; f.missing > 0 {
		return
	}
	delete(o.pending, step)
	if len(o.frames) == o.frameLimit {
		o.frames = append(o.frames[:0], o.frames[1:]...)
		o.dropped++
		o.lost++
		o.observer.PreviewDropped()
	}
	o.frames = append(o.frames, &f.Frame)
	o.signal()
}

func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && o.finished < o.n {
		o.err = err
	}
	o.signal()
}

// poll removes and returns the next event, or nil if there is none yet. After the last event it returns io.EOF. If the
// job has failed, it returns the failure at once. freed is the number of chains whose memory the output gave up.
//
// Frames come before chunks. So once the reader has all previewed chains, it also has every frame that was not dropped.
func (o *output) poll() (event Event, freed int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return nil, 0, o.err
	case len(o.frames) > 0:
		f := o.frames[0]
		o.frames = o.frames[1:]
		f.Dropped, o.dropped = o.dropped, 0
		return f, 0, nil
	case len(o.chunks) > 0 && o.chunks[0].missing == 0:
		c := o.chunks[0]
		o.chunks = o.chunks[1:]
		o.taken++
		rows := len(c.X) / o.dim
		return c.rest(o.dim), rows, nil
	case o.taken*o.chunkRows >= o.n:
		return nil, 0, io.EOF
	case o.flushed && len(o.chunks) > 0:
		o.flushed = false
		if c := o.chunks[0]; c.prefix() > c.read {
			return c.part(c.prefix(), o.dim), 0, nil
		}
	}
	return nil, 0, nil
}

// flush lets poll return the rows that come next in order though others of their chunk are missing. The chunk keeps its
// memory until all of it has been read, so the window does not move.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushed = true
}

// signal wakes the reader. The caller holds mu.
func (o *output) signal() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// complete reports whether every chain has finished.
func (o *output) complete() bool {
	finished, _ := o.counts()
	return finished == o.n
}

func (o *output) counts() (finished, lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.finished, o.lost
}
