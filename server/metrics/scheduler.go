package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Scheduler is what the scheduler of one model reports to. No method waits or allocates, so that a worker may call them
// at each tick.
type Scheduler struct {
	queueWait       prometheus.Observer
	stepDuration    prometheus.Observer
	fill            prometheus.Observer
	rows            prometheus.Counter
	previewsDropped prometheus.Counter
	cancelLatency   prometheus.Observer
}

// Scheduler returns the series of a model. All its versions have them in common.
func (m *Metrics) Scheduler(model string) *Scheduler {
	return &Scheduler{
		queueWait:       m.queueWait.WithLabelValues(model),
		stepDuration:    m.stepDuration.WithLabelValues(model),
		fill:            m.fill.WithLabelValues(model),
		rows:            m.rows.WithLabelValues(model),
		previewsDropped: m.previewsDropped.WithLabelValues(model),
		cancelLatency:   m.cancelLatency.WithLabelValues(model),
	}
}

// Started books how long a job had to wait.
func (s *Scheduler) Started(waited time.Duration) { s.queueWait.Observe(waited.Seconds()) }

// Ticked books a step of rows chains in a block that has room for room.
func (s *Scheduler) Ticked(rows, room int, elapsed time.Duration) {
	s.stepDuration.Observe(elapsed.Seconds())
	s.fill.Observe(float64(rows) / float64(room))
	s.rows.Add(float64(rows))
}

// PreviewDropped books a preview that its reader was too slow for.
func (s *Scheduler) PreviewDropped() { s.previewsDropped.Inc() }

// Freed books how long the chains of a job that was given up stayed.
func (s *Scheduler) Freed(after time.Duration) { s.cancelLatency.Observe(after.Seconds()) }
