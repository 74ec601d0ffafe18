package client

import (
	"errors"
	"reflect"
	"sync"

	"google.golang.org/grpc/codes"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// agreement is what all calls of one request have in common: the model, the engine and the settings of the one that
// began first. It is safe for concurrent use, by the parts of a request.
type agreement struct {
	mu    sync.Mutex
	first *Started // nil before a call has begun
}

// reach returns what the calls agree on: s, if it is the first.
func (a *agreement) reach(s Started) Started {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first == nil {
		a.first = &s
	}
	return *a.first
}

func (a *agreement) reached() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first != nil
}

// agree returns an error unless the calls that have begun before would give the same samples. Only then can they be
// continued or joined.
func (s sampleCall) agree(b Started) error {
	a := s.agreed.reach(b)
	switch {
	case a.Digest != b.Digest:
		return s.changed("digest", a.Digest, b.Digest)
	case !reflect.DeepEqual(a.Guidance, b.Guidance):
		return s.changed("guide", a.Guidance, b.Guidance)
	case !reflect.DeepEqual(a.Sum, b.Sum):
		return s.changed("terms", a.Sum, b.Sum)
	case a.Engine != b.Engine:
		return s.changed("engine", a.Engine, b.Engine)
	case a.Seed != b.Seed:
		return s.changed("seed", a.Seed, b.Seed)
	case a.Steps != b.Steps || !reflect.DeepEqual(a.Sampler, b.Sampler):
		return s.changed("sampler", a.Sampler, b.Sampler)
	case !reflect.DeepEqual(a.Shape, b.Shape):
		return s.changed("shape", a.Shape, b.Shape)
	}
	return nil
}

func (s sampleCall) changed(what string, was, is any) error {
	return s.failure(codes.FailedPrecondition, reasonChanged,
		"its parts do not match: the first was drawn with %s %v, the next has %v", what, was, is)
}

// disagreement turns a refusal that means that the server lacks the model agreed on into an [ErrChanged]. It returns
// other errors as they are.
func (s sampleCall) disagreement(err error) error {
	var e *Error
	if !errors.As(err, &e) || !s.agreed.reached() || !lacksModel(e, s.goesOn) {
		return err
	}
	return &Error{Op: s.op, Code: codes.FailedPrecondition, Reason: reasonChanged, RequestID: e.RequestID,
		Message: "the model that its first part was drawn with is gone: " + e.Message}
}

// lacksModel reports whether a server refused a call because it does not have the model, or has another file of it. A
// call that has begun before was valid for the model, so a server that finds it invalid has another.
func lacksModel(e *Error, goesOn bool) bool {
	switch e.Reason {
	case langevinv1.ReasonModelNotFound, langevinv1.ReasonModelFailed:
		return true
	case langevinv1.ReasonInvalid:
		return goesOn
	}
	return false
}
