package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/proposal"
)

// ownFlags has the flags for data that no preset was made for.
type ownFlags struct {
	name         string
	drop         []string
	decimalComma bool
	dryRun       bool
}

func (o *ownFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "name", "", "name of the model (default the preset's, or from the name of the data)")
	flags.StringSliceVar(&o.drop, "drop", nil, "of a table of your own: `COLUMNS` to leave out, as id,date")
	flags.BoolVar(&o.decimalComma, "decimal-comma", false,
		"of a table of your own: a comma in a number is its decimal point")
	flags.BoolVar(&o.dryRun, "dry-run", false,
		"train nothing: write the complete settings as YAML, which --config takes")
}

// check refuses flags for data of one's own without such data.
func (o *ownFlags) check(given func(string) bool) error {
	for _, name := range []string{"drop", "decimal-comma"} {
		if given(name) {
			return cli.Usagef("--%s is for a table of your own: want a file in place of a preset", name)
		}
	}
	return nil
}

// isData reports whether the argument of train is a file or a folder, and not the name of a preset. A preset's name
// always is the preset.
func isData(p *cli.Program, arg string) (bool, error) {
	_, err := os.Stat(arg)
	if err != nil {
		if file, _, ok := strings.Cut(arg, ".npz:"); ok {
			_, err = os.Stat(file + ".npz")
		}
	}
	switch preset := slices.Contains(training.Presets(), arg); {
	case preset && err == nil:
		fmt.Fprintf(p.Stderr, "langevin: %s is a preset; ./%s is the file or folder\n", arg, arg)
		return false, nil
	case preset:
		return false, nil
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, cli.Usagef("%s is neither a file or folder of data nor a preset, one of %s", arg,
			strings.Join(training.Presets(), ", "))
	}
	return false, err
}

// propose looks at data and says what it found and what it chose.
func (o *command) propose(ctx context.Context, p *cli.Program, path string) (training.Config, error) {
	b := p.NewBar("reading " + filepath.Base(path))
	made, err := proposal.New(ctx, proposal.Request{
		Path: path, Name: o.own.name, Drop: o.own.drop, DecimalComma: o.own.decimalComma,
		Reader: trainrun.Reading(p, b),
	})
	b.Close(false, "")
	if err != nil {
		return training.Config{}, err
	}
	for _, line := range made.Found {
		fmt.Fprintf(p.Stderr, "%s\n", line)
	}
	for _, line := range made.Chosen {
		fmt.Fprintf(p.Stderr, "  %s\n", line)
	}
	return made.Config, nil
}

// writeSettings writes a configuration as a file of settings.
func writeSettings(p *cli.Program, c training.Config) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the settings of %s: %w", c.Name, err)
	}
	_, err = p.Stdout.Write(text)
	return err
}

// reportQuality measures a table's samples and prints how good they are.
func reportQuality(ctx context.Context, p *cli.Program, result *training.Result, library string, o *command) error {
	q, err := measureTable(ctx, result, library, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "\n%s against %s that the training did not use; expected: of the rows that it used\n\n",
		phrase.Plural(q.samples, "sample"), phrase.Plural(q.test, "row"))
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  MEASURE\tVALUE\tEXPECTED\tWHAT IT MEANS")
	for _, m := range q.metrics {
		fmt.Fprintf(t, "  %s\t%.4g\t%.4g\t%s\n", m.Name, m.Value, m.Expected, m.Meaning)
	}
	return t.Flush()
}
