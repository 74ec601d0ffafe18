package models

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/remote"
)

// adminCommand completes a command that changes the models of a running server.
func adminCommand(
	p *cli.Program, c *cobra.Command, work func(ctx context.Context, c *client.Client, args []string) error,
) *cobra.Command {
	var o remote.Connection
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.Local {
			return cli.Usagef("--local: a server that ends with the command has nothing to change")
		}
		return o.Use(c.Context(), p, func(ctx context.Context, client *client.Client) error {
			return work(ctx, client, args)
		})
	}
	o.Register(c.Flags())
	return c
}

func registerModelsJSON(c *cobra.Command, asJSON *bool) {
	cli.JSONFlag(c.Flags(), asJSON, " for each model, one a line")
}

func loadCommand(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := adminCommand(p, &cobra.Command{
		Use:   "load NAME[@VERSION]",
		Short: "Make a server load a model of its folder: new, changed or unloaded before",
		Example: `  langevin models load ring
  langevin models load ring@2 --server localhost:9090`,
		Args: cli.Arguments(1, 1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		name, version, err := cli.SplitModel(args[0])
		if err != nil {
			return err
		}
		loaded, err := c.LoadModel(ctx, name, version)
		if err != nil {
			return err
		}
		return printModels(p, loaded, asJSON)
	})
	registerModelsJSON(c, &asJSON)
	return c
}

func unloadCommand(p *cli.Program) *cobra.Command {
	return adminCommand(p, &cobra.Command{
		Use:     "unload NAME[@VERSION]",
		Short:   "Make a server stop serving a model; running calls finish",
		Example: "  langevin models unload ring@1",
		Args:    cli.Arguments(1, 1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		name, version, err := cli.SplitModel(args[0])
		if err != nil {
			return err
		}
		return c.UnloadModel(ctx, name, version)
	})
}

func reloadCommand(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := adminCommand(p, &cobra.Command{
		Use:   "reload",
		Short: "Make a server read its models' folder again, as SIGHUP does",
		Example: `  langevin models reload
  kill -HUP $(pidof langevin)                       the same`,
	}, func(ctx context.Context, c *client.Client, _ []string) error {
		all, failures, err := c.ReloadModels(ctx)
		if err != nil {
			return err
		}
		if err := printModels(p, all, asJSON); err != nil {
			return err
		}
		for _, f := range failures {
			fmt.Fprintf(p.Stderr, "langevin: %s: %s\n", f.Name, f.Error)
		}
		if len(failures) > 0 {
			return fmt.Errorf("%s: what was loaded before stays in service",
				phrase.Plural(len(failures), "failure"))
		}
		return nil
	})
	registerModelsJSON(c, &asJSON)
	return c
}

// printModels writes a line for each model, or its JSON as models ls does.
func printModels(p *cli.Program, all []client.Model, asJSON bool) error {
	for _, m := range all {
		if asJSON {
			if err := cli.WriteJSON(p.Stdout, newModelReport(m)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.Stdout, "%s@%d %s %s\n", m.Name, m.Version, m.State, about(m))
	}
	return nil
}
