package batch

import "slices"

// quantum is how many chains a caller may have placed in one turn: the number of rows that a model's batch is padded
// to, so that turns waste none.
const quantum = 16

// queue holds the jobs that have chains to hand out, by caller. It decides whose chains come next: deficit round
// robin over callers (Shreedhar & Varghese 1995; a chain costs one), and plain turns among the jobs of a caller.
// Guarded by Scheduler.mu.
type queue struct {
	turns   []*caller          // callers with queued jobs; the first is served next
	callers map[string]*caller // every caller with an open job
}

// caller is one source of jobs.
type caller struct {
	name    string
	jobs    []*job // queued; the first is served next
	deficit int    // chains that it may still place in this turn
	open    int    // jobs that are not yet closed
	rows    []int  // chains in each worker's block
}

// join returns the caller of that name and counts one more open job.
func (q *queue) join(name string, workers int) *caller {
	c := q.callers[name]
	if c == nil {
		c = &caller{name: name, rows: make([]int, workers)}
		q.callers[name] = c
	}
	c.open++
	return c
}

// leave takes a job out for good.
func (q *queue) leave(j *job) {
	q.remove(j)
	if j.caller.open--; j.caller.open == 0 {
		delete(q.callers, j.caller.name)
	}
}

// push queues j if it has chains to hand out and is not queued yet. It reports whether it did.
func (q *queue) push(j *job) bool {
	if j.queued || j.waiting() == 0 {
		return false
	}
	j.queued = true
	if len(j.caller.jobs) == 0 {
		j.caller.deficit = quantum
		q.turns = append(q.turns, j.caller)
	}
	j.caller.jobs = append(j.caller.jobs, j)
	return true
}

func (q *queue) remove(j *job) {
	if !j.queued {
		return
	}
	j.queued = false
	c := j.caller
	c.jobs = slices.DeleteFunc(c.jobs, func(other *job) bool { return other == j })
	q.prune(c)
}

// waiting counts the chains that could be handed out now, up to limit.
func (q *queue) waiting(limit int) int {
	n := 0
	for _, c := range q.turns {
		for _, j := range c.jobs {
			if n += j.waiting(); n >= limit {
				return limit
			}
		}
	}
	return n
}

// neediestFirst moves the queued job with the fewest chains in the worker's block to the front.
func (c *caller) neediestFirst(worker int) {
	best := 0
	for i, j := range c.jobs {
		if j.rows[worker] < c.jobs[best].rows[worker] {
			best = i
		}
	}
	c.jobs[0], c.jobs[best] = c.jobs[best], c.jobs[0]
}

// grant is a decision of the queue: this many chains of this job.
type grant struct {
	job *job
	n   int
}

// pop decides about at most n chains. The queue must not be empty.
func (q *queue) pop(n int) grant {
	c := q.turns[0]
	g := q.serve(c, min(n, c.deficit))
	if c.deficit -= g.n; c.deficit > 0 || len(c.jobs) == 0 {
		return g
	}
	c.deficit = quantum
	q.turns = append(q.turns[1:], c)
	return g
}

// serve takes at most n chains from the caller's next job, which then goes to the end of its line, or out of it when
// it has no more to hand out. The caller of serve books the chains before the queue is used again.
func (q *queue) serve(c *caller, n int) grant {
	j := c.jobs[0]
	all := j.waiting()
	n = min(n, all)
	c.jobs = c.jobs[1:]
	if n < all {
		c.jobs = append(c.jobs, j)
		return grant{j, n}
	}
	j.queued = false
	q.prune(c)
	return grant{j, n}
}

// prune takes the caller out of the turns if it has no queued jobs.
func (q *queue) prune(c *caller) {
	if len(c.jobs) == 0 {
		q.turns = slices.DeleteFunc(q.turns, func(other *caller) bool { return other == c })
	}
}
