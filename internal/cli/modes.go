package cli

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// PrintShares prints, for each mode of a mixture, the share of the rows of x that are nearest to it and the mode's
// weight.
func (p *Program) PrintShares(truth sampling.Mixture, x []float32) {
	var total float64
	for _, w := range truth.Weights {
		total += w
	}
	fmt.Fprintf(p.Stdout, "  %-16s %6s %6s\n", "mode at", "found", "true")
	for k, share := range truth.Shares(x) {
		at := fmt.Sprintf("(%s, %s)", tenths(truth.Means[k][0]), tenths(truth.Means[k][1]))
		fmt.Fprintf(p.Stdout, "  %-16s %6.3f %6.3f\n", at, share, truth.Weights[k]/total)
	}
}

// tenths writes v with one digit after the point, and no minus before zero.
func tenths(v float64) string { return fmt.Sprintf("%.1f", math.Round(10*v)/10+0) }
