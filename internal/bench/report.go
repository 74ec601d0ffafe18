package bench

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/loadtest"
	"github.com/langevin-ml/langevin/internal/phrase"
)

// writeReport writes a report for people.
func writeReport(p *cli.Program, r *loadtest.Report) error {
	how := "closed loop of " + phrase.Plural(r.Clients, "client")
	if r.Clients == 0 {
		how = fmt.Sprintf("open loop of %.4g requests a second", r.Rate)
	}
	fmt.Fprintf(p.Stdout, "%s version %d: %s of %d steps a request, %s, %.3gs after %gs of warm-up\n\n",
		p.Bold(r.Model), r.Version, phrase.Plural(r.Chains, "chain"), r.Steps, how, r.Duration, r.Warmup)
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
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
	fmt.Fprintf(p.Stdout, "\n%s: %d completed", phrase.Plural(r.Requests, "request"), r.Completed)
	if r.Cancelled > 0 {
		fmt.Fprintf(p.Stdout, ", %d %s", r.Cancelled, loadtest.OutcomeLeft)
	}
	for _, outcome := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(p.Stdout, ", %d %s", r.Errors[outcome], outcome)
	}
	_, err := fmt.Fprintf(p.Stdout, "\n%d results compared with another of the same seed: %d differ\n", r.Compared,
		r.Differing)
	return err
}

func writeQuantiles(t *tabwriter.Writer, name string, q loadtest.Quantiles) {
	fmt.Fprintf(t, "%s\t", name)
	for _, v := range []float64{q.P50, q.P90, q.P99, q.Max} {
		fmt.Fprintf(t, "%.4g\t", 1e3*v)
	}
	fmt.Fprintln(t)
}
