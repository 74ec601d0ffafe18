package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/proposal"
	"github.com/langevin-ml/langevin/training/study"
)

// ownFlags has the flags for data that no preset was made for.
type ownFlags struct {
	name         string
	drop         []string
	decimalComma bool
	size         cli.CountValue
	as           cli.WordValue[proposal.As]
	flip         bool
	dryRun       bool

	found bool // whether there are such data
}

func newOwnFlags() ownFlags {
	return ownFlags{
		size: cli.NewCount(0, 4).AtMost(1024),
		as: cli.WordValue[proposal.As]{
			Words: []proposal.As{proposal.AsTable, proposal.AsSeries, proposal.AsPictures},
		},
	}
}

func (o *ownFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "name", "", "name of the model (default the preset's, or from the name of the data)")
	flags.StringSliceVar(&o.drop, "drop", nil, "of a table of your own: `COLUMNS` to leave out, as id,date")
	flags.BoolVar(&o.decimalComma, "decimal-comma", false,
		"of a table of your own: a comma in a number is its decimal point")
	flags.Var(&o.as, "as", "what the rows of an array of numbers are: table, series or pictures (default as they "+
		"look)")
	flags.Var(&o.size, "size", "of a folder of pictures of your own: height and width, a multiple of 4 (default at "+
		"most 32)")
	flags.BoolVar(&o.flip, "flip", false, "of pictures of your own: their mirror images are as good, as of most photos")
	flags.BoolVar(&o.dryRun, "dry-run", false,
		"train nothing: write the complete settings as YAML, which --config takes")
}

// check refuses flags for data of one's own without such data.
func (o *ownFlags) check(given func(string) bool) error {
	for _, name := range []string{"drop", "decimal-comma", "size", "flip", "as"} {
		if given(name) {
			return cli.Usagef("--%s is for data of your own: want a file or folder in place of a preset", name)
		}
	}
	return nil
}

// isData reports whether the argument of train is a file or a folder, and not the name of a preset. A preset's name
// always is the preset.
func isData(p *cli.Program, arg string) (bool, error) {
	_, err := os.Stat(arg)
	if err != nil {
		if file, _, ok := strings.Cut(arg, ".npz:"); ok {
			_, err = os.Stat(file + ".npz")
		}
	}
	switch preset := slices.Contains(training.Presets(), arg); {
	case preset && err == nil:
		fmt.Fprintf(p.Stderr, "langevin: %s is a preset; ./%s is the file or folder\n", arg, arg)
		return false, nil
	case preset:
		return false, nil
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, cli.Usagef("%s is neither a file or folder of data nor a preset, one of %s", arg,
			strings.Join(training.Presets(), ", "))
	}
	return false, err
}

// propose looks at data, and says what it found and what it chose, with the changes of the given settings.
func (o *command) propose(
	ctx context.Context, p *cli.Program, path string, settings []string,
) (training.Config, error) {
	given, err := changes(settings)
	if err != nil {
		return given, err
	}
	b := p.NewBar("reading " + filepath.Base(path))
	made, err := proposal.New(ctx, proposal.Request{
		Path: path, Name: o.own.name, Drop: o.own.drop, DecimalComma: o.own.decimalComma,
		As: o.own.as.Word, ImageSize: o.own.size.N, Flip: o.own.flip, SkipBroken: given.Data.SkipBroken,
		Reader: trainrun.Reading(p, b),
	})
	b.Close(false, "")
	if flag := (*proposal.FlagError)(nil); errors.As(err, &flag) {
		return training.Config{}, cli.Usagef("%v", err)
	}
	if err != nil {
		return training.Config{}, err
	}
	for _, line := range made.Found {
		fmt.Fprintf(p.Stderr, "%s\n", line)
	}
	config, err := trainrun.With(made.Config, settings)
	if err != nil {
		return config, err
	}
	for _, line := range made.Chosen(config) {
		fmt.Fprintf(p.Stderr, "  %s\n", line)
	}
	return config, nil
}

// changes returns the settings that a user gave, and nothing else. It returns an error for those that are wrong
// whatever the data are, before the data are read.
func changes(settings []string) (given training.Config, err error) {
	for _, s := range settings {
		if err := given.Set(s); err != nil {
			return given, cli.Usagef("%v", err)
		}
	}
	if given.Name != "" {
		if err := training.CheckName(given.Name); err != nil {
			return given, cli.Usagef("%v", err)
		}
	}
	return given, nil
}

// isSettings reports whether a file is one of settings, by its name.
func isSettings(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}

// writeSettings writes a configuration as a file of settings.
func writeSettings(p *cli.Program, c training.Config) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the settings of %s: %w", c.Name, err)
	}
	_, err = p.Stdout.Write(text)
	return err
}

// trialIterations is how many iterations measure how long a training takes. The first third is not measured.
const trialIterations = 30

// expect trains for a moment, and says how long the training will take.
func expect(ctx context.Context, p *cli.Program, c training.Config, o training.Options) error {
	trial := c
	trial.Training.Iterations, trial.Training.LogEvery = trialIterations, trialIterations/3
	trial.Training.EvalRows, trial.Training.TestEvery, trial.Training.KeepBest = c.Noise.Levels, 0, false
	trial.Training.CheckpointEvery, trial.Training.SnapshotSamples = 0, 0
	var rate float64
	o.Progress = func(now training.Progress) { rate = now.PerSecond }
	if _, err := training.Run(ctx, trial, o); err != nil {
		return err
	}
	seconds := float64(c.Training.Iterations) / rate
	took := phrase.Tidy(time.Duration(seconds * float64(time.Second)))
	fmt.Fprintf(p.Stderr, "  expected time: about %s, and then the figures and the measures of quality\n", took)
	return nil
}

// reportNext says what to do with the model, which is served at once if served.
func reportNext(p *cli.Program, folder, name string, shape []int, served bool) {
	samples := "samples.csv"
	switch len(shape) {
	case 2:
		samples = "samples.npy"
	case 3:
		samples = "samples.png"
	}
	fmt.Fprintln(p.Stdout)
	if !served {
		fmt.Fprintf(p.Stdout, "Serve it:  langevin serve %s\n", filepath.Join(folder, "models"))
	}
	fmt.Fprintf(p.Stdout, "Draw:      langevin sample %s -n 100 --out %s\n", name, samples)
}

// reportQuality measures samples and prints how good they are.
func reportQuality(ctx context.Context, p *cli.Program, result *training.Result, library string) error {
	q, err := measure(ctx, result, library)
	if errors.Is(err, study.ErrFewRows) {
		fmt.Fprintf(p.Stdout, "\nThe quality of the samples is not measured: %v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	kind := "row"
	if len(result.Manifest().Shape) == 3 {
		kind = "picture"
	}
	fmt.Fprintf(p.Stdout, "\n%s against %s that the training did not use; expected: of the %ss that it used\n\n",
		phrase.Plural(q.samples, "sample"), phrase.Plural(q.test, kind), kind)
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  MEASURE\tVALUE\tEXPECTED\tWHAT IT MEANS")
	for _, m := range q.metrics {
		fmt.Fprintf(t, "  %s\t%.4g\t%.4g\t%s\n", m.Name, m.Value, m.Expected, m.Meaning)
	}
	return t.Flush()
}
