// Package measure has the command measure, which makes observations of samples.
package measure

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// command has the flags of langevin measure.
type command struct {
	operator, out string
	noise         cli.FiniteValue
	seed          uint64
	row           cli.CountValue
	chosen        bool // --row is given
}

// Command returns the command measure.
func Command(p *cli.Program) *cobra.Command {
	o := &command{}
	c := &cobra.Command{
		Use:   "measure FILE --measure OPERATOR --out FILE",
		Short: "Make an observation of a sample, to try sample --measure with",
		Long: `Measure applies an operator to one sample in FILE (.npy, .npz, .csv or a picture), adds noise, and writes
the measured values to --out: .npy or .csv, or .png if they are a picture with levels from 0 to 1,
which cuts off what the noise takes beyond. langevin sample --measure draws samples that agree.`,
		Example: `  langevin sample mnist --seed 7 --out digit.npy
  langevin measure digit.npy --measure pool:4 --noise 0.05 --out small.npy
  langevin sample mnist -n 16 --measure pool:4 --observed small.npy --noise 0.05 --out large.png`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			o.chosen = c.Flags().Changed("row")
			return run(p, o, args[0])
		},
	}
	c.Flags().StringVar(&o.operator, "measure", "", "`OPERATOR` to measure with: "+drawing.OperatorHelp)
	c.Flags().Var(&o.noise, "noise", "standard deviation of the noise of each measured value (default 0)")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of the noise")
	c.Flags().Var(&o.row, "row", "which sample of a file with several, from 0")
	c.Flags().StringVarP(&o.out, "out", "o", "", "file to write, by its ending: .npy, .csv or .png")
	return c
}

func run(p *cli.Program, o *command, path string) error {
	ending := strings.ToLower(filepath.Ext(o.out))
	switch {
	case o.operator == "":
		return cli.Usagef("measure needs --measure, the operator")
	case o.noise.Given != nil && !(*o.noise.Given >= 0 && *o.noise.Given <= sampling.MaxStd):
		return cli.Usagef("--noise is %g: want 0 to %g", *o.noise.Given, float64(sampling.MaxStd))
	case ending != ".npy" && ending != ".csv" && ending != ".png":
		return cli.Usagef("--out is %s: want a name that ends in .npy, .csv or .png", phrase.Quoted(o.out))
	}
	operator, err := drawing.ParseOperator(o.operator, p.Stderr)
	if err != nil {
		return err
	}
	x, axes, err := o.read(path, p.Stderr)
	if err != nil {
		return err
	}
	y, shape, err := o.measure(operator, x, axes)
	if err != nil {
		return err
	}
	if ending == ".png" && len(shape) != 3 {
		return fmt.Errorf("--out %s: %s of shape %v are no picture: want .npy or .csv", o.out,
			phrase.Plural(len(y), "value"), shape)
	}
	file, err := wholefile.Create(o.out)
	if err != nil {
		return err
	}
	defer file.Discard()
	err = file.Commit(func(w io.Writer) error { return write(w, ending, y, shape) })
	if err == nil {
		fmt.Fprintf(p.Stderr, "langevin: %s: %s of shape %v%s\n", o.out, phrase.Plural(len(y), "value"), shape,
			cutOff(ending, y))
	}
	return err
}

// cutOff says how many values a picture could not hold, if any.
func cutOff(ending string, y []float32) string {
	n := 0
	for _, v := range y {
		if v < 0 || v > 1 {
			n++
		}
	}
	switch {
	case ending != ".png" || n == 0:
		return ""
	case n == 1:
		return "; 1 of them was cut off, at 0 or 1: .npy keeps it"
	}
	return fmt.Sprintf("; %d of them were cut off, at 0 or 1: .npy keeps them", n)
}

func write(w io.Writer, ending string, y []float32, shape []int) error {
	rows := client.Batch{X: y, N: 1, Shape: shape}
	switch ending {
	case ".png":
		return drawing.WritePicture(w, y, shape)
	case ".csv":
		return datafile.WriteCSV(w, rows)
	}
	return datafile.WriteNPY(w, rows)
}

// read returns one sample and its axes. Files of 2 or 4 axes have a row for each sample.
func (o *command) read(path string, warn io.Writer) (x []float32, axes []int, err error) {
	if drawing.IsPicture(path) {
		return drawing.ReadPicture(path)
	}
	a, err := datafile.ReadArray(path, warn)
	if err == nil && !a.Numbers() {
		err = fmt.Errorf("%s holds %s: want numbers in the range of a model's data", path, a.Kind)
	}
	if err != nil {
		return nil, nil, err
	}
	rows, axes := 1, a.Shape
	if len(axes)%2 == 0 {
		rows, axes = axes[0], axes[1:]
	}
	row := o.row.N
	switch {
	case row >= rows:
		return nil, nil, cli.Usagef("--row is %d: %s has %s, counted from 0", row, path, phrase.Plural(rows, "sample"))
	case rows > 1 && !o.chosen:
		fmt.Fprintf(warn, "langevin: %s has %d samples of shape %v: this is sample 0; --row takes another\n", path,
			rows, axes)
	}
	size := datafile.Elements(axes)
	return a.Values[row*size : (row+1)*size], axes, nil
}

// measure returns what the operator measures of a sample, with noise, and its shape.
func (o *command) measure(of client.Operator, x []float32, axes []int) (y []float32, shape []int, err error) {
	picture, ok := linear.ShapeOf(axes)
	if !ok {
		return nil, nil, fmt.Errorf("the sample has shape %v: want a vector or a picture", axes)
	}
	if err := drawing.CheckBlur(o.operator, picture); err != nil {
		return nil, nil, err
	}
	op, shape, err := drawing.BuildOperator(of, picture)
	if err != nil {
		return nil, nil, fmt.Errorf("--measure %s: %w", o.operator, err)
	}
	wide, exact := make([]float64, len(x)), make([]float64, op.Size())
	for i, v := range x {
		wide[i] = float64(v)
	}
	op.Apply(exact, wide)
	y = make([]float32, op.Size())
	sampling.Noise{Seed: o.seed}.Normal(y, 0)
	for i, v := range exact {
		noise := 0.0
		if o.noise.Given != nil {
			noise = *o.noise.Given * float64(y[i])
		}
		if y[i] = float32(v + noise); y[i]-y[i] != 0 {
			return nil, nil, fmt.Errorf("--measure %s: value %d is %.3g: want one that fits float32", o.operator,
				i, v+noise)
		}
	}
	return y, shape, nil
}
