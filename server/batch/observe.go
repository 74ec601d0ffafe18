package batch

import "time"

// Observer hears what a scheduler does, from its workers and while they hold locks: methods must return at once, and
// those of a tick should not allocate.
type Observer interface {
	// Started hears that a job's first chain has begun, and how long it waited.
	Started(waited time.Duration)

	// Ticked hears of one evaluation of the model for rows chains in a block with room for room, before they take their step:
	// whoever sees a job finished has been heard of with all its steps.
	Ticked(rows, room int, elapsed time.Duration)

	// PreviewDropped hears of a frame that was lost because its reader was slow.
	PreviewDropped()

	// Freed hears that the last chain of a job that was given up has left its block, and how long that took.
	Freed(after time.Duration)
}

// unobserved is the Observer of those who want none.
type unobserved struct{}

func (unobserved) Started(time.Duration)          {}
func (unobserved) Ticked(int, int, time.Duration) {}
func (unobserved) PreviewDropped()                {}
func (unobserved) Freed(time.Duration)            {}

// Follower hears how far one job is, like an [Observer] of the whole scheduler.
type Follower interface {
	// Started hears that the job's first chain has begun.
	Started()

	// Entered hears that the first of the job's chains has come to a level of its plan.
	Entered(level int32, sigma float32)
}

// follow tells the job's follower that a chain has taken so many steps.
func (j *job) follow(steps int) {
	if steps >= len(j.Plan) {
		return
	}
	level := j.Plan[steps].Level
	if last := j.level.Load(); level > last && j.level.CompareAndSwap(last, level) {
		j.Follower.Entered(level, j.Plan[steps].Sigma)
	}
}

// giveUp notes when a job that has not finished was ended. The caller holds mu.
func (s *Scheduler) giveUp(j *job) {
	if !j.givenUp.IsZero() || j.out.complete() { // a reader may close before the worker of the last chain calls the job stopped
		return
	}
	j.givenUp = time.Now()
	s.freed(j)
}

// freed reports a job that was given up and whose chains have left. The caller holds mu.
func (s *Scheduler) freed(j *job) {
	if !j.givenUp.IsZero() && j.placed == 0 {
		s.config.Observer.Freed(time.Since(j.givenUp))
	}
}

// LongestTick is how long the longest of the steps under way has been running, 0 if there is none. A worker that never
// comes back from the network's runtime shows here.
func (s *Scheduler) LongestTick() time.Duration {
	longest := time.Duration(0)
	for i := range s.ticking {
		if since := s.ticking[i].Load(); since != 0 {
			longest = max(longest, time.Since(time.Unix(0, since)))
		}
	}
	return longest
}
