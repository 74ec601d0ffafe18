package training

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
)

// ClassifierConfig is everything that decides the training of a classifier of labelled images: it is what measures of
// quality see images through.
type ClassifierConfig struct {
	Name       string // of the graph in the ONNX file
	Channels   int    // of nn.Classifier
	Features   int    // of nn.Classifier
	Iterations int    // optimiser updates
	BatchSize  int
	Shift      int  // images are moved by up to so many pixels each way, zeros moving in
	Flip       bool // every other image is mirrored, left to right
	Optimizer  Optimizer
	Seed       uint64 // of the order, the moves and the first weights
}

// DefaultClassifier is what the classifiers that come with this program are trained with.
func DefaultClassifier(name string, flip bool) ClassifierConfig {
	return ClassifierConfig{
		Name: name, Channels: 16, Features: 64, Iterations: 2500, BatchSize: 128, Shift: 2, Flip: flip, Seed: 1,
		Optimizer: Optimizer{LearningRate: 0.003, Warmup: 100, Decay: DecayCosine, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, EMA: 0.99},
	}
}

// Classifier is a trained classifier.
type Classifier struct {
	Config   ClassifierConfig
	Network  *nn.Graph
	Params   []float32 // of Network: the moving average of the weights
	Accuracy float64   // share of the test images whose class it finds
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

// TrainClassifier trains on the cross entropy of train's labels and measures the accuracy on test. Both hold images of one
// size with labels from 0. It returns ctx's error if that ends first. Of o it takes the library and the progress, whose
// loss is the cross entropy in nats.
func TrainClassifier(ctx context.Context, c ClassifierConfig, train, test *data.Images, o Options) (result *Classifier, err error) {
	if err := checkLabelled(c, train, test); err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	classes := int(slices.Max(train.Labels)) + 1
	network, err := nn.Classifier{
		Shape: []int{train.Channels, train.Height, train.Width}, Channels: c.Channels, Features: c.Features, Classes: classes,
	}.Build()
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	backend, err := openBackend(o.Library, o.Device)
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	d, err := newClassifierDevice(backend, c, network, classes)
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.train(ctx, train, o.Progress); err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	result = &Classifier{Config: c, Network: network}
	if result.Params, err = tensors.CopyFlatData[float32](d.state[stateAverage]); err == nil {
		result.Accuracy, err = d.accuracy(ctx, test)
	}
	if err != nil {
		return nil, fmt.Errorf("train classifier %s: %w", c.Name, err)
	}
	return result, nil
}

func checkLabelled(c ClassifierConfig, train, test *data.Images) error {
	if c.Iterations < 1 || c.BatchSize < 1 || c.Shift < 0 {
		return fmt.Errorf("%d iterations of %d images, moved by %d: want at least 1, 1 and 0", c.Iterations, c.BatchSize, c.Shift)
	}
	for _, m := range []*data.Images{train, test} {
		if m.Len() == 0 || len(m.Labels) != m.Len() {
			return fmt.Errorf("%d labels for %d images: want one each, at least one", len(m.Labels), m.Len())
		}
	}
	if train.Channels != test.Channels || train.Height != test.Height || train.Width != test.Width {
		return errors.New("training and test images have different sizes")
	}
	return nil
}

// classifierDevice is what [device] is for score networks.
type classifierDevice struct {
	backend  compute.Backend
	config   ClassifierConfig
	network  *nn.Graph
	classes  int
	update   *graph.Exec // state, rates, images, targets -> state, losses
	classify *graph.Exec // parameters, images -> logits
	state    []*tensors.Tensor
}

func newClassifierDevice(backend compute.Backend, c ClassifierConfig, network *nn.Graph, classes int) (*classifierDevice, error) {
	d := &classifierDevice{backend: backend, config: c, network: network, classes: classes}
	var errUpdate, errClassify error
	d.update, errUpdate = graph.NewExec(backend, d.updateGraph)
	d.classify, errClassify = graph.NewExec(backend, func(in []*graph.Node) *graph.Node { return d.logits(network.SplitGoMLX(in[0]), in[1]) })
	if err := errors.Join(errUpdate, errClassify); err != nil {
		return nil, err
	}
	params := network.NewParams(c.Seed)
	state := [][]float32{stateParams: params, stateAverage: params}
	for range c.Optimizer.moments() {
		state = append(state, make([]float32, len(params)))
	}
	for _, values := range state {
		d.state = append(d.state, tensors.FromFlatDataAndDimensions(values, len(values)))
	}
	return d, nil
}

func (d *classifierDevice) close() error {
	var bad []error
	for _, t := range d.state {
		bad = append(bad, t.FinalizeAll())
	}
	d.update.Finalize()
	d.classify.Finalize()
	d.backend.Finalize()
	return errors.Join(bad...)
}

// logits are those of flat images.
func (d *classifierDevice) logits(weights []*graph.Node, images *graph.Node) *graph.Node {
	shape := append([]int{images.Shape().Size() / product(d.network.X.Shape[1:])}, d.network.X.Shape[1:]...)
	_, logits := d.network.ClassifyGoMLX(weights, graph.Reshape(images, shape...))
	return logits
}

// updateGraph is one step on the mean cross entropy.
func (d *classifierDevice) updateGraph(in []*graph.Node) []*graph.Node {
	o := d.config.Optimizer
	count := stateMoments + o.moments()
	params, average, moments := in[stateParams], in[stateAverage], in[stateMoments:count]
	rates, images, targets := in[count], in[count+1], in[count+2]

	weights := d.network.SplitGoMLX(params)
	losses := crossEntropy(d.logits(weights, images), targets)
	g := flat(graph.Gradient(graph.ReduceAllMean(losses), weights...))

	params, moments = o.move(params, g, rates, moments)
	average = decayed(average, params, o.EMA)
	return append(append([]*graph.Node{params, average}, moments...), losses)
}

// crossEntropy is ln Σ e^logit less the logit of the target, for each row; targets are one-hot, flat.
func crossEntropy(logits, targets *graph.Node) *graph.Node {
	targets = graph.Reshape(targets, logits.Shape().Dimensions...)
	logits = graph.Sub(logits, graph.StopGradient(graph.ReduceAndKeep(logits, graph.ReduceMax, 1)))
	return graph.Sub(graph.Log(graph.ReduceSum(graph.Exp(logits), 1)), graph.ReduceSum(graph.Mul(logits, targets), 1))
}

// train is the loop.
func (d *classifierDevice) train(ctx context.Context, images *data.Images, progress func(Progress)) error {
	const every = 50
	begin, seconds := time.Now(), 0.
	for i := range d.config.Iterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, targets := d.batch(images, i)
		losses, err := d.step(x, targets, d.config.Optimizer.rates(i, d.config.Iterations))
		if err != nil {
			return err
		}
		if (i+1)%every != 0 && i+1 != d.config.Iterations {
			continue
		}
		now := Progress{Record: Record{Iteration: i + 1, Seconds: time.Since(begin).Seconds()}, Iterations: d.config.Iterations}
		for _, l := range losses {
			now.Loss += float64(l) / float64(len(losses))
		}
		if !finite(now.Loss) {
			return fmt.Errorf("%w at iteration %d: the loss is %g", ErrDiverged, i+1, now.Loss)
		}
		now.PerSecond, seconds = every/(now.Seconds-seconds), now.Seconds
		if progress != nil {
			progress(now)
		}
	}
	return nil
}

func (d *classifierDevice) step(x, targets []float32, rates [2]float32) ([]float32, error) {
	args := make([]any, 0, len(d.state)+3)
	for _, t := range d.state {
		donated, err := graph.DonateTensorBuffer(t, d.backend, 0)
		if err != nil {
			return nil, err
		}
		args = append(args, donated)
	}
	out, err := d.update.Call(append(args, rates[:], x, targets)...)
	if err != nil {
		return nil, err
	}
	copy(d.state, out)
	return take(out[len(d.state)])
}

// batch draws images, moved at random, and their one-hot classes: a pure function of the seed and the iteration.
func (d *classifierDevice) batch(m *data.Images, iteration int) (x, targets []float32) {
	c := d.config
	random := rand.New(rand.NewPCG(c.Seed, uint64(iteration)))
	size := m.Channels * m.Height * m.Width
	x, targets = make([]float32, c.BatchSize*size), make([]float32, c.BatchSize*d.classes)
	for k := range c.BatchSize {
		i := random.IntN(m.Len())
		dx, dy := random.IntN(2*c.Shift+1)-c.Shift, random.IntN(2*c.Shift+1)-c.Shift
		mirrored := random.IntN(2) == 0 && c.Flip
		moved(x[k*size:(k+1)*size], m, i, dx, dy, mirrored)
		targets[k*d.classes+int(m.Labels[i])] = 1
	}
	return x, targets
}

// moved writes image i, moved by (dx, dy) after it was mirrored, in [0, 1].
func moved(dst []float32, m *data.Images, i, dx, dy int, mirrored bool) {
	pixels := m.At(i)
	for j := range dst {
		column, row, plane := j%m.Width-dx, j/m.Width%m.Height-dy, j/(m.Width*m.Height)
		if column < 0 || column >= m.Width || row < 0 || row >= m.Height {
			dst[j] = 0
			continue
		}
		if mirrored {
			column = m.Width - 1 - column
		}
		dst[j] = float32(pixels[(plane*m.Height+row)*m.Width+column]) / 255
	}
}

// accuracy is the share of images whose likeliest class is their label, under the averaged weights.
func (d *classifierDevice) accuracy(ctx context.Context, m *data.Images) (float64, error) {
	size, right := m.Channels*m.Height*m.Width, 0
	for first := 0; first < m.Len(); first += d.config.BatchSize {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := min(d.config.BatchSize, m.Len()-first)
		x := make([]float32, n*size)
		for k := range n {
			moved(x[k*size:(k+1)*size], m, first+k, 0, 0, false)
		}
		out, err := d.classify.Call1(d.state[stateAverage], x)
		if err != nil {
			return 0, err
		}
		logits, err := take(out)
		if err != nil {
			return 0, err
		}
		for k := range n {
			row := logits[k*d.classes : (k+1)*d.classes]
			if slices.Index(row, slices.Max(row)) == int(m.Labels[first+k]) {
				right++
			}
		}
	}
	return float64(right) / float64(m.Len()), nil
}

func product(shape []int) int {
	size := 1
	for _, n := range shape {
		size *= n
	}
	return size
}
