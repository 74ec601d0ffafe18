package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagGroup is flags that help shows under one title, in the order they were made.
type FlagGroup struct {
	title string
	Flags *pflag.FlagSet
}

func NewFlagGroup(title string) FlagGroup {
	g := FlagGroup{title, pflag.NewFlagSet(title, pflag.ContinueOnError)}
	g.Flags.SortFlags = false
	return g
}

// GroupFlags gives a command the flags of all groups and a help that keeps them apart.
func GroupFlags(c *cobra.Command, groups ...FlagGroup) {
	for _, g := range groups {
		c.Flags().AddFlagSet(g.Flags)
	}
	c.SetUsageFunc(func(c *cobra.Command) error {
		out := c.OutOrStderr()
		fmt.Fprintf(out, "Usage:\n  %s\n\nExamples:\n%s\n", c.UseLine(), c.Example)
		for _, g := range groups {
			fmt.Fprintf(out, "\n%s:\n%s", g.title, g.Flags.FlagUsages())
		}
		return nil
	})
}
