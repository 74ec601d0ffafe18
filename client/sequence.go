package client

import "slices"

// sequence checks that the events of one call have the order and the shapes that the protocol allows.
type sequence struct {
	want  int    // chains announced; 0 before the first event
	have  int    // chains delivered
	first uint64 // the first chain's index
	shape []int  // of one sample
	state []int  // of one state for Resume
	done  Done   // the last event; its N is 0 before that
}

func (s *sequence) check(e Event) error {
	if _, first := e.(Started); first == (s.want > 0) {
		return malformed("%T where the call is at chain %d of %d", e, s.have, s.want)
	}
	if s.done.N > 0 {
		return malformed("%T after the end", e)
	}
	switch e := e.(type) {
	case Started:
		return s.start(e)
	case Preview:
		want := s.shape
		if e.ForResume {
			want = s.state
		}
		if !slices.Equal(e.Shape, want) {
			return malformed("preview of shape %v: want %v", e.Shape, want)
		}
	case Chunk:
		return s.chunk(e)
	case Done:
		return s.finish(e)
	}
	return nil
}

func (s *sequence) start(e Started) error {
	if e.N < 1 || len(e.Shape) == 0 {
		return malformed("started %d chains of shape %v", e.N, e.Shape)
	}
	s.want, s.first, s.shape = e.N, e.FirstChain, e.Shape
	s.state = stateShape(e.Shape, e.Table)
	return nil
}

func (s *sequence) chunk(c Chunk) error {
	if !slices.Equal(c.Shape, s.shape) {
		return malformed("chunk of shape %v: want %v", c.Shape, s.shape)
	}
	if next := s.first + uint64(s.have); c.FirstChain != next {
		return malformed("chunk starts at chain %d: want %d", c.FirstChain, next)
	}
	if c.N > s.want-s.have {
		return malformed("chunk ends at chain %d of %d", s.have+c.N, s.want)
	}
	s.have += c.N
	return nil
}

func (s *sequence) finish(d Done) error {
	if d.N != s.want || s.have != s.want {
		return malformed("done after %d chains, which says %d: want %d", s.have, d.N, s.want)
	}
	s.done = d
	return nil
}
