package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
)

// sampleCommand holds the flags of langevin sample.
type sampleCommand struct {
	connection
	samplerFlags
	conditionFlags
	guideFlags
	stateFlags
	given      func(flag string) bool // whether the command line has it
	n          countValue
	seed       seedValue
	firstChain uint64
	out        string
	frames     countValue
	json       bool
	live       liveFlags
}

func (p *program) sampleCommand() *cobra.Command {
	o := &sampleCommand{n: countValue{1, 1}, frames: countValue{60, 2}}
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
  langevin sample cifar -n 64 --guide cats --guide-weight 2 --out cats.png
  langevin sample ring -n 100000 --seed 1 --save-state ring.state --out ring.npy
  langevin sample --resume ring.state --out ring.npy`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.sample(c.Context(), o, strings.Join(args, "")) },
	}
	o.given = c.Flags().Changed
	groupFlags(c, o.groups()...)
	return c
}

// groups makes the flags, in the order that help shows them.
func (o *sampleCommand) groups() []flagGroup {
	draw, where := newFlagGroup("What to draw, and where to"), newFlagGroup("Who draws")
	draw.flags.VarP(&o.n, "n", "n", "how many chains to draw")
	draw.flags.Var(&o.seed, "seed", "seed of all noise (default drawn by the server, and told)")
	draw.flags.Uint64Var(&o.firstChain, "first-chain", 0, "index of the first chain, to draw a part of a larger job")
	draw.flags.StringVarP(&o.out, "out", "o", "", "file to write, by its ending: .csv, .npy, .png or .gif")
	draw.flags.Var(&o.frames, "frames", "frames of a .gif")
	draw.flags.BoolVar(&o.json, "json", false, "write one JSON object to standard output, the samples in it unless --out takes them")
	o.live.register(draw.flags)
	o.connection.register(where.flags)
	o.connection.registerSplit(where.flags)
	groups := append([]flagGroup{draw}, o.samplerFlags.groups()...)
	return append(groups, o.conditionFlags.group(), o.guideFlags.group(), o.stateFlags.group(), where)
}

// sample checks what can be checked, draws, and writes.
func (p *program) sample(ctx context.Context, o *sampleCommand, model string) error {
	request, err := o.request(model, p.stderr)
	if err != nil {
		return err
	}
	if err := o.stateFlags.check(o.out); err != nil {
		return err
	}
	write := p.toStdout(o)
	if o.out != "" {
		out, err := newOutput(o.out)
		if err != nil {
			return err
		}
		file, err := createFile(o.out)
		if err != nil {
			return err
		}
		defer file.discard()
		write = p.toFile(o, out, file)
	}
	return p.use(ctx, o.connection, func(ctx context.Context, c *client.Client) error { return write(ctx, c, request) })
}

func (o *sampleCommand) request(model string, warn io.Writer) (client.SampleRequest, error) {
	if o.resume != "" {
		return o.fromState(model, o.given, o.namesOfWhat())
	}
	name, version, err := splitModel(model)
	if err != nil {
		return client.SampleRequest{}, err
	}
	sampler, err := o.sampler()
	if err != nil {
		return client.SampleRequest{}, err
	}
	condition, err := o.condition(warn)
	if err != nil {
		return client.SampleRequest{}, err
	}
	guidance, err := o.guidance()
	n := o.n.n
	if o.columns.n > 0 && !o.given("n") {
		n = o.columns.n // one row
	}
	return client.SampleRequest{
		Model: name, Version: version, N: n, Seed: o.seed.seed, FirstChain: o.firstChain,
		Sampler: sampler, Condition: condition, Columns: o.columns.n, Guidance: guidance,
	}, err
}

// namesOfWhat are the flags that say what to draw, and not how to deliver it.
func (o *sampleCommand) namesOfWhat() []string {
	names := []string{"n", "seed", "first-chain"}
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	for _, g := range append(o.samplerFlags.all(), o.conditionFlags.flags, o.guideFlags.flags) {
		g.flags.VisitAll(add)
	}
	return names
}

// splitModel reads "ring" or "ring@2".
func splitModel(text string) (name string, version int, err error) {
	name, after, found := strings.Cut(text, "@")
	if !found {
		return name, 0, nil
	}
	version, err = strconv.Atoi(after)
	if err != nil || version < 1 || name == "" {
		return "", 0, usagef("model is %s: want a name, or a name and a version as ring@2", quoted(text))
	}
	return name, version, nil
}

// deliver draws a request and brings the result to where it goes.
type deliver func(context.Context, *client.Client, client.SampleRequest) error

func (p *program) toStdout(o *sampleCommand) deliver {
	return func(ctx context.Context, c *client.Client, request client.SampleRequest) error {
		res, err := p.drawSaving(ctx, c, request, o)
		switch {
		case err != nil:
			return err
		case o.json:
			return writeJSON(p.stdout, newSampleReport(res, ""))
		case p.terminalOut:
			return p.writeSummary(res)
		}
		return writeCSV(p.stdout, res.Batch)
	}
}

// drawSaving draws and keeps the states that --save-state asks for.
func (p *program) drawSaving(ctx context.Context, c *client.Client, request client.SampleRequest, o *sampleCommand) (*client.Result, error) {
	screen, err := p.newScreen(ctx, c, &request, o.live)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	k := o.watch(&request, p.stderr, stop)
	if screen == nil {
		res, err := p.draw(c.Stream(ctx, request), title(request), k.see)
		return res, k.end(err)
	}
	res, err := screen.draw(c.Stream(ctx, request), k.see)
	return res, k.end(err)
}

func (p *program) toFile(o *sampleCommand, out output, file *pendingFile) deliver {
	return func(ctx context.Context, c *client.Client, request client.SampleRequest) error {
		var model client.Model
		if out.picture {
			var err error
			if model, err = drawableModel(ctx, c, request); err != nil {
				return err
			}
			request.Model, request.Version = model.Name, model.Version
		}
		if out.moving {
			request.Preview = o.gifPreviews(model, request.N)
		}
		res, err := p.drawSaving(ctx, c, request, o)
		if err != nil {
			return err
		}
		if err := file.commit(func(w io.Writer) error { return out.write(w, res, model) }); err != nil {
			return err
		}
		return p.reportFile(o, res)
	}
}

// gifPreviews asks for the frames of a .gif: for as many as the command line says, or for the default number but no more
// than there are states.
func (o *sampleCommand) gifPreviews(m client.Model, n int) *client.PreviewOptions {
	p := previews(m, n, o.frames.n)
	if o.given("frames") {
		p.Frames, p.MaxFrames = p.MaxFrames, 0
	}
	return p
}

func drawableModel(ctx context.Context, c *client.Client, request client.SampleRequest) (client.Model, error) {
	m, err := c.Model(ctx, request.Model, request.Version)
	if err != nil || m.State == client.ModelFailed { // sampling it says why
		return m, err
	}
	return m, checkPicture(m)
}

// reportFile says what is in the file: to a machine that asked, or to a person who looks.
func (p *program) reportFile(o *sampleCommand, res *client.Result) error {
	if res.PreviewsDropped > 0 {
		fmt.Fprintf(p.stderr, "langevin: %d frames were lost on the way\n", res.PreviewsDropped)
	}
	if o.json {
		return writeJSON(p.stdout, newSampleReport(res, o.out))
	}
	if p.terminalErr {
		fmt.Fprintf(p.stderr, "%s: %s, %s\n", o.out, plural(res.N, "chain"), origin(res))
	}
	return nil
}

func title(request client.SampleRequest) string {
	if request.Model == "" {
		return "sampling"
	}
	return request.Model
}
