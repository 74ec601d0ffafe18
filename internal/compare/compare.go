// Package compare has the command compare, which says whether two files have the same samples, bit for bit.
package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/training/data"
)

// Command returns the command compare.
func Command(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "compare FILE OTHER",
		Short: "Say whether two files have the same samples, bit for bit",
		Long: `Compare reads two files of samples, .npy or .csv. It succeeds if they have the same shape and the same
numbers, bit for bit, and says how many. Otherwise it says where they differ first. The exit code is 0
if they are the same, 1 if they differ, and 2 if they could not be compared.

The same model, sampler, seed and chain give the same bits, wherever they are drawn: this tries it.`,
		Example: `  langevin sample ring -n 64 --seed 7 --out service.npy
  langevin sample ring -n 64 --seed 7 --local --out here.npy
  langevin compare service.npy here.npy`,
		Args: cli.Arguments(2, 2),
		RunE: func(_ *cobra.Command, paths []string) error { return run(p, paths[0], paths[1]) },
	}
}

func run(p *cli.Program, first, second string) error {
	a, err := datafile.ReadArray(first, p.Stderr)
	if err != nil {
		return cli.Trouble(err)
	}
	b, err := datafile.ReadArray(second, p.Stderr)
	if err != nil {
		return cli.Trouble(err)
	}
	if !slices.Equal(a.Shape, b.Shape) {
		return fmt.Errorf("%s has shape %v and %s has %v", first, a.Shape, second, b.Shape)
	}
	if i := firstDifference(a.Values, b.Values); i >= 0 {
		return fmt.Errorf("%s is %v in %s and %v in %s", place(a, i), a.Values[i], first, b.Values[i], second)
	}
	fmt.Fprintf(p.Stdout, "the same %s of shape %v\n", phrase.Plural(len(a.Values), "number"), a.Shape)
	return nil
}

// firstDifference returns the index of the first number that differs in a bit; -1 if there is none.
func firstDifference(a, b []float32) int {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// place names the number at an index: its row and its element in the row, both from 0.
func place(a data.Array, index int) string {
	row := max(len(a.Values)/max(a.Shape[0], 1), 1)
	return fmt.Sprintf("element %d of row %d", index%row, index/row)
}
