// Package doctor has the command doctor, which checks that this machine can serve.
package doctor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server"
)

// Report is what doctor --json writes.
type Report struct {
	OK       bool        `json:"ok"`
	Version  build.Info  `json:"version"`
	Settings []string    `json:"settings"` // where settings come from that are not the defaults
	Checks   []ort.Check `json:"checks"`
}

// Command returns the command doctor.
func Command(p *cli.Program) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check that this machine can serve: library, device, models, and a timed self-test",
		Long: `Doctor checks everything that serving needs, with the settings that serve would take from its file,
the environment and these flags. It says what it found, and how to get what is missing. It tries a
GPU in a separate process.

The exit code is 1 if anything is wrong.`,
		Example: `  langevin doctor
  langevin doctor --device cuda
  langevin doctor --models-dir out/models --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := remote.LoadConfig(c.Flags(), file)
			if err != nil {
				return err
			}
			r := &Report{
				Version: build.Of(p.Version, p.Commit), Settings: settingSources(c, remote.ConfigFile(file)),
				Checks: server.Diagnose(c.Context(), config),
			}
			r.OK = !slices.ContainsFunc(r.Checks, func(c ort.Check) bool { return !c.OK })
			return printDiagnosis(p, r, asJSON)
		},
	}
	c.Flags().StringVar(&file, "config", "", "YAML file of settings (default $"+server.EnvConfig+", else none)")
	remote.RegisterLocal(c.Flags())
	cli.JSONFlag(c.Flags(), &asJSON, "")
	return c
}

// settingSources returns where settings come from that are not the defaults.
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

// errCannotServe is the error of the command if a check failed.
func errCannotServe() error { return errors.New("this machine cannot serve as it is: see what failed") }

func printDiagnosis(p *cli.Program, r *Report, asJSON bool) error {
	if asJSON {
		if err := cli.WriteJSON(p.Stdout, r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.Stdout, "langevin %s (%s, %s)\nsettings: %s\n\n", r.Version.Version, r.Version.Go,
			r.Version.Platform, orNone(strings.Join(r.Settings, ", ")))
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
