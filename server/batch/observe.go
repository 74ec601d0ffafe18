package batch

import "time"

// Observer is told what a scheduler does. Workers call it while they hold locks, so its methods must return at once.
// Ticked should not allocate.
type Observer interface {
	// Started is called when a job's first chain starts, with the time that it waited.
	Started(waited time.Duration)

	// Ticked is called after each evaluation of the model. rows is the number of chains in the block and room its
	// capacity. The call comes before the chains take their step. So when a job is seen to be finished, all its steps
	// have been reported.
	Ticked(rows, room int, elapsed time.Duration)

	// PreviewDropped is called for each frame that was lost because its reader was slow.
	PreviewDropped()

	// Freed is called when the last chain of a cancelled or failed job has left its block, with the time since the job
	// ended.
	Freed(after time.Duration)
}

// unobserved is an Observer that does nothing.
type unobserved struct{}

func (unobserved) Started(time.Duration)          {}
func (unobserved) Ticked(int, int, time.Duration) {}
func (unobserved) PreviewDropped()                {}
func (unobserved) Freed(time.Duration)            {}

// Follower is told of the progress of one job. The rules of [Observer] hold for it too.
type Follower interface {
	// Started is called when the job's first chain starts.
	Started()

	// Entered is called when the first of the job's chains reaches a level of its plan.
	Entered(level int32, sigma float32)
}

// follow tells the job's follower that a chain has taken the given number of steps.
func (j *job) follow(steps int) {
	if steps >= len(j.Plan) {
		return
	}
	level := j.Plan[steps].Level
	if last := j.level.Load(); level > last && j.level.CompareAndSwap(last, level) {
		j.Follower.Entered(level, j.Plan[steps].Sigma)
	}
}

// giveUp records that a job was ended before it finished. The caller holds mu.
func (s *Scheduler) giveUp(j *job) {
	// A reader may close the stream before the worker of the last chain marks the job as stopped.
	if !j.givenUp.IsZero() || j.out.complete() {
		return
	}
	j.givenUp = time.Now()
	s.freed(j)
}

// freed reports a job that was given up, once all its chains have left. The caller holds mu.
func (s *Scheduler) freed(j *job) {
	if !j.givenUp.IsZero() && j.placed == 0 {
		s.config.Observer.Freed(time.Since(j.givenUp))
	}
}

// LongestTick returns the age of the oldest tick in progress, or 0 if there is none. It reveals a worker that does not
// return from the network's runtime.
func (s *Scheduler) LongestTick() time.Duration {
	longest := time.Duration(0)
	for i := range s.ticking {
		if since := s.ticking[i].Load(); since != 0 {
			longest = max(longest, time.Since(time.Unix(0, since)))
		}
	}
	return longest
}
