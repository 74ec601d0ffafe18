// Package doctor has the command doctor, which checks that this machine can serve.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server"
)

// Report is what doctor --json writes.
type Report struct {
	OK       bool        `json:"ok"`
	Version  build.Info  `json:"version"`
	Settings []string    `json:"settings"` // that are not the defaults, with where they come from
	Checks   []ort.Check `json:"checks"`
}

func (r *Report) add(c ort.Check) {
	r.Checks = append(r.Checks, c)
	r.OK = r.OK && c.OK
}

func Command(p *cli.Program) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check that this machine can serve: library, device, models, and a timed self-test",
		Long: `Doctor looks for all that serving needs, with the settings that serve would take from its file, the
environment and these flags. It says what was found, and of what is missing how to get it. A GPU is
tried in a process of its own.

It ends with 1 if anything is wrong.`,
		Example: `  langevin doctor
  langevin doctor --device cuda
  langevin doctor --models-dir out/models --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := server.Load(c.Flags(), remote.ConfigFile(file))
			if err != nil {
				return err
			}
			r := diagnose(c.Context(), config)
			r.Version = build.Of(p.Version)
			r.Settings = settingSources(c, remote.ConfigFile(file))
			return printDiagnosis(p, r, asJSON)
		},
	}
	c.Flags().StringVar(&file, "config", "", "YAML file of settings (default $"+server.EnvConfig+", else none)")
	remote.RegisterLocal(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return c
}

// diagnose checks, in the order in which serving needs them, the library, the device, the models and a run of the default
// model.
func diagnose(ctx context.Context, config server.Config) *Report {
	r := &Report{OK: true}
	engine, path := checkLibrary(r, config.ONNXRuntime.Library)
	if engine == nil {
		return r
	}
	device, ok := checkDevice(ctx, r, config.Device, path)
	repository, err := models.NewRepository(models.Zoo(), config.Models.Dir)
	if err != nil {
		r.add(ort.Check{Name: "models", Detail: err.Error(), Fix: "give --models-dir a folder that can be read"})
		return r
	}
	defer repository.Close()
	checkModels(r, repository)
	if ok {
		selfTest(ctx, r, engine, device, repository, config.Models.Default)
	}
	return r
}

func checkLibrary(r *Report, explicit string) (engine *ort.Runtime, path string) {
	path, searched, err := ort.FindLibrary(explicit)
	if err != nil {
		r.add(ort.Check{Name: "library", Detail: err.Error(), Fix: "run \"make onnxruntime\""})
		return nil, ""
	}
	if engine, err = ort.Open(path); err != nil {
		r.add(ort.Check{Name: "library", Detail: err.Error(), Fix: "run \"make onnxruntime\""})
		return nil, ""
	}
	r.add(ort.Check{Name: "library", OK: true, Detail: fmt.Sprintf("%s, found after looking in %s", path, phrase.Plural(len(searched), "place"))})
	version := ort.Check{Name: "version", OK: true, Detail: fmt.Sprintf("%s, tested with %s", engine.Version(), ort.Version)}
	if engine.Version() != ort.Version {
		version.Fix = "results may differ in their last bits from those of " + ort.Version
	}
	r.add(version)
	r.add(ort.Check{Name: "providers", OK: true, Detail: strings.Join(engine.Providers(), ", ")})
	return engine, path
}

// checkDevice returns the device to test. Of auto a missing GPU is no fault.
func checkDevice(ctx context.Context, r *Report, setting, library string) (string, bool) {
	device, err := ort.FindDevice(ctx, library, setting)
	if device.Fallback != nil {
		r.add(ort.Check{Name: "device", OK: true, Detail: fmt.Sprintf("auto takes the CPU: %v", device.Fallback)})
		return device.String(), true
	}
	for _, c := range device.Checks {
		r.add(c)
	}
	if err != nil {
		if n := len(device.Checks); n == 0 || device.Checks[n-1].OK {
			r.add(ort.Check{Name: "device", Detail: err.Error()})
		}
		return "", false
	}
	r.add(ort.Check{Name: "device", OK: true, Detail: device.String()})
	return device.String(), true
}

func checkModels(r *Report, repository *models.Repository) {
	entries, problems := repository.List()
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s@%d", e.Name, e.Version))
	}
	for _, p := range problems {
		r.add(ort.Check{Name: "model " + p.Path, Detail: p.Err.Error(), Fix: "remove it, or put a sound file in its place"})
	}
	r.add(ort.Check{Name: "models", OK: len(entries) > 0, Detail: strings.Join(names, ", ")})
}

// selfTestRows are the numbers of chains that the self-test times.
func selfTestRows() []int { return []int{1, 16, 256} }

// selfTest loads a model and times its network.
func selfTest(ctx context.Context, r *Report, engine *ort.Runtime, device string, repository *models.Repository, name string) {
	const check = "self-test"
	file, err := repository.Open(name, 0)
	if err != nil {
		r.add(ort.Check{Name: check, Detail: err.Error(), Fix: "name a default model that is there with models.default"})
		return
	}
	start := time.Now()
	session, err := engine.Load(ctx, file.Graph, file.Manifest, ort.Options{Device: device})
	if err != nil {
		r.add(ort.Check{Name: check, Detail: err.Error()})
		return
	}
	text := fmt.Sprintf("%s loads in %s on %s", file.Name, time.Since(start).Round(100*time.Microsecond), device)
	for _, rows := range selfTestRows() {
		took, err := timeScore(ctx, session, file.Manifest, rows)
		if err != nil {
			r.add(ort.Check{Name: check, Detail: err.Error()})
			return
		}
		text += fmt.Sprintf("; %s: %s a step", phrase.Plural(rows, "chain"), took.Round(100*time.Nanosecond))
	}
	if err := session.Close(); err != nil {
		r.add(ort.Check{Name: check, Detail: err.Error()})
		return
	}
	r.add(ort.Check{Name: check, OK: true, Detail: text})
}

// timeScore is the fastest of a few evaluations of so many rows.
func timeScore(ctx context.Context, session *ort.Session, m models.Manifest, rows int) (time.Duration, error) {
	x, score, sigma := make([]float32, rows*m.Dim()), make([]float32, rows*m.Dim()), slices.Repeat([]float32{float32(m.Sigmas[0])}, rows)
	fastest := time.Hour
	for range 5 {
		start := time.Now()
		if err := session.Score(ctx, score, x, sigma); err != nil {
			return 0, err
		}
		fastest = min(fastest, time.Since(start))
	}
	return fastest, nil
}

// settingSources says which settings are not the defaults and where they were set.
func settingSources(c *cobra.Command, file string) []string {
	var sources []string
	if file != "" {
		sources = append(sources, "file "+file)
	}
	for _, v := range server.Variables() {
		if os.Getenv(v.Name) != "" && v.Setting != "" {
			sources = append(sources, "environment "+v.Name)
		}
	}
	for _, name := range remote.LocalSettings() {
		if c.Flags().Changed(name) {
			sources = append(sources, "flag --"+name)
		}
	}
	return sources
}

// errCannotServe is the error of a doctor that found something.
func errCannotServe() error { return errors.New("this machine cannot serve as it is: see what failed") }

func printDiagnosis(p *cli.Program, r *Report, asJSON bool) error {
	if asJSON {
		if err := cli.WriteJSON(p.Stdout, r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.Stdout, "langevin %s (%s, %s)\nsettings: %s\n\n", r.Version.Version, r.Version.Go, r.Version.Platform, orNone(strings.Join(r.Settings, ", ")))
		for _, c := range r.Checks {
			mark := "ok  "
			if !c.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(p.Stdout, "%s  %s: %s\n", mark, p.Bold(c.Name), strings.Join(strings.Fields(c.Detail), " "))
			if c.Fix != "" {
				fmt.Fprintf(p.Stdout, "      %s\n", c.Fix)
			}
		}
	}
	if !r.OK {
		return errCannotServe()
	}
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "the defaults"
	}
	return text
}
