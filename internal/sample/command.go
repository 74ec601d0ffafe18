// Package sample has the command sample, which draws samples of a model and writes them.
package sample

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/pictures"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// command has the flags of langevin sample.
type command struct {
	remote.Connection
	drawing.SamplerFlags
	drawing.ConditionFlags
	drawing.GivenFlags
	drawing.GuideFlags
	drawing.MeasurementFlags
	stateFlags
	given      func(flag string) bool // whether the command line has it
	n          cli.CountValue
	seed       cli.SeedValue
	firstChain uint64
	shard      shard
	out        string
	keep       bool // what --out names, if it is there
	frames     cli.CountValue
	json       bool
	live       liveFlags

	classColumn bool
}

// Command returns the command sample.
func Command(p *cli.Program) *cobra.Command {
	o := &command{n: cli.NewCount(1, 1), frames: cli.NewCount(60, 2)}
	c := &cobra.Command{
		Use:   "sample [MODEL]",
		Short: "Draw samples of a model",
		Long: `Sample draws chains of a model, by annealed Langevin dynamics unless --sampler says otherwise, on a
server or (--local) in this process, and writes them to --out: .csv (a chain a line), .npy, .png or
.gif (the chains on their way). Without --out it writes CSV to standard output, or a summary if that
is a terminal.

The same model, sampler, seed and chain index give the same sample, on every run and wherever it
is drawn. MODEL may say which version: ring@2. Without MODEL the server's default model is drawn.`,
		Example: `  langevin sample ring -n 2000 --seed 1 --out ring.gif
  langevin sample 2gauss -n 20000 --seed 1 > points.csv
  langevin sample ring -n 500 --watch                  see the chains move in this terminal
  langevin sample ring -n 100000 --server gpu1:50051,gpu2:50051 --split 2 --out ring.npy
  langevin sample 2gauss -n 1000 --sampler langevin --steps 5000 --out stuck.png
  langevin sample ring -n 500 --seed 1 --first-chain 500 --local --json
  langevin sample ring -n 2000 --sampler flow --method heun --flow-steps 30 --out flow.png
  langevin sample ring -n 2000 --sampler pc --corrector annealed_langevin --snr 0.1 --out pc.gif
  langevin sample digits -n 16 --inpaint half.npy --mask known.npy --denoise --out whole.npy
  langevin sample photos -n 16 --colourise grey.npy --out coloured.npy
  langevin sample digits -n 40 --interpolate 8 --out rows.png
  langevin sample mnist-class -n 64 --class 7 --guidance-scale 2 --out sevens.png
  langevin sample mnist-class -n 100 --class 0..9 --out rows.png
  langevin sample ring-class -n 800 --class 0..7 --class-column --out labelled.csv
  langevin sample ring -n 2000 --term 2gauss --out product.png
  langevin sample cifar -n 64 --guide cats --guide-weight 2 --out cats.png
  langevin sample mnist -n 16 --measure pool:4 --observed small.npy --noise 0.05 --out large.png
  langevin sample ring -n 50000 --seed 1 --shard 3/8 --out part-3.npy     then: langevin join part-*.npy -n 50000
  langevin sample ring -n 100000 --seed 1 --save-state ring.state --out ring.npy
  langevin sample --resume ring.state --out ring.npy
  langevin sample ring -n 100000 --seed 1 --state ring.state --retry-for 1h --out ring.npy`,
		Args: cli.Arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), p, o, strings.Join(args, "")) },
	}
	o.given = c.Flags().Changed
	cli.GroupFlags(c, o.groups()...)
	return c
}

// groups makes the flags, in the order that help shows them.
func (o *command) groups() []cli.FlagGroup {
	draw, where := cli.NewFlagGroup("What to draw, and where to"), cli.NewFlagGroup("Who draws")
	draw.Flags.VarP(&o.n, "n", "n", "how many chains to draw")
	draw.Flags.Var(&o.seed, "seed", "seed of all noise (default drawn by the server, and printed)")
	draw.Flags.Uint64Var(&o.firstChain, "first-chain", 0, "index of the first chain, to draw a part of a larger job")
	draw.Flags.Var(&o.shard, "shard", "draw part K of N of the -n chains, as `K/N` from 0/N to N-1/N, or job/N with "+
		"the index that Kubernetes (JOB_COMPLETION_INDEX) or Slurm (SLURM_ARRAY_TASK_ID) gives; needs --seed")
	draw.Flags.StringVarP(&o.out, "out", "o", "", "file to write, by its ending: .csv, .npy, .png or .gif")
	draw.Flags.BoolVar(&o.keep, "skip-existing", false, "draw nothing if the file of --out is there, for jobs that "+
		"are started again")
	draw.Flags.Var(&o.frames, "frames", "frames of a .gif")
	cli.JSONFlag(draw.Flags, &o.json, ", the samples in it unless --out takes them")
	draw.Flags.BoolVar(&o.classColumn, "class-column", false, "write the index of the class of each sample as the "+
		"first column of CSV")
	o.live.register(draw.Flags)
	o.Connection.Register(where.Flags)
	o.Connection.RegisterSplit(where.Flags)
	groups := append([]cli.FlagGroup{draw}, o.SamplerFlags.Groups()...)
	o.ShareNoise(&o.SamplerFlags)
	return append(groups, o.GivenFlags.Group(), o.ConditionFlags.Group(), o.MeasurementFlags.Group(),
		o.GuideFlags.Group(), o.stateFlags.group(), where)
}

// run checks what can be checked in advance, draws, and writes.
func run(ctx context.Context, p *cli.Program, o *command, model string) error {
	request, err := o.request(model, p.Stderr)
	if err != nil {
		return err
	}
	if there, err := o.exists(p); there || err != nil {
		return cmp.Or(err, o.finished())
	}
	if request, err = o.continued(request); err != nil {
		return err
	}
	if err := cmp.Or(o.checkClassColumn(), o.stateFlags.check(o.out)); err != nil {
		return err
	}
	write := toStdout(p, o)
	if o.out != "" {
		out, err := newOutput(o.out)
		if err != nil {
			return err
		}
		file, err := wholefile.Create(o.out)
		if err != nil {
			return err
		}
		defer file.Discard()
		write = toFile(p, o, out, file)
	}
	return o.Connection.Use(ctx, p, func(ctx context.Context, c *client.Client) error {
		if err := o.CheckSpare(ctx, c, request.Model, request.Version, request.N); err != nil {
			return err
		}
		if o.from == nil { // a state has the values in the model's range
			if err := o.InRange(ctx, c, &request); err != nil {
				return err
			}
		}
		return o.Explain(write(ctx, c, request))
	})
}

func (o *command) request(model string, warn io.Writer) (client.SampleRequest, error) {
	if o.resume != "" {
		return o.fromState(model, o.given, o.namesOfWhat())
	}
	name, version, err := cli.SplitModel(model)
	if err != nil {
		return client.SampleRequest{}, err
	}
	if err := o.Share(&o.SamplerFlags); err != nil {
		return client.SampleRequest{}, err
	}
	sampler, err := o.Sampler()
	if err != nil {
		return client.SampleRequest{}, err
	}
	condition, err := o.Condition(warn)
	if err != nil {
		return client.SampleRequest{}, err
	}
	guidance, err := o.Guidance()
	if err != nil {
		return client.SampleRequest{}, err
	}
	n := o.n.N
	if o.Columns.N > 0 && !o.given("n") {
		n = o.Columns.N // one row
	}
	first, n, err := o.cut(o.firstChain, n)
	if err != nil {
		return client.SampleRequest{}, err
	}
	given, err := o.Given(first, n)
	if err != nil {
		return client.SampleRequest{}, err
	}
	measurement, err := o.Measurement(warn)
	return client.SampleRequest{
		Model: name, Version: version, N: n, Seed: o.seed.Seed, FirstChain: first,
		Sampler: sampler, Condition: condition, Columns: o.Columns.N, Guidance: guidance,
		Given: given, GuidanceScale: o.GuidanceScale(), Sum: o.Sum(), Measurement: measurement,
	}, err
}

// exists reports whether --skip-existing leaves nothing to do.
func (o *command) exists(p *cli.Program) (bool, error) {
	if !o.keep {
		return false, nil
	}
	if o.out == "" {
		return false, cli.Usagef("--skip-existing needs --out")
	}
	info, err := os.Stat(o.out)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 { // empty: somebody else's, such as of mktemp
		return false, nil // whether it can be written shows when it is created
	}
	fmt.Fprintf(p.Stderr, "langevin: %s is there: nothing to draw\n", o.out)
	return true, nil
}

// namesOfWhat returns the names of the flags that say what to draw, and not how to deliver it.
func (o *command) namesOfWhat() []string {
	names := []string{"n", "seed", "first-chain", "shard"}
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	for _, g := range append(o.SamplerFlags.All(), o.GivenFlags.Flags, o.ConditionFlags.Flags, o.GuideFlags.Flags,
		o.MeasurementFlags.Flags) {
		g.Flags.VisitAll(add)
	}
	return names
}

// deliver draws a request and writes the result where the flags say.
type deliver func(context.Context, *client.Client, client.SampleRequest) error

func toStdout(p *cli.Program, o *command) deliver {
	return func(ctx context.Context, c *client.Client, request client.SampleRequest) error {
		return drawSaving(ctx, p, c, request, o, func(res *client.Result) error {
			switch {
			case o.json:
				return cli.WriteJSON(p.Stdout, newReport(res, ""))
			case p.TerminalOut:
				return writeSummary(p, res)
			}
			o.tellSeed(p, res)
			if err := o.addClassColumn(ctx, c, res); err != nil {
				return err
			}
			return datafile.WriteTable(p.Stdout, res.Table, res.Batch)
		})
	}
}

// tellSeed writes the seed that the server chose, without which nobody could draw the samples again.
func (o *command) tellSeed(p *cli.Program, res *client.Result) {
	if o.seed.Seed == nil && (o.resume == "" || o.whole != "") {
		fmt.Fprintf(p.Stderr, "langevin: seed %d\n", res.Seed)
	}
}

// drawSaving draws, saves the states that --save-state asks for, and calls write with the result. A state that cannot
// be saved fails the command only after that.
func drawSaving(
	ctx context.Context, p *cli.Program, c *client.Client, request client.SampleRequest, o *command,
	write func(*client.Result) error,
) error {
	screen, err := newScreen(ctx, p, c, &request, o.live)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	saver, err := o.watch(ctx, c, &request, p.Stderr, stop)
	if err != nil {
		return err
	}
	draw := func(stream *client.Stream) (*client.Result, error) { return screen.draw(stream, saver.see) }
	if screen == nil {
		draw = func(stream *client.Stream) (*client.Result, error) {
			return drawing.Draw(p, stream, title(request), saver.see)
		}
	}
	res, err := draw(c.Stream(ctx, request))
	if err := saver.end(res, err); err != nil {
		return err
	}
	warnOf(p, res)
	o.tellSpare(p, res.N)
	err = write(res)
	if err == nil {
		err = o.finished()
	}
	return both(err, saver.err)
}

// warnOf says in what way a result is not what was asked for.
func warnOf(p *cli.Program, res *client.Result) {
	switch {
	case res.Approximate && res.Measurement != nil:
		fmt.Fprintf(p.Stderr, "langevin: %s\n", drawing.ApproximatePosteriorText)
	case res.Approximate:
		fmt.Fprintf(p.Stderr, "langevin: %s\n", drawing.ApproximateText(res))
	case res.Collapsed > 0:
		fmt.Fprintf(p.Stderr, "langevin: %s\n", drawing.CollapsedText(res))
	}
}

// tellSpare says that n chains have only the first of the classes that are given. A part of a larger job is silent,
// because its other parts have the others.
func (o *command) tellSpare(p *cli.Program, n int) {
	list, _ := o.Classes() // fails only as Given did before
	if len(list) > n && !o.given("first-chain") && !o.given("shard") {
		fmt.Fprintf(p.Stderr, "langevin: %s: only the first %d of the %d classes of --class are drawn\n",
			phrase.Plural(n, "chain"), n, len(list))
	}
}

// both returns the given errors as one, in one line.
func both(a, b error) error {
	if a != nil && b != nil {
		return fmt.Errorf("%w; %w", a, b)
	}
	return cmp.Or(a, b)
}

func toFile(p *cli.Program, o *command, out output, file *wholefile.Pending) deliver {
	return func(ctx context.Context, c *client.Client, request client.SampleRequest) error {
		var model client.Model
		if out.picture {
			var err error
			if model, err = drawableModel(ctx, c, request, out.moving); err != nil {
				return err
			}
			request.Model, request.Version = model.Name, model.Version
		}
		if out.moving {
			request.Preview = o.gifPreviews(model, request.N)
		}
		return drawSaving(ctx, p, c, request, o, func(res *client.Result) error {
			if err := o.addClassColumn(ctx, c, res); err != nil {
				return err
			}
			err := file.CommitOrRescue(func(w io.Writer) error { return out.write(w, res, model) })
			if err != nil {
				o.tellSeed(p, res)
				return err
			}
			return reportFile(p, o, res)
		})
	}
}

// gifPreviews returns a request for the frames of a .gif: exactly as many as --frames says, or at most the default
// number.
func (o *command) gifPreviews(m client.Model, n int) *client.PreviewOptions {
	p := pictures.Previews(m, n, o.frames.N)
	if o.given("frames") {
		p.Frames, p.MaxFrames = p.MaxFrames, 0
	}
	return p
}

func drawableModel(
	ctx context.Context, c *client.Client, request client.SampleRequest, moving bool,
) (client.Model, error) {
	m, err := c.Model(ctx, request.Model, request.Version)
	if err != nil || m.State == client.ModelFailed { // the error of sampling says why
		return m, err
	}
	return m, pictures.Check(m, moving)
}

// reportFile writes what is in the file, as JSON if --json is given, else for people if there is a terminal.
func reportFile(p *cli.Program, o *command, res *client.Result) error {
	if res.PreviewsDropped > 0 {
		fmt.Fprintf(p.Stderr, "langevin: %d frames were lost on the way\n", res.PreviewsDropped)
	}
	if o.json {
		return cli.WriteJSON(p.Stdout, newReport(res, o.out))
	}
	if p.TerminalErr {
		fmt.Fprintf(p.Stderr, "%s: %s, %s\n", o.out, phrase.Plural(res.N, "chain"), drawing.Origin(res))
		if trust := drawing.TrustText(res); trust != "" {
			fmt.Fprintln(p.Stderr, trust)
		}
		return nil
	}
	o.tellSeed(p, res)
	return nil
}

func title(request client.SampleRequest) string {
	if request.Model == "" {
		return "sampling"
	}
	return request.Model
}
