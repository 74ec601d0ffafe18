package batch

import (
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Stream is the reader's side of a job. Only one goroutine may call Poll, Flush, Progress and Close.
type Stream struct {
	s      *Scheduler
	job    *job
	unhook func() bool
}

// Ready returns a channel that receives when Poll may have a new event. It is never closed.
func (st *Stream) Ready() <-chan struct{} { return st.job.out.ready }

// Poll returns the next event without waiting. It returns nil if there is none yet, io.EOF after the last, and the
// job's failure as soon as there is one. The caller owns the event's memory.
func (st *Stream) Poll() (Event, error) {
	event, freed, err := st.job.out.poll()
	if freed > 0 {
		st.s.delivered(st.job, freed)
	}
	return event, err
}

// Flush lets the next polls return the finished chains that come next in order though their chunk is not full. Without
// it a chunk waits until it is full or the job has finished.
func (st *Stream) Flush() { st.job.out.flush() }

// delivered makes room for the given number of chains in the job's window.
func (s *Scheduler) delivered(j *job, chains int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.read += chains
	if s.queue.push(j) {
		s.work.Broadcast()
	}
}

// Progress describes how far a job is.
type Progress struct {
	Steps         int64         // steps taken, summed over all chains
	Chains        int           // finished chains
	Position      int           // steps taken by the chain that moved last
	Queued        time.Duration // from Submit to the first chain's start, or until now
	Elapsed       time.Duration // since Submit
	DroppedFrames int
}

// Progress returns the job's progress now.
func (st *Stream) Progress() Progress {
	j := st.job
	finished, lost := j.out.counts()
	st.s.mu.Lock()
	started := j.started
	st.s.mu.Unlock()
	if started.IsZero() {
		started = time.Now()
	}
	return Progress{
		Steps:         j.steps.Load(),
		Chains:        finished,
		Position:      int(j.position.Load()),
		Queued:        started.Sub(j.submitted),
		Elapsed:       time.Since(j.submitted),
		DroppedFrames: lost,
	}
}

// Close ends the job, whether it has finished or not, and releases its part of the limits. It may be called again.
func (st *Stream) Close() {
	st.job.closeOnce.Do(func() {
		st.unhook()
		ended := st.job.stopped.Swap(true)
		s := st.s
		s.mu.Lock()
		defer s.mu.Unlock()
		if !ended {
			s.giveUp(st.job)
		}
		s.release(st.job)
	})
}

// release removes a job that has ended. The caller holds mu.
func (s *Scheduler) release(j *job) {
	s.queue.leave(j)
	s.wake()
	s.unreserve(j)
	delete(s.open, j)
	if s.closing && len(s.open) == 0 {
		close(s.emptied)
	}
}

// Model returns the network itself, whose calls do not acquire the semaphore. It is for terms of other models'
// chains: the worker of such chains already holds the semaphore.
func (s *Scheduler) Model() sampling.Model { return s.model }
