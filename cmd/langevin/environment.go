package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/server"
)

// environmentHelp is what the help of the program says about environment variables.
func environmentHelp() string {
	var text strings.Builder
	text.WriteString("Environment:\n")
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, v := range server.Variables() {
		if v.Setting == "" {
			fmt.Fprintf(t, "  %s\t%s\n", v.Name, v.Help)
		}
	}
	t.Flush() // to memory, which never fails
	text.WriteString("and one for every setting of a server: see langevin serve --help.")
	return text.String()
}
