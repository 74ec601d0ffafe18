// Package demo has the command demo, which serves the built-in models, samples them and draws pictures.
package demo

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/pictures"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/sampling"
)

// What the demo draws by default.
const (
	demoChains = 2000
	demoFrames = 60
	demoSeed   = 1
)

// Command returns the command demo.
func Command(p *cli.Program) *cobra.Command {
	var folder string
	n := cli.NewCount(demoChains, 1).AtMost(1_000_000)
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: serve the built-in models, sample them, draw pictures",
		Long: `Demo starts a server with the built-in models on a free port, draws samples of 2gauss and ring
through the Go client, writes pictures of them, prints the weight that it found in each mode, and
stops the server.`,
		Example: `  langevin demo
  langevin demo --out /tmp/langevin`,
		RunE: func(c *cobra.Command, _ []string) error {
			work := func(ctx context.Context, c *client.Client, address string) error {
				return run(ctx, p, c, address, folder, n.N)
			}
			return remote.OnFreePort(c.Context(), p, c.Flags(), work)
		},
	}
	c.Flags().StringVarP(&folder, "out", "o", "out", "folder for the pictures, made if needed")
	c.Flags().VarP(&n, "n", "n", "how many chains to draw of each model")
	remote.RegisterLocal(c.Flags())
	return c
}

// builtinModel is a model that the demo shows, and the distribution that it was trained on.
type builtinModel struct {
	model  string
	truth  sampling.Mixture
	moving bool // whether to draw a GIF too
}

// builtinModels returns what the demo shows.
func builtinModels() ([]builtinModel, error) {
	ring, err := sampling.Ring(8, 5, 1, nil)
	return []builtinModel{{"2gauss", sampling.TwoGaussians(), false}, {"ring", ring, true}}, err
}

func run(ctx context.Context, p *cli.Program, c *client.Client, address, folder string, n int) error {
	begin := time.Now()
	if err := wholefile.Check(filepath.Join(folder, "2gauss.png")); err != nil {
		return err
	}
	all, err := builtinModels()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "A server with the built-in models runs on %s.\n", address)
	var files []string
	for _, a := range all {
		written, err := show(ctx, p, c, a, folder, n)
		if err != nil {
			return err
		}
		files = append(files, written...)
	}
	fmt.Fprintf(p.Stdout, "\nPictures:\n")
	for _, path := range files {
		fmt.Fprintf(p.Stdout, "  %s\n", path)
	}
	fmt.Fprintf(p.Stdout, "\nDone in %s. On your own: langevin serve, then langevin sample ring -n 2000 --out "+
		"ring.gif\n", phrase.Tidy(time.Since(begin)))
	return nil
}

// show samples n chains of a model, prints the shares of the modes that it found and the true ones, and draws pictures.
func show(
	ctx context.Context, p *cli.Program, c *client.Client, a builtinModel, folder string, n int,
) (files []string, err error) {
	m, err := c.Model(ctx, a.model, 0)
	if err != nil {
		return nil, err
	}
	request := client.SampleRequest{Model: m.Name, Version: m.Version, N: n, Seed: new(uint64(demoSeed))}
	if a.moving {
		request.Preview = pictures.Previews(m, n, demoFrames)
	}
	fmt.Fprintln(p.Stdout)
	res, err := drawing.Draw(p, c.Stream(ctx, request), a.model)
	if err != nil {
		return nil, err
	}
	printModes(p, a, res)
	drawn := []picture{{".png", pictures.WritePNG}}
	if a.moving {
		drawn = append(drawn, picture{".gif", pictures.WriteGIF})
	}
	for _, kind := range drawn {
		path := filepath.Join(folder, a.model+kind.ending)
		if err := wholefile.Write(path, func(w io.Writer) error { return kind.write(w, res, m) }); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

// picture is a kind of picture.
type picture struct {
	ending string
	write  func(io.Writer, *client.Result, client.Model) error
}

// printModes compares the share of samples nearest to each mode with the mode's weight.
func printModes(p *cli.Program, a builtinModel, res *client.Result) {
	fmt.Fprintf(p.Stdout, "%s: %s by %s in %s\n", p.Bold(a.model), phrase.Plural(res.N, "chain"),
		drawing.SamplerText(res.Sampler), phrase.Tidy(res.Elapsed))
	p.PrintShares(a.truth, res.X)
}
