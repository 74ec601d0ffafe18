package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/training/figure"
)

// What the demo draws unless -n says otherwise.
const (
	demoChains = 2000
	demoFrames = 60
	demoSeed   = 1
)

func (p *program) demoCommand() *cobra.Command {
	var folder string
	n := countValue{demoChains, 1}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: serve the built-in models, sample them, draw pictures",
		Long: `Demo starts a server with the built-in models on a free port, draws samples of 2gauss and ring
through the Go client, writes pictures of them, prints the weight that it found in each mode, and
stops the server.`,
		Example: `  langevin demo
  langevin demo --out /tmp/langevin`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.serveWhile(c.Context(), c.Flags(), func(ctx context.Context, address string) error {
				return p.demo(ctx, address, folder, n.n)
			})
		},
	}
	c.Flags().StringVarP(&folder, "out", "o", "out", "folder for the pictures; made if need be")
	c.Flags().VarP(&n, "n", "n", "how many chains to draw of each model")
	registerLocal(c.Flags())
	return c
}

// serveWhile calls work with the address of a server on a free port of this machine, and stops the server after it.
func (p *program) serveWhile(ctx context.Context, flags *pflag.FlagSet, work func(ctx context.Context, address string) error) error {
	config, err := server.Load(flags, configFile(""))
	if err != nil {
		return err
	}
	config.Listen = "127.0.0.1:0"
	s, err := server.New(config, newLog(p.stderr, "text", slog.LevelWarn))
	if err != nil {
		return err
	}
	lis, err := s.Listen()
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // it stops after the calls have ended
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, lis) }()
	err = awaitModels(ctx, lis.Addr().String())
	if err == nil {
		err = work(ctx, lis.Addr().String())
	}
	stop()
	return inner(err, <-served)
}

// attraction is a built-in model and the distribution it was trained on.
type attraction struct {
	model  string
	truth  sampling.Mixture
	moving bool // gets a GIF besides the PNG
}

func attractions() ([]attraction, error) {
	ring, err := sampling.Ring(8, 5, 1, nil)
	return []attraction{{"2gauss", sampling.TwoGaussians(), false}, {"ring", ring, true}}, err
}

func (p *program) demo(ctx context.Context, address, folder string, n int) error {
	begin := time.Now()
	c, err := client.New(address)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := attractions()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "A server with the built-in models runs on %s.\n", address)
	var files []string
	for _, a := range all {
		written, err := p.show(ctx, c, a, folder, n)
		if err != nil {
			return err
		}
		files = append(files, written...)
	}
	fmt.Fprintf(p.stdout, "\nPictures:\n")
	for _, path := range files {
		fmt.Fprintf(p.stdout, "  %s\n", path)
	}
	fmt.Fprintf(p.stdout, "\nDone in %s. On your own: langevin serve, then langevin sample ring -n 2000 --out ring.gif\n", tidy(time.Since(begin)))
	return nil
}

// show samples n chains of one model, prints what was found beside what is true, and draws it.
func (p *program) show(ctx context.Context, c *client.Client, a attraction, folder string, n int) (files []string, err error) {
	m, err := c.Model(ctx, a.model, 0)
	if err != nil {
		return nil, err
	}
	request := client.SampleRequest{Model: m.Name, Version: m.Version, N: n, Seed: new(uint64(demoSeed))}
	if a.moving {
		request.Preview = previews(m, n, demoFrames)
	}
	fmt.Fprintln(p.stdout)
	res, err := p.draw(c.Stream(ctx, request), a.model)
	if err != nil {
		return nil, err
	}
	p.printModes(a, res)
	pictures := []picture{{".png", writePNG}}
	if a.moving {
		pictures = append(pictures, picture{".gif", writeGIF})
	}
	for _, draw := range pictures {
		path := filepath.Join(folder, a.model+draw.ending)
		if err := figure.WriteFile(path, func(w io.Writer) error { return draw.write(w, res, m) }); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

type picture struct {
	ending string
	write  func(io.Writer, *client.Result, client.Model) error
}

// printModes compares the share of samples nearest to each mode with the mode's weight.
func (p *program) printModes(a attraction, res *client.Result) {
	fmt.Fprintf(p.stdout, "%s: %s by %s in %s\n", p.bold(a.model), plural(res.N, "chain"), samplerText(res.Sampler), tidy(res.Elapsed))
	p.printShares(a.truth, res.X)
}

// printShares prints the share of the rows of x nearest to each mode beside the mode's weight.
func (p *program) printShares(truth sampling.Mixture, x []float32) {
	var total float64
	for _, w := range truth.Weights {
		total += w
	}
	fmt.Fprintf(p.stdout, "  %-16s %6s %6s\n", "mode at", "found", "true")
	for k, share := range truth.Shares(x) {
		at := fmt.Sprintf("(%s, %s)", tenths(truth.Means[k][0]), tenths(truth.Means[k][1]))
		fmt.Fprintf(p.stdout, "  %-16s %6.3f %6.3f\n", at, share, truth.Weights[k]/total)
	}
}

// tenths writes v with one digit after the point, and no minus before zero.
func tenths(v float64) string { return fmt.Sprintf("%.1f", math.Round(10*v)/10+0) }
