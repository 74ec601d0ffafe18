package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
)

// rowsCommand holds the flags of the commands that ask a model about rows of a file.
type rowsCommand struct {
	connection
	in, out  string
	sigmaMax positiveValue
	sigmaMin positiveValue
	rtol     positiveValue
	atol     positiveValue
	denoise  bool
	exact    bool
	seed     uint64
	first    uint64 // address of the first row's random vector
	sigma    positiveValue
}

// question is what a command asks a server about, and what shows how far the answer is.
type question struct {
	model   string
	version int
	rows    client.Batch
	show    func(done, total int)
}

// answer asks a server.
type answer func(context.Context, *client.Client, question) (client.Batch, error)

// rowsOf makes a command that reads rows, asks, and writes a row for each.
func (p *program) rowsOf(o *rowsCommand, c *cobra.Command, ask answer) *cobra.Command {
	c.Use += " [MODEL] --in FILE"
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().StringVarP(&o.in, "in", "i", "", "`FILE` with the rows: "+arrayFiles+", with a row a line")
	c.Flags().StringVarP(&o.out, "out", "o", "", "file to write, by its ending: .npy or .csv (default CSV to standard output)")
	o.connection.register(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		name, version, err := splitModel(strings.Join(args, ""))
		if err != nil {
			return err
		}
		rows, err := readRows(o.in, p.stderr)
		if err != nil {
			return err
		}
		write, err := o.writer()
		if err != nil {
			return err
		}
		return p.use(c.Context(), o.connection, func(ctx context.Context, c *client.Client) error {
			show, end := p.showRows(name)
			result, err := ask(ctx, c, question{name, version, rows, show})
			end(err == nil)
			if err != nil {
				return err
			}
			return p.deliverRows(o.out, write, result)
		})
	}
	return c
}

func (o *rowsCommand) registerFlow(c *cobra.Command) *cobra.Command {
	c.Flags().Var(&o.sigmaMax, "sigma-max", "where latents are (default the model's largest sigma)")
	c.Flags().Var(&o.sigmaMin, "sigma-min", "where samples are (default the model's smallest sigma)")
	c.Flags().Var(&o.rtol, "rtol", "error of a step relative to the state (default 1e-5)")
	c.Flags().Var(&o.atol, "atol", "error of a step in units of the state (default 1e-5)")
	return c
}

func (o *rowsCommand) flow() client.FlowOptions {
	return client.FlowOptions{
		SigmaMax: float64(o.sigmaMax), SigmaMin: float64(o.sigmaMin), RelativeTol: float64(o.rtol), AbsoluteTol: float64(o.atol),
	}
}

func (p *program) encodeCommand() *cobra.Command {
	o := &rowsCommand{}
	c := o.registerFlow(&cobra.Command{
		Use: "encode", Short: "Take samples along the probability flow to their latents",
		Example: "  langevin encode ring --in points.csv > latents.csv",
	})
	return p.rowsOf(o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.Encode(ctx, client.EncodeRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show,
			Flow: o.flow(),
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}

func (p *program) decodeCommand() *cobra.Command {
	o := &rowsCommand{}
	c := o.registerFlow(&cobra.Command{
		Use: "decode", Short: "Take latents along the probability flow to samples: the inverse of encode",
		Example: "  langevin decode ring --in latents.csv --out points.npy",
	})
	c.Flags().BoolVar(&o.denoise, "denoise", false, "end with the step to sigma = 0, which encode does not undo")
	return p.rowsOf(o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.Decode(ctx, client.DecodeRequest{
			Model: q.model, Version: q.version, Latent: q.rows.X, Shape: q.rows.Shape, Progress: q.show,
			Flow: o.flow(), Denoise: o.denoise,
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}

func (p *program) likelihoodCommand() *cobra.Command {
	o := &rowsCommand{}
	c := o.registerFlow(&cobra.Command{
		Use: "likelihood", Short: "Say how likely samples are: the natural logarithm of the density, a line for each",
		Example: "  langevin likelihood ring --in points.csv --exact",
	})
	c.Flags().BoolVar(&o.exact, "exact", false, "measure the divergence along every axis, not along one random vector")
	c.Flags().Uint64Var(&o.seed, "seed", 0, "seed of the random vectors")
	c.Flags().Uint64Var(&o.first, "first-chain", 0, "address of the first row's random vector, so that a file can be split")
	return p.rowsOf(o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.LogLikelihood(ctx, client.LogLikelihoodRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show,
			Flow: o.flow(), Exact: o.exact, Seed: o.seed, FirstChain: o.first,
		})
		if err != nil {
			return client.Batch{}, err
		}
		found := client.Batch{N: len(r.LogP), Shape: []int{1}}
		for _, v := range r.LogP {
			found.X = append(found.X, float32(v))
		}
		return found, nil
	})
}

func (p *program) scoreCommand() *cobra.Command {
	o := &rowsCommand{}
	c := &cobra.Command{
		Use: "score", Short: "Evaluate the score of a model at points",
		Example: "  langevin score ring --in points.csv --sigma 0.5",
	}
	c.Flags().Var(&o.sigma, "sigma", "noise level of all rows")
	return p.rowsOf(o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		if o.sigma == 0 {
			return client.Batch{}, usagef("score needs --sigma, the noise level")
		}
		r, err := c.Score(ctx, client.ScoreRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show,
			Sigma: []float32{float32(o.sigma)},
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}

// showRows shows how many rows are done of a request that takes several calls. end is to be called when it has ended.
func (p *program) showRows(title string) (show func(done, total int), end func(done bool)) {
	var b *bar
	show = func(done, total int) {
		if b == nil {
			b = p.newBar(title)
		}
		b.set(int64(done), int64(total), fmt.Sprintf("%d of %d rows", done, total))
	}
	return show, func(done bool) {
		if b != nil {
			b.close(done, "all rows")
		}
	}
}

// writer is what writes the format of --out.
func (o *rowsCommand) writer() (func(io.Writer, client.Batch) error, error) {
	switch strings.ToLower(filepath.Ext(o.out)) {
	case ".npy":
		return writeNPY, nil
	case ".csv":
		return writeCSV, nil
	}
	if o.out != "" {
		return nil, usagef("--out is %s: want a name that ends in .csv or .npy", quoted(o.out))
	}
	return writeCSV, nil
}

func (p *program) deliverRows(path string, write func(io.Writer, client.Batch) error, rows client.Batch) error {
	if path == "" {
		return write(p.stdout, rows)
	}
	file, err := createFile(path)
	if err != nil {
		return err
	}
	defer file.discard()
	return file.commit(func(w io.Writer) error { return write(w, rows) })
}

// readRows reads the rows of a file. Those of text have no shape: rows of images are flat.
func readRows(path string, warn io.Writer) (client.Batch, error) {
	if path == "" {
		return client.Batch{}, usagef(`--in is "": want a file, %s`, arrayFiles)
	}
	a, err := readNumbers("in", path, warn)
	if err == nil && len(a.Shape) < 2 {
		err = fmt.Errorf("--in %s has shape %v: want rows, [n, ...]", path, a.Shape)
	}
	if err != nil {
		return client.Batch{}, err
	}
	b := client.Batch{X: a.Values, N: a.Shape[0]}
	if !a.Text() {
		b.Shape = slices.Clone(a.Shape[1:])
	}
	return b, nil
}
