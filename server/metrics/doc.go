// Package metrics counts and times the service's work for Prometheus.
//
// Names start with langevin_ and end in their unit. Counters end in _total. Every label has a bounded set of values: a
// model of the server or "other", a method of the API, an outcome from a fixed set.
package metrics
