package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
)

// benchCommand holds the flags of langevin bench.
type benchCommand struct {
	connection
	samplerFlags
	model    string
	chains   countValue
	clients  countValue
	rate     positiveValue
	requests countValue
	duration time.Duration
	warmup   time.Duration
	cancel   float64
	seed     seedValue
	seeds    countValue
	json     bool
}

func (p *program) benchCommand() *cobra.Command {
	o := &benchCommand{
		chains: countValue{16, 1}, clients: countValue{0, 1},
		requests: countValue{1_000_000, 1}, seeds: countValue{8, 1},
	}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Load a server, and measure throughput and latency",
		Long: `Bench draws samples again and again and says how many a server draws in a second and how long
a request takes.

With --clients the loop is closed: so many clients ask, wait for the result and ask again. With
--rate it is open: requests arrive by chance, as a Poisson process of so many a second, whether or
not earlier ones are done, and latency counts from when a request was due. So a server that falls
behind is not excused.

What counts are the requests that are due in --duration, after --warmup; throughput counts those
that end in it. Results of one seed must be equal to the last bit: bench compares their hashes, and
fails if one differs.`,
		Example: `  langevin bench --model ring --clients 8
  langevin bench --model ring --rate 50 --chains 16 --duration 30s --json
  langevin bench --model mnist --clients 4 --sampler flow --flow-steps 20
  langevin bench --local --clients 64 --steps-per-level 10 --cancel 0.1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.bench(c.Context(), o) },
	}
	groupFlags(c, o.groups()...)
	return c
}

// groups makes the flags, in the order that help shows them.
func (o *benchCommand) groups() []flagGroup {
	load, where := newFlagGroup("What to draw, and how often"), newFlagGroup("Who draws")
	load.flags.StringVar(&o.model, "model", "", "model to draw, NAME or NAME@VERSION (default the server's)")
	load.flags.Var(&o.chains, "chains", "chains of one request")
	load.flags.Var(&o.clients, "clients", "closed loop: clients that ask again and again (default 1)")
	load.flags.Var(&o.rate, "rate", "open loop: requests a second, on average")
	load.flags.Var(&o.requests, "requests", "stop after so many requests")
	load.flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long to measure")
	load.flags.DurationVar(&o.warmup, "warmup", 2*time.Second, "how long to load the server before that")
	load.flags.Float64Var(&o.cancel, "cancel", 0, "share of the requests whose client leaves half-way, from 0 to 1")
	load.flags.Var(&o.seed, "seed", "of the arrivals, of who leaves, and of the first request's noise (default 1)")
	load.flags.Var(&o.seeds, "seeds", "requests take turns with so many seeds")
	load.flags.BoolVar(&o.json, "json", false, "write one JSON object")
	o.connection.register(where.flags)
	return append(append([]flagGroup{load}, o.samplerFlags.groups()...), where)
}

func (p *program) bench(ctx context.Context, o *benchCommand) error {
	l, err := o.load()
	if err != nil {
		return err
	}
	name, version, err := splitModel(o.model)
	if err != nil {
		return err
	}
	sampler, err := o.sampler()
	if err != nil {
		return err
	}
	request := client.SampleRequest{Model: name, Version: version, N: o.chains.n, Sampler: sampler}
	return p.use(ctx, o.connection, func(ctx context.Context, c *client.Client) error {
		return p.benchServer(ctx, c, *l, request, o.json)
	})
}

// load checks the flags that say how the server is loaded.
func (o *benchCommand) load() (*load, error) {
	switch {
	case o.rate > 0 && o.clients.n > 0:
		return nil, usagef("--clients and --rate: want one of them, a closed loop or an open one")
	case !(o.cancel >= 0 && o.cancel <= 1):
		return nil, usagef("--cancel is %g: want a share from 0 to 1", o.cancel)
	case o.duration <= 0:
		return nil, usagef("--duration is %s: want more than 0s", o.duration)
	case o.warmup < 0:
		return nil, usagef("--warmup is %s: want 0s or more", o.warmup)
	}
	l := &load{
		clients: o.clients.n, rate: float64(o.rate), requests: o.requests.n, warmup: o.warmup, duration: o.duration,
		cancel: o.cancel, seed: 1, seeds: uint64(o.seeds.n),
	}
	if o.seed.seed != nil {
		l.seed = *o.seed.seed
	}
	if l.rate == 0 {
		l.clients = max(1, l.clients)
	}
	return l, nil
}

// benchServer makes one request alone, which also tells what is drawn, then loads the server.
func (p *program) benchServer(ctx context.Context, c *client.Client, l load, request client.SampleRequest, asJSON bool) error {
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
	first, err := draw(ctx, l.seed, func() {})
	if err != nil {
		return err
	}
	m, err := l.run(ctx, draw)
	if err != nil {
		return err
	}
	report := newBenchReport(l, first, m)
	if asJSON {
		err = writeJSON(p.stdout, report)
	} else {
		err = p.writeBench(report)
	}
	if err == nil && report.Differing > 0 {
		err = fmt.Errorf("%d of %d results differ from another of the same seed", report.Differing, report.Compared)
	}
	return err
}
