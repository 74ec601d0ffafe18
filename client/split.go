package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// split divides a request into at most the given number of parts, which together draw the same chains. The first part
// has all the chains that previews show.
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

// part returns the request for n of its chains, starting at index first.
func (r SampleRequest) part(first, n int) SampleRequest {
	if r.Resume != nil {
		states := *r.Resume
		if states.X.N >= first+n {
			states.X = states.X.rows(first, first+n)
		}
		r.Resume = &states
	}
	if each, ok := r.Given.(Each); ok && len(each) >= first+n {
		r.Given = each[first : first+n : first+n]
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

// partEvent is an event of a part, or the end of the part.
type partEvent struct {
	part  int
	event Event // nil if the part has ended
	err   error
}

// drawParts draws all parts at once and emits the events of one call. The first part that fails ends the others.
func (s sampleCall) drawParts(ctx context.Context, parts []SampleRequest, emit sink) error {
	ctx, cancel := context.WithCancel(ctx)
	events, left := make(chan partEvent), make(chan struct{})
	var running sync.WaitGroup
	for i, part := range parts {
		of := s
		of.route = newRoute(s.client.connections)
		running.Go(func() {
			send := func(n partEvent) error {
				select {
				case events <- n:
					return nil
				case <-left:
					return errBroken
				}
			}
			err := of.drawAll(ctx, part, func(e Event) error { return send(partEvent{part: i, event: e}) })
			_ = send(partEvent{part: i, err: err}) // fails once nobody receives
		})
	}
	defer running.Wait()
	defer close(left)
	defer cancel()
	j := newMerger(s, parts, emit)
	for ended := 0; ended < len(parts); {
		n := <-events
		if n.err != nil {
			return n.err
		}
		if n.event == nil {
			ended++
		}
		if err := j.receive(n); err != nil {
			return err
		}
	}
	return j.finish()
}

// merger turns the events of all parts into the events of one call.
type merger struct {
	sampleCall
	emit    sink
	parts   []SampleRequest
	started Started // of the request; its N is 0 before the first event
	reached []Progress
	waiting [][]Chunk // of each part, until the parts before it have ended
	ended   []bool
	next    int // the part whose chunks come next
	done    Done
	trust   trust
}

func newMerger(s sampleCall, parts []SampleRequest, emit sink) *merger {
	return &merger{
		sampleCall: s, emit: emit, parts: parts,
		reached: make([]Progress, len(parts)), waiting: make([][]Chunk, len(parts)), ended: make([]bool, len(parts)),
	}
}

func (j *merger) receive(n partEvent) error {
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
		j.trust.add(e, j.started.Measurement)
		return j.pass()
	case Done:
		j.add(e)
		return nil
	}
	return j.emit(n.event)
}

func (j *merger) start(s Started) error {
	if j.started.N > 0 {
		return nil
	}
	j.started = s
	j.started.N, j.started.FirstChain = 0, j.parts[0].FirstChain
	for _, part := range j.parts {
		j.started.N += part.N
	}
	j.started.Given = j.given()
	for i, part := range j.parts {
		j.reached[i].StepsTotal = int64(part.N) * int64(s.Steps)
	}
	return j.emit(j.started)
}

// given returns the conditions of all parts.
func (j *merger) given() Given {
	var all Each
	for _, part := range j.parts {
		each, ok := part.Given.(Each)
		if !ok {
			return j.started.Given
		}
		all = append(all, each...)
	}
	return all
}

// progress adds up the latest progress of all parts.
func (j *merger) progress(part int, p Progress) error {
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

// pass emits the chunks that are next in order.
func (j *merger) pass() error {
	for j.next < len(j.parts) {
		for _, c := range j.waiting[j.next] {
			if err := j.emit(c); err != nil {
				return err
			}
		}
		j.waiting[j.next] = nil
		if !j.ended[j.next] {
			return nil
		}
		j.next++
	}
	return nil
}

func (j *merger) add(d Done) {
	if j.done.N == 0 {
		j.done.Queued = d.Queued
	}
	j.done.N += d.N
	j.done.NFE += d.NFE
	j.done.PreviewsDropped += d.PreviewsDropped
	j.done.Elapsed = max(j.done.Elapsed, d.Elapsed)
	j.done.Queued = min(j.done.Queued, d.Queued)
}

func (j *merger) finish() error {
	j.trust.describe(&j.done)
	return j.emit(j.done)
}
