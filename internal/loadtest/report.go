package loadtest

import (
	"github.com/langevin-ml/langevin/client"
)

// Report is what bench --json writes. Times are in seconds.
type Report struct {
	Model    string  `json:"model"`
	Version  int     `json:"version"`
	Digest   string  `json:"digest"`
	Engine   string  `json:"engine"`
	Chains   int     `json:"chains"`
	Steps    int64   `json:"steps"` // of a chain
	Clients  int     `json:"clients,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	Warmup   float64 `json:"warmup_seconds"`
	Duration float64 `json:"duration_seconds"`

	Requests    int            `json:"requests"` // due in Duration
	Completed   int            `json:"completed"`
	Cancelled   int            `json:"cancelled"` // by their clients
	Errors      map[string]int `json:"errors"`
	PerSecond   Rates          `json:"per_second"`
	Latency     Quantiles      `json:"latency_seconds"`     // of the completed, from when they were due
	FirstEvent  Quantiles      `json:"first_event_seconds"` // likewise
	Compared    int            `json:"results_compared"`
	Differing   int            `json:"results_differing"`
	SeedsInTurn uint64         `json:"seeds"`
}

// Rates has the rates of what ended in the measured time.
type Rates struct {
	Requests    float64 `json:"requests"`
	Samples     float64 `json:"samples"`
	Evaluations float64 `json:"score_evaluations"`
}

// NewReport sums up the calls of a load. first is a result from before it, which describes what was drawn.
func NewReport(l Load, first *client.Result, m *Measurement) *Report {
	r := &Report{
		Model: first.Model, Version: first.Version, Digest: first.Digest, Engine: first.Engine, Chains: first.N,
		Steps: int64(first.Steps), Clients: l.Clients, Rate: l.Rate,
		Warmup: l.Warmup.Seconds(), Duration: m.measured.Seconds(),
		Errors: map[string]int{}, Compared: m.compared, Differing: m.differing, SeedsInTurn: l.Seeds,
	}
	var latency, firstEvent []float64
	for _, c := range m.calls {
		if c.outcome == outcomeOK && c.end > l.Warmup && c.end <= l.Warmup+m.measured {
			r.PerSecond.Requests += 1 / r.Duration
			r.PerSecond.Samples += float64(c.chains) / r.Duration
			r.PerSecond.Evaluations += float64(c.nfe) / r.Duration
		}
		if c.due < l.Warmup || c.due >= l.Warmup+l.Duration {
			continue
		}
		r.Requests++
		switch c.outcome {
		case outcomeOK:
			r.Completed++
			latency = append(latency, (c.end - c.due).Seconds())
			firstEvent = append(firstEvent, (c.first - c.due).Seconds())
		case OutcomeLeft:
			r.Cancelled++
		default:
			r.Errors[c.outcome]++
		}
	}
	r.Latency, r.FirstEvent = newQuantiles(latency), newQuantiles(firstEvent)
	return r
}
