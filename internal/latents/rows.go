package latents

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

	latents      bool // the rows of the file are latents
	gradient     bool // the answer is a gradient along rows
	argument     bool // the file is an argument, not the value of --in
	decimalComma bool
}

// writer writes rows in the format of a file.
type writer func(io.Writer, client.Batch) error

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
	c.Use += " [MODEL [FILE]] [--in FILE]"
	c.Args = cli.Arguments(0, 2)
	c.Flags().StringVarP(&o.in, "in", "i", "", "`FILE` with the rows, if no argument says it, in CSV one a line: "+
		datafile.ArrayFiles)
	c.Flags().StringVarP(&o.out, "out", "o", "",
		"file to write, by its ending: .npy or .csv (default CSV to standard output)")
	c.Flags().BoolVar(&o.decimalComma, "decimal-comma", false, "of a table: a comma in a number is its decimal point")
	o.RowFlags.Register(c.Flags())
	o.Connection.Register(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		model, err := o.take(args)
		if err != nil {
			return err
		}
		name, version, err := cli.SplitModel(model)
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
		of := o.early(readRows)
		if errors.Is(of.err, fs.ErrNotExist) || of.err != nil && o.latents {
			return of.err
		}
		return o.Connection.Use(c.Context(), p, func(ctx context.Context, c *client.Client) error {
			m, err := c.Model(ctx, name, version)
			if err != nil {
				return cmp.Or(of.err, err)
			}
			rows, err := o.late(of, m, p.Stderr)
			if err != nil {
				return err
			}
			given, err := o.Given(o.first, rows.N)
			if err != nil {
				return err
			}
			show, end := showRows(p, name)
			result, err := ask(ctx, c, question{name, version, rows, given, show})
			end(err == nil)
			if err != nil {
				return err
			}
			return deliverRows(p, file, o.named(m, result, write), result)
		})
	}
	return c
}

// take takes the file from the arguments, or from --in, and returns the model.
func (o *command) take(args []string) (model string, err error) {
	if len(args) > 1 {
		if o.in != "" {
			return "", cli.Usagef("%s and --in %s: want one file", args[1], o.in)
		}
		o.in, o.argument = args[1], true
	}
	if o.in == "" {
		return "", cli.Usagef(`--in is "": want a file, %s`, datafile.ArrayFiles)
	}
	return strings.Join(args[:min(1, len(args))], ""), nil
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
func (o *command) writer() (writer, error) {
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
	p *cli.Program, file *wholefile.Pending, write writer, rows client.Batch,
) error {
	if file == nil {
		return write(p.Stdout, rows)
	}
	return file.CommitOrRescue(func(w io.Writer) error { return write(w, rows) })
}

// numbers is what a file is if it is no table.
type numbers struct {
	input datafile.Input
	rows  client.Batch
	err   error
	notes bytes.Buffer // for the user
}

// reader reads an open file of rows. Its errors name the file as what calls it.
type reader func(input datafile.Input, what string, warn io.Writer) (client.Batch, error)

// early reads the file before a server is asked, so that what cannot be read is said at once. That it cannot be read as
// numbers is no error yet, because it may be a table.
func (o *command) early(read reader) *numbers {
	n := &numbers{}
	if n.input, n.err = datafile.Open(o.in); n.err == nil {
		n.rows, n.err = read(n.input, o.what(), &n.notes)
	}
	return n
}

// what names the file in errors as the command line does.
func (o *command) what() string {
	if o.argument {
		return o.in
	}
	return "--in " + o.in
}

// late returns the rows that a model is asked about.
func (o *command) late(n *numbers, m client.Model, warn io.Writer) (client.Batch, error) {
	if m.Table != nil && !o.latents {
		return o.readTable(n.input, m.Table, warn)
	}
	_, _ = n.notes.WriteTo(warn)
	return withChannel(n.rows, m.Shape), n.err
}

// withChannel gives rows without an axis of channels, such as MNIST's, the one channel that a model's samples have.
func withChannel(rows client.Batch, shape []int) client.Batch {
	if len(shape) == 3 && shape[0] == 1 && slices.Equal(rows.Shape, shape[1:]) {
		rows.Shape = shape
	}
	return rows
}

// readTable reads rows of a table with the given columns.
func (o *command) readTable(input datafile.Input, columns []client.Column, warn io.Writer) (client.Batch, error) {
	what := o.what()
	rows, err := input.Rows(what, o.decimalComma, columns, warn)
	if err == nil {
		err = rows.Whole(what, columns)
	}
	if err != nil {
		return client.Batch{}, err
	}
	return client.Batch{X: rows.X, N: rows.Table.Rows, Shape: []int{len(columns)}}, nil
}

// named returns the function that writes an answer. The rows of a table get the names of its columns in CSV.
func (o *command) named(m client.Model, answer client.Batch, write writer) writer {
	named := m.Table != nil && (o.latents || o.gradient) && len(answer.Shape) == 1 && answer.Shape[0] == len(m.Table)
	if !named || strings.EqualFold(filepath.Ext(o.out), ".npy") {
		return write
	}
	columns := m.Table
	if o.gradient { // numbers even of categories
		columns = nil
		for _, c := range m.Table {
			columns = append(columns, client.Column{Name: c.Name, Kind: client.ColumnNumber})
		}
	}
	return func(w io.Writer, b client.Batch) error { return datafile.WriteTable(w, columns, b) }
}

// readRows reads rows of numbers. Rows of a text file are flat, also those of images.
func readRows(input datafile.Input, what string, warn io.Writer) (client.Batch, error) {
	a, err := input.Numbers(what, warn)
	if err != nil {
		return client.Batch{}, err
	}
	return datafile.BatchOf(a, what)
}
