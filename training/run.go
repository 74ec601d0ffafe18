package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
)

// ErrDiverged is wrapped by the error of a training whose loss stopped being finite.
var ErrDiverged = errors.New("training diverged")

// Options says where a training runs and who watches. Nothing in it changes the result.
type Options struct {
	Library  string         // path of the ONNX Runtime library; required. A process stays on the first one it opened
	Progress func(Progress) // called every Config.Training.LogEvery iterations and after the last, in Run's goroutine; may be nil
	Log      io.Writer      // gets a Record at the same times, one line of JSON each; may be nil
	Commit   string         // of the source code, for the model's manifest; may be empty
}

// Run trains a network as c says. It returns an error if c is not valid, the library cannot be opened, the data cannot
// be read, the log cannot be written, or the loss stops being finite ([ErrDiverged]).
//
// When ctx is done Run stops before the next iteration and returns ctx's error and the result so far: a model that can
// be exported.
func Run(ctx context.Context, c Config, o Options) (result *Result, err error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	t, err := newTrainer(c, o)
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	defer func() { err = errors.Join(err, t.device.close()) }()
	if err := t.train(ctx); err != nil {
		return nil, fmt.Errorf("train %s: iteration %d: %w", c.Name, t.done+1, err)
	}
	if result, err = t.result(ctx); err != nil {
		return nil, fmt.Errorf("train %s: measure the loss: %w", c.Name, err)
	}
	if t.done < c.Training.Iterations {
		return result, fmt.Errorf("train %s: stopped after %d of %d iterations: %w", c.Name, t.done, c.Training.Iterations, context.Cause(ctx))
	}
	return result, nil
}

// trainer is a training under way.
type trainer struct {
	config  Config
	options Options
	network *nn.Graph
	drawer  drawer
	unseen  drawer // of data that training does not use
	device  *device
	history []Record
	done    int // iterations
}

func newTrainer(c Config, o Options) (*trainer, error) {
	source, err := c.Data.Open(data.Train, c.Seed)
	if err != nil {
		return nil, err
	}
	test, err := c.Data.Open(data.Test, c.Seed)
	if err != nil {
		return nil, err
	}
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	network, err := c.network(source.Shape(), schedule)
	if err != nil {
		return nil, err
	}
	backend, err := openBackend(o.Library)
	if err != nil {
		return nil, err
	}
	device, err := newDevice(backend, c, network)
	if err != nil {
		return nil, err
	}
	dim := 1
	for _, n := range source.Shape() {
		dim *= n
	}
	draws := drawer{source: source, schedule: schedule, rows: c.Training.BatchSize, dim: dim, seed: c.Seed}
	unseen := draws
	unseen.source, unseen.seed = test, ^c.Seed
	return &trainer{config: c, options: o, network: network, device: device, drawer: draws, unseen: unseen}, nil
}

// train is the loop: draw, update, check, report.
func (t *trainer) train(ctx context.Context) error {
	c := t.config
	means := newLevelMeans(c.Noise.Levels)
	report := reporter{log: t.options.Log, progress: t.options.Progress, total: c.Training.Iterations, start: time.Now()}
	for b, err := range t.drawer.ahead(ctx, 0, c.Training.Iterations) {
		if err != nil {
			return err
		}
		losses, err := t.device.step(b, c.Optimizer.rates(t.done, c.Training.Iterations))
		if err != nil {
			return err
		}
		if mean := means.add(b.level, losses); !finite(mean) {
			return fmt.Errorf("%w: the loss is %g; try a smaller optimizer.learning_rate than %g", ErrDiverged, mean, c.Optimizer.LearningRate)
		}
		if iteration := t.done + 1; iteration%c.Training.LogEvery == 0 || iteration == c.Training.Iterations {
			record := Record{Iteration: iteration, LearningRate: c.Optimizer.Rate(t.done, c.Training.Iterations)}
			record.Loss, record.LossPerLevel = means.take()
			if record, err = report.write(record); err != nil {
				return err
			}
			t.history = append(t.history, record)
		}
		t.done++
	}
	return nil
}

// rates are what the update of an iteration needs of the optimiser: the learning rate over Adam's correction of the
// mean gradient, 1/(1 - β₁^t), and the root of its correction of the mean square.
func (o Optimizer) rates(iteration, iterations int) [2]float32 {
	t := float64(iteration + 1)
	return [2]float32{
		float32(o.Rate(iteration, iterations) / (1 - math.Pow(o.Beta1, t))),
		float32(1 / math.Sqrt(1-math.Pow(o.Beta2, t))),
	}
}

// result gathers what was learned. A training that was stopped is not measured afresh: whoever stops it waits for it.
func (t *trainer) result(ctx context.Context) (*Result, error) {
	params, err := t.device.read(stateAverage)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Config: t.config, Network: t.network, Params: params, Iterations: t.done, History: t.history,
		schedule: t.drawer.schedule, data: t.drawer.source.Name(), commit: t.options.Commit,
	}
	if t.done < t.config.Training.Iterations {
		if n := len(t.history); n > 0 {
			r.Loss, r.LossPerLevel = t.history[n-1].Loss, t.history[n-1].LossPerLevel
		}
		return r, nil
	}
	r.Loss, r.LossPerLevel, err = t.evaluate(context.WithoutCancel(ctx))
	return r, err
}

// evaluate is the loss of the averaged weights on data and noise that they have not seen.
func (t *trainer) evaluate(ctx context.Context) (mean float64, perLevel []float64, err error) {
	means := newLevelMeans(t.config.Noise.Levels)
	batches := (t.config.Training.EvalRows + t.drawer.rows - 1) / t.drawer.rows
	for b, err := range t.unseen.ahead(ctx, 0, batches) {
		if err != nil {
			return 0, nil, err
		}
		losses, err := t.device.evaluate(b)
		if err != nil {
			return 0, nil, err
		}
		means.add(b.level, losses)
	}
	mean, perLevel = means.take()
	return mean, perLevel, nil
}
