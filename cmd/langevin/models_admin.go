package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
)

// adminCommand makes a command that changes what a running server has.
func (p *program) adminCommand(c *cobra.Command, work func(ctx context.Context, c *client.Client, args []string) error) *cobra.Command {
	var o connection
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.local {
			return usagef("--local: a server that ends with the command has nothing to change")
		}
		return p.use(c.Context(), o, func(ctx context.Context, client *client.Client) error { return work(ctx, client, args) })
	}
	o.register(c.Flags())
	return c
}

func registerModelsJSON(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "write a JSON object for each model, one a line")
}

func (p *program) modelsLoadCommand() *cobra.Command {
	var asJSON bool
	c := p.adminCommand(&cobra.Command{
		Use:   "load NAME[@VERSION]",
		Short: "Make a server load a model of its folder: new, changed or unloaded before",
		Example: `  langevin models load ring
  langevin models load ring@2 --server localhost:9090`,
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		name, version, err := splitModel(args[0])
		if err != nil {
			return err
		}
		loaded, err := c.LoadModel(ctx, name, version)
		if err != nil {
			return err
		}
		return p.printModels(loaded, asJSON)
	})
	registerModelsJSON(c, &asJSON)
	return c
}

func (p *program) modelsUnloadCommand() *cobra.Command {
	return p.adminCommand(&cobra.Command{
		Use:     "unload NAME[@VERSION]",
		Short:   "Take a model out of a server's service; calls that run finish",
		Example: "  langevin models unload ring@1",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		name, version, err := splitModel(args[0])
		if err != nil {
			return err
		}
		return c.UnloadModel(ctx, name, version)
	})
}

func (p *program) modelsReloadCommand() *cobra.Command {
	var asJSON bool
	c := p.adminCommand(&cobra.Command{
		Use:   "reload",
		Short: "Make a server look at its models' folder again, as SIGHUP does",
		Example: `  langevin models reload
  kill -HUP $(pidof langevin)                       the same`,
		Args: cobra.NoArgs,
	}, func(ctx context.Context, c *client.Client, _ []string) error {
		all, failures, err := c.ReloadModels(ctx)
		if err != nil {
			return err
		}
		if err := p.printModels(all, asJSON); err != nil {
			return err
		}
		for _, f := range failures {
			fmt.Fprintf(p.stderr, "langevin: %s: %s\n", f.Name, f.Error)
		}
		if len(failures) > 0 {
			return fmt.Errorf("%s could not be loaded: what was loaded before stays in service", plural(len(failures), "model"))
		}
		return nil
	})
	registerModelsJSON(c, &asJSON)
	return c
}

// printModels writes models as models ls does.
func (p *program) printModels(all []client.Model, asJSON bool) error {
	for _, m := range all {
		if asJSON {
			if err := writeJSON(p.stdout, newModelReport(m)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.stdout, "%s@%d %s %s\n", m.Name, m.Version, m.State, about(m))
	}
	return nil
}
