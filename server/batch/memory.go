package batch

import "sync/atomic"

// Memory is an account of what open calls hold. Schedulers may share one. Its methods are safe for concurrent use.
type Memory struct {
	limit int64
	used  atomic.Int64
}

// NewMemory returns an account for at most limit bytes.
func NewMemory(limit int64) *Memory { return &Memory{limit: limit} }

// Used returns how many bytes open calls may hold now, in the worst case.
func (m *Memory) Used() int64 { return m.used.Load() }

// reserve takes n bytes, unless they would pass the limit.
func (m *Memory) reserve(n int64) bool {
	if m.used.Add(n) <= m.limit {
		return true
	}
	m.used.Add(-n)
	return false
}

func (m *Memory) release(n int64) { m.used.Add(-n) }
