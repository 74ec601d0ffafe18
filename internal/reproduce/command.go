// Package reproduce has the command reproduce, which repeats the experiments of the papers.
package reproduce

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/paper"
)

// command has the flags of langevin reproduce.
type command struct {
	folder    string
	full      bool
	chains    cli.CountValue
	seed      uint64
	library   string
	modelsDir string
	dataDir   string
	cifarDir  string
	trainrun.DeviceFlags
}

// Command returns the command reproduce.
func Command(p *cli.Program) *cobra.Command {
	o := &command{chains: cli.NewCount(0, 100).AtMost(10_000_000)}
	c := &cobra.Command{
		Use:   "reproduce",
		Short: "Repeat the papers' experiments and write a page about them",
		Long: `Reproduce repeats the experiments of the NCSN papers and of the ring of eight Gaussians, and writes
OUT/index.html, a page of pictures with what they should show, and OUT/report.json, every number with
its expected value, its tolerance, and whether it passes.

By default sizes suit a CPU. --full uses the papers' sizes where they differ, trains the conditional
toy networks again, and trains the network of figure 1 on CIFAR-10, which needs a GPU (--device). If
the model or the data of an experiment are missing, its section says so.`,
		Example: `  langevin reproduce
  langevin reproduce --out out/report --full --device cuda`,
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context(), p, o) },
	}
	c.Flags().StringVarP(&o.folder, "out", "o", filepath.Join("out", "report"), "folder for the page, made if needed")
	c.Flags().BoolVar(&o.full, "full", false, "use the papers' sizes, which takes long")
	c.Flags().Var(&o.chains, "chains", "chains behind every number of the exact experiments (default 10000, with "+
		"--full 40000)")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of all noise")
	cli.LibraryFlag(c.Flags(), &o.library)
	c.Flags().StringVar(&o.modelsDir, "models-dir", "",
		"folder of models in addition to the built-in ones, as for serve")
	c.Flags().StringVar(&o.dataDir, "data-dir", filepath.Join("data", "mnist"), "folder of MNIST")
	c.Flags().StringVar(&o.cifarDir, "cifar10-dir", filepath.Join("data", "cifar10"),
		"folder of the binary version of CIFAR-10, for --full")
	o.DeviceFlags.Register(c.Flags())
	return c
}

// Sizes of the exact experiments.
const (
	reproduceChains     = 10_000
	reproduceFullChains = 40_000
	reproduceShown      = 1280 // chains in a picture, as in the papers
)

// exact returns the options of the exact experiments.
func (o *command) exact(progress func(done, total int, now string)) paper.Options {
	chains := o.chains.N
	switch {
	case chains > 0:
	case o.full:
		chains = reproduceFullChains
	default:
		chains = reproduceChains
	}
	return paper.Options{Chains: chains, Shown: reproduceShown, Seed: o.seed, Progress: progress}
}

func run(ctx context.Context, p *cli.Program, o *command) error {
	begin := time.Now()
	l, missing, err := newNetworkSource(ctx, p, o)
	if err != nil {
		return err
	}
	if missing == nil {
		defer l.close()
	}
	if err := wholefile.MakeFolder(o.folder); err != nil {
		return err
	}
	if err := wholefile.Check(filepath.Join(o.folder, "index.html")); err != nil {
		return err
	}
	sections, err := experiments(ctx, p, o, l, missing)
	if err != nil {
		return fmt.Errorf("reproduce: %w", err)
	}
	report := paper.Report{Title: "Langevin: the papers' experiments, repeated", Settings: o.settings(p.Version),
		Sections: paper.InOrder(sections)}
	if err := report.Write(o.folder); err != nil {
		return fmt.Errorf("reproduce: %w", err)
	}
	return printReproduction(p, report, o.folder, time.Since(begin))
}

// experiments makes all sections of the page. If missing says why there are no networks, so do the sections that need
// one.
func experiments(
	ctx context.Context, p *cli.Program, o *command, l *networkSource, missing error,
) ([]paper.Section, error) {
	var exact []paper.Section
	err := watch(p, "exact scores", func(progress func(done, total int, now string)) (err error) {
		exact, err = paper.ExactSections(ctx, o.exact(progress))
		return err
	})
	if err != nil {
		return nil, err
	}
	if missing != nil {
		return slices.Concat(exact, paper.WithoutNetworks(missing.Error()), paper.WithoutImages(missing.Error())), nil
	}
	networks, err := l.networks(o).Sections(ctx)
	return append(exact, networks...), err
}

// settings returns what the page says about how it was made.
func (o *command) settings(version string) []string {
	size := "CPU-sized settings"
	if o.full {
		size = "the papers' settings"
	}
	return []string{
		fmt.Sprintf("%s, %s behind every number of the exact experiments, seed %d", size,
			phrase.Plural(o.exact(nil).Chains, "chain"), o.seed),
		"version " + version,
	}
}

// printReproduction writes where the page is and which numbers are off, and returns an error if any is.
func printReproduction(p *cli.Program, r paper.Report, folder string, took time.Duration) error {
	t := r.Totals()
	fmt.Fprintf(p.Stdout, "%s of %d numbers as expected, in %s\n", p.Bold(fmt.Sprint(t.Passed)), t.All,
		phrase.Tidy(took))
	for _, f := range r.Failed() {
		fmt.Fprintf(p.Stdout, "  off: %s, %s: %.4g, expected %.4g ± %.2g (%s)\n", f.Run, f.Quantity, f.Value,
			f.Expected, f.Tolerance, f.Source)
	}
	for _, s := range r.Sections {
		if s.Skipped != "" {
			fmt.Fprintf(p.Stdout, "  left out: %s: %s\n", s.Title, s.Skipped)
		}
	}
	fmt.Fprintf(p.Stdout, "%s\n", filepath.Join(folder, "index.html"))
	if off := t.All - t.Passed; off > 0 {
		return fmt.Errorf("reproduce: %d of %d numbers are not as expected", off, t.All)
	}
	return nil
}
