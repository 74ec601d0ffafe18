package batch

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// BusyError is the error of a job that is refused because of the work before it. It wraps [ErrBusy].
type BusyError struct {
	Retry time.Duration // when the queue is expected to have room for the job, from 50 ms to a minute
	Cause string
}

// Error implements error.
func (e *BusyError) Error() string { return ErrBusy.Error() + ": " + e.Cause }

// Unwrap returns [ErrBusy].
func (e *BusyError) Unwrap() error { return ErrBusy }

// busy returns a BusyError whose job may be admitted after the given number of nanoseconds.
func busy(after float64, format string, args ...any) *BusyError {
	const shortest, longest = 50 * time.Millisecond, time.Minute
	retry := min(max(inTime(after), shortest), longest)
	return &BusyError{Retry: retry.Round(time.Millisecond), Cause: fmt.Sprintf(format, args...)}
}

// GivenUpError is the error of a job that was admitted and can no longer meet its deadline, because the machine became
// slower or other callers came. It wraps [ErrDeadline].
type GivenUpError struct {
	Left  time.Duration // of the job's time
	Retry time.Duration // after which the job may fit again
}

// Error implements error.
func (e *GivenUpError) Error() string {
	return fmt.Sprintf("%v: given up with %v left, because what remains takes longer", ErrDeadline,
		e.Left.Round(time.Millisecond))
}

// Unwrap returns [ErrDeadline].
func (e *GivenUpError) Unwrap() error { return ErrDeadline }

// slowFor is how long a machine is expected to stay slow, at least.
const slowFor = time.Second

// inTime converts nanoseconds of any size.
func inTime(ns float64) time.Duration { return time.Duration(min(ns, math.MaxInt64/2)) }

// Demand is what a job would take.
type Demand struct {
	Caller string
	Chains int
	Steps  int           // of each chain
	Sum    *sampling.Sum // as in Job
	Terms  Cost          // TermCost of Job
	States int           // states of each chain; 0: 1
}

// rows returns the rows of the scheduler's model in a step of all chains.
func (d Demand) rows() int { return d.Chains * d.Sum.OwnEvaluations() * max(1, d.States) }

func (j *job) demand() Demand {
	return Demand{
		Caller: j.Caller, Chains: j.N, Steps: j.path, Sum: j.Sum, Terms: j.TermCost, States: j.Measured.Rows(),
	}
}

// margin is the factor by which the estimate for a job must stay below its time, since what it waits for may take
// longer than estimated.
const margin = 1.25

// Admits returns the error with which Submit would refuse a job now because of its length or of the work before it:
// nil, ErrDeadline or a [BusyError]. It costs no more than the refusal, so a caller can ask before it compiles a plan.
func (s *Scheduler) Admits(ctx context.Context, d Demand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admits(ctx, d, time.Now())
}

// admits is Admits. The caller holds mu.
func (s *Scheduler) admits(ctx context.Context, d Demand, now time.Time) error {
	s.refresh(now)
	deadline, limited := ctx.Deadline()
	left := deadline.Sub(now)
	if limited && s.alone(s.pace, d) > float64(left) {
		s.doubt(now)
		return s.tooShort(d, left)
	}
	wait, service := s.wait(d), s.service(d)
	if most := float64(s.config.MaxWait); wait > most && !s.startsAtOnce(d.Caller) {
		return busy(wait-most, "it cannot start at once, and the work before it takes %v: then the limit is %v",
			inTime(wait).Round(time.Millisecond), s.config.MaxWait)
	}
	if late := margin*(wait+service) - float64(left); limited && late > 0 && len(s.open) > 0 {
		return busy(late, "behind the work before it, it would end in %v and %v is left",
			inTime(wait+service).Round(time.Millisecond), left.Round(time.Millisecond))
	}
	return nil
}

// tooShort returns the error of a job that takes longer than is left of its time, even with no work before it. The job
// may try again if only other programs, or the refused callers themselves, slow the machine. The caller holds mu.
func (s *Scheduler) tooShort(d Demand, left time.Duration) error {
	now, quiet := s.alone(s.pace, d), s.alone(s.quiet, d)
	if quiet > float64(left) {
		return fmt.Errorf("%w: %d chains of %d steps take at least %v here and %v is left", ErrDeadline,
			d.Chains, d.Steps, inTime(quiet).Round(time.Millisecond), left.Round(time.Millisecond))
	}
	return busy(max(now-float64(left), float64(slowFor)), "%d chains of %d steps take %v, slowed by other work, "+
		"and %v is left", d.Chains, d.Steps, inTime(now).Round(time.Millisecond), left.Round(time.Millisecond))
}

// alone returns the time of a job at a pace, with no work before it, in nanoseconds.
func (s *Scheduler) alone(p pace, d Demand) float64 {
	return p.least(d.Steps, d.rows(), s.config.Rows, s.config.Workers) +
		d.Terms.least(d.Steps, d.Chains, s.config.Workers)
}

// wait returns how long the work before a job takes, in nanoseconds: the work of its own caller, and of each other
// caller as much as fair shares give to it meanwhile. It is 0 for a job that starts at once. The caller holds mu.
func (s *Scheduler) wait(d Demand) float64 {
	if d.Chains <= quantum && s.startsAtOnce(d.Caller) {
		return 0
	}
	work := float64(d.rows()) * float64(d.Steps)
	own := work
	c := s.queue.callers[d.Caller]
	switch {
	case c == nil:
	case d.Chains > quantum:
		own += c.left
	default:
		own += c.ahead(float64(s.queue.share()))
	}
	return s.rowTime() * (s.fair(c, own) - work)
}

// startsAtOnce reports whether a caller's next job becomes ready as soon as it comes.
func (s *Scheduler) startsAtOnce(name string) bool {
	c := s.queue.callers[name]
	return c == nil || c.width == 0 || len(c.line) == 0 && s.queue.hasRoom(c)
}

// ahead returns how much work, in row steps, is done before a small job of the caller starts, if the caller may fill
// share rows. Large jobs without haste do not hold it up, but keep their part of the rows meanwhile.
func (c *caller) ahead(share float64) float64 {
	rows := float64(c.large.rows)
	if rows >= share {
		return c.left
	}
	return min(c.left, (c.left-c.large.left)*share/(share-rows))
}

// rowTime returns the time in nanoseconds in which all workers together advance one chain by a step.
func (s *Scheduler) rowTime() float64 {
	return s.pace.full / float64(s.config.Rows) / float64(s.config.Workers)
}

// fair returns how much work is done, in row steps, until own work of c is done. Another caller takes part with what is
// left of its work, and with what it will still ask for: a caller that has been busy for some time is expected to stay
// busy for as long. The caller holds mu.
func (s *Scheduler) fair(c *caller, own float64) float64 {
	sum, rate := own, 0.0
	if row := s.rowTime(); row > 0 {
		rate = 1 / row / float64(max(1, s.queue.busy))
	}
	for _, other := range s.queue.callers {
		if other != c {
			sum += min(other.left+float64(other.streak)*rate, own)
		}
	}
	return sum
}

// service returns how long a job takes from its start, in nanoseconds. A job of more than a quantum of chains may have
// to share the blocks with younger ones of its caller. The caller holds mu.
func (s *Scheduler) service(d Demand) float64 {
	rows := (max(s.used, s.queue.width) + d.rows()) / s.config.Workers
	if s.contended() {
		rows = s.config.Rows
	}
	work := float64(d.Steps) * float64(d.rows()) * s.rowTime()
	if s.running > 0 && d.Chains > quantum {
		work *= 2
	}
	return max(float64(d.Steps)*s.pace.at(rows, s.config.Rows), work) +
		d.Terms.least(d.Steps, d.Chains, s.config.Workers)
}

// drains returns the time of a part of all work that is left, in nanoseconds. The caller holds mu.
func (s *Scheduler) drains(part float64) float64 {
	left := 0.0
	for _, c := range s.queue.callers {
		left += c.left
	}
	return min(part, 1) * left * s.rowTime()
}

// contended reports whether there is work for every row. The caller holds mu.
func (s *Scheduler) contended() bool { return max(s.used, s.queue.width) >= s.queue.rows }

// refreshEvery is how old the account of the work that is left may be.
const refreshEvery = 5 * time.Millisecond

// refresh brings up to date what is left of every job, gives priority to jobs whose deadline comes near, and ends those
// whose deadline can no longer be met. The caller holds mu.
func (s *Scheduler) refresh(now time.Time) {
	if now.Sub(s.refreshed) < refreshEvery {
		return
	}
	s.queue.age(now.Sub(s.refreshed))
	s.refreshed = now
	s.late = s.late[:0]
	for _, c := range s.queue.callers {
		for _, j := range c.begun {
			j.account()
		}
	}
	soon := now.Add(2 * (inTime(s.drains(1)) + longestStreak)) // the deadlines of later jobs need no closer look
	for _, c := range s.queue.callers {
		c.large.left, c.large.rows = 0, 0
		for _, j := range c.begun {
			if s.hopeless(j, now) {
				s.late = append(s.late, j)
			} else if j.N > quantum {
				s.prefer(j, !j.deadline.IsZero() && j.deadline.Before(soon) && s.isTight(j, now))
			}
		}
	}
	for i, j := range s.late {
		s.abandon(j, now)
		s.late[i] = nil
	}
}

// account updates how much of a job is left. A job that waits for its reader has only the chains that may run. The
// caller holds Scheduler.mu.
func (j *job) account() {
	left := 0.0
	if !j.stopped.Load() {
		runnable := float64(j.placed+j.waiting()) * float64(j.path)
		left = j.weight * min(float64(j.N)*float64(j.path)-float64(j.steps.Load()), runnable)
	}
	j.caller.left += left - j.left
	j.left = left
}

// isTight reports whether a job might come too late if it shared equally with the other jobs of its caller. The caller
// holds mu.
func (s *Scheduler) isTight(j *job, now time.Time) bool {
	return 2*s.rowTime()*s.fair(j.caller, j.caller.left) > float64(j.deadline.Sub(now))
}

// prefer gives at least half of its caller's share to a large job that is tight. The caller holds mu.
func (s *Scheduler) prefer(j *job, tight bool) {
	j.claim = quantum
	if tight {
		share := s.queue.share()
		j.claim = max(share/2, min(share, 2*quantum))
	}
	s.queue.resize(j)
	if j.claim == quantum {
		j.caller.large.left += j.left
		j.caller.large.rows += j.width
	}
}

// certainty is the factor by which the estimate for what is left of a job must exceed its time before it is given up.
const certainty = 1.1

// hopeless reports whether a job can no longer meet its deadline. While nobody waits for its rows, only a job that
// would be late on an idle machine is hopeless. The caller holds mu.
func (s *Scheduler) hopeless(j *job, now time.Time) bool {
	if j.deadline.IsZero() || j.stopped.Load() || j.left == 0 {
		return false
	}
	rows := 0
	if s.contended() {
		rows = min(s.config.Rows, s.used/s.config.Workers)
	}
	chains := float64(j.placed + j.waiting())
	need := max(j.left*s.rowTime(), j.left/j.weight/cmp.Or(chains, 1)*s.pace.at(rows, s.config.Rows))
	return need > certainty*float64(j.deadline.Sub(now))
}

// abandon ends a hopeless job with a [GivenUpError]. The caller holds mu.
func (s *Scheduler) abandon(j *job, now time.Time) {
	s.end(j, &GivenUpError{Left: j.deadline.Sub(now), Retry: slowFor})
}
