// Package models has the commands below langevin models: they list, load and unload models of a server, and check,
// import and convert model files.
package models

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/models"
)

// Command returns the command models, with its commands below it.
func Command(p *cli.Program) *cobra.Command {
	c := &cobra.Command{
		Use:   "models",
		Short: "List and change the models of a server, and make model files",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(listCommand(p), showCommand(p), loadCommand(p), unloadCommand(p), reloadCommand(p), checkCommand(p),
		newImportCommand(p), newConvertCommand(p), newPushCommand(p), newPullCommand(p))
	return c
}

func listCommand(p *cli.Program) *cobra.Command {
	var o remote.Connection
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the models, those that failed to load included",
		Example: `  langevin models ls
  langevin models ls --local
  langevin models ls --server gpu1:50051 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.Use(c.Context(), p, func(ctx context.Context, client *client.Client) error {
				if err := awaitLoads(ctx, client, o.Local); err != nil {
					return err
				}
				return listModels(ctx, p, client, asJSON)
			})
		},
	}
	o.Register(c.Flags())
	registerModelsJSON(c, &asJSON)
	return c
}

// awaitLoads waits until no model loads if the server is inside this process, where all have just begun to.
func awaitLoads(ctx context.Context, c *client.Client, local bool) error {
	for loading := local; loading; {
		loading = false
		for m, err := range c.Models(ctx) {
			if err != nil {
				return err
			}
			loading = loading || m.State == client.ModelLoading
		}
		if loading {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func listModels(ctx context.Context, p *cli.Program, c *client.Client, asJSON bool) error {
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(t, "NAME\tVERSION\tSTATE\tSHAPE\tLEVELS\tGIVEN\tABOUT")
	}
	for m, err := range c.Models(ctx) {
		if err != nil {
			return err
		}
		if asJSON {
			if err := cli.WriteJSON(p.Stdout, newModelReport(m)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%v\t%d\t%v\t%s\n", m.Name, m.Version, m.State, m.Shape, len(m.Sigmas),
			conditionOf(m), about(m))
	}
	return t.Flush()
}

// conditionOf returns what samples of a model may be given; nil for nothing.
func conditionOf(m client.Model) *models.Condition {
	c := m.Condition
	if c == nil {
		return nil
	}
	return &models.Condition{Classes: c.Classes, Size: c.Size, Names: c.Names, Dropped: c.Dropped}
}

// mostNames is the number of names that are shown. --json has all of them.
const mostNames = 20

// namesText joins the names of a condition.
func namesText(names []string) string {
	if more := len(names) - mostNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNames], ", "), more)
	}
	return strings.Join(names, ", ")
}

// about returns the last column: the description of a model, or what is wrong with it.
func about(m client.Model) string {
	switch {
	case m.Error != "":
		return m.Error
	case m.Default:
		return m.Description + " (default)"
	}
	return m.Description
}

func showCommand(p *cli.Program) *cobra.Command {
	var o remote.Connection
	var asJSON bool
	c := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Show one model in full",
		Example: `  langevin models show ring
  langevin models show ring@1 --local --json`,
		Args: cli.Arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			name, version, err := cli.SplitModel(append(args, "")[0])
			if err != nil {
				return err
			}
			return o.Use(c.Context(), p, func(ctx context.Context, client *client.Client) error {
				if err := awaitLoads(ctx, client, o.Local); err != nil {
					return err
				}
				return showModel(ctx, p, client, name, version, asJSON)
			})
		},
	}
	o.Register(c.Flags())
	cli.JSONFlag(c.Flags(), &asJSON, "")
	return c
}

func showModel(ctx context.Context, p *cli.Program, c *client.Client, name string, version int, asJSON bool) error {
	m, err := c.Model(ctx, name, version)
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(p.Stdout, newModelReport(m))
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	row("name", p.Bold(m.Name))
	row("version", m.Version)
	row("state", m.State)
	if m.Error != "" {
		row("error", m.Error)
	}
	row("about", about(client.Model{Description: m.Description, Default: m.Default}))
	if len(m.Aliases) > 0 {
		row("also called", strings.Join(m.Aliases, ", "))
	}
	row("shape", m.Shape)
	row("values", fmt.Sprintf("%g to %g", m.Low, m.High))
	if n := len(m.Sigmas); n > 0 {
		row("sigmas", fmt.Sprintf("%.4g to %.4g in %s", m.Sigmas[0], m.Sigmas[n-1], phrase.Plural(n, "level")))
	}
	if c := conditionOf(m); c != nil {
		row("given", c)
		if len(c.Names) > 0 {
			row("names", namesText(c.Names))
		}
	}
	for i, c := range m.Table {
		name := "columns"
		if i > 0 {
			name = ""
		}
		row(name, columnText(c))
	}
	if d := m.Detector; d != nil {
		row("detector", fmt.Sprintf("%s, calibrated by %s", phrase.Plural(len(d.Sigmas), "level"),
			phrase.Plural(d.Calibrated, "row")))
	}
	if m.Sampler != nil {
		row("sampler", drawing.SamplerText(m.Sampler))
	}
	row("device", m.Device)
	row("digest", m.Digest)
	if m.Training != "" {
		row("training", m.Training)
	}
	return t.Flush()
}

// modelReport is what the commands below models write for a model with --json.
type modelReport struct {
	Name        string                 `json:"name"`
	Version     int                    `json:"version"`
	State       string                 `json:"state"`
	Error       string                 `json:"error,omitempty"`
	Default     bool                   `json:"default"`
	Description string                 `json:"description,omitempty"`
	Digest      string                 `json:"digest,omitempty"`
	Shape       []int                  `json:"shape"`
	Sigmas      []float64              `json:"sigmas"`
	Low         float64                `json:"low"`
	High        float64                `json:"high"`
	Sampler     *drawing.SamplerReport `json:"sampler,omitempty"`
	Device      string                 `json:"device,omitempty"`
	Training    json.RawMessage        `json:"training,omitempty"`
	Aliases     []string               `json:"aliases,omitempty"`
	Condition   *models.Condition      `json:"condition,omitempty"`
	Columns     []columnReport         `json:"columns,omitempty"`
	Detector    *detectorReport        `json:"detector,omitempty"`
}

// detectorReport is the detector of a model in a modelReport.
type detectorReport struct {
	Sigmas     []float64 `json:"sigmas"`
	Calibrated int       `json:"calibrated"`
	Given      bool      `json:"given,omitempty"`
}

// columnReport is a column of a table in a modelReport.
type columnReport struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Unit     string    `json:"unit,omitempty"`
	Decimals int       `json:"decimals,omitempty"`
	Words    []string  `json:"words,omitempty"`
	Values   []float64 `json:"values,omitempty"`
	Low      float64   `json:"low,omitempty"`
	High     float64   `json:"high,omitempty"`
}

// columnText describes a column in a line: "petal width: number, 0.1 to 2.5 cm".
func columnText(c client.Column) string {
	text := fmt.Sprintf("%s: %s", c.Name, c.Kind)
	var choices []string
	for _, v := range c.Values {
		choices = append(choices, c.Text(float32(v)))
	}
	switch {
	case c.Kind == client.ColumnNumber || c.Kind == client.ColumnInteger:
		text += fmt.Sprintf(", %s to %s", c.Text(float32(c.Low)), c.Text(float32(c.High)))
	case len(c.Words)+len(choices) > 0:
		text += ", " + namesText(append(choices, c.Words...))
	}
	return strings.TrimSpace(text + " " + c.Unit)
}

func newModelReport(m client.Model) modelReport {
	r := modelReport{
		Name: m.Name, Version: m.Version, State: string(m.State), Error: m.Error, Default: m.Default,
		Description: m.Description, Digest: m.Digest, Shape: m.Shape, Sigmas: m.Sigmas, Low: m.Low, High: m.High,
		Sampler: drawing.NewSamplerReport(m.Sampler), Device: m.Device, Aliases: m.Aliases,
		Condition: conditionOf(m),
	}
	for _, c := range m.Table {
		r.Columns = append(r.Columns, columnReport{
			c.Name, string(c.Kind), c.Unit, c.Decimals, c.Words, c.Values, c.Low, c.High,
		})
	}
	if d := m.Detector; d != nil {
		r.Detector = &detectorReport{d.Sigmas, d.Calibrated, d.Given}
	}
	if json.Valid([]byte(m.Training)) {
		r.Training = json.RawMessage(m.Training)
	}
	return r
}
