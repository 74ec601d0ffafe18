package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// split divides a request into at most so many, which together draw the same chains. The first has all the chains
// that previews show.
func (r SampleRequest) split(parts int) []SampleRequest {
	n := max(1, r.N)
	head := 0
	if r.Preview != nil {
		head = min(n, cmp.Or(r.Preview.Chains, langevinv1.DefaultPreviewChains))
	}
	parts = min(parts, n/langevinv1.RowQuantum)
	if parts < 2 || head == n {
		return []SampleRequest{r}
	}
	if r.Seed == nil {
		r.Seed = new(drawSeed())
	}
	first := max(head, (n+parts-1)/parts)
	all := []SampleRequest{r.part(0, first)}
	for left := parts - 1; left > 0 && first < n; left-- {
		size := (n - first + left - 1) / left
		next := r.part(first, size)
		next.Preview = nil
		all = append(all, next)
		first += size
	}
	return all
}

// part is the request for n of its chains, from the one at index first.
func (r SampleRequest) part(first, n int) SampleRequest {
	if r.Resume != nil {
		states := *r.Resume
		if states.X.N >= first+n {
			states.X = states.X.rows(first, first+n)
		}
		r.Resume = &states
	}
	r.FirstChain += uint64(first)
	r.N = n
	return r
}

func drawSeed() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: see its documentation
	return binary.LittleEndian.Uint64(b[:])
}

// news is an event of a part, or how the part ended.
type news struct {
	part  int
	event Event // nil: it has ended
	err   error
}

// together draws all parts at once and emits one call's events. The first part that fails ends the others.
func (s sampleCall) together(ctx context.Context, parts []SampleRequest, emit sink) error {
	ctx, cancel := context.WithCancel(ctx)
	events, left := make(chan news), make(chan struct{})
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			send := func(n news) error {
				select {
				case events <- n:
					return nil
				case <-left:
					return errBroken
				}
			}
			err := s.whole(ctx, part, func(e Event) error { return send(news{part: i, event: e}) })
			_ = send(news{part: i, err: err}) // fails once nobody listens
		})
	}
	defer running.Wait()
	defer close(left)
	defer cancel()
	j := newJoint(s, parts, emit)
	for ended := 0; ended < len(parts); {
		n := <-events
		if n.err != nil {
			return n.err
		}
		if n.event == nil {
			ended++
		}
		if err := j.take(n); err != nil {
			return err
		}
	}
	return j.finish()
}

// joint makes one call's events of those of its parts.
type joint struct {
	sampleCall
	emit    sink
	parts   []SampleRequest
	started Started // of the whole; its N is 0 before
	reached []Progress
	waiting [][]Chunk // of each part, until the parts before it have ended
	ended   []bool
	turn    int // the part whose chunks come next
	done    Done
}

func newJoint(s sampleCall, parts []SampleRequest, emit sink) *joint {
	return &joint{
		sampleCall: s, emit: emit, parts: parts,
		reached: make([]Progress, len(parts)), waiting: make([][]Chunk, len(parts)), ended: make([]bool, len(parts)),
	}
}

func (j *joint) take(n news) error {
	switch e := n.event.(type) {
	case nil:
		j.ended[n.part] = true
		return j.pass()
	case Started:
		return j.start(e)
	case Progress:
		return j.progress(n.part, e)
	case Chunk:
		j.waiting[n.part] = append(j.waiting[n.part], e)
		return j.pass()
	case Done:
		j.add(e)
		return nil
	}
	return j.emit(n.event)
}

func (j *joint) start(s Started) error {
	if j.started.N > 0 {
		return j.same(j.started, s)
	}
	j.started = s
	j.started.N, j.started.FirstChain = 0, j.parts[0].FirstChain
	for _, part := range j.parts {
		j.started.N += part.N
	}
	for i, part := range j.parts {
		j.reached[i].StepsTotal = int64(part.N) * int64(s.Steps)
	}
	return j.emit(j.started)
}

// progress sums what the parts last said.
func (j *joint) progress(part int, p Progress) error {
	j.reached[part] = p
	p.StepsDone, p.StepsTotal, p.ChainsDone = 0, 0, 0
	for _, r := range j.reached {
		p.StepsDone += r.StepsDone
		p.StepsTotal += r.StepsTotal
		p.ChainsDone += r.ChainsDone
		p.Elapsed = max(p.Elapsed, r.Elapsed)
		p.Remaining = max(p.Remaining, r.Remaining)
	}
	return j.emit(p)
}

// pass emits the chunks whose turn it is.
func (j *joint) pass() error {
	for j.turn < len(j.parts) {
		for _, c := range j.waiting[j.turn] {
			if err := j.emit(c); err != nil {
				return err
			}
		}
		j.waiting[j.turn] = nil
		if !j.ended[j.turn] {
			return nil
		}
		j.turn++
	}
	return nil
}

func (j *joint) add(d Done) {
	if j.done.N == 0 {
		j.done.Queued = d.Queued
	}
	j.done.N += d.N
	j.done.NFE += d.NFE
	j.done.PreviewsDropped += d.PreviewsDropped
	j.done.Elapsed = max(j.done.Elapsed, d.Elapsed)
	j.done.Queued = min(j.done.Queued, d.Queued)
}

func (j *joint) finish() error { return j.emit(j.done) }
