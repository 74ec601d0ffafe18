// Package eval has the command eval, which measures how good samples are, and trains the classifier that it uses.
package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/parts"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
)

// command holds the flags of langevin eval.
type command struct {
	remote.Connection
	drawing.SamplerFlags
	drawing.ClassFlags
	drawing.GuideFlags
	frontierFlags
	given  func(flag string) bool // whether the command line has it
	n      cli.CountValue
	seed   cli.SeedValue
	preset string
	set    []string
	json   bool

	dir        string // of images, or the file of a table, an array or series
	comma      bool   // of the file: a comma in a number is its decimal point
	classifier string
	neighbours string
	samples    []string // files to measure instead of drawing: one, or the parts of a job
}

// leastSamples is the least number of samples that eval measures.
const leastSamples = 100

// Command returns the command eval, with the command classifier below it.
func Command(p *cli.Program) *cobra.Command {
	o := &command{n: cli.NewCount(2000, leastSamples).AtMost(10_000_000)}
	c := &cobra.Command{
		Use:   "eval MODEL [--samples FILE...]",
		Short: "Measure how good a model's samples are",
		Long: `Eval draws samples of a model, on a server or (--local) in this process, and compares them with the
data that it was trained on: with the distribution itself, if that is a mixture of Gaussians, or with
the test images of its dataset, as a classifier sees them. For a model of data of your own, --data names
the file or the folder: eval compares with what the training did not use, every tenth row or picture, as
langevin train does at its end. Pictures of your own have no classifier unless --classifier names one.

Each value is shown next to the one that an equal number of true samples scores; the difference is
the model's fault. With --class it compares samples of some classes with the data of these classes,
all together and each class alone, and says how many have the class that was asked for. With
--frontier it measures many settings of every sampler instead, and draws what quality costs. A
model's file says which data it was trained on. If it does not, use --preset and --set.`,
		Example: `  langevin eval ring --local
  langevin eval 2gauss -n 10000 --seed 1 --json
  langevin eval ring --sampler flow --flow-steps 30
  langevin eval five --preset toy-ring --set data.modes=5
  langevin eval mnist --local -n 1000 --data data/mnist --neighbours near.png
  langevin eval mnist --samples mine.npy
  langevin eval iris --data iris.csv --local --models-dir out/models
  langevin eval photos --data photos --local --models-dir out/models
  langevin eval ring --samples part-*.npy -n 50000         the parts of a job of 50000, put together
  langevin eval mnist --guide weak --guide-rule mix --guide-weight -2
  langevin eval mnist-class --class 7 -n 1000              how many of the samples are sevens
  langevin eval mnist-class --class 0..9 -n 10000 --guidance-scale 2
  langevin eval mnist --frontier -n 1000 --seeds 3         quality over evaluations and seconds`,
		Args: cli.Arguments(1, cli.AnyNumber),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.takeParts(args[1:]); err != nil {
				return err
			}
			return run(c.Context(), p, o, args[0])
		},
	}
	o.given = c.Flags().Changed
	cli.GroupFlags(c, o.groups()...)
	c.AddCommand(newClassifierCommand(p))
	return c
}

func (o *command) groups() []cli.FlagGroup {
	what, where := cli.NewFlagGroup("What to measure"), cli.NewFlagGroup("Who draws")
	what.Flags.VarP(&o.n, "n", "n", "how many samples to draw, or the parts of --samples have together")
	what.Flags.Var(&o.seed, "seed", "seed of all noise (default drawn by the server, and printed)")
	what.Flags.StringVar(&o.preset, "preset", "",
		"the preset whose data the model was trained on (default as the model says)")
	what.Flags.StringArrayVar(&o.set, "set", nil, "change a setting of the preset, as data.modes=5; can be given often")
	cli.JSONFlag(what.Flags, &o.json, "")
	what.Flags.StringVar(&o.dir, "data", "",
		"folder of the images (default the preset's), or file or folder of the data of your own on which the model "+
			"was trained")
	what.Flags.BoolVar(&o.comma, "decimal-comma", false, "of a table: a comma in a number is its decimal point")
	what.Flags.StringVar(&o.classifier, "classifier", "",
		"an .onnx file with outputs features and probabilities, for images (default the built-in one, if there is one)")
	what.Flags.StringVar(&o.neighbours, "neighbours", "",
		"file for a picture, .png, of samples next to their nearest training images")
	what.Flags.StringArrayVar(&o.samples, "samples", nil,
		"`FILE` with samples to measure instead of drawing some, or the parts that sample --shard drew: "+
			datafile.ArrayFiles)
	o.Connection.Register(where.Flags)
	groups := append([]cli.FlagGroup{what}, o.SamplerFlags.Groups()...)
	return append(groups, o.ClassFlags.Group(), o.GuideFlags.Group(), o.frontierFlags.group(), where)
}

func run(ctx context.Context, p *cli.Program, o *command, model string) error {
	name, version, err := cli.SplitModel(model)
	if err != nil {
		return err
	}
	if err := errors.Join(o.checkSamples(), o.checkFrontier()); err != nil {
		return err
	}
	sampler, err := o.Sampler()
	if err != nil {
		return err
	}
	if o.neighbours != "" {
		if err := wholefile.Check(o.neighbours); err != nil {
			return err
		}
	}
	guidance, err := o.Guidance()
	if err != nil {
		return err
	}
	return o.Connection.Use(ctx, p, func(ctx context.Context, c *client.Client) error {
		m, err := c.Model(ctx, name, version)
		if err != nil {
			return err
		}
		config, err := o.config(m)
		if err != nil {
			return err
		}
		a, err := o.asked(m)
		if err != nil {
			return err
		}
		if len(o.samples) == 0 {
			err = a.checkNumber(fmt.Sprintf("-n is %d", o.n.N), o.n.N)
		}
		if err != nil {
			return err
		}
		request := client.SampleRequest{Model: m.Name, Version: m.Version, N: o.n.N, Seed: o.seed.Seed,
			Sampler: sampler, Guidance: guidance, Given: a.given(o.n.N), GuidanceScale: o.GuidanceScale()}
		if o.frontier {
			return drawFrontier(ctx, p, c, o, m, config, a, request)
		}
		report, err := evaluate(ctx, p, c, o, m, config, a, request)
		if err != nil {
			return fmt.Errorf("evaluate %s: %w", m.Name, err)
		}
		if o.json {
			return cmp.Or(cli.WriteJSON(p.Stdout, report), report.unwritten)
		}
		return cmp.Or(printReport(p, report), report.unwritten)
	})
}

// takeParts adds the files that a shell has put in the place of a pattern after --samples.
func (o *command) takeParts(others []string) error {
	if len(others) > 0 && len(o.samples) == 0 {
		return cli.Usagef("%s after the model: want one model, and files only after --samples", phrase.All(others))
	}
	o.samples = append(o.samples, others...)
	return nil
}

// checkSamples refuses flags about drawing if a file is measured.
func (o *command) checkSamples() error {
	if len(o.samples) == 0 {
		return nil
	}
	var wrong []string
	refuse := func(f *pflag.Flag) {
		if o.given(f.Name) {
			wrong = append(wrong, "--"+f.Name)
		}
	}
	switch several := len(o.samples) > 1; {
	case several && !o.given("n"):
		return cli.Usagef("--samples has the parts of a job: want -n, its rows, so that a missing part shows")
	case !several && o.given("n"):
		wrong = append(wrong, "-n")
	}
	for _, g := range append(o.SamplerFlags.All(), o.GuideFlags.Flags) {
		g.Flags.VisitAll(refuse)
	}
	for _, name := range []string{"seed", "neighbours", "guidance-scale"} {
		if o.given(name) {
			wrong = append(wrong, "--"+name)
		}
	}
	if len(wrong) > 0 {
		return cli.Usagef("--samples measures a file and draws nothing: leave out %s", phrase.All(wrong))
	}
	return nil
}

// config returns the settings of the training whose data m was trained on.
func (o *command) config(m client.Model) (training.Config, error) {
	made, err := models.ParseTraining(m.Training)
	if err != nil {
		return training.Config{}, fmt.Errorf("read how %s was trained: %w", m.Name, err)
	}
	described, pictures := data.Described(made.Data), len(m.Shape) == 3
	switch {
	case o.comma && m.Table == nil:
		return training.Config{}, cli.Usagef("--decimal-comma is for models of tables, and %s is none", m.Name)
	case !pictures && (o.classifier != "" || o.neighbours != ""):
		return training.Config{}, cli.Usagef("--classifier and --neighbours are for models of pictures, and %s is none",
			m.Name)
	case !pictures && (m.Table != nil || ofRows(described)):
		return o.rowsConfig(m, made.Data)
	case pictures && o.ownPictures(made, described):
		return o.picturesConfig(m, made.Data)
	}
	preset := o.preset
	if preset == "" {
		preset = made.Preset
	}
	if preset == "" {
		return training.Config{}, cli.Usagef("the file of %s does not say what it was trained on: want --preset, one "+
			"of %s", m.Name, strings.Join(training.Presets(), ", "))
	}
	settings := o.set
	if o.dir != "" {
		settings = append(settings, "data.dir="+o.dir)
	}
	config, err := trainrun.Preset(preset, settings)
	if err != nil {
		return config, err
	}
	if made.Data != "" && !sameData(made.Data, config.Data) {
		return config, cli.Usagef("%s was trained on %s, and preset %s means %s: say with --set what differs, as "+
			"--set data.std=0.5",
			m.Name, made.Data, preset, config.Data.String())
	}
	return config, nil
}

// sameData reports whether the description of the data in a model's file is that of c. The augmentation of images in
// training does not count, since test images are not augmented.
func sameData(description string, c data.Config) bool {
	mine := c.String()
	if _, err := c.Mixture(); errors.Is(err, data.ErrNoMixture) {
		description, _, _ = strings.Cut(description, ",")
		mine, _, _ = strings.Cut(mine, ",")
	}
	return description == mine
}

// Report is what eval --json writes.
type Report struct {
	Model    string                  `json:"model"`
	Version  int                     `json:"version"`
	Digest   string                  `json:"digest"`
	Data     string                  `json:"data"`
	Sampler  *drawing.SamplerReport  `json:"sampler,omitempty"`
	Guidance *drawing.GuidanceReport `json:"guidance,omitempty"`
	Samples  string                  `json:"samples,omitempty"` // the file that was measured, if none were drawn
	Seed     uint64                  `json:"seed,string"`
	N        int                     `json:"n"`
	NFE      int64                   `json:"nfe"`     // evaluations of networks, also of a guide
	Seconds  float64                 `json:"seconds"` // of sampling
	drawing.FollowedReport
	quality

	origin    string
	unwritten error // why --neighbours could not be written
}

type modeTable struct {
	Weights  []float64 `json:"weights"`
	Expected []float64 `json:"expected"`
}

// evaluate measures the samples of a file, or draws what request asks for and measures that.
func evaluate(
	ctx context.Context, p *cli.Program, c *client.Client, o *command, m client.Model, config training.Config,
	a asked, request client.SampleRequest,
) (e Report, err error) {
	var file parts.Job
	if len(o.samples) > 0 {
		if file, err = o.readSamples(p, m); err != nil {
			return Report{}, err
		}
		what := "--samples " + file.String() + " has " + phrase.Plural(file.N, "sample")
		if err := a.checkNumber(what, file.N); err != nil {
			return Report{}, err
		}
	}
	j, err := newJudge(ctx, p, o, m, config, a)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if len(o.samples) > 0 {
		e = Report{Model: m.Name, Version: m.Version, Digest: m.Digest, Data: comparedWith(config),
			Samples: file.String(), N: file.N, origin: file.String(), FollowedReport: a.followed(nil, false)}
		e.quality, err = j.measure(ctx, file.Batch)
		return e, err
	}
	res, guidance, err := draw(ctx, p, c, request, m.Name)
	if err != nil {
		return Report{}, err
	}
	e = newReport(res, guidance, config, a)
	if e.quality, err = j.measure(ctx, res.Batch); err != nil {
		return e, err
	}
	return e, j.also(ctx, c, m, res.Batch, &e)
}

// readSamples reads samples of a model from a file, or from the files of a job's parts.
func (o *command) readSamples(p *cli.Program, m client.Model) (parts.Job, error) {
	read := func() (parts.Job, error) { return parts.ReadAny(o.samples, o.n.N, p.Stderr) }
	if m.Table != nil {
		read = func() (parts.Job, error) {
			return parts.ReadTables("--samples", o.samples, o.n.N, o.comma, m.Table, p.Stderr)
		}
	}
	job, err := read()
	switch {
	case err != nil:
		return job, err
	case !slices.Equal(job.Shape, m.Shape):
		return job, cli.Usagef("--samples %s has rows of shape %v: want the model's, %v", job, job.Shape, m.Shape)
	case job.N < leastSamples:
		return job, cli.Usagef("--samples %s has %s: want at least %d", job, phrase.Plural(job.N, "sample"),
			leastSamples)
	}
	return job, nil
}

// draw draws a request, and returns the guidance too, as the server filled it in.
func draw(
	ctx context.Context, p *cli.Program, c *client.Client, request client.SampleRequest, title string,
) (*client.Result, *client.Guidance, error) {
	var guidance *client.Guidance
	see := func(e client.Event) {
		if started, ok := e.(client.Started); ok {
			guidance = started.Guidance
		}
	}
	res, err := drawing.Draw(p, c.Stream(ctx, request), title, see)
	return res, guidance, err
}

func newReport(res *client.Result, guidance *client.Guidance, config training.Config, a asked) Report {
	e := Report{
		Model: res.Model, Version: res.Version, Digest: res.Digest, Data: comparedWith(config),
		Sampler: drawing.NewSamplerReport(res.Sampler), Guidance: drawing.NewGuidanceReport(guidance),
		Seed: res.Seed, N: res.N, NFE: res.NFE, Seconds: res.Elapsed.Seconds(), origin: drawing.Origin(res),
		FollowedReport: a.followed(res.GuidanceScale, res.Approximate),
	}
	if e.Guidance != nil {
		e.origin += ", " + e.Guidance.String()
	}
	return e
}

// printReport writes a report for people.
func printReport(p *cli.Program, e Report) error {
	fmt.Fprintf(p.Stdout, "%s, %s, against %s\n\n", p.Bold(phrase.Plural(e.N, "sample")), e.origin, e.Data)
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  MEASURE\tVALUE\tEXPECTED\tWHAT IT MEANS")
	for _, m := range e.Metrics {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", m.Name, measured(m.Value), measured(m.Expected), m.Meaning)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if e.Modes != nil {
		fmt.Fprintf(p.Stdout, "\n  weights found  %s\n  expected       %s\n", shares(e.Modes.Weights),
			shares(e.Modes.Expected))
	}
	if e.Classes != nil {
		fmt.Fprintf(p.Stdout, "\n  classes found  %s\n", shares(e.Classes))
	}
	return printClasses(p.Stdout, e.ByClass)
}

// measured formats a value for people to compare.
func measured(v float64) string { return fmt.Sprintf("%.4g", v) }

// shares formats parts of a whole: "0.800 0.200".
func shares(values []float64) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprintf("%.3f", v)
	}
	return strings.Join(words, " ")
}
