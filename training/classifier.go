package training

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
	"github.com/langevin-ml/langevin/training/pool"
	"github.com/langevin-ml/langevin/training/settings"
)

// ClassifierConfig describes the training of a classifier of labelled images. Measures of quality use such a classifier
// to extract features of images.
type ClassifierConfig struct {
	Name       string // of the graph in the ONNX file
	Channels   int    // of nn.Classifier
	Features   int    // of nn.Classifier
	Iterations int    // optimiser updates
	BatchSize  int
	Shift      int // largest shift of an image along each axis, in pixels; zeros fill the gap
	Optimizer  optimizer.Config
	Seed       uint64 // of the order, the shifts and the initial weights
}

// DefaultClassifier returns the configuration of the built-in classifiers. dataset is mnist or fashion-mnist. The
// articles of fashion-mnist are harder to tell apart than digits, and they lie in the middle of their images.
func DefaultClassifier(dataset string) ClassifierConfig {
	c := ClassifierConfig{
		Name: dataset + "-classifier", Channels: 16, Features: 64, Iterations: 2500, BatchSize: 128, Shift: 2, Seed: 1,
		Optimizer: optimizer.Config{
			LearningRate: 0.003, Warmup: 100, Decay: optimizer.DecayCosine,
			Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, EMA: 0.99,
		},
	}
	if dataset == data.FashionMNIST {
		c.Channels, c.Iterations, c.Shift = 24, 5600, 1
	}
	return c
}

// Classifier is a trained classifier.
type Classifier struct {
	Config   ClassifierConfig
	Network  *nn.Graph
	Params   []float32 // of Network: the moving average of the weights
	Accuracy float64   // share of the test images that it classifies correctly
}

// ONNX returns the bytes of the model file: input x; outputs features, logits and probabilities.
func (c *Classifier) ONNX() ([]byte, error) {
	model, err := c.Network.ONNX(c.Config.Name, c.Params)
	if err != nil {
		return nil, err
	}
	file, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", c.Config.Name, err)
	}
	return file, nil
}

// TrainClassifier trains on the cross entropy of train's labels and measures the accuracy on test. Both have images of
// one size, with labels from 0. If ctx ends first, it returns ctx's error. It uses these fields of o: the library, the
// device and its start, and the progress, whose loss is the cross entropy in nats.
func TrainClassifier(
	ctx context.Context, c ClassifierConfig, train, test *data.Images, o Options,
) (result *Classifier, err error) {
	if err := checkLabelled(c, train, test); err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	classes := int(slices.Max(train.Labels)) + 1
	network, err := nn.Classifier{
		Shape: []int{train.Channels, train.Height, train.Width}, Channels: c.Channels, Features: c.Features,
		Classes: classes,
	}.Build()
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	result, err = trainClassifier(ctx, c, network, labelledImages(train, classes), labelledImages(test, classes), o)
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	return result, nil
}

// labelled is a set of rows, each with one of some classes.
type labelled struct {
	n       int // number of rows
	classes int
	label   func(i int) int
	write   func(dst []float32, i, dx, dy int) // writes row i, which is an image if it is shifted by (dx, dy)
}

func labelledImages(m *data.Images, classes int) labelled {
	return labelled{
		n: m.Len(), classes: classes,
		label: func(i int) int { return int(m.Labels[i]) },
		write: func(dst []float32, i, dx, dy int) { moved(dst, m, i, dx, dy) },
	}
}

// trainClassifier trains network on train and measures its accuracy on test.
func trainClassifier(
	ctx context.Context, c ClassifierConfig, network *nn.Graph, train, test labelled, o Options,
) (result *Classifier, err error) {
	t := &classifierTrainer{config: c, network: network, classes: train.classes}
	workers := pool.New(processors.Count())
	defer workers.Close()
	if t.learner, err = learner.New(t.objective(), workers, o.learner()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.learner.Close()) }()
	if err := t.train(ctx, train, o.Progress); err != nil {
		return nil, err
	}
	result = &Classifier{Config: c, Network: network}
	if result.Params, err = t.learner.Read(learner.Average); err == nil {
		result.Accuracy, err = t.accuracy(ctx, test)
	}
	return result, err
}

func checkLabelled(c ClassifierConfig, train, test *data.Images) error {
	if c.Iterations < 1 || c.BatchSize < 1 || c.Shift < 0 {
		return fmt.Errorf("%d iterations of %d images, moved by %d: want at least 1, 1 and 0",
			c.Iterations, c.BatchSize, c.Shift)
	}
	for _, m := range []*data.Images{train, test} {
		if m.Len() == 0 || len(m.Labels) != m.Len() {
			return fmt.Errorf("%d labels for %d images: want one each, at least one", len(m.Labels), m.Len())
		}
	}
	if train.Channels != test.Channels || train.Height != test.Height || train.Width != test.Width {
		return errors.New("training and test images have different sizes")
	}
	return c.Optimizer.Validate()
}

// classifierTrainer does for classifiers what [trainer] does for score networks.
type classifierTrainer struct {
	config  ClassifierConfig
	network *nn.Graph
	classes int
	learner learner.Learner
}

// objective is the cross entropy of flat images and their flat one-hot classes. It measures the logits.
func (t *classifierTrainer) objective() learner.Objective {
	image := learner.Columns{Copies: 1, Width: t.size()}
	return learner.Objective{
		Network: t.network, Params: t.network.NewParams(t.config.Seed), Optimizer: t.config.Optimizer,
		Rows: t.config.BatchSize,
		Losses: func(weights, batch []*graph.Node) *graph.Node {
			return crossEntropy(t.logits(weights, batch[0]), batch[1])
		},
		Batch:    []learner.Columns{image, {Copies: 1, Width: t.classes}},
		Measure:  func(weights, batch []*graph.Node) *graph.Node { return t.logits(weights, batch[0]) },
		Measured: []learner.Columns{image},
	}
}

// logits returns the logits of flat images.
func (t *classifierTrainer) logits(weights []*graph.Node, images *graph.Node) *graph.Node {
	shape := append([]int{-1}, t.network.X.Shape[1:]...)
	_, logits := t.network.ClassifyGoMLX(weights, graph.Reshape(images, shape...))
	return logits
}

// crossEntropy returns ln Σ e^logit minus the logit of the target, for each row. targets are one-hot and flat.
func crossEntropy(logits, targets *graph.Node) *graph.Node {
	targets = graph.Reshape(targets, logits.Shape().Dimensions...)
	logits = graph.Sub(logits, graph.StopGradient(graph.ReduceAndKeep(logits, graph.ReduceMax, 1)))
	return graph.Sub(graph.Log(graph.ReduceSum(graph.Exp(logits), 1)), graph.ReduceSum(graph.Mul(logits, targets), 1))
}

// train draws batches, updates the weights and reports the progress.
func (t *classifierTrainer) train(ctx context.Context, rows labelled, progress func(Progress)) error {
	const every = 50
	begin, seconds := time.Now(), 0.
	for i := range t.config.Iterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, targets := t.batch(rows, i)
		losses, err := t.learner.Step(t.config.Optimizer.Rates(i, t.config.Iterations), x, targets)
		if err != nil {
			return err
		}
		if (i+1)%every != 0 && i+1 != t.config.Iterations {
			continue
		}
		now := Progress{Record: Record{Iteration: i + 1, Seconds: time.Since(begin).Seconds()},
			Iterations: t.config.Iterations}
		for _, l := range losses {
			now.Loss += float64(l) / float64(len(losses))
		}
		if !settings.Finite(now.Loss) {
			return fmt.Errorf("%w at iteration %d: the loss is %g", ErrDiverged, i+1, now.Loss)
		}
		now.PerSecond, seconds = every/(now.Seconds-seconds), now.Seconds
		if progress != nil {
			progress(now)
		}
	}
	return nil
}

// batch draws shifted rows and their one-hot classes. It is a pure function of the seed and the iteration.
func (t *classifierTrainer) batch(rows labelled, iteration int) (x, targets []float32) {
	c, size := t.config, t.size()
	random := rand.New(rand.NewPCG(c.Seed, uint64(iteration)))
	x, targets = make([]float32, c.BatchSize*size), make([]float32, c.BatchSize*t.classes)
	for k := range c.BatchSize {
		i := random.IntN(rows.n)
		dx, dy := random.IntN(2*c.Shift+1)-c.Shift, random.IntN(2*c.Shift+1)-c.Shift
		rows.write(x[k*size:(k+1)*size], i, dx, dy)
		targets[k*t.classes+rows.label(i)] = 1
	}
	return x, targets
}

// size returns the number of elements of a row.
func (t *classifierTrainer) size() int { return product(t.network.X.Shape[1:]) }

// moved writes image i, shifted by (dx, dy), in [0, 1].
func moved(dst []float32, m *data.Images, i, dx, dy int) {
	pixels := m.At(i)
	for j := range dst {
		column, row, plane := j%m.Width-dx, j/m.Width%m.Height-dy, j/(m.Width*m.Height)
		if column < 0 || column >= m.Width || row < 0 || row >= m.Height {
			dst[j] = 0
			continue
		}
		dst[j] = float32(pixels[(plane*m.Height+row)*m.Width+column]) / 255
	}
}

// accuracy returns the share of rows whose most probable class is their label, for the averaged weights.
func (t *classifierTrainer) accuracy(ctx context.Context, rows labelled) (float64, error) {
	size, right := t.size(), 0
	for first := 0; first < rows.n; first += t.config.BatchSize {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := min(t.config.BatchSize, rows.n-first)
		x := make([]float32, t.config.BatchSize*size) // rows beyond the last one are not used
		for k := range n {
			rows.write(x[k*size:(k+1)*size], first+k, 0, 0)
		}
		logits, err := t.learner.Measure(x)
		if err != nil {
			return 0, err
		}
		for k := range n {
			row := logits[k*t.classes : (k+1)*t.classes]
			if slices.Index(row, slices.Max(row)) == rows.label(first+k) {
				right++
			}
		}
	}
	return float64(right) / float64(rows.n), nil
}

func product(shape []int) int {
	size := 1
	for _, n := range shape {
		size *= n
	}
	return size
}
