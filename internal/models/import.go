package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// importCommand has the flags of langevin models import.
type importCommand struct {
	proving
	origin
	foreign   models.Foreign
	given     models.Condition
	manifest  models.Manifest
	sigmas    string
	values    string
	sampler   string
	reverse   models.ReverseSDE
	out       string
	version   int
	json      bool
	overwrite bool
}

func newImportCommand(p *cli.Program) *cobra.Command {
	o := &importCommand{}
	c := &cobra.Command{
		Use:   "import FILE.onnx --name NAME",
		Short: "Make a model of a network that another program exported",
		Long: `Import takes a network that PyTorch or another program wrote as ONNX, with two inputs, samples and
noise level, and one output. It writes a copy that can be served: with the manifest that serving
needs, with the names x, sigma and score, and with the weights that the original has in files next
to the graph, which a server does not read. Import finds out which input is which from types, shapes
and names; where these leave it open, use --input-x and --input-level.

The flags --process, --time and --output describe networks of DDPM, Score SDE, EDM, rectified flow
and their like. Import then adds what makes the network's input, time and output of x and sigma. A
network that takes the index of a level or of a step gets the one with the nearest sigma; one in
float64 gets casts. --classes or --condition-vector says that there is a third input, a condition.

Before it writes the copy, import runs it as a server does: rows must not depend on each other, and
the score must be finite at all sigmas. See docs/import.md for how to export.`,
		Example: `  langevin models import ncsn.onnx --name mnist --sigmas 1:0.01:10 --range 0,1 --step-lr 2e-5
  langevin models import ve.onnx --name cifar --sigmas 50:0.01:232 --output noise --shape 3,32,32
  langevin models import digits.onnx --name digits --sigmas 50:0.01:90 --classes 10 --condition-dropped
  langevin models import ddpm.onnx --name cifar --process vp --betas 0.0001:0.02 --time steps:1000 --range=-1,1
  langevin models import flow.onnx --name cifar --process flow --time continuous:1000 --range=-1,1`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return importModel(c.Context(), p, o, args[0]) },
	}
	f, m := c.Flags(), &o.manifest
	f.StringVar(&m.Name, "name", "", "name to serve it under (required)")
	f.StringVar(&m.Description, "description", "", "one line about it")
	f.IntVar(&o.version, "version", 1, "version to write it as")
	f.StringVar(&o.sigmas, "sigmas", "", "noise schedule: first:last:levels in geometric steps, or a list, largest "+
		"first (default for ve the graph's tensor called sigmas, or the list that its labels select from; for others "+
		"the noise of the process, at most 160 to 0.002)")
	o.origin.register(f)
	f.StringVar(&o.foreign.X, "input-x", "", "name of the input for samples (default by types, shapes and names)")
	f.StringVar(&o.foreign.Level, "input-level", "", "name of the input for the noise level (default the other one)")
	f.IntVar(&o.given.Classes, "classes", 0, "number of classes that a third input selects from")
	f.StringSliceVar(&o.given.Names, "class-names", nil, "names of the classes, in order (or of the vector's numbers)")
	f.IntVar(&o.given.Size, "condition-vector", 0, "size of the vector that a third input takes")
	f.BoolVar(&o.given.Dropped, "condition-dropped", false,
		"the network was also trained without the condition: its class is then --classes, or its vector zeros")
	f.StringVar(&o.foreign.Given, "input-condition", "",
		"name of the input for the condition (default by types, shapes and names)")
	f.StringVar(&o.foreign.Output, "output-name", "", "name of the output (default the only one)")
	f.IntSliceVar(&m.Shape, "shape", nil, "shape of one sample, where the input leaves it open")
	f.StringVar(&o.values, "range", "0,1", "smallest and largest value of the data")
	o.samplers(f)
	f.StringVarP(&o.out, "out", "o", "out/models", "folder of models to write it to, as NAME/VERSION/model.onnx")
	o.proving.register(f)
	overwriteFlag(f, &o.overwrite)
	cli.JSONFlag(f, &o.json, "")
	return c
}

// samplers adds the flags of the default sampler. Every model has the settings of annealed Langevin dynamics, because
// requests can ask for it.
func (o *importCommand) samplers(f *pflag.FlagSet) {
	s, own := &o.manifest.Sampler, models.DefaultReverseSDE()
	f.StringVar(&o.sampler, "sampler", "annealed",
		"default sampler: annealed, for annealed Langevin dynamics, or sde, for the reverse SDE")
	f.IntVar(&s.StepsPerLevel, "steps-per-level", 5, "steps of annealed at each level")
	f.Float64Var(&s.StepLR, "step-lr", 1e-5, "step size of annealed at the last level, epsilon of "+
		"x + a s + sqrt(2a) z; for processes other than ve the best for the schedule if not given")
	f.BoolVar(&s.Denoise, "denoise", true, "end annealed with a noise-free step")
	f.BoolVar(&s.Consistent, "consistent", false, "give each step of annealed the noise that its level asks for")
	f.IntVar(&o.reverse.Steps, "sde-steps", own.Steps, "evaluations of sde")
	f.Float64Var(&o.reverse.Eta, "eta", own.Eta, "how much noise sde replaces: 0 for none, 1 as in ancestral sampling")
}

// setSampler sets the default sampler.
func (o *importCommand) setSampler(s *models.Sampler) error {
	switch o.sampler {
	case "annealed":
		s.Kind = models.SamplerAnnealedLangevin
		for _, name := range []string{"sde-steps", "eta"} {
			if o.flags.Changed(name) {
				return cli.Usagef("--%s is for the reverse SDE: want --sampler sde with it", name)
			}
		}
		return nil
	case "sde":
		s.Kind, s.ReverseSDE = models.SamplerReverseSDE, &o.reverse
		return nil
	}
	return cli.Usagef("--sampler is %q: want annealed or sde", o.sampler)
}

// ImportReport is what models import --json writes.
type ImportReport struct {
	Path     string   `json:"path"`
	Name     string   `json:"name"`
	Version  int      `json:"version"`
	Digest   string   `json:"digest"`
	Shape    []int    `json:"shape"`
	Levels   int      `json:"levels"`
	Scale    float64  `json:"score_scale"` // of the score of pure noise, in units of 1/sigma: about 1
	Warnings []string `json:"warnings,omitempty"`

	Condition *models.Condition `json:"condition,omitempty"`
}

func importModel(ctx context.Context, p *cli.Program, o *importCommand, path string) error {
	if o.manifest.Name == "" {
		return cli.Usagef("import needs --name, the name to serve the model under")
	}
	if o.version < 1 || o.version > models.MaxVersion {
		return cli.Usagef("--version is %d: want 1 to %d", o.version, models.MaxVersion)
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := o.origin.read(&o.foreign); err != nil {
		return err
	}
	data, err := o.rules.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	model, err := models.Parse(data)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	o.foreign.Rules = o.rules
	if err := inlineBeside(path, model); err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	var warnings []string
	o.foreign.Warn = func(text string) { warnings = append(warnings, text) }
	manifest, err := o.complete(model)
	if errors.Is(err, models.ErrInvalid) {
		return fmt.Errorf("import %s: %w", path, err)
	}
	if err != nil {
		return err
	}
	if manifest, err = models.Adopt(model, o.foreign, manifest); err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	file, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	target := filepath.Join(o.out, manifest.Name, strconv.Itoa(o.version), models.FileName)
	if err := checkFree(target, o.overwrite, "another --version or --name"); err != nil {
		return err
	}
	scale, err := o.scoreScale(ctx, file, manifest)
	if err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	report := ImportReport{
		Path: target, Name: manifest.Name,
		Version: o.version,
		Digest:  digestOf(file), Shape: manifest.Shape, Levels: len(manifest.Sigmas), Scale: scale,
		Warnings: append(warnings, scaleWarnings(scale, manifest)...), Condition: manifest.Condition,
	}
	if err := writeModel(report.Path, file); err != nil {
		return err
	}
	return printImport(p, report, o.json)
}

// inlineBeside puts the weights from files in the folder of a model's file into the model.
func inlineBeside(path string, model *protos.ModelProto) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return wholefile.Cause(err)
	}
	defer folder.Close()
	_, err = models.Inline(model, folder)
	return err
}

// complete returns the manifest that the flags and the graph describe.
func (o *importCommand) complete(model *protos.ModelProto) (models.Manifest, error) {
	m := o.manifest
	if err := o.setSampler(&m.Sampler); err != nil {
		return m, err
	}
	m.Format = models.Format
	m.Parameterization = models.ParameterizationScore
	if o.given.Classes != 0 || o.given.Size != 0 {
		m.Format, m.Condition = models.FormatCondition, &o.given
		if err := o.given.ValidateAs("--classes", "--condition-vector", "--class-names"); err != nil {
			return m, cli.Usagef("%v", err)
		}
	} else if o.given.Dropped || len(o.given.Names) > 0 || o.foreign.Given != "" {
		return m, cli.Usagef("--condition-dropped, --class-names and --input-condition are for networks with a " +
			"condition: want --classes or --condition-vector with them")
	}
	low, high, found := strings.Cut(o.values, ",")
	var errs [2]error
	m.Range.Low, errs[0] = strconv.ParseFloat(low, 64)
	m.Range.High, errs[1] = strconv.ParseFloat(high, 64)
	if !found || errors.Join(errs[:]...) != nil {
		return m, cli.Usagef("--range is %q: want two numbers, as 0,1", o.values)
	}
	var err error
	if m.Sigmas, err = parseSigmas(o.sigmas); err != nil {
		return m, err
	}
	if o.foreign.Process.Kind != models.ProcessVE {
		return o.leaveOpen(m)
	}
	if m.Sigmas == nil {
		if m.Sigmas, err = o.foreign.FindSigmas(model, m.Condition); err != nil {
			return m, err
		}
		if m.Sigmas == nil {
			return m, cli.Usagef("the graph has no noise schedule, a tensor called sigmas of positive numbers, " +
				"largest first: " +
				"give the training's with --sigmas, as 50:0.01:232 or 10,1,0.1")
		}
	}
	m.Prior = sampling.Prior{Kind: sampling.PriorNormal, Std: m.Sigmas[0]}
	return m, checkFloat32(m)
}

// leaveOpen leaves to the process what no flag says.
func (o *importCommand) leaveOpen(m models.Manifest) (models.Manifest, error) {
	if !o.flags.Changed("step-lr") {
		m.Sampler.StepLR = 0
	} else if m.Sampler.StepLR == 0 {
		return m, cli.Usagef("--step-lr is 0: want above 0")
	}
	if m.Sigmas == nil {
		return m, nil
	}
	return m, checkFloat32(m)
}

// checkFloat32 refuses a noise schedule and a step size that no chain could take, since the numbers of its updates have
// no float32.
func checkFloat32(m models.Manifest) error {
	const least, most = 0x1p-126, math.MaxFloat32 // the least normal number
	first, last := m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1]
	if first > most || last < least {
		return cli.Usagef("--sigmas goes from %g to %g: want %.2g to %.2g, which float32 can hold", first, last, most,
			least)
	}
	step, grows := m.Sampler.StepLR, first/last*(first/last)
	if step > 0 && (step < least || step*grows > most) {
		return cli.Usagef("--step-lr is %g: want %.2g to %.2g, so that the steps at all levels fit float32", step,
			least, most/grows)
	}
	return nil
}

// parseSigmas reads first:last:levels or a list. It returns nil for an empty text.
func parseSigmas(text string) ([]float64, error) {
	parts := strings.Split(text, ":")
	switch {
	case text == "":
		return nil, nil
	case len(parts) == 1:
		var list cli.SigmasValue
		if err := list.Set(text); err != nil {
			return nil, cli.Usagef("--sigmas is %q: %v", text, err)
		}
		return list, nil
	case len(parts) == 3:
		first, err1 := strconv.ParseFloat(parts[0], 64)
		last, err2 := strconv.ParseFloat(parts[1], 64)
		levels, err3 := strconv.Atoi(parts[2])
		if levels > models.MaxLevels {
			return nil, cli.Usagef("--sigmas is %q: want at most %d levels", text, models.MaxLevels)
		}
		schedule, err := sampling.Geometric(first, last, levels)
		if err := errors.Join(err1, err2, err3, err); err == nil {
			return schedule.Sigmas(), nil
		}
	}
	return nil, cli.Usagef("--sigmas is %q: want first:last:levels, as 50:0.01:232, or a list, largest first", text)
}

// scaleWarnings warns if the score of noise z is far from -z/sigma. The usual cause is that the network computes
// something else.
func scaleWarnings(scale float64, m models.Manifest) []string {
	const far = 5.0
	sigma := m.Sigmas[0]
	switch {
	case scale > 1/far && scale < far:
		return nil
	case m.Parameterization == models.ParameterizationScore && scale/sigma > 1/far && scale/sigma < far:
		return []string{fmt.Sprintf("the score of pure noise is %.3g/sigma and should be about 1/sigma: the network "+
			"seems to compute noise, so try --output noise", scale)}
	}
	return []string{fmt.Sprintf("the score of pure noise is %.3g/sigma and should be about 1/sigma: look at "+
		"--process, --output, --sigmas and --time", scale)}
}

func printImport(p *cli.Program, r ImportReport, asJSON bool) error {
	for _, warning := range r.Warnings {
		fmt.Fprintf(p.Stderr, "langevin: warning: %s\n", warning)
	}
	if asJSON {
		return cli.WriteJSON(p.Stdout, r)
	}
	given := ""
	if r.Condition != nil {
		given = fmt.Sprintf(" given %v", r.Condition)
	}
	_, err := fmt.Fprintf(p.Stdout, "%s: %s, samples of %v%s, %s, score of noise %.3g/sigma\n",
		p.Bold(fmt.Sprintf("%s@%d", r.Name, r.Version)), r.Path, r.Shape, given, phrase.Plural(r.Levels, "level"),
		r.Scale)
	return err
}
