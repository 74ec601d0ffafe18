package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// worker advances a block of chains. Its fields belong to its goroutine.
type worker struct {
	id    int
	s     *Scheduler
	block *sampling.Block
	rows  []chain // the chain in each row of the block
	used  int     // evaluations of a tick: one for each chain, and one for each of its further terms
	shown []float32
	alone bool // the scheduler has only one chain
	clock clock
}

// chain identifies the chain in a row: its job and its index in the job.
type chain struct {
	job   *job
	index int
}

// run advances chains until the scheduler stops.
func (w *worker) run(ctx context.Context) {
	for w.admit(ctx) {
		w.tick(ctx)
	}
}

// admit fills the block from the queue. It blocks while there is nothing to advance. It returns false once the
// scheduler has stopped.
func (w *worker) admit(ctx context.Context) bool {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.join()
	if !w.clock.begun.IsZero() {
		s.refresh(w.clock.begun)
	}
	w.dropStopped()
	for {
		if s.stopped {
			return false
		}
		w.fill()
		if w.block.Len() > 0 {
			w.share()
			w.alone = w.block.Len() == 1 && s.idle == s.config.Workers-1 && len(s.queue.active) == 0
			return true
		}
		w.clock.begun = time.Time{}
		if s.doubted {
			s.remeasure(ctx)
			continue
		}
		s.idle++
		s.work.Wait()
		s.idle--
	}
}

// fill starts as many waiting chains in the block as fit. If few chains wait, it takes only this worker's part and
// leaves the rest to idle workers. If the block is full, it makes room for callers with less than their share.
func (w *worker) fill() {
	s := w.s
	if len(s.queue.active) == 0 {
		return
	}
	if w.block.Len() > 0 && s.idle > 0 { // this worker has had its part, so an idle one takes the next
		s.work.Broadcast()
		return
	}
	if free := s.config.Rows - w.used; free > 0 {
		workers := s.idle + 1
		part := (s.queue.waiting(free*workers) + workers - 1) / workers
		for n := min(free, roundUp(part, s.config.Grain)); n > 0 && len(s.queue.active) > 0; {
			n -= w.start(s.queue.pop(n))
		}
	}
	if w.used >= s.config.Rows && len(s.queue.active) > 0 {
		w.rebalance()
	}
}

func roundUp(n, grain int) int { return (n + grain - 1) / grain * grain }

// share gives half of the block to an idle worker, if each half has at least a grain.
func (w *worker) share() {
	s := w.s
	if s.idle == 0 || len(s.queue.active) > 0 {
		return
	}
	for n := w.block.Len() / 2 / s.config.Grain * s.config.Grain; n > 0; n-- {
		w.park(w.block.Len() - 1)
	}
	if len(s.queue.active) > 0 {
		s.work.Broadcast()
	}
}

// start puts g.n chains of a job into the block: first those that were taken back, then new ones. It starts none of a
// job that has not begun and can no longer meet its deadline. It returns the number of rows that it has used.
func (w *worker) start(g grant) (rows int) {
	j := g.job
	if j.started.IsZero() && g.n > 0 {
		now := time.Now()
		if w.s.hopeless(j, now) {
			w.s.abandon(j, now)
			return 0
		}
		j.begin(now, w.s.config.Observer)
	}
	for range g.n {
		if last := len(j.parked) - 1; last >= 0 {
			p := j.parked[last]
			j.parked = j.parked[:last]
			w.block.Continue(p.Paused)
			w.rows = append(w.rows, chain{j, p.chain})
		} else {
			w.startNext(j)
		}
		w.count(j, 1)
	}
	return g.rows()
}

// count adds n chains of a job to what is in the block. The caller holds Scheduler.mu.
func (w *worker) count(j *job, n int) {
	rows := n * j.each
	j.placed += n
	j.rows[w.id] += rows
	j.caller.rows[w.id] += rows
	w.used += rows
	w.s.running += n
	w.s.used += rows
}

// startNext puts the job's next chain into the block, at its start or at the step where the job resumes.
func (w *worker) startNext(j *job) {
	i := j.next
	j.next++
	w.rows = append(w.rows, chain{j, i})
	if dim := w.s.dim; j.Start != nil {
		w.block.Add(j.chain(i), j.StartStep, j.Start[i*dim:(i+1)*dim], nil)
	} else {
		w.block.Start(j.chain(i), j.Prior)
	}
	if j.previews(i, j.StartStep) {
		j.out.preview(i, j.StartStep, w.block.X(w.block.Len()-1))
	}
}

// remove removes row i from the block. The caller holds Scheduler.mu.
func (w *worker) remove(i int) {
	w.release(i)
	w.block.Remove(i)
	w.forget(i)
}

// release gives the room of row i to others. The caller holds Scheduler.mu.
func (w *worker) release(i int) {
	j := w.rows[i].job
	w.count(j, -1)
	w.s.freed(j)
	w.s.queue.resize(j)
	w.s.queue.advance(j.caller)
}

// forget removes the chain of row i, which the block no longer has, as [sampling.Block.Remove] does.
func (w *worker) forget(i int) {
	last := len(w.rows) - 1
	w.rows[i] = w.rows[last]
	w.rows[last] = chain{}
	w.rows = w.rows[:last]
}

// dropStopped removes rows that have finished, and rows of jobs that were cancelled or have failed.
func (w *worker) dropStopped() {
	for i := len(w.rows) - 1; i >= 0; i-- {
		if c := w.rows[i]; c.index < 0 || c.job.stopped.Load() {
			w.remove(i)
		}
	}
}

// rebalance gives every waiting caller, and every waiting job of a caller, up to an equal share of the block. It takes
// back chains from the caller or job that has most. It ends when no move would make the shares more equal.
func (w *worker) rebalance() {
	for _, c := range slices.Clone(w.s.queue.active) {
		for len(c.jobs) > 0 {
			c.neediestFirst(w.id)
			if !w.makeRoom(c) {
				break
			}
			w.start(w.s.queue.serve(c, 1))
		}
	}
}

// makeRoom takes back chains until the block has room for a chain of caller c's first job. It reports false if nobody
// has enough rows more than c or its job.
func (w *worker) makeRoom(c *caller) bool {
	for w.used+c.jobs[0].each > w.s.config.Rows {
		victim := w.victim(c)
		if victim < 0 {
			return false
		}
		w.park(victim)
	}
	return true
}

// victim returns the row to take back for the first job of caller c, or -1 if no caller or job has more rows than it
// would have with one more chain.
func (w *worker) victim(c *caller) int {
	most, first := c, c.jobs[0]
	for _, r := range w.rows {
		if r.job.caller.rows[w.id] > most.rows[w.id] {
			most = r.job.caller
		}
	}
	if most != c && most.rows[w.id] > c.rows[w.id]+first.each {
		return w.leastAdvanced(func(j *job) bool { return j.caller == most })
	}
	return w.leastAdvanced(func(j *job) bool {
		return j.caller == c && j.rows[w.id] > first.rows[w.id]+first.each && !w.claims(j)
	})
}

// claims reports whether a job whose deadline is near has no more than its part of the block.
func (w *worker) claims(j *job) bool {
	return j.claim > quantum && j.rows[w.id] <= j.claim/w.s.config.Workers
}

// leastAdvanced considers the rows of the wanted jobs. It returns a row of the job with most rows that has taken the
// fewest steps, or -1 if there is none.
func (w *worker) leastAdvanced(wanted func(*job) bool) int {
	best := -1
	for i, r := range w.rows {
		if !wanted(r.job) {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		a, b := r.job.rows[w.id], w.rows[best].job.rows[w.id]
		if a > b || a == b && w.block.Step(i) < w.block.Step(best) {
			best = i
		}
	}
	return best
}

// park takes row i back before its end and queues its job again.
func (w *worker) park(i int) {
	r := w.rows[i]
	w.release(i)
	r.job.parked = append(r.job.parked, parked{chain: r.index, Paused: w.block.Pause(i)})
	w.forget(i)
	w.s.queue.push(r.job)
}

// tick evaluates the model once for the whole block and advances every row.
func (w *worker) tick(ctx context.Context) {
	w.s.config.Cores.acquire()
	defer w.s.config.Cores.release()
	begun := time.Now()
	w.clock.begin(begun, w.used, w.s.config.Rows)
	w.s.ticking[w.id].Store(begun.UnixNano())
	defer w.s.ticking[w.id].Store(0)
	model := w.s.model
	if w.alone && w.s.config.Wide != nil {
		model = w.s.config.Wide
		w.clock.begun = time.Time{}
	}
	if err := w.block.Evaluate(ctx, model); err != nil {
		w.fail(err)
		return
	}
	w.countSteps()
	w.s.config.Observer.Ticked(w.used, w.s.config.Rows, time.Since(begun))
	for i := range w.rows {
		w.advance(i, &w.rows[i])
	}
}

// countSteps adds the steps of a tick to the jobs before the rows take them. So when a job is seen to be finished, all
// its steps are counted. It writes once for neighbouring rows of one job, because every worker writes here and each
// write takes the cache line from the others.
func (w *worker) countSteps() {
	for first := 0; first < len(w.rows); {
		j, end := w.rows[first].job, first+1
		if j.Sum.Evaluations() > j.Sum.OwnEvaluations() { // the cost of other models is known by itself
			w.clock.begun = time.Time{}
		}
		for end < len(w.rows) && w.rows[end].job == j { // neighbouring rows mostly belong to one job
			end++
		}
		j.steps.Add(int64(end - first))
		j.position.Store(int64(w.block.Step(end-1) + 1))
		first = end
	}
}

// advance moves one row by one step and delivers what it produced. It marks a row that has ended with index -1. The row
// leaves the block before the next tick.
func (w *worker) advance(i int, r *chain) {
	j := r.job
	if j.points {
		w.deliver(i, r)
		return
	}
	step := w.block.Step(i) + 1
	shows := j.previews(r.index, step)
	if shows && j.Preview.Denoised {
		w.denoise(i, j.Plan[step-1].Sigma)
	}
	outcome := w.block.Advance(i)
	if j.Follower != nil {
		j.follow(step)
	}
	if outcome == sampling.Diverged {
		j.fail(&sampling.DivergedError{
			Chain: j.First + uint64(r.index), Step: step - 1, Sigma: j.Plan[step-1].Sigma,
			Weight: j.Sum.LargestWeight(),
		})
		r.index = -1
		return
	}
	if shows {
		x, _ := w.block.Leading(i)
		if j.Preview.Denoised {
			x = w.shown
		}
		j.out.preview(r.index, step, x)
	}
	if outcome == sampling.Done {
		w.finish(i, r)
	}
}

// finish ends a row whose sample is complete.
func (w *worker) finish(i int, r *chain) {
	j, d := r.job, w.block.Diagnosis(i)
	if d.EffectiveSize < j.LeastSize {
		j.fail(&CollapsedError{Chain: j.First + uint64(r.index), Size: d.EffectiveSize, Least: j.LeastSize})
	} else if j.out.finish(r.index, w.block.X(i), d) {
		j.stopped.Store(true)
	}
	r.index = -1
}

// deliver ends a row that is a point, with its score.
func (w *worker) deliver(i int, r *chain) {
	if r.job.out.finish(r.index, w.block.Score(i), sampling.Diagnosis{}) {
		r.job.stopped.Store(true)
	}
	r.index = -1
}

// denoise writes x + σ²·s of row i to w.shown (Tweedie).
func (w *worker) denoise(i int, sigma float32) {
	x, score := w.block.Leading(i)
	for k := range w.shown {
		w.shown[k] = x[k] + float32(float32(sigma*sigma)*score[k])
	}
}

// fail ends the jobs that a failed evaluation concerns: the jobs with a term of one model, or all. Other jobs are
// evaluated again in the next tick.
func (w *worker) fail(err error) {
	var term *sampling.TermError
	of := errors.As(err, &term)
	for _, r := range w.rows {
		if !of || r.job.Sum.Has(term.Model) {
			r.job.fail(fmt.Errorf("%w: %w", ErrModel, err))
		}
	}
}
