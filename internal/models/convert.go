package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// convertCommand holds the flags of langevin models convert.
type convertCommand struct {
	fp16    bool
	name    string
	out     string
	library string
	json    bool
}

func newConvertCommand(p *cli.Program) *cobra.Command {
	o := &convertCommand{}
	c := &cobra.Command{
		Use:   "convert FILE.onnx --fp16",
		Short: "Write a model in half precision, and say how far its scores are off",
		Long: `Convert writes a copy of a model whose products, and what stands between them, are computed in
float16: half the size, and on a GPU with tensor cores up to twice as fast or more. The first and
the last products, how sigma gets in and the division by it stay float32. A CPU gains nothing.

The copy is a model of its own, NAME-fp16, with other samples. Its scores are held against the
original's on this CPU, at data-like points of every tenth of the noise schedule: the error is the
norm of the difference over the norm of the score.`,
		Example: `  langevin models convert out/models/cifar/1/model.onnx --fp16 --out out/models
  langevin models convert model.onnx --fp16 --name cifar-half --out out/models --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return convert(c.Context(), p, o, args[0]) },
	}
	c.Flags().BoolVar(&o.fp16, "fp16", false, "to half precision; there is no other conversion yet")
	c.Flags().StringVar(&o.name, "name", "", "name of the copy (default NAME-fp16)")
	c.Flags().StringVarP(&o.out, "out", "o", "out/models", "folder of models to write it to, as NAME/1/model.onnx")
	c.Flags().StringVar(&o.library, "onnxruntime-library", "", "path of the ONNX Runtime shared library; empty searches the usual places")
	c.Flags().BoolVar(&o.json, "json", false, "write one JSON object to standard output")
	return c
}

// ConvertReport is what models convert --json writes.
type ConvertReport struct {
	Path        string       `json:"path"`
	Name        string       `json:"name"`
	Nodes       int          `json:"half_nodes"`
	Bytes       int          `json:"bytes"`
	BytesBefore int          `json:"bytes_before"`
	Errors      []levelError `json:"errors"`
	Worst       float64      `json:"worst_error"`
}

// levelError is how far scores are off at a sigma: ‖difference‖ over ‖score‖.
type levelError struct {
	Sigma float64 `json:"sigma"`
	Error float64 `json:"error"`
}

func convert(ctx context.Context, p *cli.Program, o *convertCommand, path string) error {
	if !o.fp16 {
		return cli.Usagef("convert needs --fp16, which says to what")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	whole, err := models.Read(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	half := whole
	half.Name = cmp.Or(o.name, whole.Name+"-fp16")
	half.Description += " (float16)"
	converted, nodes, err := models.ToHalf(file, half)
	if err != nil {
		return fmt.Errorf("convert %s: %w", path, err)
	}
	report := ConvertReport{
		Path: filepath.Join(o.out, half.Name, "1", models.FileName), Name: half.Name, Nodes: nodes, Bytes: len(converted), BytesBefore: len(file),
	}
	if report.Errors, err = o.compare(ctx, file, whole, converted, half); err != nil {
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

// compare loads both files and finds the error at up to ten sigmas of the schedule.
func (o *convertCommand) compare(ctx context.Context, file []byte, whole models.Manifest, converted []byte, half models.Manifest) (found []levelError, err error) {
	engine, err := ort.OpenFound(o.library)
	if err != nil {
		return nil, err
	}
	exact, err := engine.Load(ctx, file, whole, ort.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, exact.Close()) }()
	rounded, err := engine.Load(ctx, converted, half, ort.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rounded.Close()) }()
	const most = 10
	every := (len(whole.Sigmas) + most - 1) / most
	for level := 0; level < len(whole.Sigmas); level += every {
		e, err := scoreError(ctx, exact, rounded, whole, whole.Sigmas[level])
		if err != nil {
			return nil, err
		}
		found = append(found, levelError{whole.Sigmas[level], e})
	}
	return found, nil
}

// scoreError is the relative error of one model's scores at points uniform in the model's range, blurred by sigma.
func scoreError(ctx context.Context, exact, rounded sampling.Model, m models.Manifest, sigma float64) (float64, error) {
	const rows = 8
	dim := m.Dim()
	x, sigmas := make([]float32, rows*dim), make([]float32, rows)
	blur := make([]float32, dim)
	for i := range rows {
		row, noise := x[i*dim:(i+1)*dim], sampling.Noise{Seed: 1, Chain: uint64(i)}
		sampling.Prior{Kind: sampling.PriorUniform, Low: m.Range.Low, High: m.Range.High}.Draw(row, noise)
		noise.Normal(blur, 0)
		for j, z := range blur {
			row[j] += float32(sigma) * z
		}
		sigmas[i] = float32(sigma)
	}
	want, got := make([]float32, len(x)), make([]float32, len(x))
	if err := errors.Join(exact.Score(ctx, want, x, sigmas), rounded.Score(ctx, got, x, sigmas)); err != nil {
		return 0, err
	}
	var off, norm float64
	for i, w := range want {
		off += math.Pow(float64(got[i]-w), 2)
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(off / max(norm, math.SmallestNonzeroFloat64)), nil
}

func printConversion(p *cli.Program, r ConvertReport) error {
	fmt.Fprintf(p.Stdout, "%s: %s, %d nodes in float16, %s bytes instead of %s\n\n", p.Bold(r.Name), r.Path, r.Nodes, phrase.Grouped(int64(r.Bytes)), phrase.Grouped(int64(r.BytesBefore)))
	t := tabwriter.NewWriter(p.Stdout, 8, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "sigma\terror of the score\t")
	for _, e := range r.Errors {
		fmt.Fprintf(t, "%.4g\t%.2e\t\n", e.Sigma, e.Error)
	}
	return t.Flush()
}
