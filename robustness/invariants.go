package robustness

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Rules is what the calls of a history are checked with.
type Rules struct {
	// Undisturbed returns what the model with a digest draws for a request if nothing disturbs it: the rows of the
	// result, and the states of the previewed chains after a number of steps. seed is the one in use.
	Undisturbed func(digest string, r *langevinv1.SampleRequest, seed uint64) (Drawn, error)

	// Served reports whether a digest was in service at some moment of a time. Nil allows every digest.
	Served func(digest string, from, to time.Time) bool

	Tardy time.Duration // how long after its deadline a call may still end
}

// Drawn is the undisturbed result of a request.
type Drawn struct {
	X     []float32
	State func(step int64) []float32 // of all chains; nil if previews are not compared
}

// A Violation is a promise that a call did not keep.
type Violation struct {
	Promise string
	Call    *Call
	Err     error
}

func (v Violation) String() string { return fmt.Sprintf("%s: %v\n\t%v", v.Promise, v.Err, v.Call) }

// Check returns every promise that a call of the history broke.
func (r Rules) Check(history []*Call) []Violation {
	var broken []Violation
	for _, c := range history {
		for _, p := range r.promises() {
			if err := p.check(c); err != nil {
				broken = append(broken, Violation{p.name, c, err})
			}
		}
	}
	return broken
}

// Drained checks what a server promises that was told to stop at a moment: it starts no call that began more than
// notice later, and what it had started ends well or with a hint to go elsewhere, at most limit later.
func Drained(history []*Call, stopped time.Time, notice, limit time.Duration) []Violation {
	var broken []Violation
	for _, c := range history {
		if err := drained(c, stopped, notice, limit); err != nil {
			broken = append(broken, Violation{"a stop", c, err})
		}
	}
	return broken
}

func drained(c *Call, stopped time.Time, notice, limit time.Duration) error {
	switch code := c.Code(); {
	case c.Started == nil || c.Ended.Before(stopped):
		return nil
	case c.Begun.After(stopped.Add(notice)):
		return fmt.Errorf("started %v after the stop", c.Since.Sub(stopped))
	case c.Ended.After(stopped.Add(limit)):
		return fmt.Errorf("ended %v after the stop, want at most %v", c.Ended.Sub(stopped), limit)
	case code != codes.OK && Reason(c.Err) != langevinv1.ReasonDraining && !c.Left && code != codes.DeadlineExceeded:
		return errors.New("ended neither well nor as stopped")
	}
	return nil
}

type promise struct {
	name  string
	check func(c *Call) error
}

func (r Rules) promises() []promise {
	return []promise{
		{"steps increase, chunks have no gaps", func(c *Call) error { return c.broken }},
		{"one outcome", oneOutcome},
		{"the undisturbed bits", r.sameBits},
		{"a retry hint", retryHint},
		{"the deadline", r.deadline},
		{"a version in service", r.inService},
		{"poison fails alone", poisonFailsAlone},
		{"the expected outcome", expected},
	}
}

// oneOutcome: a call ends with Done, all its rows and OK, or with an error and no Done.
func oneOutcome(c *Call) error {
	switch {
	case c.Ended.IsZero():
		return errors.New("no outcome")
	case c.Err == nil && c.dones != 1:
		return fmt.Errorf("ended well with %d Done events", c.dones)
	case c.Err == nil && int64(c.rows()) != max(1, c.Request.GetN()):
		return fmt.Errorf("ended well with %d of %d rows", c.rows(), c.Request.GetN())
	case c.Err != nil && c.dones > 0 && !c.brokenOff():
		return errors.New("a Done event and an error")
	}
	return nil
}

// brokenOff reports whether a call ended on its way or by its client, and not by the server. Its Done event may then
// have come, and its status not.
func (c *Call) brokenOff() bool {
	code := c.Code()
	return c.Left || code == codes.DeadlineExceeded || code == codes.Unavailable && Reason(c.Err) == ""
}

// sameBits: every row that came, of a result or of a preview, is the row of an undisturbed call. So no row of another
// call came either.
func (r Rules) sameBits(c *Call) error {
	if c.Started == nil || len(c.X) == 0 && len(c.Shown) == 0 {
		return nil
	}
	want, err := r.Undisturbed(c.Started.GetDigest(), c.Request, c.Started.GetSeed())
	if err != nil {
		return err
	}
	if len(c.X) > len(want.X) || !slices.Equal(c.X, want.X[:len(c.X)]) {
		return errors.New("other rows of the result")
	}
	for _, shown := range c.Shown {
		if want.State == nil {
			break
		}
		if x := want.State(shown.Step); len(shown.X) > len(x) || !slices.Equal(shown.X, x[:len(shown.X)]) {
			return fmt.Errorf("other states after %d steps", shown.Step)
		}
	}
	return nil
}

// retryHint: who is refused because of the server's load is told when to try again.
func retryHint(c *Call) error {
	s, reason := status.Convert(c.Err), Reason(c.Err)
	if s.Code() != codes.ResourceExhausted || reason == langevinv1.ReasonSlowConsumer {
		return nil
	}
	for _, detail := range s.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() > 0 {
			return nil
		}
	}
	return errors.New("no RetryInfo")
}

// deadline: a call with a deadline does not outlive it.
func (r Rules) deadline(c *Call) error {
	if late := c.Ended.Sub(c.Deadline); !c.Deadline.IsZero() && late > r.Tardy {
		return fmt.Errorf("ended %v after its deadline", late)
	}
	return nil
}

// inService: a call gets a version of the model that was in service between its beginning and its first event.
func (r Rules) inService(c *Call) error {
	if c.Started == nil || r.Served == nil || r.Served(c.Started.GetDigest(), c.Begun, c.Since) {
		return nil
	}
	return fmt.Errorf("digest %s was not in service", c.Started.GetDigest())
}

// poisonFailsAlone: a call whose chains diverge is told so, and no other call is.
func poisonFailsAlone(c *Call) error {
	poisoned, diverged := Poisoned(c.Request), Reason(c.Err) == langevinv1.ReasonDiverged
	if poisoned && c.Err == nil || diverged && !poisoned {
		return fmt.Errorf("poisoned: %v, ended as diverged: %v", poisoned, diverged)
	}
	return nil
}

// Poisoned reports whether a request is made to diverge.
func Poisoned(r *langevinv1.SampleRequest) bool { return r.GetLangevin().GetStepSize() >= Poison }

// Poison is a step size with which every chain diverges.
const Poison = 1e30

// expected: a call ends as its client expects.
func expected(c *Call) error {
	if c.Expect == nil {
		return nil
	}
	return c.Expect(c.Code(), Reason(c.Err))
}

// Reason returns the reason of an error of the server, or an empty text.
func Reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
