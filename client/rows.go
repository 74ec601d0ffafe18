package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// The most that a server takes in one call with rows. The bytes are bounded by its answer, and the rows by the default
// of limits.max_score_rows.
const (
	maxRowsBytes = 1 << 20
	maxRows      = 65_536
)

// leastAtOnce is the smallest number of concurrent calls of a request with many rows: while one is computed, another
// one travels.
const leastAtOnce = 2

// rows are the rows of one request, which may take several calls.
type rows struct {
	op       string
	model    string
	version  int
	field    string // its name in the API
	x        []float32
	shape    []int // of one row; nil if only the server knows
	progress func(done, total int)
	given    Given // for all rows, or for each
}

// givenOf returns the conditions of a part of the rows.
func (r rows) givenOf(p part) ([]*langevinv1.Given, error) {
	g := r.given
	if p.n > 0 {
		var err error
		if g, err = eachGiven(g, len(r.x)/(len(p.x)/p.n), p.first, p.first+p.n); err != nil {
			return nil, during(r.op, err)
		}
	}
	list, err := GivenList(g)
	return list, during(r.op, err)
}

// part is a range of the rows that starts at index first. The part of all rows may have n = 0, which means unknown.
type part struct {
	first, n int
	x        []float32
}

// rowsAnswer names the model that answered.
type rowsAnswer interface {
	GetModel() string
	GetVersion() int32
	GetDigest() string
}

// inParts divides rows into as many calls as needed and returns the answers in order. The number of concurrent calls is
// that of [WithSplit], but at least two. The first part that fails ends the others. ask makes the call for one part.
func inParts[A rowsAnswer](
	ctx context.Context, c *Client, r rows, ask func(context.Context, *langevinv1.Tensor, part) (A, error),
) ([]A, error) {
	ctx, _ = named(ctx)
	parts, err := c.divide(ctx, r)
	if err != nil {
		return nil, err
	}
	model := oneModel{op: r.op}
	one := func(ctx context.Context, p part) (answer A, err error) {
		x, err := rowsTensor(r.field, p.x, r.shape)
		if err != nil {
			return answer, during(r.op, err)
		}
		return fromOne(ctx, c, &model, func(ctx context.Context) (A, error) { return ask(ctx, x, p) })
	}
	if len(parts) == 1 {
		answer, err := one(ctx, parts[0])
		return []A{answer}, err
	}
	return askAll(ctx, max(leastAtOnce, c.parts), parts, r, one)
}

// divide splits rows into parts that a server accepts.
func (c *Client) divide(ctx context.Context, r rows) ([]part, error) {
	if len(r.x) <= maxRows && 4*len(r.x) <= maxRowsBytes { // for any size of a row
		return []part{{x: r.x}}, nil
	}
	shape := r.shape
	if shape == nil {
		m, err := c.Model(ctx, r.model, r.version)
		if err != nil {
			return nil, err
		}
		shape = m.Shape
	}
	width := elements(shape)
	if width < 1 || len(r.x)%width != 0 {
		return nil, during(r.op, notRows(r.field, len(r.x), shape))
	}
	total, most := len(r.x)/width, min(maxRows, max(1, maxRowsBytes/(4*width)))
	count := (total + most - 1) / most
	parts := make([]part, count)
	for i := range parts {
		first, end := i*total/count, (i+1)*total/count
		parts[i] = part{first, end - first, r.x[first*width : end*width]}
	}
	return parts, nil
}

// askAll calls ask for all parts, some of them at once.
func askAll[A any](
	ctx context.Context, atOnce int, parts []part, r rows, ask func(context.Context, part) (A, error),
) ([]A, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards the fields below
		done    int
		failed  error
	)
	answers, next := make([]A, len(parts)), make(chan int)
	for range min(atOnce, len(parts)) {
		running.Go(func() {
			for i := range next {
				answer, err := ask(ctx, parts[i])
				mu.Lock()
				answers[i] = answer
				switch done += parts[i].n; {
				case err != nil && failed == nil:
					failed = r.inPart(parts[i], err)
					cancel()
				case failed == nil && r.progress != nil:
					r.progress(done, len(r.x)/(len(parts[i].x)/parts[i].n))
				}
				mu.Unlock()
			}
		})
	}
	for i := range parts {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	running.Wait()
	if failed == nil && ctx.Err() != nil { // between two parts
		failed = fromRPC(r.op, "", status.FromContextError(ctx.Err()).Err(), nil)
	}
	return answers, failed
}

// inPart adds the range of the failed rows to an error, unless the error has nothing to do with the rows.
func (r rows) inPart(p part, err error) error {
	var e *Error
	if errors.As(err, &e) && r.concerns(e) {
		e.Message = fmt.Sprintf("rows %d to %d of those given: %s", p.first, p.first+p.n-1, e.Message)
	}
	return err
}

// concerns reports whether an error may apply to some rows and not to others.
func (r rows) concerns(e *Error) bool {
	switch e.Code {
	case codes.NotFound, codes.Unauthenticated, codes.PermissionDenied:
		return false
	case codes.InvalidArgument:
		ours := func(v Violation) bool {
			return strings.HasPrefix(v.Field, r.field) || strings.HasPrefix(v.Field, "given[")
		}
		return slices.ContainsFunc(e.Violations, ours)
	}
	return true
}

// oneModel is the model that all parts of a request come from: the one that answered first. It is safe for concurrent
// use.
type oneModel struct {
	op string

	mu   sync.Mutex
	name string // empty before the first answer
}

// check returns an [ErrChanged] if an answer comes from another model than the first one, or if a server that lacks the
// model of the first one returned err.
func (m *oneModel) check(a rowsAnswer, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if e := (*Error)(nil); m.name != "" && errors.As(err, &e) && lacksModel(e, false) {
			return newError(m.op, codes.FailedPrecondition, reasonChanged,
				"its parts do not match: one is from %s, and now %s", m.name, e.Message)
		}
		return err
	}
	name := fmt.Sprintf("%s@%d (%s)", a.GetModel(), a.GetVersion(), a.GetDigest())
	if m.name = cmp.Or(m.name, name); m.name != name {
		return newError(m.op, codes.FailedPrecondition, reasonChanged,
			"its parts do not match: one is from %s, another from %s", m.name, name)
	}
	return nil
}

// fromOne makes the call for one part. It passes over servers that have another model than the other parts.
func fromOne[A rowsAnswer](
	ctx context.Context, c *Client, model *oneModel, ask func(context.Context) (A, error),
) (A, error) {
	route := newRoute(c.connections)
	var failures outage
	for {
		attempt := route.begin(ctx, func(error) {}) // nobody counts its silence: it has no events
		answer, err := ask(context.WithValue(ctx, attemptKey{}, attempt))
		attempt.end()
		err = model.check(answer, err)
		if route.passes(err) {
			continue
		}
		if !errors.Is(err, ErrChanged) || !c.again(ctx, &failures, err) {
			return answer, err
		}
	}
}

func tensorsOf[A any](answers []A, tensor func(A) *langevinv1.Tensor) []*langevinv1.Tensor {
	all := make([]*langevinv1.Tensor, len(answers))
	for i, a := range answers {
		all[i] = tensor(a)
	}
	return all
}

// joined concatenates the tensors of answers. Together they have the given number of elements, unless it is 0.
func joined(op string, tensors []*langevinv1.Tensor, elements int) (Batch, error) {
	var all Batch
	for _, t := range tensors {
		b, err := newBatch(t)
		if err != nil {
			return Batch{}, during(op, err)
		}
		if all.X == nil && len(tensors) > 1 {
			all.X = make([]float32, 0, elements)
		}
		all = Batch{X: append(all.X, b.X...), Shape: b.Shape, N: all.N + b.N}
	}
	if elements > 0 && len(all.X) != elements {
		return Batch{}, during(op, malformed("%d numbers for %d", len(all.X), elements))
	}
	return all, nil
}
