package client

import (
	"slices"
	"time"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Result is all samples of a call, with what it takes to draw them again.
type Result struct {
	Batch // a row for each chain, in chain order

	Model      string
	Version    int
	Digest     string // SHA-256 of the model file, in hexadecimal
	Engine     string // what else decides the bits: the noise generator, the runtime and its settings
	Sampler    Sampler
	Seed       uint64
	FirstChain uint64 // the chain of row 0

	Previews        []Preview // in the order of steps; none unless the request asked for them
	PreviewsDropped int       // lost because they were read too slowly

	NFE       int64         // score evaluations, summed over all chains
	Elapsed   time.Duration // since the server accepted the call
	Queued    time.Duration // how much of it passed before the first chain started
	RequestID string        // names the call in the server's log
}

// assembly builds a [Result] out of events and checks their order.
type assembly struct {
	result Result
	want   int  // chains announced; 0 before the first event
	done   Done // the last event; its N is 0 before
}

// add checks the next event of a call and returns it decoded; nil if this client does not know it.
func (a *assembly) add(r *langevinv1.SampleResponse) (Event, error) {
	e, err := newEvent(r)
	if err != nil {
		return nil, err
	}
	if _, first := e.(Started); e != nil && first == (a.want > 0) {
		return nil, malformed("%T where the call is at chain %d of %d", e, a.result.N, a.want)
	}
	if a.done.N > 0 {
		return nil, malformed("%T after the end", e)
	}
	switch e := e.(type) {
	case Started:
		return e, a.start(e)
	case Preview:
		return e, a.preview(e)
	case Chunk:
		return e, a.chunk(e)
	case Done:
		return e, a.finish(e)
	}
	return e, nil
}

func (a *assembly) start(s Started) error {
	if s.N < 1 || len(s.Shape) == 0 {
		return malformed("started %d chains of shape %v", s.N, s.Shape)
	}
	a.want = s.N
	a.result = Result{
		Batch:      Batch{Shape: s.Shape},
		Model:      s.Model,
		Version:    s.Version,
		Digest:     s.Digest,
		Engine:     s.Engine,
		Sampler:    s.Sampler,
		Seed:       s.Seed,
		FirstChain: s.FirstChain,
		RequestID:  s.RequestID,
	}
	return nil
}

func (a *assembly) preview(p Preview) error {
	if !slices.Equal(p.Shape, a.result.Shape) {
		return malformed("preview of shape %v: want %v", p.Shape, a.result.Shape)
	}
	a.result.Previews = append(a.result.Previews, p)
	return nil
}

func (a *assembly) chunk(c Chunk) error {
	r := &a.result
	if !slices.Equal(c.Shape, r.Shape) {
		return malformed("chunk of shape %v: want %v", c.Shape, r.Shape)
	}
	if next := r.FirstChain + uint64(r.N); c.FirstChain != next {
		return malformed("chunk starts at chain %d: want %d", c.FirstChain, next)
	}
	if c.N > a.want-r.N {
		return malformed("chunk ends at chain %d of %d", r.N+c.N, a.want)
	}
	r.X = append(r.X, c.X...)
	r.N += c.N
	return nil
}

func (a *assembly) finish(d Done) error {
	if d.N != a.want || a.result.N != a.want {
		return malformed("done after %d chains, which says %d: want %d", a.result.N, d.N, a.want)
	}
	a.done = d
	r := &a.result
	r.NFE, r.Elapsed, r.Queued, r.PreviewsDropped = d.NFE, d.Elapsed, d.Queued, d.PreviewsDropped
	return nil
}
