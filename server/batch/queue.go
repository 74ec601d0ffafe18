package batch

import "slices"

// quantum is the number of chains that a caller may place before the next caller is served. It is the number of rows to
// which a model's batch is padded, so that no padding is wasted.
const quantum = 16

// queue holds, for each caller, the jobs with chains to start. It decides which chains come next: deficit round robin
// between callers (Shreedhar & Varghese 1995; a chain costs one), and round robin between the jobs of a caller. Guarded
// by Scheduler.mu.
type queue struct {
	active  []*caller          // callers with queued jobs; the first is served next
	callers map[string]*caller // every caller with an open job
}

// caller is a source of jobs.
type caller struct {
	name    string
	jobs    []*job // queued; the first is served next
	deficit int    // chains that it may still place before the next caller is served
	open    int    // jobs that are not yet closed
	rows    []int  // chains in each worker's block
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
	if j.caller.open--; j.caller.open == 0 {
		delete(q.callers, j.caller.name)
	}
}

// push queues j if it has chains to start and is not yet queued. It reports whether it queued j.
func (q *queue) push(j *job) bool {
	if j.queued || j.waiting() == 0 {
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

func (q *queue) remove(j *job) {
	if !j.queued {
		return
	}
	j.queued = false
	c := j.caller
	c.jobs = slices.DeleteFunc(c.jobs, func(other *job) bool { return other == j })
	q.prune(c)
}

// waiting returns the number of chains that could start now, but at most limit.
func (q *queue) waiting(limit int) int {
	n := 0
	for _, c := range q.active {
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

// grant is a decision of the queue: start n chains of job.
type grant struct {
	job *job
	n   int
}

// pop decides which chains start next, at most n of them. The queue must not be empty.
func (q *queue) pop(n int) grant {
	c := q.active[0]
	g := q.serve(c, min(n, c.deficit))
	if c.deficit -= g.n; c.deficit > 0 || len(c.jobs) == 0 {
		return g
	}
	c.deficit = quantum
	q.active = append(q.active[1:], c)
	return g
}

// serve takes at most n chains from the caller's next job. The job then moves to the end of the caller's queue, or
// leaves it if it has no more chains to start. The caller of serve must start the chains before it uses the queue
// again.
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

// prune removes the caller from the active ones if it has no queued jobs.
func (q *queue) prune(c *caller) {
	if len(c.jobs) == 0 {
		q.active = slices.DeleteFunc(q.active, func(other *caller) bool { return other == c })
	}
}
