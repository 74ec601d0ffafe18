// Package train has the commands train and schedule.
package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/study"
)

// command has the flags of langevin train.
type command struct {
	folder            string
	resume, overwrite bool
	file              string
	runner            string
	library           string
	trainrun.DeviceFlags
	set     []string
	samples cli.CountValue
	own     ownFlags
	follow  followFlags
	serving Serving
	given   func(flag string) bool
	data    map[string]*string // value by key of the configuration
}

// Command returns the command train. serving is what --serve uses.
func Command(p *cli.Program, serving Serving) *cobra.Command {
	o := &command{
		samples: cli.NewCount(study.Samples, 1).AtMost(100_000), own: newOwnFlags(), data: map[string]*string{},
		serving: serving,
	}
	c := &cobra.Command{
		Use:   "train FILE | FOLDER | PRESET | --config FILE",
		Short: "Train a score network, export it to ONNX, draw what it learned",
		Long: fmt.Sprintf(`Train trains a score network on data of your own, or on those of a preset, by denoising score
matching. It writes OUT/models/NAME/1/model.onnx, which "langevin serve OUT/models" serves as it is, and
draws its losses, its scores next to the exact ones if these are known, and its samples.

FILE is a table (CSV, TSV, .npy or .npz), an array of series, or one of pictures as bytes; FOLDER has
pictures. Train says what it found and what it chose, and measures the samples at the end. --dry-run
writes the complete settings instead, which --config takes. An argument that names a preset is the
preset; write ./NAME for a file of that name.

Ctrl-C stops a training. The same command with --resume continues it, to the same result as without
the stop. Files of an earlier training are kept unless --resume or --overwrite is given.

Presets: %s. Every setting of a preset can be changed with --set. --config
takes a file of settings instead: a copy of a preset, or a file of the authors' own code (ncsn and
ncsnv2, such as anneal.yml), under their own keys.

A preset can be trained on other data too: a file of rows (data.name=npy or csv: .npy, .npz, CSV) or a
folder of pictures (data.name=images). Pictures are all decoded at the start; --set data.skip_broken=true
leaves out those that cannot be read, data.background=white fills what is transparent, and
data.layout=channels_last reads arrays of pictures as [N, H, W, C]. docs/data.md has all of it.

OUT also gets the losses, as a log (training_NAME.jsonl) and for TensorBoard (tensorboard/NAME).`,
			strings.Join(training.Presets(), ", ")),
		Example: `  langevin train points.csv
  langevin train people.csv --name people --drop id,date
  langevin train photos --size 32 --flip
  langevin train points.csv --serve --watch
  langevin train points.csv --dry-run > points.yaml
  langevin train toy-2gauss
  langevin train toy-ring --modes 5 --radius 6 --std 0.5 --out out
  langevin train toy-ring --set name=quick --set training.iterations=2000
  langevin train toy-ring --set training.checkpoint_every=1000 --set training.checkpoints=3
  langevin train toy-ring --resume
  langevin train toy-ring-class
  langevin train anneal-mnist --device cuda
  langevin train --config anneal.yml --set data.dir=data/mnist
  langevin train mnist-small --set data.name=images --set data.dir=photos --set data.image_size=28`,
		Args:      arguments,
		ValidArgs: training.Presets(),
		RunE:      func(c *cobra.Command, args []string) error { return run(c.Context(), p, o, args) },
	}
	c.Flags().StringVarP(&o.folder, "out", "o", "out", "folder for the model and the figures, made if needed")
	c.Flags().StringVarP(&o.file, "config", "c", "", "`FILE` of settings, in place of a preset")
	c.Flags().StringVar(&o.runner, "runner", "",
		"runner of the authors' code for their file: anneal, baseline, scorenet or ncsnv2 (default by its keys)")
	c.Flags().BoolVar(&o.resume, "resume", false, "continue from the newest sound checkpoint in "+
		"OUT/checkpoints/NAME")
	c.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace the files of an earlier training with that name")
	c.MarkFlagsMutuallyExclusive("resume", "overwrite")
	c.Flags().StringArrayVar(&o.set, "set", nil, "change a setting, as training.iterations=2000; can be given often")
	o.own.register(c.Flags())
	o.follow.register(c.Flags())
	o.given = c.Flags().Changed
	cli.LibraryFlag(c.Flags(), &o.library)
	o.DeviceFlags.Register(c.Flags())
	c.Flags().Var(&o.samples, "samples", "how many samples the figures show")
	o.registerData(c.Flags())
	return c
}

// arguments checks the arguments. Behind --serve, which needs no value, an address would be one.
func arguments(c *cobra.Command, args []string) error {
	err := cli.Arguments(0, 1)(c, args)
	at := slices.IndexFunc(args, func(arg string) bool { return strings.Contains(arg, ":") })
	if err != nil && at >= 0 && c.Flags().Changed("serve") {
		return fmt.Errorf("%.80q is one argument too many: want --serve=%.80[1]s if it is an address", args[at])
	}
	return err
}

// registerData adds the flags of the toys' data.
func (o *command) registerData(flags *pflag.FlagSet) {
	for _, f := range []struct{ name, key, help string }{
		{"std", "data.std", "standard deviation of each mode of the data"},
		{"radius", "data.radius", "radius of the ring"},
		{"modes", "data.modes", "how many modes the ring has"},
		{"weights", "data.weights", "weights of the modes, as 3,1,1; of any sum"},
	} {
		o.data[f.key] = flags.String(f.name, "", f.help+" (default the preset's)")
	}
}

func run(ctx context.Context, p *cli.Program, o *command, args []string) error {
	if o.own.dryRun && o.follow.serve.on {
		return cli.Usagef("--dry-run trains no model, so there is none for --serve: want one of them")
	}
	config, err := o.config(ctx, p, args)
	if err != nil {
		return err
	}
	if o.follow.watch {
		config = watched(config)
	}
	if o.own.dryRun {
		return writeSettings(p, config)
	}
	library, _, err := ort.FindLibrary(o.library)
	if err != nil {
		return err
	}
	var serve Serve
	if o.follow.serve.on {
		if serve, err = o.serving(o.follow.serve.address, o.library); err != nil {
			return err
		}
	}
	err = o.train(ctx, p, config, library, len(args) == 1 && o.own.found, serve != nil)
	if err != nil || serve == nil {
		return err
	}
	return serve(ctx, filepath.Join(o.folder, "models"), config.Name)
}

// train trains and reports. own says whether the settings were proposed for data, and served whether the model will be
// served at once.
func (o *command) train(
	ctx context.Context, p *cli.Program, config training.Config, library string, own, served bool,
) error {
	options, err := trainrun.Options(ctx, p, library, o.DeviceFlags)
	if err != nil {
		return err
	}
	files := newTrainingFiles(o, config.Name)
	if err := files.reserve(); err != nil {
		return err
	}
	defer files.close()
	if own {
		if err := expect(ctx, p, config, options); err != nil {
			files.undo()
			return err
		}
	}
	options.Begin, options.Log, options.Events = files.begin, files, &files.events
	options.Checkpoints, options.Resume, options.Commit = files.checkpoints, o.resume, build.Commit(p.Version, p.Commit)
	options.Snapshot = o.follow.snapshots(p, config, o.folder, library)
	result, err := trainrun.Run(ctx, p, config, options)
	if result != nil && err != nil {
		return cli.Interrupted(fmt.Sprintf("training %s stopped after %s of %s iterations; --resume goes on from "+
			"there, %s has its losses",
			config.Name, phrase.Grouped(int64(result.Iterations)), phrase.Grouped(int64(config.Training.Iterations)),
			files.logPath), err)
	}
	if err != nil {
		files.undo()
		return err
	}
	onnx, err := files.write(ctx, p, result, library, own)
	if err != nil {
		return err
	}
	err = showTraining(ctx, p, o, result, library, onnx, []string{files.model, files.logPath})
	if err == nil && own {
		reportNext(p, o.folder, config.Name, result.Manifest().Shape, served)
	}
	if ctx.Err() != nil && err != nil {
		return cli.Interrupted(fmt.Sprintf("%s is trained and written, its figures are not", files.model), err)
	}
	return err
}

// showTraining draws what was learned and reports it with the files written so far.
func showTraining(
	ctx context.Context, p *cli.Program, o *command, result *training.Result, library string, onnx []byte,
	files []string,
) error {
	_, err := result.Config.Mixture()
	if errors.Is(err, data.ErrNoMixture) || result.Config.Loss.Paired() { // without a score to compare
		drawn, err := study.Unknown(ctx, result, library, o.folder)
		if err != nil {
			return err
		}
		reportLosses(p, result, nil)
		reportFiles(p, append(files, drawn...))
		if o.own.found || result.Config.Data.Name == data.Tables {
			if err := reportQuality(ctx, p, result, library); err != nil {
				return err
			}
		}
		return nil
	}
	s, err := study.New(ctx, result, library, onnx, o.samples.N)
	if err != nil {
		return err
	}
	defer s.Close()
	figures, err := writeFigures(ctx, p, s, o.folder)
	if err != nil {
		return err
	}
	reportTraining(p, s, append(files, figures...))
	return nil
}

// writeFigures writes the figures of a study, with a bar.
func writeFigures(ctx context.Context, p *cli.Program, s *study.Study, folder string) ([]string, error) {
	b := p.NewBar(s.Result.Config.Name)
	paths, err := s.WriteFigures(ctx, folder, func(done, total int, file string) {
		b.Set(int64(done), int64(total), "drew "+file)
	})
	b.Close(err == nil, phrase.Plural(len(paths), "figure"))
	return paths, err
}

// config returns the preset or the file, with the changes of the flags.
func (o *command) config(ctx context.Context, p *cli.Program, args []string) (training.Config, error) {
	var settings []string
	if o.own.name != "" {
		settings = append(settings, "name="+o.own.name)
	}
	for _, key := range []string{"data.modes", "data.radius", "data.std"} {
		if v := *o.data[key]; v != "" {
			settings = append(settings, key+"="+v)
		}
	}
	if v := *o.data["data.weights"]; v != "" {
		settings = append(settings, "data.weights=["+v+"]")
	}
	settings = append(settings, o.set...)
	switch {
	case o.runner != "" && o.file == "":
		return training.Config{}, cli.Usagef("--runner is %s: want it with --config and a file of the authors' code",
			o.runner)
	case len(args) == 1 && o.file != "":
		return training.Config{}, cli.Usagef("preset %s and --config %s: want one of them", args[0], o.file)
	case len(args) == 1:
		own, err := isData(p, args[0])
		if err != nil {
			return training.Config{}, err
		}
		if !own {
			return o.preset(args[0], settings)
		}
		if isSettings(args[0]) {
			return training.Config{}, cli.Usagef("%s is a file of settings: want --config %[1]s, or a file or folder "+
				"of data", args[0])
		}
		o.own.found = true
		return o.propose(ctx, p, args[0], settings)
	case o.file == "":
		return training.Config{}, cli.Usagef("want a file or folder of data, a preset, one of %s, or --config",
			strings.Join(training.Presets(), ", "))
	}
	if err := o.own.check(o.given); err != nil {
		return training.Config{}, err
	}
	config, err := readConfig(o.file, training.Runner(o.runner))
	if err != nil {
		return config, cli.Usagef("%s: %v", o.file, err)
	}
	return trainrun.With(config, settings)
}

func (o *command) preset(name string, settings []string) (training.Config, error) {
	if err := o.own.check(o.given); err != nil {
		return training.Config{}, err
	}
	return trainrun.Preset(name, settings)
}

// readConfig reads a file of settings, in the format of this program or of the authors' code.
func readConfig(path string, runner training.Runner) (training.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return training.Config{}, wholefile.Cause(err)
	}
	if training.IsUpstream(text) {
		return training.ParseUpstream(text, runner)
	}
	if runner != "" {
		return training.Config{}, fmt.Errorf("--runner is %s: want it with a file of the authors' code only", runner)
	}
	return training.Parse(text)
}

// reportTraining prints what the network learned, next to the best that is possible.
func reportTraining(p *cli.Program, s *study.Study, files []string) {
	reportLosses(p, s.Result, s.Least)
	p.PrintShares(s.Exact, s.Annealed)
	fmt.Fprintln(p.Stdout)
	reportFiles(p, files)
}

// reportLosses prints the losses of some levels, next to the least possible ones if these are known.
func reportLosses(p *cli.Program, r *training.Result, least []float64) {
	fmt.Fprintf(p.Stdout, "%s: %s iterations, loss %.4f\n", p.Bold(r.Config.Name),
		phrase.Grouped(int64(r.Iterations)), r.Loss)
	if r.Best > 0 {
		fmt.Fprintf(p.Stdout, "  the weights after %s iterations are kept: their loss on held-out data is the least\n",
			phrase.Grouped(int64(r.Best)))
	}
	fmt.Fprintf(p.Stdout, "\n  %8s %8s", "sigma", "loss")
	if least != nil {
		fmt.Fprintf(p.Stdout, " %8s", "least")
	}
	fmt.Fprintln(p.Stdout)
	for _, level := range spread(r.Schedule().Levels(), 10) {
		fmt.Fprintf(p.Stdout, "  %8.2f %8.3f", r.Schedule().Sigma(level), r.LossPerLevel[level])
		if least != nil {
			fmt.Fprintf(p.Stdout, " %8.3f", least[level])
		}
		fmt.Fprintln(p.Stdout)
	}
	fmt.Fprintln(p.Stdout)
}

// reportFiles prints the paths of files.
func reportFiles(p *cli.Program, files []string) {
	for _, path := range files {
		fmt.Fprintf(p.Stdout, "  %s\n", path)
	}
}

// spread returns at most n of total indices, evenly spaced, with both ends.
func spread(total, n int) []int {
	n = min(n, total)
	indices := make([]int, n)
	for k := range indices {
		indices[k] = k * (total - 1) / max(1, n-1)
	}
	return indices
}
