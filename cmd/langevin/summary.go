package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/client"
)

const (
	summaryRows    = 8
	summaryColumns = 6
)

// writeSummary shows a person the first rows of a result, and the mean and deviation of all.
func (p *program) writeSummary(res *client.Result) error {
	fmt.Fprintf(p.stdout, "%s, %s, %s\n\n", p.bold(plural(res.N, "chain")), origin(res), tidy(res.Elapsed))
	columns := min(summaryColumns, elements(res.Shape))
	t := tabwriter.NewWriter(p.stdout, 8, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "chain\t")
	for j := range columns {
		fmt.Fprintf(t, "x%d\t", j)
	}
	fmt.Fprintln(t)
	for i := range min(summaryRows, res.N) {
		fmt.Fprintf(t, "%d\t", res.FirstChain+uint64(i))
		writeNumbers(t, toFloat64(res.Row(i)[:columns]))
	}
	mean, std := moments(res.Batch)
	fmt.Fprint(t, "mean\t")
	writeNumbers(t, mean[:columns])
	fmt.Fprint(t, "std\t")
	writeNumbers(t, std[:columns])
	if err := t.Flush(); err != nil {
		return err
	}
	if res.N > summaryRows || elements(res.Shape) > columns {
		fmt.Fprintf(p.stdout, "\n%s of %s; --out samples.csv writes all of it\n",
			plural(res.N, "chain"), plural(elements(res.Shape), "number"))
	}
	return nil
}

func writeNumbers(w io.Writer, values []float64) {
	for _, v := range values {
		fmt.Fprintf(w, "%.3f\t", v)
	}
	fmt.Fprintln(w)
}

func toFloat64(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// moments returns the mean and the standard deviation of each column.
func moments(b client.Batch) (mean, std []float64) {
	mean, std = make([]float64, elements(b.Shape)), make([]float64, elements(b.Shape))
	for i := range b.N {
		for j, v := range b.Row(i) {
			mean[j] += float64(v) / float64(b.N)
		}
	}
	for i := range b.N {
		for j, v := range b.Row(i) {
			d := float64(v) - mean[j]
			std[j] += d * d / float64(b.N)
		}
	}
	for j, v := range std {
		std[j] = math.Sqrt(v)
	}
	return mean, std
}

// origin says where samples come from, enough to draw them again.
func origin(res *client.Result) string {
	return fmt.Sprintf("%s version %d, seed %d, %s", res.Model, res.Version, res.Seed, samplerText(res.Sampler))
}

func samplerText(s client.Sampler) string {
	switch s := s.(type) {
	case client.AnnealedLangevin:
		noise := ""
		if s.Consistent != nil && *s.Consistent {
			noise = ", consistent noise"
		}
		return fmt.Sprintf("annealed Langevin (%s of %s%s)", plural(len(s.Sigmas), "level"), plural(s.StepsPerLevel, "step"), noise)
	case client.Langevin:
		return fmt.Sprintf("Langevin (%s at sigma %.3g)", plural(s.Steps, "step"), s.Sigma)
	case client.PredictorCorrector:
		return fmt.Sprintf("predictor-corrector (%s, %s, predictor %s, corrector %s)", s.Process, plural(s.Times, "time"), s.Predictor, s.Corrector)
	case client.ProbabilityFlow:
		return fmt.Sprintf("probability flow (%s, %s)", s.Method, plural(len(s.Sigmas), "sigma"))
	}
	return "a sampler this program does not know"
}

func (p *program) bold(text string) string { return p.paint("1", text) }

// paint wraps text in a terminal's code for a colour or weight, where colours are wanted.
func (p *program) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
