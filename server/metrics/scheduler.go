package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Scheduler receives the events of one model's scheduler. No method waits or allocates, so a worker may call them at
// each tick.
type Scheduler struct {
	queueWait       prometheus.Observer
	stepDuration    prometheus.Observer
	fill            prometheus.Observer
	rows            prometheus.Counter
	previewsDropped prometheus.Counter
	cancelLatency   prometheus.Observer
}

// Scheduler returns the series of a model. All its versions share them.
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

// Started records how long a job waited.
func (s *Scheduler) Started(waited time.Duration) { s.queueWait.Observe(waited.Seconds()) }

// Ticked records a tick of rows chains in a block with capacity room.
func (s *Scheduler) Ticked(rows, room int, elapsed time.Duration) {
	s.stepDuration.Observe(elapsed.Seconds())
	s.fill.Observe(float64(rows) / float64(room))
	s.rows.Add(float64(rows))
}

// PreviewDropped counts a preview that was lost because its reader was slow.
func (s *Scheduler) PreviewDropped() { s.previewsDropped.Inc() }

// Freed records how long the chains of a cancelled or failed job stayed.
func (s *Scheduler) Freed(after time.Duration) { s.cancelLatency.Observe(after.Seconds()) }
