package eval

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
)

// classifierCommand has the flags of langevin eval classifier.
type classifierCommand struct {
	dir, out, library string
	iterations        cli.CountValue
	trainrun.DeviceFlags
}

func newClassifierCommand(p *cli.Program) *cobra.Command {
	o := &classifierCommand{iterations: cli.NewCount(0, 1).AtMost(1_000_000_000)}
	c := &cobra.Command{
		Use:   "classifier DATASET",
		Short: "Train the classifier that images are judged by",
		Long: `Classifier trains a small convolutional network to tell the classes of mnist or fashion-mnist apart,
says how many of the test images it gets right, and writes it as an .onnx file for eval --classifier.`,
		Example: `  langevin eval classifier mnist --data data/mnist --out mnist.onnx
  langevin eval classifier fashion-mnist --device cuda`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return trainClassifier(c.Context(), p, o, args[0]) },
	}
	c.Flags().StringVar(&o.dir, "data", "", "folder of the images (default data/DATASET)")
	c.Flags().StringVarP(&o.out, "out", "o", "classifier.onnx", "file to write")
	c.Flags().Var(&o.iterations, "iterations",
		"updates of the weights (default 2500 for mnist, 5600 for fashion-mnist)")
	cli.LibraryFlag(c.Flags(), &o.library)
	o.DeviceFlags.Register(c.Flags())
	return c
}

func trainClassifier(ctx context.Context, p *cli.Program, o *classifierCommand, dataset string) error {
	config := training.DefaultClassifier(dataset)
	if o.iterations.N > 0 {
		config.Iterations = o.iterations.N
	}
	if o.dir == "" {
		o.dir = "data/" + dataset
	}
	library, _, err := ort.FindLibrary(o.library)
	if err != nil {
		return err
	}
	options, err := trainrun.Options(ctx, p, library, o.DeviceFlags)
	if err != nil {
		return err
	}
	source := data.Config{Name: dataset, Dir: o.dir}
	train, err := source.Images(data.Train)
	if err != nil {
		return err
	}
	test, err := source.Images(data.Test)
	if err != nil {
		return err
	}
	file, err := wholefile.Create(o.out)
	if err != nil {
		return err
	}
	defer file.Discard()
	b := p.NewBar(config.Name)
	options.Progress = func(now training.Progress) {
		b.Set(int64(now.Iteration), int64(now.Iterations),
			fmt.Sprintf("loss %.3f, %.1f iterations/s", now.Loss, now.PerSecond))
	}
	result, err := training.TrainClassifier(ctx, config, train, test, options)
	b.Close(err == nil, "")
	if err != nil {
		return err
	}
	onnx, err := result.ONNX()
	if err != nil {
		return err
	}
	if err := file.Commit(func(w io.Writer) error { _, err := w.Write(onnx); return err }); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: %.2f %% of %s right, %s\n",
		config.Name, 100*result.Accuracy, phrase.Plural(test.Len(), "test image"), o.out)
	return nil
}
