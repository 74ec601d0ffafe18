// Package metrics counts and times what the service does, for Prometheus.
//
// Names start with langevin_ and end in their unit; counters end in _total. Every label is bounded: a model is one that
// the server has or "other", a method is one of the API, an outcome one of a fixed set.
package metrics
