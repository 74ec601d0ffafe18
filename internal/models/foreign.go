package models

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
)

// origin has the flags of langevin models import that say how a network was trained and what it computes.
type origin struct {
	flags   *pflag.FlagSet // of the command, to know which were given
	process string
	betas   string
	alphas  string
	offset  float64
	dataStd float64
	time    string
	output  string

	variance bool
}

func (o *origin) register(f *pflag.FlagSet) {
	o.flags = f
	f.StringVar(&o.process, "process", string(models.ProcessVE), "how the training mixed data and noise: ve, vp, "+
		"vp_scaled (latent diffusion), sub_vp, cosine, flow (rectified flow) or edm")
	f.StringVar(&o.betas, "betas", "", "first and last beta: below 1 of --time steps, otherwise of a time from 0 to 1 "+
		"(default 0.1:20; vp_scaled 0.00085:0.012)")
	f.StringVar(&o.alphas, "alphas-cumprod", "", "file with the product of 1 - beta up to each step, for --process vp "+
		"with betas that --betas cannot say")
	f.Float64Var(&o.offset, "cosine-offset", 0.008, "s of the cosine schedule; 0 for a plain cosine")
	f.Float64Var(&o.dataStd, "data-std", 0.5, "sigma_data of --process edm")
	f.StringVar(&o.time, "time", "", "what the network takes for the noise level: label, the index in --sigmas; "+
		"sigma; log_sigma or log_sigma:FACTOR; continuous, a time from 0 to 1, or continuous:LAST or "+
		"continuous:FIRST:LAST for other ends; steps:N, the index of a step (default by the process and the type)")
	f.StringVar(&o.output, "output", "", "what the network computes: score, noise, denoised, v, minus_v or edm "+
		"(default score for ve, v for flow, edm for edm, noise for others)")
	f.BoolVar(&o.variance, "learned-variance", false, "the output has twice the channels of a sample: leave out the "+
		"second half, a variance (improved and guided diffusion)")
	f.StringVar(&o.time, "condition", "", "")
	f.Lookup("condition").Deprecated = "use --time"
}

// read sets what the flags say of a foreign network.
func (o *origin) read(f *models.Foreign) error {
	for _, own := range []struct {
		flag  string
		kinds []models.ProcessKind
	}{
		{"betas", []models.ProcessKind{models.ProcessVP, models.ProcessScaledVP, models.ProcessSubVP}},
		{"cosine-offset", []models.ProcessKind{models.ProcessCosine}},
		{"data-std", []models.ProcessKind{models.ProcessEDM}},
	} {
		if err := o.checkOwn(own.flag, own.kinds); err != nil {
			return err
		}
	}
	f.Process = models.Process{Kind: models.ProcessKind(o.process), Offset: o.offset, DataStd: o.dataStd}
	f.Computes, f.LearnedVariance = models.Computed(o.output), o.variance
	if o.flags.Changed("data-std") && o.dataStd == 0 { // which the process would take for its default
		return cli.Usagef("--data-std is 0: want above 0")
	}
	if o.betas != "" {
		ends, err := numbers(strings.Split(o.betas, ":"))
		if err != nil || len(ends) != 2 {
			return cli.Usagef("--betas is %q: want the first and the last, as 0.1:20", o.betas)
		}
		if f.Process.BetaMin, f.Process.BetaMax = ends[0], ends[1]; ends[0] == 0 && ends[1] == 0 {
			return cli.Usagef("--betas is %q: want two numbers above 0, the smaller first", o.betas)
		}
	}
	var err error
	if f.Takes, err = parseTime(o.time); err != nil {
		return err
	}
	if err := o.readAlphas(f); err != nil {
		return err
	}
	if err := f.Validate(); err != nil {
		return cli.Usagef("%v", err)
	}
	return nil
}

// readAlphas reads the file of products of 1 - beta, if one is given. The network then takes as many steps.
func (o *origin) readAlphas(f *models.Foreign) error {
	switch {
	case o.alphas == "":
		return nil
	case o.betas != "":
		return cli.Usagef("--betas and --alphas-cumprod are both given: want one of them")
	}
	text, err := os.ReadFile(o.alphas)
	if err != nil {
		return fmt.Errorf("read --alphas-cumprod %s: %w", o.alphas, wholefile.Cause(err))
	}
	fields := strings.FieldsFunc(string(text), func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
	if f.Process.Cumulative, err = numbers(fields); err != nil || len(fields) == 0 {
		return fmt.Errorf("read --alphas-cumprod %s: want numbers, one for each step", o.alphas)
	}
	if f.Takes.Kind == "" {
		f.Takes = models.Level{Kind: models.LevelStep, Steps: len(fields)}
	}
	return nil
}

// checkOwn refuses a flag that only some processes have.
func (o *origin) checkOwn(flag string, kinds []models.ProcessKind) error {
	if !o.flags.Changed(flag) {
		return nil
	}
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		if words[i] = string(kind); o.process == words[i] {
			return nil
		}
	}
	return cli.Usagef("--%s is for --process %s, and the process is %s", flag, strings.Join(words, " or "), o.process)
}

// parseTime reads the value of --time.
func parseTime(text string) (level models.Level, err error) {
	kind, rest, more := strings.Cut(text, ":")
	level.Kind = models.LevelKind(kind)
	bad := cli.Usagef("--time is %q: want label, sigma, log_sigma, log_sigma:FACTOR, continuous, continuous:LAST, "+
		"continuous:FIRST:LAST or steps:N", text)
	parts := strings.Split(rest, ":")
	switch {
	case level.Kind == models.LevelStep:
		if level.Steps, err = strconv.Atoi(rest); err != nil {
			return level, bad
		}
		return level, nil
	case !more && (kind == "" || level.Kind == models.LevelLabel || level.Kind == models.LevelSigma ||
		level.Kind == models.LevelLogSigma || level.Kind == models.LevelTime):
		return level, nil
	}
	values, err := numbers(parts)
	switch {
	case err != nil:
	case level.Kind == models.LevelLogSigma && len(values) == 1 && values[0] != 0:
		level.Factor = values[0]
		return level, nil
	case level.Kind == models.LevelTime && len(values) == 1 && values[0] != 0:
		level.Last = values[0]
		return level, nil
	case level.Kind == models.LevelTime && len(values) == 2 && values[0] != values[1]:
		level.First, level.Last = values[0], values[1]
		return level, nil
	}
	return level, bad
}

func numbers(texts []string) ([]float64, error) {
	values, errs := make([]float64, len(texts)), make([]error, len(texts))
	for i, text := range texts {
		values[i], errs[i] = strconv.ParseFloat(text, 64)
	}
	return values, errors.Join(errs...)
}
