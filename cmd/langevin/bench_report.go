package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/client"
)

// benchReport is what bench --json writes. Times are in seconds.
type benchReport struct {
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
	Cancelled   int            `json:"cancelled"` // by their clients, as --cancel wants
	Errors      map[string]int `json:"errors"`
	PerSecond   perSecond      `json:"per_second"`
	Latency     quantiles      `json:"latency_seconds"`     // of the completed, from when they were due
	FirstEvent  quantiles      `json:"first_event_seconds"` // likewise
	Compared    int            `json:"results_compared"`
	Differing   int            `json:"results_differing"`
	SeedsInTurn uint64         `json:"seeds"`
}

// perSecond counts what ended in the time measured.
type perSecond struct {
	Requests    float64 `json:"requests"`
	Samples     float64 `json:"samples"`
	Evaluations float64 `json:"score_evaluations"`
}

func newBenchReport(l load, first *client.Result, m *measurement) *benchReport {
	r := &benchReport{
		Model: first.Model, Version: first.Version, Digest: first.Digest, Engine: first.Engine, Chains: first.N,
		Steps: first.NFE / int64(first.N), Clients: l.clients, Rate: l.rate,
		Warmup: l.warmup.Seconds(), Duration: m.measured.Seconds(),
		Errors: map[string]int{}, Compared: m.compared, Differing: m.differing, SeedsInTurn: l.seeds,
	}
	var latency, firstEvent []float64
	for _, c := range m.calls {
		if c.outcome == outcomeOK && c.end > l.warmup && c.end <= l.warmup+m.measured {
			r.PerSecond.Requests += 1 / r.Duration
			r.PerSecond.Samples += float64(c.chains) / r.Duration
			r.PerSecond.Evaluations += float64(c.nfe) / r.Duration
		}
		if c.due < l.warmup || c.due >= l.warmup+l.duration {
			continue
		}
		r.Requests++
		switch c.outcome {
		case outcomeOK:
			r.Completed++
			latency = append(latency, (c.end - c.due).Seconds())
			firstEvent = append(firstEvent, (c.first - c.due).Seconds())
		case outcomeLeft:
			r.Cancelled++
		default:
			r.Errors[c.outcome]++
		}
	}
	r.Latency, r.FirstEvent = newQuantiles(latency), newQuantiles(firstEvent)
	return r
}

// writeBench shows a report to a person.
func (p *program) writeBench(r *benchReport) error {
	how := "closed loop of " + plural(r.Clients, "client")
	if r.Clients == 0 {
		how = fmt.Sprintf("open loop of %.4g requests a second", r.Rate)
	}
	fmt.Fprintf(p.stdout, "%s version %d: %s of %d steps a request, %s, %.3gs after %gs of warm-up\n\n",
		p.bold(r.Model), r.Version, plural(r.Chains, "chain"), r.Steps, how, r.Duration, r.Warmup)
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	rates := r.PerSecond
	fmt.Fprint(t, "\trequests\tsamples\tscore evaluations\t\n")
	fmt.Fprintf(t, "a second\t%.4g\t%.4g\t%.4g\t\n", rates.Requests, rates.Samples, rates.Evaluations)
	fmt.Fprintln(t, "\t\t\t\t")
	fmt.Fprint(t, "milliseconds\tp50\tp90\tp99\tmax\t\n")
	writeQuantiles(t, "latency", r.Latency)
	writeQuantiles(t, "first event", r.FirstEvent)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\n%s: %d completed", plural(r.Requests, "request"), r.Completed)
	if r.Cancelled > 0 {
		fmt.Fprintf(p.stdout, ", %d %s", r.Cancelled, outcomeLeft)
	}
	for _, outcome := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(p.stdout, ", %d %s", r.Errors[outcome], outcome)
	}
	_, err := fmt.Fprintf(p.stdout, "\n%d results compared with another of the same seed: %d differ\n", r.Compared, r.Differing)
	return err
}

func writeQuantiles(t *tabwriter.Writer, name string, q quantiles) {
	fmt.Fprintf(t, "%s\t", name)
	for _, v := range []float64{q.P50, q.P90, q.P99, q.Max} {
		fmt.Fprintf(t, "%.4g\t", 1e3*v)
	}
	fmt.Fprintln(t)
}
