package latents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// detectCommand has the flags of langevin detect.
type detectCommand struct {
	command
	given     string
	threshold cli.FiniteValue
	json      bool
}

// askedRows are the rows of the files of detect.
type askedRows struct {
	*numbers
	scaled   bool     // they are pictures whose levels go from 0 to 1, whatever the model's do
	pictures []string // files with one each, which are not read yet; nil for a file of rows
}

// DetectCommand returns the command detect.
func DetectCommand(p *cli.Program) *cobra.Command {
	o := &detectCommand{command: command{argument: true}}
	c := &cobra.Command{
		Use:   "detect MODEL FILE...",
		Short: "Say how unlike a model's training data samples are, with a p-value for each",
		Long: `Detect says how unlike the training data of a model the rows of a file are. A p-value is the probability
that a sample like the training data is at least as unlike it. Of such samples, a threshold of 0.01
alarms on 1 %. The distance is that from which the p-value is computed.

FILE has a row for each sample: ` + datafile.ArrayFiles + `.
Pictures may also be an array of bytes, files of one each, or folders, of which all pictures are meant. If
the model was trained on a folder of pictures, they are read as those: the middle square, resized. Others
have the size of the model's. The rows of a table are in its units. The model needs a detector: langevin
detect fit adds one to its file, and langevin train FILE makes one.

With --threshold the exit code is 3 if a p-value is at most the threshold.`,
		Example: `  langevin detect digits new.npy
  langevin detect flowers new.csv --threshold 0.01
  langevin detect digits scan1.png scan2.png --json
  langevin detect photos new/ --threshold 0.01`,
		Args: cli.Arguments(2, cli.AnyNumber),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), p, args[0], args[1:]) },
	}
	c.Flags().StringVarP(&o.out, "out", "o", "", "file for p-values and distances, by its ending: .npy or .csv")
	c.Flags().BoolVar(&o.decimalComma, "decimal-comma", false, "of a table: a comma in a number is its decimal point")
	c.Flags().StringVar(&o.given, "given", "", "`FILE` with the condition of each row: a class, or a vector")
	c.Flags().Var(&o.threshold, "threshold", "p-value from which down a row is an alarm")
	cli.JSONFlag(c.Flags(), &o.json, "")
	o.RowFlags.Register(c.Flags())
	o.Connection.Register(c.Flags())
	return c
}

func (o *detectCommand) run(ctx context.Context, p *cli.Program, model string, files []string) error {
	name, version, err := cli.SplitModel(model)
	if err != nil {
		return err
	}
	if a := o.threshold.Given; a != nil && !(*a > 0 && *a < 1) {
		return cli.Usagef("--threshold is %g: want above 0 and below 1", *a)
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
	of, err := o.open(p, files)
	if err != nil {
		return err
	}
	return o.Connection.Use(ctx, p, func(ctx context.Context, c *client.Client) error {
		found, err := o.ask(ctx, p, c, name, version, of)
		if err != nil {
			return err
		}
		report, err := o.report(found, of.pictures)
		if err != nil {
			return err
		}
		if file != nil {
			err = deliverRows(p, file, write, detectedRows(found))
		}
		if err == nil {
			err = o.print(p, report)
		}
		return cmp.Or(err, report.alarm())
	})
}

// open reads one file of rows, or finds the files of pictures, which are read as the model's were.
func (o *detectCommand) open(p *cli.Program, files []string) (*askedRows, error) {
	pictures, err := pictureFiles(p, files)
	switch {
	case err != nil:
		return nil, err
	case pictures == nil:
		o.in = files[0]
		return o.array()
	}
	return &askedRows{numbers: &numbers{}, scaled: true, pictures: pictures}, nil
}

// array reads a file of rows, which may also be bytes.
func (o *detectCommand) array() (*askedRows, error) {
	of := &askedRows{}
	of.numbers = o.early(func(input datafile.Input, what string, warn io.Writer) (client.Batch, error) {
		a, err := input.Array(warn)
		if err != nil {
			return client.Batch{}, err
		}
		if of.scaled = a.Bytes(); of.scaled {
			for i := range a.Values {
				a.Values[i] /= 255
			}
		}
		return datafile.BatchOf(a, what)
	})
	if errors.Is(of.err, fs.ErrNotExist) {
		return nil, of.err
	}
	return of, nil
}

// of returns the rows in the units of a model's samples. The levels of its pictures go from its Low to its High.
func (o *detectCommand) of(ctx context.Context, p *cli.Program, m client.Model, r *askedRows) (client.Batch, error) {
	if m.Table != nil && r.pictures != nil {
		return client.Batch{}, cli.Usagef("%s is a model of a table: want a file with rows of it, not pictures", m.Name)
	}
	var rows client.Batch
	var err error
	if r.pictures != nil {
		rows, err = picturesOf(ctx, p, m, r.pictures)
	} else {
		rows, err = o.late(r.numbers, m, p.Stderr)
	}
	if err == nil && r.scaled && m.Table == nil {
		for i, v := range rows.X {
			rows.X[i] = float32(m.Low) + float32(m.High-m.Low)*v
		}
	}
	return rows, err
}

func (o *detectCommand) ask(
	ctx context.Context, p *cli.Program, c *client.Client, name string, version int, of *askedRows,
) (*client.Detected, error) {
	m, err := c.Model(ctx, name, version)
	if err != nil {
		return nil, cmp.Or(of.err, err)
	}
	rows, err := o.of(ctx, p, m, of)
	if err != nil {
		return nil, err
	}
	given, err := o.conditions(m, rows.N, p.Stderr)
	if err != nil {
		return nil, err
	}
	show, end := showRows(p, name)
	found, err := c.Detect(ctx, client.DetectRequest{
		Model: name, Version: version, X: rows.X, Shape: rows.Shape, Progress: show, Given: given,
	})
	end(err == nil)
	return found, err
}

// conditions returns the condition of each row; nil for none.
func (o *detectCommand) conditions(m client.Model, n int, warn io.Writer) (client.Given, error) {
	flags, err := o.Given(0, n)
	if err != nil || o.given == "" {
		return flags, err
	}
	if flags != nil {
		return nil, cli.Usagef("--given and --class or --given-vector: want one of them")
	}
	rows, err := datafile.ReadGiven(o.given, n, warn)
	if err != nil {
		return nil, err
	}
	each := make(client.Each, n)
	for i, row := range rows {
		if each[i] = client.Vector(row); m.Condition != nil && m.Condition.Classes > 0 && len(row) == 1 {
			each[i] = client.Class(row[0])
		}
	}
	return each, nil
}

// detectReport is what detect --json writes.
type detectReport struct {
	Model      string        `json:"model"`
	Version    int           `json:"version"`
	Digest     string        `json:"digest"`
	Calibrated int           `json:"calibrated"`
	Threshold  *float64      `json:"threshold,omitempty"`
	Alarms     *int          `json:"alarms,omitempty"`
	Rows       []detectedRow `json:"rows"`
}

type detectedRow struct {
	File     string  `json:"file,omitempty"` // of a picture
	PValue   float64 `json:"p_value"`
	Distance float64 `json:"distance"`
	Alarm    bool    `json:"alarm,omitempty"`
}

// report compares p-values with the threshold. It refuses one below which no p-value can be. files has the file of each
// row; nil if all are in one.
func (o *detectCommand) report(found *client.Detected, files []string) (detectReport, error) {
	r := detectReport{
		Model: found.Model, Version: found.Version, Digest: found.Digest, Calibrated: found.Calibrated,
		Threshold: o.threshold.Given,
	}
	alarms := 0
	for i, v := range found.PValue {
		row := detectedRow{PValue: v, Distance: found.Distance[i]}
		if files != nil {
			row.File = files[i]
		}
		if r.Threshold != nil && v <= *r.Threshold {
			row.Alarm = true
			alarms++
		}
		r.Rows = append(r.Rows, row)
	}
	if r.Threshold == nil {
		return r, nil
	}
	r.Alarms = &alarms
	if least := 1 / float64(found.Calibrated+1); *r.Threshold < least {
		return r, cli.Usagef("--threshold is %g: the smallest p-value of %s is %.4g, because %s calibrate its "+
			"detector: want more, or fit it to more rows", *r.Threshold, found.Model, least,
			phrase.Plural(found.Calibrated, "row"))
	}
	return r, nil
}

// alarm returns the error with which the program ends if there are alarms; nil for none.
func (r detectReport) alarm() error {
	if r.Alarms == nil || *r.Alarms == 0 {
		return nil
	}
	return cli.Alarmf("%d of %s: p-value of at most %g", *r.Alarms, phrase.Plural(len(r.Rows), "row"), *r.Threshold)
}

func (o *detectCommand) print(p *cli.Program, r detectReport) error {
	switch {
	case o.json:
		return cli.WriteJSON(p.Stdout, r)
	case o.out != "":
		return nil
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	head := "ROW\tP-VALUE\tDISTANCE\t"
	if len(r.Rows) > 0 && r.Rows[0].File != "" {
		head += "FILE\t"
	}
	fmt.Fprintln(t, head)
	for i, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%.4f\t%s\t", i, row.PValue, distance(row.Distance))
		if row.File != "" {
			fmt.Fprintf(t, "%s\t", row.File)
		}
		if row.Alarm {
			fmt.Fprint(t, "alarm")
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// distance writes a distance in at most as many digits as are read.
func distance(d float64) string {
	const many = 1e6
	if d >= many {
		return strconv.FormatFloat(d, 'g', 3, 64)
	}
	return strconv.FormatFloat(d, 'f', 3, 64)
}

// detectedRows returns a row of p-value and distance for each row.
func detectedRows(found *client.Detected) client.Batch {
	b := client.Batch{N: len(found.PValue), Shape: []int{2}}
	for i, v := range found.PValue {
		b.X = append(b.X, float32(v), float32(found.Distance[i]))
	}
	return b
}
