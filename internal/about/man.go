package about

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/internal/cli"
)

// ManCommand returns the command man.
func ManCommand(p *cli.Program) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man --out DIR",
		Short: "Write a manual page for every command",
		Long: `Man writes langevin.1 and a page for each command, as langevin-sample.1, into a folder, which it makes.
SOURCE_DATE_EPOCH, if it is set, is their date.`,
		Example: `  langevin man --out ~/.local/share/man/man1
  man langevin-sample`,
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				return cli.Usagef("--out is empty: want a folder")
			}
			if err := writeManual(c.Root(), dir, p.Version); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "out", "", "`DIR` to write the pages to")
	return c
}

// writeManual writes a page for root and each command below it into a folder.
func writeManual(root *cobra.Command, dir, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // or each page would say what wrote it, and when
	source := "langevin " + build.Of(version, "").Version
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: source, Manual: "Langevin"}, dir)
}
