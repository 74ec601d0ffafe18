package ort

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

const (
	// maxRows and maxElements bound one evaluation. A call with more rows is split.
	maxRows     = 4096
	maxElements = 1 << 15

	maxElementsCUDA = 1 << 20 // a GPU needs more to be busy
)

// ErrClosed is returned by [Session.Score] after [Session.Close].
var ErrClosed = errors.New("session closed")

var _ sampling.Model = (*Session)(nil)

// Session is a model loaded into ONNX Runtime. It is safe for concurrent use, and calls run concurrently.
type Session struct {
	manifest models.Manifest
	dim      int
	multiple int  // of the number of rows in one evaluation
	buckets  bool // whether the number of rows in an evaluation is a power of two
	rows     int  // the most in one evaluation; a multiple of productRows
	convert  conversion
	identity string

	mu       sync.Mutex
	copies   *copies
	idle     []*lane
	busy     int
	closed   bool
	returned *sync.Cond // signalled when a lane is returned, or when none is left
}

// Identity names what a result depends on, except the model file, the row and the type of CPU: the library's version,
// the device, the optimization level and the version of [models.Rewrite].
func (s *Session) Identity() string { return s.identity }

// Grain returns the number to a multiple of which the rows of an evaluation are padded.
func (s *Session) Grain() int { return s.multiple }

// Score implements [sampling.Model]. It writes the score of each row, for every parameterization of the model. Calls
// with more rows than one evaluation should take are split. It checks ctx before each part; when ctx ends, it
// interrupts a long evaluation but not a short one. NaN in a row gives NaN in that row.
//
// The score is the one without a condition. It is an error if the model was trained with conditions alone.
func (s *Session) Score(ctx context.Context, dst, x, sigma []float32) error {
	none, err := s.manifest.Condition.NoneRow()
	if err != nil {
		return fmt.Errorf("score of %q: %w", s.manifest.Name, err)
	}
	return s.scoreGiven(ctx, dst, x, sigma, none)
}

// scoreGiven is Score with a condition for all rows, or with one for each of them.
func (s *Session) scoreGiven(ctx context.Context, dst, x, sigma, c []float32) error {
	if err := sampling.CheckRows(s.dim, dst, x, sigma); err != nil {
		return err
	}
	l, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(l)
	for first := 0; first < len(sigma); first += s.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := min(first+s.rows, len(sigma))
		from, to := first*s.dim, last*s.dim
		part := c
		if width := l.c.width; len(c) > width {
			part = c[first*width : last*width]
		}
		l.c.fill(last-first, part)
		if err := s.evaluate(ctx, l, dst[from:to], x[from:to], sigma[first:last]); err != nil {
			return fmt.Errorf("score of %q: %w", s.manifest.Name, err)
		}
	}
	return nil
}

// evaluate runs one part through the lane's buffers, which have its conditions already. Copying takes under 1 % of the evaluation, and the buffers keep
// the address that ONNX Runtime knows.
func (s *Session) evaluate(ctx context.Context, l *lane, dst, x, sigma []float32) error {
	rows := len(sigma)
	padded := s.padded(rows)
	b, err := l.binding(padded)
	if err != nil {
		return err
	}
	copy(l.x, x)
	clear(l.x[len(x) : padded*s.dim])
	copy(l.sigma, sigma)
	for i := rows; i < padded; i++ {
		l.sigma[i] = sigma[0] // a value in the network's range
		l.c.copyRow(i, 0)
	}
	switch err := b.run(ctx); {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return plain(err)
	}
	s.convert(dst, l.score[:len(dst)], x, sigma)
	return nil
}

// Close waits until no call of Score is running and frees the session. Later calls of Score return [ErrClosed]; later
// calls of Close return nil.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for s.busy > 0 {
		s.returned.Wait()
	}
	var errs []error
	for _, l := range s.idle {
		errs = append(errs, l.destroy())
	}
	s.idle = nil
	defer returnFreed()
	return errors.Join(append(errs, s.copies.destroy())...)
}

// acquire returns a lane for one caller. There are as many lanes as there have been concurrent callers.
func (s *Session) acquire() (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if last := len(s.idle) - 1; last >= 0 {
		l := s.idle[last]
		s.idle = s.idle[:last]
		s.busy++
		return l, nil
	}
	loaded, err := s.copies.next()
	if err != nil {
		return nil, err
	}
	s.busy++
	return newLane(loaded, s.rows, s.manifest), nil
}

func (s *Session) release(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.idle = append(s.idle, l)
	s.returned.Broadcast()
}

// padded returns the number of rows that an evaluation of the given number of rows has.
func (s *Session) padded(rows int) int {
	if s.buckets {
		return bucketOf(rows)
	}
	return (rows + s.multiple - 1) / s.multiple * s.multiple
}

// bucketOf returns the smallest power of two, at least productRows, that is not below the given number of rows. A GPU
// plans again for each new number of rows, so there should be few.
func bucketOf(rows int) int {
	return max(productRows, 1<<bits.Len(uint(rows-1)))
}

// rowsPerRun returns the largest number of rows of one evaluation. It is bounded in rows, and in elements so that an
// evaluation is short.
func rowsPerRun(dim int, device Device) int {
	if device.CUDA {
		rows := max(productRows, min(maxRows, maxElementsCUDA/dim))
		return 1 << (bits.Len(uint(rows)) - 1)
	}
	rows := min(maxRows, maxElements/dim)
	return max(productRows, rows/productRows*productRows)
}

// conversion writes the score that belongs to a graph's output out. out may be dst.
type conversion func(dst, out, x, sigma []float32)

var conversions = map[models.Parameterization]conversion{
	models.ParameterizationScore:    func(dst, out, _, _ []float32) { copy(dst, out) },
	models.ParameterizationNoise:    noiseToScore,
	models.ParameterizationDenoised: denoisedToScore,
}

// noiseToScore returns -ε/σ.
func noiseToScore(dst, out, _, sigma []float32) {
	dim := len(out) / max(len(sigma), 1)
	for i, v := range out {
		dst[i] = -v / sigma[i/dim]
	}
}

// denoisedToScore returns (E[x₀|x] - x)/σ², Tweedie's formula (Efron 2011).
func denoisedToScore(dst, out, x, sigma []float32) {
	dim := len(out) / max(len(sigma), 1)
	for i, v := range out {
		dst[i] = (v - x[i]) / sigma[i/dim] / sigma[i/dim]
	}
}
