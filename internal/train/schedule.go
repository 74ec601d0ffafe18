package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// scheduleCommand has the flags of langevin schedule.
type scheduleCommand struct {
	context       context.Context
	given         func(flag string) bool
	dim           cli.CountValue
	first, last   cli.PositiveValue
	data          string
	rows          cli.CountValue
	overlap       cli.PositiveValue
	levels        cli.CountValue
	stepsPerLevel cli.CountValue
	imageSize     cli.CountValue
	grey          bool
	sigmas, json  bool
}

// ScheduleCommand returns the command schedule.
func ScheduleCommand(p *cli.Program) *cobra.Command {
	o := &scheduleCommand{
		dim: cli.NewCount(0, 1).AtMost(models.MaxDim), last: 0.01, rows: cli.NewCount(10000, 0), overlap: 0.567,
		levels:        cli.NewCount(0, 2).AtMost(models.MaxLevels),
		stepsPerLevel: cli.NewCount(5, 1).AtMost(models.MaxSteps),
		imageSize:     cli.NewCount(0, 1).AtMost(1024),
	}
	c := &cobra.Command{
		Use:   "schedule",
		Short: "Find the noise schedule and the step size that fit your data",
		Long: `Schedule finds how to train and sample a model of your data by the rules of Song & Ermon (2020,
arXiv 2006.09011): the largest sigma is the largest distance between two data points (technique 1),
neighbouring sigmas overlap by C (technique 2; about 0.5, in the paper's own schedules 0.567), and
the step size brings the noise of a chain closest to that of its level, within the steps that you
can spend (technique 4).

Give --data, or what you know of it: --dim and --sigma1. Below 5 dimensions levels overlap at any
ratio: choose their number, --levels.`,
		Example: `  langevin schedule --data train.npy
  langevin schedule --dim 3072 --sigma1 50 --overlap 0.567 --steps-per-level 5
  langevin schedule --dim 2 --sigma1 20 --sigma-last 0.1 --levels 20 --steps-per-level 100 --json
  langevin sample digits --sigmas "$(langevin schedule --dim 784 --sigma1 28 --sigmas)"`,
		RunE: func(c *cobra.Command, _ []string) error {
			o.context = c.Context()
			return runSchedule(p, o)
		},
	}
	o.given = c.Flags().Changed
	cli.GroupFlags(c, o.groups()...)
	return c
}

func (o *scheduleCommand) groups() []cli.FlagGroup {
	data, choice, out := cli.NewFlagGroup("The data"), cli.NewFlagGroup("The choice"), cli.NewFlagGroup("The answer")
	data.Flags.StringVar(&o.data, "data", "", "`FILE` of rows, in the range that training sees or as bytes, or a "+
		"folder of pictures: "+datafile.ArrayFiles)
	data.Flags.Var(&o.imageSize, "image-size", "of a folder of pictures: their height and width, as data.image_size")
	data.Flags.BoolVar(&o.grey, "grey", false, "of a folder of pictures: one channel instead of three, as data.grey")
	data.Flags.Var(&o.rows, "rows", "measure the distances between this many rows of --data, chosen at random; 0: all")
	data.Flags.Var(&o.dim, "dim", "numbers in one sample: 3072 for 32x32 colour pictures")
	data.Flags.Var(&o.first, "sigma1", "largest sigma")
	choice.Flags.Var(&o.last, "sigma-last", "smallest sigma: samples carry noise of this size")
	choice.Flags.Var(&o.overlap, "overlap", "C, how much neighbouring levels overlap, above 0 and below 1")
	choice.Flags.Var(&o.levels, "levels", "number of sigmas, in place of --overlap")
	choice.Flags.Var(&o.stepsPerLevel, "steps-per-level", "updates at each level that you can spend")
	out.Flags.BoolVar(&o.sigmas, "sigmas", false,
		`write the sigmas, largest first, as "langevin sample --sigmas" takes them`)
	cli.JSONFlag(out.Flags, &o.json, ", the sigmas in it with --sigmas")
	return []cli.FlagGroup{data, choice, out}
}

// ScheduleReport is what schedule --json writes.
type ScheduleReport struct {
	Dim           int       `json:"dim"`
	First         float64   `json:"sigma1"`
	Last          float64   `json:"sigma_last"`
	Levels        int       `json:"levels"`
	Ratio         float64   `json:"ratio"`   // of neighbouring sigmas
	Overlap       float64   `json:"overlap"` // C, at that ratio
	StepsPerLevel int       `json:"steps_per_level"`
	StepLR        float64   `json:"step_lr"`
	Variance      float64   `json:"variance_ratio"` // after the steps of a level, in units of sigma²: best at 1
	NFE           int       `json:"nfe"`            // updates of a chain
	Sigmas        []float64 `json:"sigmas,omitempty"`
}

func runSchedule(p *cli.Program, o *scheduleCommand) error {
	report, err := o.find(p.Stderr)
	if err != nil {
		return err
	}
	schedule, err := sampling.Geometric(report.First, report.Last, report.Levels)
	if err != nil {
		return err
	}
	if o.sigmas {
		report.Sigmas = schedule.Sigmas()
	}
	switch {
	case o.json:
		return cli.WriteJSON(p.Stdout, report)
	case o.sigmas:
		_, err := fmt.Fprintln(p.Stdout, (*cli.SigmasValue)(&report.Sigmas))
		return err
	}
	return printSchedule(p, report)
}

// find applies the techniques, in the paper's order.
func (o *scheduleCommand) find(warn io.Writer) (r ScheduleReport, err error) {
	r = ScheduleReport{Last: float64(o.last), Levels: o.levels.N, StepsPerLevel: o.stepsPerLevel.N}
	if r.Dim, r.First, err = o.measure(warn); err != nil {
		return r, err
	}
	if r.First <= r.Last {
		return r, cli.Usagef("--sigma-last is %g: want it below the largest sigma, %g", r.Last, r.First)
	}
	if r.Levels == 0 {
		if r.Levels, err = levelsFor(r, float64(o.overlap)); err != nil {
			return r, o.asFlag(err)
		}
	} else if o.given("overlap") {
		return r, cli.Usagef("--levels and --overlap: want one of them")
	}
	r.Ratio = math.Pow(r.First/r.Last, 1/float64(r.Levels-1))
	r.Overlap = sampling.Overlap(r.Dim, r.Ratio)
	if r.StepLR, err = sampling.BestStepLR(r.Last, r.Ratio, r.StepsPerLevel); err != nil {
		return r, o.asFlag(err)
	}
	r.Variance = sampling.LevelVariance(r.StepLR, r.Last, r.Ratio, r.StepsPerLevel)
	r.NFE = r.Levels * r.StepsPerLevel
	return r, nil
}

// measure returns the dimension and the largest sigma, from the data or as given.
func (o *scheduleCommand) measure(warn io.Writer) (dim int, first float64, err error) {
	switch known := o.dim.N > 0 || o.first > 0; {
	case o.data != "" && known:
		return 0, 0, cli.Usagef("--data and --dim or --sigma1: want the data, or what is known of them")
	case o.data == "" && o.given("rows"):
		return 0, 0, cli.Usagef("--rows needs --data")
	case o.data == "" && (o.dim.N == 0 || o.first == 0):
		return 0, 0, cli.Usagef("want --data, or both --dim and --sigma1")
	case o.data == "":
		return o.dim.N, float64(o.first), nil
	case o.given("grey") && o.imageSize.N == 0:
		return 0, 0, cli.Usagef("--grey needs --image-size, for a folder of pictures")
	}
	values, dim, err := o.readData(warn)
	if err != nil {
		return 0, 0, err
	}
	if first, err = sampling.MaxDistance(values, dim, o.rows.N, 0); err != nil {
		return 0, 0, fmt.Errorf("--data %s: %w", o.data, err)
	}
	if first == 0 {
		return 0, 0, cli.Usagef("--data %s: all its rows are equal: want rows that differ", o.data)
	}
	return dim, first, nil
}

// levelsFor returns the number of levels whose overlap is nearest to the given C. The published schedules are rounded
// in this way; one level more or less changes C in the third digit.
func levelsFor(r ScheduleReport, overlap float64) (int, error) {
	ratio, err := sampling.LevelRatio(r.Dim, overlap)
	if err != nil {
		return 0, err
	}
	levels, err := sampling.LevelCount(r.First, r.Last, ratio)
	if err == nil && levels > models.MaxLevels {
		return 0, cli.Usagef("--overlap is %g: it needs %.4g levels, want at most %d: a smaller --overlap needs fewer",
			overlap, levels, models.MaxLevels)
	}
	return max(2, int(math.Round(levels))), err
}

// asFlag turns an error about a setting of the techniques into one about the flag.
func (o *scheduleCommand) asFlag(err error) error {
	var bad *sampling.FieldError
	switch {
	case !errors.As(err, &bad):
		return err
	case bad.Field == "dim":
		dim, _ := bad.Given.(int)
		return cli.Usagef("%s: want at least 5, below which levels overlap at any ratio, or --levels in "+
			"place of --overlap", phrase.Plural(dim, "dimension"))
	}
	return cli.Usagef("--%s is %v: want %s", bad.Field, bad.Given, bad.Want)
}

func printSchedule(p *cli.Program, r ScheduleReport) error {
	fmt.Fprintf(p.Stdout, "%s, sigma from %.4g to %.4g\n\n", phrase.Plural(r.Dim, "dimension"), r.First, r.Last)
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, value, about string) { fmt.Fprintf(t, "  %s\t%s\t%s\n", name, value, about) }
	row("levels L", phrase.Grouped(int64(r.Levels)), "sigmas, geometric")
	row("ratio", fmt.Sprintf("%.5f", r.Ratio), "of neighbouring sigmas")
	row("overlap C", fmt.Sprintf("%.4f", r.Overlap), "of neighbouring levels")
	row("steps per level T", fmt.Sprint(r.StepsPerLevel),
		phrase.Grouped(int64(r.NFE))+" score evaluations for each sample")
	row("step_lr eps", fmt.Sprintf("%.3g", r.StepLR), "step size at the last level")
	row("variance ratio", fmt.Sprintf("%.4f", r.Variance),
		"of a chain's noise to its level's; 1 is best, more steps come closer")
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Stdout, `
Train:   --set noise.first=%.5g --set noise.last=%.5g --set noise.levels=%d
         --set sampler.steps_per_level=%d --set sampler.step_lr=%.3g
Sample:  langevin sample MODEL --steps-per-level %[4]d --step-lr %.3[5]g
`, r.First, r.Last, r.Levels, r.StepsPerLevel, r.StepLR)
	return err
}
