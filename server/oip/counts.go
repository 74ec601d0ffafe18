package oip

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// counts has the requests of each model that the server has or had.
type counts struct {
	mu     sync.Mutex
	models map[modelVersion]*count
}

type modelVersion struct{ name, version string }

// count has the requests of one model.
type count struct {
	last          time.Time
	rows          int // of requests that succeeded
	success, fail tally
}

type tally struct {
	requests int
	elapsed  time.Duration
}

// add counts a request that began at start and ends now.
func (c *counts) add(t target, start time.Time, rows int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.models == nil {
		c.models = map[modelVersion]*count{}
	}
	key := modelVersion{t.name(), t.version()}
	m := c.models[key]
	if m == nil {
		m = &count{}
		c.models[key] = m
	}
	m.last = time.Now()
	tally := &m.success
	if err != nil {
		tally, rows = &m.fail, 0
	}
	tally.requests++
	tally.elapsed += m.last.Sub(start)
	m.rows += rows
}

func (c *counts) of(t target) *inference.ModelStatistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := modelVersion{t.name(), t.version()}
	if m := c.models[key]; m != nil {
		return m.proto(key)
	}
	return (&count{}).proto(key)
}

func (c *counts) all() []*inference.ModelStatistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*inference.ModelStatistics
	for key, m := range c.models {
		all = append(all, m.proto(key))
	}
	slices.SortFunc(all, func(a, b *inference.ModelStatistics) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetVersion(), b.GetVersion()))
	})
	return all
}

func (m *count) proto(key modelVersion) *inference.ModelStatistics {
	out := &inference.ModelStatistics{
		Name: key.name, Version: key.version,
		InferenceCount: uint64(m.rows), ExecutionCount: uint64(m.success.requests),
		InferenceStats: &inference.InferStatistics{Success: m.success.proto(), Fail: m.fail.proto()},
	}
	if !m.last.IsZero() {
		out.LastInference = uint64(m.last.UnixMilli())
	}
	return out
}

func (t tally) proto() *inference.StatisticDuration {
	return &inference.StatisticDuration{Count: uint64(t.requests), Ns: uint64(t.elapsed)}
}
