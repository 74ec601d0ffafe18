package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagGroup is a set of flags that help shows under one title, in the order in which they were added.
type FlagGroup struct {
	title string
	Flags *pflag.FlagSet
}

// NewFlagGroup returns a group without flags.
func NewFlagGroup(title string) FlagGroup {
	g := FlagGroup{title, pflag.NewFlagSet(title, pflag.ContinueOnError)}
	g.Flags.SortFlags = false
	return g
}

// GroupFlags adds the flags of all groups to a command, and has its help show them by group.
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
