// Package about has the commands that are about the program itself: version, man and completion.
package about

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/internal/cli"
)

// VersionCommand returns the command version.
func VersionCommand(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  langevin version --json",
		RunE: func(*cobra.Command, []string) error {
			r := build.Of(p.Version, p.Commit)
			if asJSON {
				return cli.WriteJSON(p.Stdout, r)
			}
			_, err := fmt.Fprintf(p.Stdout, "langevin %s (commit %s, %s, %s), wants ONNX Runtime %s\n",
				r.Version, r.Commit, r.Go, r.Platform, r.ONNXRuntime)
			return err
		},
	}
	cli.JSONFlag(c.Flags(), &asJSON, "")
	return c
}
