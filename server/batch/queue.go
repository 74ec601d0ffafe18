package batch

import (
	"slices"
	"time"
)

// quantum is the number of rows that a caller may place before the next caller is served. It is the number of rows to
// which a model's batch is padded, so that no padding is wasted.
const quantum = 16

// queue holds, for each caller, the jobs with chains to start. It decides which chains come next: deficit round robin
// between callers (Shreedhar & Varghese 1995; a chain costs its rows), and round robin between the ready jobs of a
// caller. A caller's jobs become ready in the order of their arrival, and only as many as fill the caller's share of
// the blocks. So under overload jobs finish one after the other and do not all end half done. Guarded by Scheduler.mu.
type queue struct {
	rows    int                // rows of all blocks together
	active  []*caller          // callers with ready jobs that are queued; the first is served next
	callers map[string]*caller // every caller with an open job, or with a streak
	busy    int                // callers whose width is above 0
	width   int                // sum of the callers' widths

	// hungry is the part of busy, and of width, of the callers with jobs that are not yet ready.
	hungry struct{ busy, width int }
}

// caller is a source of jobs.
type caller struct {
	name    string
	jobs    []*job  // ready and queued; the first is served next
	line    []*job  // not yet ready, the oldest first
	begun   []*job  // ready and not known to have ended
	deficit int     // rows that it may still place before the next caller is served
	open    int     // jobs that are not yet closed
	rows    []int   // rows in each worker's block
	width   int     // sum of the widths of its ready jobs
	left    float64 // work of its jobs that is not done yet, in row steps

	// large is the part of left, and of width, of the large jobs that share equally with the others.
	large struct {
		left float64
		rows int
	}

	// streak is how long the caller has had work, less the time that it has had none since.
	streak time.Duration
}

// join returns the caller with the given name and counts one more open job for it.
func (q *queue) join(name string, workers int) *caller {
	c := q.callers[name]
	if c == nil {
		c = &caller{name: name, rows: make([]int, workers)}
		q.callers[name] = c
	}
	c.open++
	return c
}

// leave removes a job for good.
func (q *queue) leave(j *job) {
	q.remove(j)
	j.caller.open--
	q.forget(j.caller)
}

// forget removes a caller without open jobs and without a streak.
func (q *queue) forget(c *caller) {
	if c.open == 0 && c.streak == 0 {
		delete(q.callers, c.name)
	}
}

// longestStreak bounds for how long a caller is expected to stay busy.
const longestStreak = 10 * time.Second

// age adds to the streaks of busy callers and takes from those of others.
func (q *queue) age(passed time.Duration) {
	for _, c := range q.callers {
		if c.width > 0 {
			c.streak = min(c.streak+passed, longestStreak)
		} else {
			c.streak = max(c.streak-passed, 0)
			q.forget(c)
		}
	}
}

// share returns how many rows a caller that wants more than its equal share may fill with ready jobs. Callers with few
// jobs leave the rest of their shares to the hungry ones.
func (q *queue) share() int {
	equal, hungry := q.rows/max(1, q.busy), max(1, q.hungry.busy)
	return max(quantum, equal, (q.rows-q.width+q.hungry.width)/hungry)
}

// hasRoom reports whether the caller's next job may become ready.
func (q *queue) hasRoom(c *caller) bool { return c.width < q.share() }

// add queues a new job behind its caller's older ones.
func (q *queue) add(j *job) {
	q.recount(j.caller, func(c *caller) { c.line = append(c.line, j) })
	q.advance(j.caller)
}

// recount counts a caller in the queue's sums as it is after a change of its width or its line.
func (q *queue) recount(c *caller, change func(c *caller)) {
	q.count(c, -1)
	change(c)
	q.count(c, 1)
}

// count adds a caller to the queue's sums, or takes it from them if times is -1.
func (q *queue) count(c *caller, times int) {
	if c.width == 0 {
		return
	}
	q.busy += times
	q.width += times * c.width
	if len(c.line) > 0 {
		q.hungry.busy += times
		q.hungry.width += times * c.width
	}
}

// advance makes the caller's oldest jobs ready while there is room for them.
func (q *queue) advance(c *caller) {
	for len(c.line) > 0 && q.hasRoom(c) {
		j := c.line[0]
		q.recount(c, func(c *caller) {
			c.line[0] = nil
			c.line = c.line[1:]
		})
		j.ready = true
		c.begun = append(c.begun, j)
		q.push(j)
	}
}

// push queues j if it is ready, has chains to start and is not yet queued. It reports whether it queued j.
func (q *queue) push(j *job) bool {
	q.resize(j)
	if !j.ready || j.queued || j.waiting() == 0 {
		return false
	}
	j.queued = true
	if len(j.caller.jobs) == 0 {
		j.caller.deficit = quantum
		q.active = append(q.active, j.caller)
	}
	j.caller.jobs = append(j.caller.jobs, j)
	return true
}

// resize updates the width of a job, after its chains have moved or it has ended. It makes no other job ready.
func (q *queue) resize(j *job) {
	width := j.wants()
	if width == j.width {
		return
	}
	q.recount(j.caller, func(c *caller) { c.width += width - j.width })
	j.width = width
}

// remove takes a job that has ended out of the queue.
func (q *queue) remove(j *job) {
	same := func(other *job) bool { return other == j }
	c := j.caller
	switch {
	case j.queued:
		j.queued = false
		c.jobs = slices.DeleteFunc(c.jobs, same)
		q.prune(c)
	case !j.ready:
		q.recount(c, func(c *caller) { c.line = slices.DeleteFunc(c.line, same) })
	}
	if j.ready {
		c.begun = slices.DeleteFunc(c.begun, same)
	}
	c.left -= j.left
	j.left = 0
	q.resize(j)
	q.advance(c)
}

// waiting returns the number of rows of the chains that could start now, but at most limit.
func (q *queue) waiting(limit int) int {
	n := 0
	for _, c := range q.active {
		for _, j := range c.jobs {
			if n += j.waiting() * j.each; n >= limit {
				return limit
			}
		}
	}
	return n
}

// neediestFirst moves the queued job with the fewest rows in the worker's block to the front.
func (c *caller) neediestFirst(worker int) {
	best := 0
	for i, j := range c.jobs {
		if j.rows[worker] < c.jobs[best].rows[worker] {
			best = i
		}
	}
	c.jobs[0], c.jobs[best] = c.jobs[best], c.jobs[0]
}

// grant is a decision of the queue: start n chains of job.
type grant struct {
	job *job
	n   int
}

func (g grant) rows() int { return g.n * g.job.each }

// pop decides which chains start next. They take at most n rows, unless a single chain takes more. The queue must not
// be empty.
func (q *queue) pop(n int) grant {
	c := q.active[0]
	g := q.serve(c, min(n, c.deficit))
	if c.deficit -= g.rows(); c.deficit > 0 || len(c.jobs) == 0 {
		return g
	}
	c.deficit += quantum
	q.active = append(q.active[1:], c)
	return g
}

// serve takes chains of at most n rows, and at least one chain, from the caller's next job. The job then moves to the
// end of the caller's queue, or leaves it if it has no more chains to start. The caller of serve must start the chains
// before it uses the queue again.
func (q *queue) serve(c *caller, n int) grant {
	j := c.jobs[0]
	all := j.waiting()
	n = min(max(1, n/j.each), all)
	c.jobs = c.jobs[1:]
	if n < all {
		c.jobs = append(c.jobs, j)
		return grant{j, n}
	}
	j.queued = false
	q.prune(c)
	return grant{j, n}
}

// prune removes the caller from the active ones if it has no queued jobs.
func (q *queue) prune(c *caller) {
	if len(c.jobs) == 0 {
		q.active = slices.DeleteFunc(q.active, func(other *caller) bool { return other == c })
	}
}
