package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/pool"
	"github.com/langevin-ml/langevin/training/settings"
)

// These are the devices of a training.
const (
	CPU  = learner.CPU
	CUDA = learner.CUDA // the first GPU that the process sees, which CUDA_VISIBLE_DEVICES selects
)

// ErrDiverged is wrapped by the error of a training whose loss became infinite or not a number.
var ErrDiverged = errors.New("training diverged")

// Options says where a training runs and who watches it. Only the device changes the result. A training on a CPU uses
// all cores that the process may run on, and its rounding depends on the number of cores.
type Options struct {
	// Library is the path of the ONNX Runtime library; required. A process keeps the first library that it opened.
	Library string
	// Device is the device of the training: [CPU], also if empty, or [CUDA].
	Device string
	// Starting is called with the first run of each computation. This run starts the device's libraries, and the
	// libraries of a GPU install signal handlers. May be nil.
	Starting func(start func() error) error

	// Begin is called once, before anything is written. The data, the device and the checkpoint to resume are then open
	// and valid. If Begin returns an error, the training ends. May be nil.
	Begin func() error
	// Progress is called every Config.Training.LogEvery iterations and after the last one, on Run's goroutine; may be
	// nil.
	Progress func(Progress)
	// Log receives a Record at the same times, as one line of JSON each; may be nil.
	Log io.Writer
	// Events receives the same records for TensorBoard. Each run needs its own file. May be nil.
	Events io.Writer
	// Snapshot is called with every checkpoint of Config.Training.CheckpointEvery; may be nil.
	Snapshot func(ctx context.Context, r *Result) error
	// Commit is the commit of the source code, for the model's manifest; may be empty.
	Commit string

	// Checkpoints is the folder for checkpoints; if it is empty, none are written. They are written as Config.Training
	// says, when the training is stopped, and at its end.
	Checkpoints string
	// Resume starts from the newest checkpoint that is sound. The result is the same as without the stop. Newer ones
	// that are damaged get a name that ends in .damaged.
	Resume bool
	// Notice is called with one line for each damaged checkpoint; may be nil.
	Notice func(text string)
	// Reading reports what happens while the data are read.
	Reading data.Reader
}

// learner returns the options of the learner.
func (o Options) learner() learner.Options {
	return learner.Options{Library: o.Library, Device: o.Device, Starting: o.Starting}
}

// foreign returns the device, or the empty string for the CPU.
func (o Options) foreign() string {
	if o.Device == CPU {
		return ""
	}
	return o.Device
}

// Run trains a network as c describes. It returns an error
//
//   - if c is not valid, the library cannot be opened, or the data cannot be read;
//   - if the log or a checkpoint cannot be written;
//   - if the loss becomes infinite or not a number ([ErrDiverged]);
//   - if it should resume and there is no checkpoint ([ErrNoCheckpoint]), or all are damaged, or the newest sound one
//     belongs to a training with another result, or of data that have changed since.
//
// When ctx is done, Run stops before the next iteration and writes a checkpoint. It returns ctx's error and the result
// so far, which can be exported.
func Run(ctx context.Context, c Config, o Options) (result *Result, err error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	t, err := newTrainer(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.begin(); err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	if err := t.train(ctx); err != nil {
		return nil, fmt.Errorf("train %s: iteration %d: %w", c.Name, t.done+1, err)
	}
	if result, err = t.result(ctx); err != nil {
		return nil, fmt.Errorf("train %s: measure the loss: %w", c.Name, err)
	}
	if t.done < c.Training.Iterations {
		return result, fmt.Errorf("train %s: stopped after %d of %d iterations: %w",
			c.Name, t.done, c.Training.Iterations, context.Cause(ctx))
	}
	return result, nil
}

// begin does what comes before the first iteration of this run.
func (t *trainer) begin() (err error) {
	var damaged []string
	if t.options.Resume {
		if damaged, err = t.resume(); err != nil {
			return err
		}
	}
	if t.options.Begin != nil {
		if err := t.options.Begin(); err != nil {
			return err
		}
	}
	return t.setAside(damaged)
}

// trainer is a training in progress.
type trainer struct {
	config  Config
	options Options
	network *nn.Graph
	params  []float32 // of network, before the first update
	batcher batcher
	unseen  batcher // of data that the training does not use
	pool    *pool.Pool
	learner learner.Learner
	means   *levelMeans // since the last line of the log
	history []Record
	done    int    // number of iterations
	best    *best  // nil before the first test, and if the last weights are kept
	digest  string // of the data, if there are checkpoints
}

func newTrainer(ctx context.Context, c Config, o Options) (*trainer, error) {
	t, err := prepare(ctx, c, o.Reading)
	if err != nil {
		return nil, err
	}
	t.options = o
	if o.Checkpoints != "" {
		t.digest = data.Digest(t.batcher.source, t.unseen.source)
	}
	if err := t.checkSize(); err != nil {
		return nil, err
	}
	t.pool = pool.New(processors.Count())
	t.batcher.pool, t.unseen.pool = t.pool, t.pool
	if t.learner, err = learner.New(t.objective(), t.pool, o.learner()); err != nil {
		t.pool.Close()
		return nil, err
	}
	return t, nil
}

func (t *trainer) close() error {
	defer t.pool.Close()
	return t.learner.Close()
}

// objective is the loss that the weights minimize.
func (t *trainer) objective() learner.Objective {
	return learner.Objective{
		Network: t.network, Params: t.params, Optimizer: t.config.Optimizer, Rows: t.batcher.rows,
		Losses: t.losses(t.batcher), Batch: t.batcher.columns(),
		Measure: t.losses(t.unseen), Measured: t.unseen.columns(),
	}
}

// losses returns the function that computes the losses of the rows of d's batches.
func (t *trainer) losses(d batcher) func(weights, batch []*graph.Node) *graph.Node {
	return func(weights, batch []*graph.Node) *graph.Node {
		b, c, factors := d.lossBatch(batch, t.network)
		score := func(x, sigma *graph.Node) *graph.Node {
			inputs, rows := []*graph.Node{x, sigma}, sigma.Shape().Size()
			if c != nil {
				inputs = append(inputs, repeated(c, rows))
			}
			return t.network.GoMLXDropped(weights, repeated(factors, rows), inputs...)
		}
		return t.config.Loss.Rows(score, b)
	}
}

// choices returns the categories of a table's rows as the network sees them.
func choices(source data.Source) (all []nn.Choices) {
	table, ok := source.(data.Tabular)
	if !ok {
		return nil
	}
	at := 0
	for _, c := range table.Columns() {
		width := c.Width()
		if c.Kind == models.ColumnCategory {
			last := len(all) - 1
			if last >= 0 && all[last].Size == width && all[last].First+all[last].Count*width == at {
				all[last].Count++
			} else {
				all = append(all, nn.Choices{First: at, Count: 1, Size: width, Scale: models.CategoryScale})
			}
		}
		at += width
	}
	return all
}

// prepare returns a trainer without a device. It cannot compute anything.
func prepare(ctx context.Context, c Config, r data.Reader) (*trainer, error) {
	source, test, err := r.Parts(ctx, c.Data, c.Seed)
	if err != nil {
		return nil, err
	}
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	given, err := c.given(source, test)
	if err != nil {
		return nil, err
	}
	network, err := c.Network.BuildFor(nn.Samples{
		Shape: source.Shape(), Sigmas: schedule.Sigmas(), Condition: given, Choices: choices(source),
	})
	if err != nil {
		return nil, err
	}
	draws := batcher{
		given: given, dropped: c.dropped(),
		source: source, schedule: schedule, rows: c.Training.BatchSize, dim: product(source.Shape()), seed: c.Seed,
		place: c.Loss.Places(schedule), projections: c.Loss.Projections,
	}
	unseen := draws
	if network.Dropped() > 0 {
		draws.dropping = network
	}
	unseen.source, unseen.seed = test, ^c.Seed
	if c.Loss.Paired() {
		at := func(sigma float64, index uint64) float64 { return c.Loss.Smaller(schedule, sigma, index) }
		draws.smaller = at
		unseen.smaller = func(sigma float64, _ uint64) float64 { return at(sigma, math.MaxUint64) } // the last stage
	}
	params, err := c.startParams(network)
	if err != nil {
		return nil, err
	}
	means := newLevelMeans(schedule.Levels())
	return &trainer{
		config: c, network: network, params: params, batcher: draws, unseen: unseen, means: means,
	}, nil
}

// train draws, updates, checks, reports and saves until the training ends.
func (t *trainer) train(ctx context.Context) error {
	runtime.LockOSThread() // like the threads of a pool
	defer runtime.UnlockOSThread()
	total := t.config.Training.Iterations
	report, err := newReporter(t.options, total, t.done, t.history)
	if err != nil {
		return err
	}
	for b, err := range t.batcher.ahead(ctx, uint64(t.done), total-t.done) {
		if err != nil {
			return err
		}
		losses, err := t.learner.Step(t.config.Optimizer.Rates(t.done, total), b.vectors()...)
		if err != nil {
			return err
		}
		if mean := t.means.add(b.level, losses); !settings.Finite(mean) {
			return fmt.Errorf("%w: the loss is %g; try a smaller optimizer.learning_rate than %g",
				ErrDiverged, mean, t.config.Optimizer.LearningRate)
		}
		if err := t.log(report, t.done+1); err != nil {
			return err
		}
		t.done++
		if every := t.config.Training.CheckpointEvery; every > 0 && t.done%every == 0 && t.done < total {
			if err := t.snapshot(ctx); err != nil {
				return err
			}
		}
	}
	return t.save()
}

// snapshot saves a training in progress and calls Options.Snapshot.
func (t *trainer) snapshot(ctx context.Context) error {
	if err := t.save(); err != nil || t.options.Snapshot == nil {
		return err
	}
	r, err := t.result(ctx)
	if err == nil {
		err = t.options.Snapshot(ctx, r)
	}
	if ctx.Err() != nil {
		return nil // the training stops before its next iteration
	}
	return err
}

// log reports the training if the iteration is one to report.
func (t *trainer) log(report *reporter, iteration int) error {
	c := t.config.Training
	if iteration%c.LogEvery != 0 && iteration != c.Iterations {
		return nil
	}
	record := Record{Iteration: iteration, LearningRate: t.config.Optimizer.Rate(iteration-1, c.Iterations)}
	record.Loss, record.LossPerLevel = t.means.flush()
	if c.TestEvery > 0 && iteration%c.TestEvery == 0 {
		test, err := t.test(iteration)
		if err != nil {
			return err
		}
		record.TestLoss = &test
	}
	record, err := report.write(record)
	if err != nil {
		return err
	}
	t.history = append(t.history, record)
	return nil
}

// firstTest is the first batch for the test losses during a training. The batches before it are for the loss at the
// end.
const firstTest = 1 << 32

// result returns what was learned. It does not measure the loss of a stopped training, because the caller waits for it.
func (t *trainer) result(ctx context.Context) (*Result, error) {
	params, err := t.learner.Read(learner.Average)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Config: t.config, Network: t.network, Params: params, Iterations: t.done, History: t.history,
		schedule: t.batcher.schedule, data: t.batcher.source.Name(),
		parts:   map[data.Split]data.Source{data.Train: t.batcher.source, data.Test: t.unseen.source},
		columns: t.batcher.columnsOfData(), commit: t.options.Commit, device: t.options.foreign(),
	}
	if r.known, err = t.unseen.vectorsOfData(); err != nil {
		return nil, err
	}
	if t.done < t.config.Training.Iterations {
		if n := len(t.history); n > 0 {
			r.Loss, r.LossPerLevel = t.history[n-1].Loss, t.history[n-1].LossPerLevel
		}
		return r, nil
	}
	if b := t.best; b != nil {
		r.Params, r.Best, r.Loss, r.LossPerLevel = b.params, b.Iteration, b.Loss, b.LossPerLevel
		return r, nil
	}
	r.Loss, r.LossPerLevel, err = t.evaluate(context.WithoutCancel(ctx), 0, t.evalBatches())
	return r, err
}

// evalBatches returns the number of batches that measure the loss of the finished model.
func (t *trainer) evalBatches() int {
	return (t.config.Training.EvalRows + t.batcher.rows - 1) / t.batcher.rows
}

// evaluate returns the loss of the averaged weights on data and noise that the training does not use.
func (t *trainer) evaluate(
	ctx context.Context, first uint64, batches int,
) (mean float64, perLevel []float64, err error) {
	means := newLevelMeans(t.config.Noise.Levels)
	for b, err := range t.unseen.ahead(ctx, first, batches) {
		if err != nil {
			return 0, nil, err
		}
		losses, err := t.learner.Measure(b.vectors()...)
		if err != nil {
			return 0, nil, err
		}
		means.add(b.level, losses)
	}
	mean, perLevel = means.flush()
	return mean, perLevel, nil
}
