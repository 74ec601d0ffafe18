// Package bench has the command bench, which loads a server and reports throughput and latency.
package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/loadtest"
	"github.com/langevin-ml/langevin/internal/remote"
)

// command holds the flags of langevin bench.
type command struct {
	remote.Connection
	drawing.SamplerFlags
	drawing.GivenFlags
	model    string
	chains   cli.CountValue
	clients  cli.CountValue
	rate     cli.PositiveValue
	requests cli.CountValue
	duration time.Duration
	warmup   time.Duration
	cancel   float64
	seed     cli.SeedValue
	seeds    cli.CountValue
	json     bool
}

// Command returns the command bench.
func Command(p *cli.Program) *cobra.Command {
	o := &command{
		chains: cli.NewCount(16, 1), clients: cli.NewCount(0, 1).AtMost(10_000),
		requests: cli.NewCount(1_000_000, 1).AtMost(100_000_000), seeds: cli.NewCount(8, 1).AtMost(1_000_000),
	}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Load a server, and measure throughput and latency",
		Long: `Bench draws samples again and again and says how many a server draws in a second and how long
a request takes.

With --clients the loop is closed: each client asks, waits for the result and asks again. With --rate
it is open: requests arrive at random, as a Poisson process with this rate per second, whether or not
earlier ones are done. Latency counts from when a request was due, so a server that falls behind is
not excused.

Bench counts the requests that are due in --duration, after --warmup; throughput counts those that
end in it. Results of one seed must be equal to the last bit: bench compares their hashes, and fails
if one differs.`,
		Example: `  langevin bench --model ring --clients 8
  langevin bench --model ring --rate 50 --chains 16 --duration 30s --json
  langevin bench --model mnist --clients 4 --sampler flow --flow-steps 20
  langevin bench --model ring-class --clients 4 --class 0..7
  langevin bench --local --clients 64 --steps-per-level 10 --cancel 0.1`,
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context(), p, o) },
	}
	cli.GroupFlags(c, o.groups()...)
	return c
}

// groups makes the flags, in the order that help shows them.
func (o *command) groups() []cli.FlagGroup {
	load, where := cli.NewFlagGroup("What to draw, and how often"), cli.NewFlagGroup("Who draws")
	load.Flags.StringVar(&o.model, "model", "", "model to draw, NAME or NAME@VERSION (default the server's)")
	load.Flags.Var(&o.chains, "chains", "chains of one request")
	load.Flags.Var(&o.clients, "clients", "closed loop: clients that ask again and again (default 1)")
	load.Flags.Var(&o.rate, "rate", "open loop: requests a second, on average")
	load.Flags.Var(&o.requests, "requests", "stop after this many requests")
	load.Flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long to measure")
	load.Flags.DurationVar(&o.warmup, "warmup", 2*time.Second, "how long to load the server before that")
	load.Flags.Float64Var(&o.cancel, "cancel", 0, "share of the requests whose client leaves half-way, from 0 to 1")
	load.Flags.Var(&o.seed, "seed", "seed of the arrivals, of the clients that leave, and of the first request's "+
		"noise (default 1)")
	load.Flags.Var(&o.seeds, "seeds", "requests take turns with this many seeds")
	cli.JSONFlag(load.Flags, &o.json, "")
	o.Connection.Register(where.Flags)
	return append(append([]cli.FlagGroup{load}, o.SamplerFlags.Groups()...), o.GivenFlags.Group(), where)
}

func run(ctx context.Context, p *cli.Program, o *command) error {
	l, err := o.load()
	if err != nil {
		return err
	}
	name, version, err := cli.SplitModel(o.model)
	if err != nil {
		return err
	}
	sampler, err := o.Sampler()
	if err != nil {
		return err
	}
	given, err := o.Given(0, o.chains.N)
	if err != nil {
		return err
	}
	request := client.SampleRequest{
		Model: name, Version: version, N: o.chains.N, Sampler: sampler,
		Given: given, GuidanceScale: o.GuidanceScale(), Sum: o.Sum(),
	}
	return o.Connection.Use(ctx, p, func(ctx context.Context, c *client.Client) error {
		if err := o.CheckSpare(ctx, c, request.Model, request.Version, request.N); err != nil {
			return err
		}
		return o.Explain(benchServer(ctx, p, c, *l, request, o.json))
	})
}

// load checks the flags of the load and returns it.
func (o *command) load() (*loadtest.Load, error) {
	switch {
	case o.rate > 0 && o.clients.N > 0:
		return nil, cli.Usagef("--clients and --rate: want one of them, a closed loop or an open one")
	case !(o.cancel >= 0 && o.cancel <= 1):
		return nil, cli.Usagef("--cancel is %g: want a share from 0 to 1", o.cancel)
	case o.duration <= 0:
		return nil, cli.Usagef("--duration is %s: want more than 0s", o.duration)
	case o.warmup < 0:
		return nil, cli.Usagef("--warmup is %s: want 0s or more", o.warmup)
	}
	l := &loadtest.Load{
		Clients: o.clients.N, Rate: float64(o.rate), Requests: o.requests.N, Warmup: o.warmup, Duration: o.duration,
		Cancel: o.cancel, Seed: 1, Seeds: uint64(o.seeds.N),
	}
	if o.seed.Seed != nil {
		l.Seed = *o.seed.Seed
	}
	if l.Rate == 0 {
		l.Clients = max(1, l.Clients)
	}
	return l, nil
}

// benchServer makes one request alone, for the model and the sampler of the report, and then loads the server.
func benchServer(
	ctx context.Context, p *cli.Program, c *client.Client, l loadtest.Load, request client.SampleRequest, asJSON bool,
) error {
	draw := func(ctx context.Context, seed uint64, began func()) (*client.Result, error) {
		request := request
		request.Seed = &seed
		stream := c.Stream(ctx, request)
		for _, err := range stream.Events() {
			if err != nil {
				return nil, err
			}
			began()
		}
		return stream.Result()
	}
	first, err := draw(ctx, l.Seed, func() {})
	if err != nil {
		return err
	}
	m, err := l.Run(ctx, draw)
	if err != nil {
		return err
	}
	report := loadtest.NewReport(l, first, m)
	if asJSON {
		err = cli.WriteJSON(p.Stdout, report)
	} else {
		err = writeReport(p, report)
	}
	if err == nil && report.Differing > 0 {
		err = fmt.Errorf("%d of %d results differ from another of the same seed", report.Differing, report.Compared)
	}
	return err
}
