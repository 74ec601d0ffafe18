// Package impute has the command impute, which fills in what is missing in a table.
package impute

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// command has the flags of langevin impute.
type command struct {
	remote.Connection
	drawing.SamplerFlags
	model        string
	out          string
	draws        cli.CountValue
	seed         cli.SeedValue
	decimalComma bool
}

// atOnce is the number of rows that are drawn at the same time.
const atOnce = 8

// Command returns the command impute.
func Command(p *cli.Program) *cobra.Command {
	o := &command{draws: cli.NewCount(1, 1).AtMost(10_000)}
	c := &cobra.Command{
		Use:   "impute FILE --model NAME",
		Short: "Fill in what is missing in a table",
		Long: `Impute draws a value for every empty place of a table, given the other values of its row, by a model
of such a table. It writes the table as CSV, and if the file has decimal commas, with these and with
semicolons. It finds columns by their names, keeps those that the model does not know as they are, and
adds those that the file does not have. Each row of the file is one of the output, in order, also a row
without any value, and one below the names that begins with # and has as many fields. An array of
numbers has the columns of the model in their order if it has as many.

The values are draws, not averages: they vary as the data do. --draws 5 writes the whole table five
times, with the number of the draw in the first column, so that you see how sure a value is. The known
values of a row stay as they are, to the letter. Values are drawn by 16 particles, which weigh what the known values
make likely. With a sampler of your choice, the known values are set at every step instead, which gets
the shares of categories wrong.`,
		Example: `  langevin impute gaps.csv --model iris --out filled.csv
  langevin impute gaps.csv --model iris --draws 20 --seed 1 > draws.csv
  langevin impute gaps.csv --model iris --local --models-dir out/models`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), p, o, args[0]) },
	}
	cli.GroupFlags(c, o.groups()...)
	return c
}

func (o *command) groups() []cli.FlagGroup {
	what, where := cli.NewFlagGroup("What to fill in, and where to"), cli.NewFlagGroup("Who draws")
	what.Flags.StringVarP(&o.model, "model", "m", "", "model of the table (default the server's)")
	what.Flags.Var(&o.draws, "draws", "how often to fill in the table")
	what.Flags.Var(&o.seed, "seed", "seed of all noise (default drawn, and printed)")
	what.Flags.StringVarP(&o.out, "out", "o", "", "file to write, .csv (default standard output)")
	what.Flags.BoolVar(&o.decimalComma, "decimal-comma", false, "a comma in a number is its decimal point")
	o.Connection.Register(where.Flags)
	return append(append([]cli.FlagGroup{what}, o.SamplerFlags.Groups()...), where)
}

func run(ctx context.Context, p *cli.Program, o *command, path string) error {
	name, version, err := cli.SplitModel(o.model)
	if err != nil {
		return err
	}
	sampler, err := o.Sampler()
	if err != nil {
		return err
	}
	if o.out != "" && !strings.HasSuffix(strings.ToLower(o.out), ".csv") {
		return cli.Usagef("--out is %s: want a name that ends in .csv", phrase.Quoted(o.out))
	}
	var file *wholefile.Pending
	if o.out != "" {
		if file, err = wholefile.Create(o.out); err != nil {
			return err
		}
		defer file.Discard()
	}
	return o.Connection.Use(ctx, p, func(ctx context.Context, c *client.Client) error {
		m, err := c.Model(ctx, name, version)
		if err != nil {
			return err
		}
		if m.Table == nil {
			return cli.Usagef("%s has samples of shape %v: want a model of a table, as langevin train FILE makes it",
				m.Name, m.Shape)
		}
		rows, err := datafile.ReadGaps(path, o.decimalComma, m.Table, p.Stderr)
		if err != nil {
			return err
		}
		if line := rows.Outside(m.Table); line != "" {
			fmt.Fprintf(p.Stderr, "langevin: %s: %s\n", path, line)
		}
		f := &filling{
			program: p, client: c, model: m, rows: rows, sampler: sampler, draws: o.draws.N, seed: o.seedFor(p),
			comma: rows.Table.DecimalComma(),
		}
		if name := f.drawName(); f.draws > 1 && name != drawName {
			fmt.Fprintf(p.Stderr, "langevin: %s is the name of another column: that of the number of the draw is %s\n",
				drawName, name)
		}
		if err := f.draw(ctx); err != nil {
			return err
		}
		if n := f.collapsed.Load(); n > 0 {
			fmt.Fprintf(p.Stderr, "langevin: %s of rows that the model finds unlikely, by too few particles: their "+
				"shares may be wrong\n", phrase.Plural(int(n), "draw"))
		}
		if file == nil {
			return f.write(p.Stdout)
		}
		return file.CommitOrRescue(f.write)
	})
}

// seedFor returns the seed of the flag, or a new one, which it prints.
func (o *command) seedFor(p *cli.Program) uint64 {
	if o.seed.Seed != nil {
		return *o.seed.Seed
	}
	var b [8]byte
	rand.Read(b[:]) // never fails: see its documentation
	seed := binary.LittleEndian.Uint64(b[:])
	fmt.Fprintf(p.Stderr, "langevin: seed %d\n", seed)
	return seed
}

// filling is a table whose empty places are drawn.
type filling struct {
	program *cli.Program
	client  *client.Client
	model   client.Model
	rows    datafile.Rows
	sampler client.Sampler // nil draws by particles
	draws   int
	seed    uint64
	comma   bool // numbers are written with decimal commas, as those of the file

	drawn     [][]float32  // of each row, a row for each draw; nil for a row without empty places
	collapsed atomic.Int64 // draws with too few particles
}

// draw draws the rows that have empty places, several at a time. Each row has its own chains, so that no row depends on
// the others.
func (f *filling) draw(ctx context.Context) error {
	f.drawn = make([][]float32, f.rows.Table.Rows)
	var gaps []int
	for i := range f.drawn {
		if _, known := f.row(i); !all(known) {
			gaps = append(gaps, i)
		}
	}
	b := f.program.NewBar(f.model.Name)
	defer b.Close(false, "")
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(atOnce)
	done := make(chan struct{}, len(gaps))
	for _, i := range gaps {
		calls.Go(func() (err error) {
			f.drawn[i], err = f.one(ctx, i)
			done <- struct{}{}
			b.Set(int64(len(done)), int64(len(gaps)), fmt.Sprintf("row %d of %d", len(done), len(gaps)))
			return err
		})
	}
	return calls.Wait()
}

// row returns the values of a row and which are known.
func (f *filling) row(i int) ([]float32, []bool) {
	n := len(f.model.Table)
	return f.rows.X[i*n : (i+1)*n], f.rows.Known[i*n : (i+1)*n]
}

func all(known []bool) bool { return count(known) == len(known) }

func count(known []bool) (n int) {
	for _, k := range known {
		if k {
			n++
		}
	}
	return n
}

// particles is the number of particles of a draw. On a table of six columns, 64 drew categories no closer to their
// probabilities given the row.
const particles = 16

// one draws a row.
func (f *filling) one(ctx context.Context, i int) ([]float32, error) {
	x, known := f.row(i)
	request := client.SampleRequest{
		Model: f.model.Name, Version: f.model.Version, N: f.draws, Seed: &f.seed,
		FirstChain: uint64(i) * uint64(f.draws), Sampler: f.sampler,
	}
	switch mask, values := f.measured(x, known); {
	case len(values) == 0:
	case f.sampler != nil:
		request.Condition = client.Inpainting{Values: x, Shape: []int{len(x)}, Mask: known}
	default:
		request.Measurement = &client.Measurement{
			Operator: mask, Values: values, Method: client.Particles{Count: particles},
		}
	}
	res, err := f.client.Sample(ctx, request)
	if err != nil {
		return nil, err
	}
	f.collapsed.Add(int64(res.Collapsed))
	return res.X, nil
}

// measured returns which columns tell something about the others, and their values.
func (f *filling) measured(x []float32, known []bool) (mask client.Mask, values []float32) {
	mask = make(client.Mask, len(x))
	for j, column := range f.model.Table {
		if known[j] && column.Kind != client.ColumnConstant {
			mask[j], values = true, append(values, x[j])
		}
	}
	return mask, values
}
