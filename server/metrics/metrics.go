package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds all metrics. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec
	sampleDuration  *prometheus.HistogramVec
	firstEvent      *prometheus.HistogramVec
	queueWait       *prometheus.HistogramVec
	stepDuration    *prometheus.HistogramVec
	fill            *prometheus.HistogramVec
	rows            *prometheus.CounterVec
	previewsDropped *prometheus.CounterVec
	cancelLatency   *prometheus.HistogramVec
	reloads         *prometheus.CounterVec
	pValues         *prometheus.HistogramVec
	sourceLooks     *prometheus.CounterVec

	connections        *prometheus.GaugeVec
	connectionsRefused *prometheus.CounterVec
	acceptFailures     *prometheus.CounterVec
}

// New returns metrics. At every scrape they call states for the loaded models and how busy they are, and openBytes for
// the memory that open calls may hold.
func New(states func() []State, openBytes func() int64) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_requests_total", Help: "Calls that have ended, by method, model and outcome.",
		}, []string{"method", "model", "outcome"}),
		sampleDuration: histogram("langevin_sample_duration_seconds",
			"From the start of a Sample call that succeeded to its end.", long()),
		firstEvent: histogram("langevin_first_event_seconds",
			"From the start of a Sample call to its first preview or result.", long()),
		queueWait: histogram("langevin_queue_wait_seconds",
			"From the admission of a Sample call to the start of its first chain.", long()),
		stepDuration: histogram("langevin_step_duration_seconds",
			"One evaluation of the network, for all chains in a worker's block.", short()),
		fill: histogram("langevin_batch_fill_ratio",
			"Chains in a worker's block at each step, as a fraction of its capacity.",
			prometheus.LinearBuckets(0.1, 0.1, 10)),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_chain_steps_total", Help: "Steps taken, summed over chains.",
		}, []string{"model"}),
		previewsDropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_previews_dropped_total", Help: "Previews lost because their reader was slow.",
		}, []string{"model"}),
		cancelLatency: histogram("langevin_cancel_latency_seconds",
			"From the end of a cancelled or failed call until its last chain has left.", short()),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_reloads_total",
			Help: "Checks of the models' folder after the start, by whether all succeeded.",
		}, []string{"outcome"}),
		pValues: histogram("langevin_detect_p_value",
			"P-values of Detect's rows. Of samples like the training data, a fraction a is at most a.",
			[]float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1}),
		sourceLooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_source_looks_total",
			Help: "Looks for changes in models.source, by whether they succeeded.",
		}, []string{"outcome"}),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "langevin_connections", Help: "Open connections, by listener.",
		}, []string{"listener"}),
		connectionsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_connections_refused_total",
			Help: "Connections that were closed because there were too many, by listener and the setting that says so.",
		}, []string{"listener", "bound"}),
		acceptFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "langevin_accept_failures_total",
			Help: "Connections that could not be accepted for want of descriptors or memory.",
		}, []string{"listener"}),
	}
	m.registry.MustRegister(
		m.requests, m.sampleDuration, m.firstEvent, m.queueWait, m.stepDuration, m.fill, m.rows, m.previewsDropped,
		m.cancelLatency, m.reloads, m.sourceLooks, m.pValues, m.connections, m.connectionsRefused, m.acceptFailures,
		newModels(states),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "langevin_open_bytes", Help: "Bytes that open calls may hold; see limits.max_open_bytes.",
		}, func() float64 { return float64(openBytes()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func histogram(name, help string, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets},
		[]string{"model"})
}

// short returns buckets from 10 µs to 10 s, and long from 1 ms to 17 min.
func short() []float64 { return prometheus.ExponentialBuckets(10e-6, 2, 21) }
func long() []float64  { return prometheus.ExponentialBuckets(1e-3, 2, 21) }

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// CallEnded counts a call of a method of the API to a model of the server. outcome is from a fixed set.
func (m *Metrics) CallEnded(method, model, outcome string) {
	m.requests.WithLabelValues(method, model, outcome).Inc()
}

// SampleEnded records the duration of a Sample call that succeeded.
func (m *Metrics) SampleEnded(model string, elapsed time.Duration) {
	m.sampleDuration.WithLabelValues(model).Observe(elapsed.Seconds())
}

// FirstEvent records the time until the first preview or result of a Sample call.
func (m *Metrics) FirstEvent(model string, elapsed time.Duration) {
	m.firstEvent.WithLabelValues(model).Observe(elapsed.Seconds())
}

// Detected records the p-values of rows of a Detect call.
func (m *Metrics) Detected(model string, p []float64) {
	for _, v := range p {
		m.pValues.WithLabelValues(model).Observe(v)
	}
}

// Reloaded counts a check of the models' folder.
func (m *Metrics) Reloaded(err error) { m.reloads.WithLabelValues(outcomeOf(err)).Inc() }

// LookedAtSource counts a look for changes in models.source.
func (m *Metrics) LookedAtSource(err error) { m.sourceLooks.WithLabelValues(outcomeOf(err)).Inc() }

func outcomeOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}
