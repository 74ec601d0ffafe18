package sample

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
)

const (
	summaryRows    = 8
	summaryColumns = 6
)

// writeSummary writes, for people, the first rows of a result, and the mean and the standard deviation of all.
func writeSummary(p *cli.Program, res *client.Result) error {
	fmt.Fprintf(p.Stdout, "%s, %s, %s\n", p.Bold(phrase.Plural(res.N, "chain")), drawing.Origin(res),
		phrase.Tidy(res.Elapsed))
	if trust := drawing.TrustText(res); trust != "" {
		fmt.Fprintln(p.Stdout, trust)
	}
	fmt.Fprintln(p.Stdout)
	columns := min(summaryColumns, datafile.Elements(res.Shape))
	t := tabwriter.NewWriter(p.Stdout, 8, 0, 2, ' ', tabwriter.AlignRight)
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
	if res.N > summaryRows || datafile.Elements(res.Shape) > columns {
		fmt.Fprintf(p.Stdout, "\n%s of %s; --out samples.csv writes all of it\n",
			phrase.Plural(res.N, "chain"), phrase.Plural(datafile.Elements(res.Shape), "number"))
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
	mean, std = make([]float64, datafile.Elements(b.Shape)), make([]float64, datafile.Elements(b.Shape))
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
