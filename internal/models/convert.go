package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
)

// convertCommand has the flags of langevin models convert.
type convertCommand struct {
	proving
	fp16      bool
	name      string
	out       string
	json      bool
	overwrite bool
}

func newConvertCommand(p *cli.Program) *cobra.Command {
	o := &convertCommand{}
	c := &cobra.Command{
		Use:   "convert FILE.onnx --fp16",
		Short: "Write a model in half precision, and say how far its scores are off",
		Long: `Convert writes a copy of a model that computes its products, and the operations between them, in
float16. It has half the size, and on a GPU with tensor cores it may be twice as fast or more. The
first and the last products, the input of sigma and the division by it stay float32. A CPU gains
nothing.

The copy is a separate model, NAME-fp16, and draws other samples. It has no detector; langevin detect fit
adds one. Its scores are compared with the
original's on this CPU, at points like data from every tenth of the noise schedule. The error is the
norm of the difference divided by the norm of the score.`,
		Example: `  langevin models convert out/models/cifar/1/model.onnx --fp16 --out out/models
  langevin models convert model.onnx --fp16 --name cifar-half --out out/models --json`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return convert(c.Context(), p, o, args[0]) },
	}
	c.Flags().BoolVar(&o.fp16, "fp16", false, "convert to half precision; there is no other conversion yet")
	c.Flags().StringVar(&o.name, "name", "", "name of the copy (default NAME-fp16)")
	c.Flags().StringVarP(&o.out, "out", "o", "out/models", "folder of models to write it to, as NAME/1/model.onnx")
	o.register(c.Flags())
	overwriteFlag(c.Flags(), &o.overwrite)
	cli.JSONFlag(c.Flags(), &o.json, "")
	return c
}

// ConvertReport is what models convert --json writes.
type ConvertReport struct {
	Path        string           `json:"path"`
	Name        string           `json:"name"`
	Nodes       int              `json:"half_nodes"`
	Bytes       int              `json:"bytes"`
	BytesBefore int              `json:"bytes_before"`
	Errors      []ort.ScoreError `json:"errors"`
	Worst       float64          `json:"worst_error"`
}

func convert(ctx context.Context, p *cli.Program, o *convertCommand, path string) error {
	if !o.fp16 {
		return cli.Usagef("convert needs --fp16, which says to what")
	}
	if err := o.check(); err != nil {
		return err
	}
	file, err := o.rules.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	whole, err := models.Read(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	half := whole
	half.Name = cmp.Or(o.name, whole.Name+"-fp16")
	half.Description += " (float16)"
	half.Detector = nil // it was fitted to the scores of the other network
	half.Format = half.WantFormat()
	target := filepath.Join(o.out, half.Name, "1", models.FileName)
	if err := checkFree(target, o.overwrite, "another --name"); err != nil {
		return err
	}
	converted, nodes, err := models.ToHalf(file, half)
	if err != nil {
		return fmt.Errorf("convert %s: %w", path, err)
	}
	report := ConvertReport{
		Path: target, Name: half.Name, Nodes: nodes,
		Bytes: len(converted), BytesBefore: len(file),
	}
	if report.Errors, err = o.scoreErrors(ctx, file, whole, converted, half); err != nil {
		return err
	}
	for _, e := range report.Errors {
		report.Worst = max(report.Worst, e.Error)
	}
	if err := writeModel(report.Path, converted); err != nil {
		return err
	}
	if o.json {
		return cli.WriteJSON(p.Stdout, report)
	}
	return printConversion(p, report)
}

// scoreErrors proves two model files and returns their [ort.ScoreErrors].
func (o *proving) scoreErrors(
	ctx context.Context, exact []byte, exactManifest models.Manifest, other []byte, otherManifest models.Manifest,
) (found []ort.ScoreError, err error) {
	reference, err := o.open(ctx, exact, exactManifest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reference.Close()) }()
	compared, err := o.open(ctx, other, otherManifest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, compared.Close()) }()
	return ort.ScoreErrors(ctx, reference.Model(), compared.Model(), exactManifest)
}

// overwriteFlag is --overwrite of the commands that write a model.
func overwriteFlag(flags *pflag.FlagSet, overwrite *bool) {
	flags.BoolVar(overwrite, "overwrite", false, "replace a model that is there")
}

// checkFree refuses to replace a model that somebody may have trained for hours, unless overwrite is true.
// It also refuses a path to which nothing can be written.
func checkFree(path string, overwrite bool, another string) error {
	if _, err := os.Lstat(path); err != nil || overwrite {
		return wholefile.Check(path)
	}
	return fmt.Errorf("%s exists: --overwrite replaces it, %s keeps it", path, another)
}

func writeModel(path string, data []byte) error {
	if err := wholefile.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := wholefile.Create(path)
	if err != nil {
		return err
	}
	defer file.Discard()
	return file.CommitBytes(data)
}

func printConversion(p *cli.Program, r ConvertReport) error {
	fmt.Fprintf(p.Stdout, "%s: %s, %d nodes in float16, %s bytes instead of %s\n\n", p.Bold(r.Name), r.Path, r.Nodes,
		phrase.Grouped(int64(r.Bytes)), phrase.Grouped(int64(r.BytesBefore)))
	t := tabwriter.NewWriter(p.Stdout, 8, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "sigma\terror of the score\t")
	for _, e := range r.Errors {
		fmt.Fprintf(t, "%.4g\t%.2e\t\n", e.Sigma, e.Error)
	}
	return t.Flush()
}
