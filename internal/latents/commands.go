// Package latents has the commands that ask a model about rows of a file: encode, decode, likelihood and score.
package latents

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
)

func (o *command) registerFlow(c *cobra.Command) *cobra.Command {
	c.Flags().Var(&o.sigmaMax, "sigma-max", "where latents are (default the model's largest sigma)")
	c.Flags().Var(&o.sigmaMin, "sigma-min", "where samples are (default the model's smallest sigma)")
	c.Flags().Var(&o.rtol, "rtol", "error of a step relative to the state (default 1e-5)")
	c.Flags().Var(&o.atol, "atol", "error of a step in units of the state (default 1e-5)")
	return c
}

func (o *command) flow() client.FlowOptions {
	return client.FlowOptions{
		SigmaMax: float64(o.sigmaMax), SigmaMin: float64(o.sigmaMin), RelativeTol: float64(o.rtol),
		AbsoluteTol: float64(o.atol),
	}
}

// EncodeCommand returns the command encode.
func EncodeCommand(p *cli.Program) *cobra.Command {
	o := &command{}
	c := o.registerFlow(&cobra.Command{
		Use: "encode", Short: "Map samples along the probability flow to their latents",
		Example: "  langevin encode ring --in points.csv > latents.csv",
	})
	return rowsOf(p, o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.Encode(ctx, client.EncodeRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show, Given: q.given,
			Flow: o.flow(),
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}

// DecodeCommand returns the command decode.
func DecodeCommand(p *cli.Program) *cobra.Command {
	o := &command{latents: true}
	c := o.registerFlow(&cobra.Command{
		Use: "decode", Short: "Map latents along the probability flow to samples: the inverse of encode",
		Example: "  langevin decode ring --in latents.csv --out points.npy",
	})
	c.Flags().BoolVar(&o.denoise, "denoise", false, "end with the step to sigma = 0, which encode does not undo")
	return rowsOf(p, o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.Decode(ctx, client.DecodeRequest{
			Model: q.model, Version: q.version, Latent: q.rows.X, Shape: q.rows.Shape, Progress: q.show, Given: q.given,
			Flow: o.flow(), Denoise: o.denoise,
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}

// LikelihoodCommand returns the command likelihood.
func LikelihoodCommand(p *cli.Program) *cobra.Command {
	o := &command{}
	c := o.registerFlow(&cobra.Command{
		Use:   "likelihood",
		Short: "Report how likely samples are: the natural logarithm of the density, a line for each",
		Example: `  langevin likelihood ring points.csv --exact
  langevin likelihood ring-class --in points.csv --exact --class 2`,
	})
	c.Flags().BoolVar(&o.exact, "exact", false, "measure the divergence along every axis, not along one random vector")
	c.Flags().Uint64Var(&o.seed, "seed", 0, "seed of the random vectors")
	c.Flags().Uint64Var(&o.first, "first-chain", 0,
		"address of the first row's random vector, so that a file can be split")
	return rowsOf(p, o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		r, err := c.LogLikelihood(ctx, client.LogLikelihoodRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show, Given: q.given,
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

// ScoreCommand returns the command score.
func ScoreCommand(p *cli.Program) *cobra.Command {
	o := &command{gradient: true}
	c := &cobra.Command{
		Use: "score", Short: "Evaluate the score of a model at points",
		Example: `  langevin score ring --in points.csv --sigma 0.5
  langevin score ring-class --in points.csv --sigma 0.5 --class 2 --guidance-scale 3`,
	}
	c.Flags().Var(&o.sigma, "sigma", "noise level of all rows")
	o.RegisterScale(c.Flags())
	return rowsOf(p, o, c, func(ctx context.Context, c *client.Client, q question) (client.Batch, error) {
		if o.sigma == 0 {
			return client.Batch{}, cli.Usagef("score needs --sigma, the noise level")
		}
		r, err := c.Score(ctx, client.ScoreRequest{
			Model: q.model, Version: q.version, X: q.rows.X, Shape: q.rows.Shape, Progress: q.show, Given: q.given,
			Sigma: []float32{float32(o.sigma)}, GuidanceScale: o.GuidanceScale(),
		})
		if err != nil {
			return client.Batch{}, err
		}
		return r.Batch, nil
	})
}
