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
	// maxRows and maxElements bound one evaluation. A call with more rows is cut.
	maxRows     = 4096
	maxElements = 1 << 15

	maxElementsCUDA = 1 << 20 // a GPU needs more to be busy
)

// ErrClosed is returned by [Session.Score] after [Session.Close].
var ErrClosed = errors.New("session closed")

var _ sampling.Model = (*Session)(nil)

// Session is a model loaded into ONNX Runtime. Safe for concurrent use; callers run side by side.
type Session struct {
	name     string
	shape    []int
	dim      int
	multiple int  // of rows in one evaluation
	buckets  bool // evaluations have one of few numbers of rows, the powers of two
	rows     int  // in one evaluation, at most; a multiple of productRows
	convert  conversion
	identity string

	mu       sync.Mutex
	copies   *copies
	idle     []*lane
	busy     int
	closed   bool
	returned *sync.Cond // a lane came back, or none is left
}

// Identity names what a result depends on besides the model file, the row and the type of CPU: the library's version, the
// device, the optimization level and the version of [models.Rewrite].
func (s *Session) Identity() string { return s.identity }

// Grain is what the number of rows of an evaluation is padded to a multiple of.
func (s *Session) Grain() int { return s.multiple }

// Score implements [sampling.Model]: it writes the score of each row, whatever the model's parameterization. Calls with
// more rows than one evaluation should take are cut, and ctx is checked before each piece; when it ends, an evaluation that
// takes long is interrupted, a short one is not. NaN in a row comes out as NaN in that row.
func (s *Session) Score(ctx context.Context, dst, x, sigma []float32) error {
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
		if err := s.evaluate(ctx, l, dst[from:to], x[from:to], sigma[first:last]); err != nil {
			return fmt.Errorf("score of %q: %w", s.name, err)
		}
	}
	return nil
}

// evaluate runs one piece through the lane's buffers. Copying takes under 1 % of the evaluation, and the buffers stay at an
// address that ONNX Runtime knows.
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
		l.sigma[i] = sigma[0] // one that the network knows
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

// Close waits until no call of Score is under way and frees the session. Further calls of Score return [ErrClosed], further
// calls of Close nil.
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
	return errors.Join(append(errs, s.copies.destroy())...)
}

// acquire hands out a lane for one caller. There come to be as many as there are callers at once.
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
	return newLane(loaded, s.rows, s.shape, s.dim), nil
}

func (s *Session) release(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.idle = append(s.idle, l)
	s.returned.Broadcast()
}

// padded is how many rows an evaluation of so many has.
func (s *Session) padded(rows int) int {
	if s.buckets {
		return bucketOf(rows)
	}
	return (rows + s.multiple - 1) / s.multiple * s.multiple
}

// bucketOf is the power of two, from productRows, that so many rows fit in. A GPU is told to plan anew for each number of
// rows that it has not met, so it should meet few.
func bucketOf(rows int) int {
	return max(productRows, 1<<bits.Len(uint(rows-1)))
}

// rowsPerRun bounds one evaluation in elements, so that it stays short, and in rows.
func rowsPerRun(dim int, device Device) int {
	if device.CUDA {
		rows := max(productRows, min(maxRows, maxElementsCUDA/dim))
		return 1 << (bits.Len(uint(rows)) - 1)
	}
	rows := min(maxRows, maxElements/dim)
	return max(productRows, rows/productRows*productRows)
}

// conversion writes the score that a graph's output out means. out may be dst.
type conversion func(dst, out, x, sigma []float32)

var conversions = map[models.Parameterization]conversion{
	models.ParameterizationScore:    func(dst, out, _, _ []float32) { copy(dst, out) },
	models.ParameterizationNoise:    noiseToScore,
	models.ParameterizationDenoised: denoisedToScore,
}

// noiseToScore is -ε/σ.
func noiseToScore(dst, out, _, sigma []float32) {
	dim := len(out) / max(len(sigma), 1)
	for i, v := range out {
		dst[i] = -v / sigma[i/dim]
	}
}

// denoisedToScore is (E[x₀|x] - x)/σ², Tweedie's formula (Efron 2011).
func denoisedToScore(dst, out, x, sigma []float32) {
	dim := len(out) / max(len(sigma), 1)
	for i, v := range out {
		dst[i] = (v - x[i]) / sigma[i/dim] / sigma[i/dim]
	}
}
