package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/sampling"
)

// scheduleCommand holds the flags of langevin schedule.
type scheduleCommand struct {
	given         func(flag string) bool
	dim           countValue
	first, last   positiveValue
	data          string
	rows          countValue
	overlap       positiveValue
	levels        countValue
	stepsPerLevel countValue
	sigmas, json  bool
}

func (p *program) scheduleCommand() *cobra.Command {
	o := &scheduleCommand{
		dim: countValue{0, 1}, last: 0.01, rows: countValue{10000, 0}, overlap: 0.567,
		levels: countValue{0, 2}, stepsPerLevel: countValue{5, 1},
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
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.schedule(o) },
	}
	o.given = c.Flags().Changed
	groupFlags(c, o.groups()...)
	return c
}

func (o *scheduleCommand) groups() []flagGroup {
	data, choice, out := newFlagGroup("The data"), newFlagGroup("The choice"), newFlagGroup("The answer")
	data.flags.StringVar(&o.data, "data", "", "`FILE` of numbers, [rows, ...], in the range that "+
		"training sees: "+arrayFiles)
	data.flags.Var(&o.rows, "rows", "measure the distances of so many rows of --data, chosen at random; 0: of all")
	data.flags.Var(&o.dim, "dim", "numbers in one sample: 3072 for 32x32 colour pictures")
	data.flags.Var(&o.first, "sigma1", "largest sigma")
	choice.flags.Var(&o.last, "sigma-last", "smallest sigma: samples carry noise of this size")
	choice.flags.Var(&o.overlap, "overlap", "C, how much neighbouring levels overlap, above 0 and below 1")
	choice.flags.Var(&o.levels, "levels", "number of sigmas, in place of --overlap")
	choice.flags.Var(&o.stepsPerLevel, "steps-per-level", "updates at each level that you can spend")
	out.flags.BoolVar(&o.sigmas, "sigmas", false, `write the sigmas, largest first, as "langevin sample --sigmas" takes them`)
	out.flags.BoolVar(&o.json, "json", false, "write a JSON object, the sigmas in it with --sigmas")
	return []flagGroup{data, choice, out}
}

// scheduleReport is what schedule --json writes.
type scheduleReport struct {
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

func (p *program) schedule(o *scheduleCommand) error {
	report, err := o.find(p.stderr)
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
		return writeJSON(p.stdout, report)
	case o.sigmas:
		_, err := fmt.Fprintln(p.stdout, (*sigmasValue)(&report.Sigmas))
		return err
	}
	return p.printSchedule(report)
}

// find applies the techniques, in the paper's order.
func (o *scheduleCommand) find(warn io.Writer) (r scheduleReport, err error) {
	r = scheduleReport{Last: float64(o.last), Levels: o.levels.n, StepsPerLevel: o.stepsPerLevel.n}
	if r.Dim, r.First, err = o.measure(warn); err != nil {
		return r, err
	}
	if r.First <= r.Last {
		return r, usagef("--sigma-last is %g: want it below the largest sigma, %g", r.Last, r.First)
	}
	if r.Levels == 0 {
		if r.Levels, err = levelsFor(r, float64(o.overlap)); err != nil {
			return r, o.asFlag(err)
		}
	} else if o.given("overlap") {
		return r, usagef("--levels and --overlap: want one of them")
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
	switch known := o.dim.n > 0 || o.first > 0; {
	case o.data != "" && known:
		return 0, 0, usagef("--data and --dim or --sigma1: want the data, or what is known of them")
	case o.data == "" && o.given("rows"):
		return 0, 0, usagef("--rows needs --data")
	case o.data == "" && (o.dim.n == 0 || o.first == 0):
		return 0, 0, usagef("want --data, or both --dim and --sigma1")
	case o.data == "":
		return o.dim.n, float64(o.first), nil
	}
	a, err := readNumbers("data", o.data, warn)
	if err != nil {
		return 0, 0, err
	}
	if len(a.Shape) < 2 {
		return 0, 0, fmt.Errorf("--data %s has shape %v: want [rows, ...]", o.data, a.Shape)
	}
	dim = elements(a.Shape[1:])
	if first, err = sampling.MaxDistance(a.Values, dim, o.rows.n, 0); err != nil {
		return 0, 0, fmt.Errorf("--data %s: %w", o.data, err)
	}
	return dim, first, nil
}

// levelsFor is the number of levels whose overlap is nearest to the given C: that is how the published schedules come
// out, and one level more or less changes C in the third digit.
func levelsFor(r scheduleReport, overlap float64) (int, error) {
	ratio, err := sampling.LevelRatio(r.Dim, overlap)
	if err != nil {
		return 0, err
	}
	levels, err := sampling.LevelCount(r.First, r.Last, ratio)
	return max(2, int(math.Round(levels))), err
}

// asFlag words an error about a setting of the techniques as one about the flag.
func (o *scheduleCommand) asFlag(err error) error {
	var bad *sampling.FieldError
	switch {
	case !errors.As(err, &bad):
		return err
	case bad.Field == "dim":
		return usagef("%v dimensions: want at least 5, below which levels overlap at any ratio, or --levels in place of --overlap", bad.Given)
	}
	return usagef("--%s is %v: want %s", bad.Field, bad.Given, bad.Want)
}

func (p *program) printSchedule(r scheduleReport) error {
	fmt.Fprintf(p.stdout, "%s dimensions, sigma from %.4g to %.4g\n\n", grouped(int64(r.Dim)), r.First, r.Last)
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value, about string) { fmt.Fprintf(t, "  %s\t%s\t%s\n", name, value, about) }
	row("levels L", grouped(int64(r.Levels)), "sigmas, geometric")
	row("ratio", fmt.Sprintf("%.5f", r.Ratio), "of neighbouring sigmas")
	row("overlap C", fmt.Sprintf("%.4f", r.Overlap), "of neighbouring levels")
	row("steps per level T", fmt.Sprint(r.StepsPerLevel), grouped(int64(r.NFE))+" score evaluations for each sample")
	row("step_lr eps", fmt.Sprintf("%.3g", r.StepLR), "step size at the last level")
	row("variance ratio", fmt.Sprintf("%.4f", r.Variance), "of a chain's noise to its level's; 1 is best, more steps come closer")
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, `
Train:   --set noise.first=%.5g --set noise.last=%.5g --set noise.levels=%d
         --set sampler.steps_per_level=%d --set sampler.step_lr=%.3g
Sample:  langevin sample MODEL --steps-per-level %[4]d --step-lr %.3[5]g
`, r.First, r.Last, r.Levels, r.StepsPerLevel, r.StepLR)
	return err
}
