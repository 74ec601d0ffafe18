// Package join has the command join, which puts the parts of a sharded job together.
package join

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/parts"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Command returns the command join.
func Command(p *cli.Program) *cobra.Command {
	var out string
	n := cli.NewCount(0, 1)
	c := &cobra.Command{
		Use:   "join FILE... -n ROWS --out FILE",
		Short: "Put the parts of a sharded job together",
		Long: `Join writes the rows of several files, .npy or .csv, into one. The files are the parts of a job that
langevin sample --shard has drawn, and -n is the number of chains of the whole job, as it was there.
Their names differ by one number, by which join orders them, and none may be missing, there twice, or
have more or fewer rows than its part of -n. A file does not say with which seed, model or settings it
was drawn, so give all parts the same command. The line with the names of columns, which parts of a
table begin with, is written once; it must be the same in all. Where no shell does it, join expands
part-*.npy.`,
		Example: `  for k in 0 1 2 3; do langevin sample ring -n 50000 --seed 1 --shard $k/4 --out part-$k.npy; done
  langevin join part-*.npy -n 50000 --out all.npy       the same bytes as one run of all 50000`,
		Args: cli.Arguments(1, cli.AnyNumber),
		RunE: func(_ *cobra.Command, args []string) error { return run(p, args, n.N, out) },
	}
	c.Flags().VarP(&n, "n", "n", "how many rows the job has, all parts together")
	c.Flags().StringVarP(&out, "out", "o", "", "file to write, by its ending: .npy or .csv")
	return c
}

func run(p *cli.Program, paths []string, n int, out string) error {
	write := datafile.WriteNPY
	switch strings.ToLower(filepath.Ext(out)) {
	case ".npy":
	case ".csv":
		write = datafile.WriteCSV
	default:
		return cli.Usagef("--out is %s: want a name that ends in .csv or .npy", phrase.Quoted(out))
	}
	if n == 0 {
		return cli.Usagef("-n is missing: want the rows of the whole job, so that a missing part shows")
	}
	paths, err := parts.Expand(paths)
	if err != nil {
		return err
	}
	if err := checkOut(out, paths); err != nil {
		return err
	}
	file, err := wholefile.Create(out)
	if err != nil {
		return err
	}
	defer file.Discard()
	if strings.EqualFold(filepath.Ext(out), ".csv") {
		text, err := parts.OpenText(paths, n)
		if err != nil {
			return err
		}
		if text != nil {
			return joinText(p, file, text, out)
		}
	}
	all, err := parts.Read(paths, n, p.Stderr)
	if err != nil {
		return err
	}
	if err := file.Commit(func(w io.Writer) error { return write(w, all.Batch) }); err != nil {
		return err
	}
	report(p, out, all.N, len(all.Files))
	return nil
}

// joinText joins parts that have names of columns.
func joinText(p *cli.Program, file *wholefile.Pending, text *parts.Text, out string) error {
	rows := 0
	err := file.Commit(func(w io.Writer) (err error) {
		rows, err = text.Write(w)
		return err
	})
	if err == nil {
		report(p, out, rows, text.Len())
	}
	return err
}

func report(p *cli.Program, out string, rows, files int) {
	fmt.Fprintf(p.Stderr, "langevin: %s: %s of %s\n", out, phrase.Plural(rows, "row"), phrase.Plural(files, "part"))
}

// checkOut returns an error if the file to write is one of those to read.
func checkOut(out string, paths []string) error {
	there, err := os.Stat(out)
	if err != nil {
		return nil // writing it says why
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && os.SameFile(there, info) {
			return cli.Usagef("--out is %s, which is one of the parts: want another file", phrase.Quoted(out))
		}
	}
	return nil
}
