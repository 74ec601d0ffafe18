package metrics

import "github.com/prometheus/client_golang/prometheus"

// Connections counts the connections of one listener.
type Connections struct {
	open    prometheus.Gauge
	refused *prometheus.CounterVec
	failed  prometheus.Counter
}

// Connections returns the series of a listener: grpc, http or admin.
func (m *Metrics) Connections(listener string) *Connections {
	labels := prometheus.Labels{"listener": listener}
	return &Connections{
		open:    m.connections.With(labels),
		refused: m.connectionsRefused.MustCurryWith(labels),
		failed:  m.acceptFailures.With(labels),
	}
}

// Open records how many connections are open.
func (c *Connections) Open(n int) { c.open.Set(float64(n)) }

// Refused counts a connection that was closed because of the bound of a setting.
func (c *Connections) Refused(setting string) { c.refused.WithLabelValues(setting).Inc() }

// Failed counts a connection that could not be accepted for want of descriptors or memory.
func (c *Connections) Failed() { c.failed.Inc() }
