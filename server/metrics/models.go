package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State describes a loaded version of a model at a scrape.
type State struct {
	Model     string
	Version   int
	Digest    string
	Device    string // device that runs it
	Requested string // device asked for: auto, cuda:1
	Runtime   string // version of ONNX Runtime
	Load      time.Duration
	Warm      time.Duration // the part of Load for the warm-up
	Waiting   int           // chains that no worker has taken yet
	Running   int           // chains in the workers' blocks
	Open      int           // open calls
}

// models collects the gauges that are read at each scrape.
type models struct {
	states                                   func() []State
	info, load, warm, waiting, running, open *prometheus.Desc
}

func newModels(states func() []State) *models {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"model", "version"}, labels...), nil)
	}
	return &models{
		states: states,
		info: desc("langevin_model_info", "1 for each loaded version of a model.", "digest", "device", "requested",
			"onnxruntime"),
		load:    desc("langevin_model_load_seconds", "How long the model took to load, warm-up included."),
		warm:    desc("langevin_model_warmup_seconds", "How long the model's warm-up took."),
		waiting: desc("langevin_queue_rows", "Chains admitted that wait for a place in a batch."),
		running: desc("langevin_running_rows", "Chains that have a place in a batch."),
		open:    desc("langevin_open_calls", "Sample calls that have not ended."),
	}
}

// Describe implements [prometheus.Collector].
func (c *models) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.load, c.warm, c.waiting, c.running, c.open} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *models) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.states() {
		version := strconv.Itoa(s.Version)
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value,
				append([]string{s.Model, version}, labels...)...)
		}
		gauge(c.info, 1, s.Digest, s.Device, s.Requested, s.Runtime)
		gauge(c.load, s.Load.Seconds())
		gauge(c.warm, s.Warm.Seconds())
		gauge(c.waiting, float64(s.Waiting))
		gauge(c.running, float64(s.Running))
		gauge(c.open, float64(s.Open))
	}
}
