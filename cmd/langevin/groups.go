package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroup is flags that help shows under one title, in the order they were made.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

func newFlagGroup(title string) flagGroup {
	g := flagGroup{title, pflag.NewFlagSet(title, pflag.ContinueOnError)}
	g.flags.SortFlags = false
	return g
}

// groupFlags gives a command the flags of all groups and a help that keeps them apart.
func groupFlags(c *cobra.Command, groups ...flagGroup) {
	for _, g := range groups {
		c.Flags().AddFlagSet(g.flags)
	}
	c.SetUsageFunc(func(c *cobra.Command) error {
		out := c.OutOrStderr()
		fmt.Fprintf(out, "Usage:\n  %s\n\nExamples:\n%s\n", c.UseLine(), c.Example)
		for _, g := range groups {
			fmt.Fprintf(out, "\n%s:\n%s", g.title, g.flags.FlagUsages())
		}
		return nil
	})
}

// sortCommands puts commands under titles in the help of root. A command that none names stands at the end.
func sortCommands(root *cobra.Command) {
	for _, group := range []struct {
		title    string
		commands []string
	}{
		{"Draw", []string{"demo", "sample", "score", "encode", "decode", "likelihood", "eval", "reproduce"}},
		{"Serve", []string{"serve", "models", "token", "doctor", "bench"}},
		{"Train", []string{"train", "schedule"}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, c := range root.Commands() {
			if slices.Contains(group.commands, c.Name()) {
				c.GroupID = group.title
			}
		}
	}
}
