package latents

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// command has the flags of the commands that ask a model about rows of a file.
type command struct {
	remote.Connection
	drawing.RowFlags
	in, out  string
	sigmaMax cli.PositiveValue
	sigmaMin cli.PositiveValue
	rtol     cli.PositiveValue
	atol     cli.PositiveValue
	denoise  bool
	exact    bool
	seed     uint64
	first    uint64 // address of the first row's random vector
	sigma    cli.Positive32Value
}

// question is what a command asks a server about. show displays how many rows are done.
type question struct {
	model   string
	version int
	rows    client.Batch
	given   client.Given // of the model; nil for none
	show    func(done, total int)
}

// answer asks a server and returns a row for each row of the question.
type answer func(context.Context, *client.Client, question) (client.Batch, error)

// rowsOf makes a command that reads rows, asks, and writes a row for each.
func rowsOf(p *cli.Program, o *command, c *cobra.Command, ask answer) *cobra.Command {
	c.Use += " [MODEL] --in FILE"
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().StringVarP(&o.in, "in", "i", "", "`FILE` with the rows, in CSV one a line: "+datafile.ArrayFiles)
	c.Flags().StringVarP(&o.out, "out", "o", "",
		"file to write, by its ending: .npy or .csv (default CSV to standard output)")
	o.RowFlags.Register(c.Flags())
	o.Connection.Register(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		name, version, err := cli.SplitModel(strings.Join(args, ""))
		if err != nil {
			return err
		}
		rows, err := readRows(o.in, p.Stderr)
		if err != nil {
			return err
		}
		given, err := o.Given(o.first, rows.N)
		if err != nil {
			return err
		}
		write, err := o.writer()
		if err != nil {
			return err
		}
		var file *wholefile.Pending
		if o.out != "" {
			if file, err = wholefile.Create(o.out); err != nil {
				return err
			}
			defer file.Discard()
		}
		return o.Connection.Use(c.Context(), p, func(ctx context.Context, c *client.Client) error {
			show, end := showRows(p, name)
			result, err := ask(ctx, c, question{name, version, rows, given, show})
			end(err == nil)
			if err != nil {
				return err
			}
			return deliverRows(p, file, write, result)
		})
	}
	return c
}

// showRows returns a function that shows how many rows of a request are done, and one to call when the request has
// ended.
func showRows(p *cli.Program, title string) (show func(done, total int), end func(done bool)) {
	var b *cli.Bar
	show = func(done, total int) {
		if b == nil {
			b = p.NewBar(title)
		}
		b.Set(int64(done), int64(total), fmt.Sprintf("%d of %d rows", done, total))
	}
	return show, func(done bool) {
		if b != nil {
			b.Close(done, "all rows")
		}
	}
}

// writer returns the function that writes the format of --out.
func (o *command) writer() (func(io.Writer, client.Batch) error, error) {
	switch strings.ToLower(filepath.Ext(o.out)) {
	case ".npy":
		return datafile.WriteNPY, nil
	case ".csv":
		return datafile.WriteCSV, nil
	}
	if o.out != "" {
		return nil, cli.Usagef("--out is %s: want a name that ends in .csv or .npy", phrase.Quoted(o.out))
	}
	return datafile.WriteCSV, nil
}

// deliverRows writes rows to a file, or to standard output if file is nil.
func deliverRows(
	p *cli.Program, file *wholefile.Pending, write func(io.Writer, client.Batch) error, rows client.Batch,
) error {
	if file == nil {
		return write(p.Stdout, rows)
	}
	return file.CommitOrRescue(func(w io.Writer) error { return write(w, rows) })
}

// readRows reads the rows of a file. Rows of a text file are flat, also those of images.
func readRows(path string, warn io.Writer) (client.Batch, error) {
	if path == "" {
		return client.Batch{}, cli.Usagef(`--in is "": want a file, %s`, datafile.ArrayFiles)
	}
	a, err := datafile.ReadNumbers("in", path, warn)
	if err == nil && len(a.Shape) < 2 {
		err = fmt.Errorf("--in %s has shape %v: want rows, [n, ...]", path, a.Shape)
	}
	if err != nil {
		return client.Batch{}, err
	}
	return client.Batch{X: a.Values, N: a.Shape[0], Shape: slices.Clone(a.Shape[1:])}, nil
}
