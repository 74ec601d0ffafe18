package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Record is a line of the log. It describes the iterations since the previous line.
type Record struct {
	Iteration    int       `json:"iteration"`           // number of iterations so far
	Loss         float64   `json:"loss"`                // mean of LossPerLevel
	LossPerLevel []float64 `json:"loss_per_level"`      // mean over the rows of each level, largest sigma first
	TestLoss     *float64  `json:"test_loss,omitempty"` // of the averaged weights, every TestEvery iterations
	LearningRate float64   `json:"learning_rate"`       // of the last iteration
	Seconds      float64   `json:"seconds"`             // since the training began
}

// Progress says how far a training is.
type Progress struct {
	Record
	Iterations int     // total number
	PerSecond  float64 // iterations per second since the last report
}

// levelMeans averages losses by level.
type levelMeans struct {
	sum   []float64
	count []int
}

func newLevelMeans(levels int) *levelMeans {
	return &levelMeans{sum: make([]float64, levels), count: make([]int, levels)}
}

// add records the losses of a batch and returns their mean.
func (m *levelMeans) add(level []int, losses []float32) float64 {
	var total float64
	for i, l := range losses {
		m.sum[level[i]] += float64(l)
		m.count[level[i]]++
		total += float64(l)
	}
	return total / float64(len(losses))
}

// flush returns the mean over the levels that had rows, and the mean of each level, which is 0 for a level without
// rows. Then it starts again.
func (m *levelMeans) flush() (mean float64, perLevel []float64) {
	perLevel = make([]float64, len(m.sum))
	seen := 0
	for i, count := range m.count {
		if count > 0 {
			perLevel[i] = m.sum[i] / float64(count)
			mean += perLevel[i]
			seen++
		}
	}
	mean /= float64(max(seen, 1))
	clear(m.sum)
	clear(m.count)
	return mean, perLevel
}

// reporter reports the course of a training to the log and to the caller.
type reporter struct {
	log      io.Writer
	events   *events // nil: none
	progress func(Progress)
	total    int // number of iterations
	start    time.Time
	last     Record
}

// newReporter returns a reporter for a training of total iterations, of which some are done. It begins the log with the
// records of these.
func newReporter(o Options, total, done int, history []Record) (*reporter, error) {
	r := &reporter{log: o.Log, progress: o.Progress, total: total, start: time.Now()}
	if o.Events != nil {
		r.events = &events{w: o.Events, first: done + 1}
	}
	if n := len(history); n > 0 {
		r.last = history[n-1]
		r.start = time.Now().Add(-time.Duration(r.last.Seconds * float64(time.Second)))
	}
	return r, r.lines(history)
}

// write adds the time to a record, and reports it.
func (r *reporter) write(record Record) (Record, error) {
	record.Seconds = time.Since(r.start).Seconds()
	if r.progress != nil {
		rate := float64(record.Iteration-r.last.Iteration) / (record.Seconds - r.last.Seconds)
		r.progress(Progress{Record: record, Iterations: r.total, PerSecond: rate})
	}
	r.last = record
	if r.events != nil {
		if err := r.events.write(time.Now(), record); err != nil {
			return record, err
		}
	}
	return record, r.lines([]Record{record})
}

// lines adds records to the log, in one write.
func (r *reporter) lines(records []Record) error {
	if r.log == nil || len(records) == 0 {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, record := range records {
		if err := encoder.Encode(record); err != nil {
			return fmt.Errorf("write the training log: %w", err)
		}
	}
	if _, err := r.log.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write the training log: %w", err)
	}
	return nil
}
