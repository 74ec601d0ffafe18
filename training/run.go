package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/pool"
	"github.com/langevin-ml/langevin/training/settings"
)

// What trainings run on.
const (
	CPU  = learner.CPU
	CUDA = learner.CUDA // the first GPU that the process sees: CUDA_VISIBLE_DEVICES says which
)

// ErrDiverged is wrapped by the error of a training whose loss stopped being finite.
var ErrDiverged = errors.New("training diverged")

// Options says where a training runs and who watches. Nothing in it but the device changes the result. On a CPU a
// training rounds in another way on another number of cores, of which it takes all that the process may run on.
type Options struct {
	// Library is the path of the ONNX Runtime library; required. A process stays on the first one that it opened.
	Library string
	// Device is what the training runs on: [CPU], also if empty, or [CUDA].
	Device string
	// Starting is called with each computation's first run, which starts the device's libraries; those of a GPU take
	// over signals. May be nil.
	Starting func(start func() error) error

	// Begin is called once, when the data, the device and the checkpoint to go on from are open and valid, and before
	// anything is written. Its error ends the training. May be nil.
	Begin func() error
	// Progress is called every Config.Training.LogEvery iterations and after the last, in Run's goroutine; may be nil.
	Progress func(Progress)
	// Log gets a Record at the same times, one line of JSON each; may be nil.
	Log io.Writer
	// Events gets the same for TensorBoard, as a file of its own for each run; may be nil.
	Events io.Writer
	// Snapshot is called with every checkpoint that Config.Training.CheckpointEvery asks for; may be nil.
	Snapshot func(ctx context.Context, r *Result) error
	// Commit is that of the source code, for the model's manifest; may be empty.
	Commit string

	// Checkpoints is the folder for checkpoints, none if empty. They are written as Config.Training says, when the
	// training is stopped, and at its end.
	Checkpoints string
	// Resume goes on from the newest of them; the result is that of a training which never stopped.
	Resume bool
	// Reading watches while the data are read.
	Reading data.Reader
}

// learner says what the learner runs on.
func (o Options) learner() learner.Options {
	return learner.Options{Library: o.Library, Device: o.Device, Starting: o.Starting}
}

// foreign is the device, empty if that is the CPU.
func (o Options) foreign() string {
	if o.Device == CPU {
		return ""
	}
	return o.Device
}

// Run trains a network as c says. It returns an error if c is not valid, the library cannot be opened, the data cannot
// be read, the log or a checkpoint cannot be written, or the loss stops being finite ([ErrDiverged]); and, to go on, if
// there is no checkpoint ([ErrNoCheckpoint]), or it is damaged or of a training that would have come out otherwise.
//
// When ctx is done Run stops before the next iteration, writes a checkpoint and returns ctx's error and the result so
// far: a model that can be exported.
func Run(ctx context.Context, c Config, o Options) (result *Result, err error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	t, err := newTrainer(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", c.Name, err)
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if o.Resume {
		if err := t.resume(); err != nil {
			return nil, fmt.Errorf("train %s: %w", c.Name, err)
		}
	}
	if o.Begin != nil {
		if err := o.Begin(); err != nil {
			return nil, fmt.Errorf("train %s: %w", c.Name, err)
		}
	}
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
	batcher batcher
	unseen  batcher // of data that training does not use
	pool    *pool.Pool
	learner learner.Learner
	means   *levelMeans // since the log's last line
	history []Record
	done    int // iterations
}

func newTrainer(ctx context.Context, c Config, o Options) (*trainer, error) {
	t, err := prepare(ctx, c, o.Reading)
	if err != nil {
		return nil, err
	}
	t.options, t.pool = o, pool.New(runtime.NumCPU())
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

// objective is what the weights learn.
func (t *trainer) objective() learner.Objective {
	losses := func(weights, batch []*graph.Node) *graph.Node {
		score := func(x, sigma *graph.Node) *graph.Node { return t.network.GoMLX(weights, x, sigma) }
		return t.config.Loss.Rows(score, lossBatch(batch, t.network.X.Shape[1:]))
	}
	return learner.Objective{
		Network: t.network, Seed: t.config.Seed, Optimizer: t.config.Optimizer, Rows: t.batcher.rows,
		Losses: losses, Batch: t.batcher.columns(), Measure: losses, Measured: t.unseen.columns(),
	}
}

// prepare makes a trainer without a device, which cannot compute anything.
func prepare(ctx context.Context, c Config, r data.Reader) (*trainer, error) {
	source, err := r.Open(ctx, c.Data, data.Train, c.Seed)
	if err != nil {
		return nil, err
	}
	test, err := r.Open(ctx, c.Data, data.Test, c.Seed)
	if err != nil {
		return nil, err
	}
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	network, err := c.Network.Build(source.Shape(), schedule.Sigmas())
	if err != nil {
		return nil, err
	}
	draws := batcher{
		source: source, schedule: schedule, rows: c.Training.BatchSize, dim: product(source.Shape()), seed: c.Seed,
		place: c.Loss.Places(schedule), projections: c.Loss.Projections,
	}
	unseen := draws
	unseen.source, unseen.seed = test, ^c.Seed
	means := newLevelMeans(schedule.Levels())
	return &trainer{config: c, network: network, batcher: draws, unseen: unseen, means: means}, nil
}

// train is the loop: draw, update, check, report, save.
func (t *trainer) train(ctx context.Context) error {
	runtime.LockOSThread() // as those of a pool are
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
			return fmt.Errorf("%w: the loss is %g; try a smaller optimizer.learning_rate than %g", ErrDiverged, mean, t.config.Optimizer.LearningRate)
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

// snapshot saves a training under way, and shows it to whoever asked.
func (t *trainer) snapshot(ctx context.Context) error {
	if err := t.save(); err != nil || t.options.Snapshot == nil {
		return err
	}
	r, err := t.result(ctx)
	if err == nil {
		err = t.options.Snapshot(ctx, r)
	}
	if ctx.Err() != nil {
		return nil // the training stops at its next iteration
	}
	return err
}

// log reports what happened, where the iteration is one to do so at.
func (t *trainer) log(report *reporter, iteration int) error {
	c := t.config.Training
	if iteration%c.LogEvery != 0 && iteration != c.Iterations {
		return nil
	}
	record := Record{Iteration: iteration, LearningRate: t.config.Optimizer.Rate(iteration-1, c.Iterations)}
	record.Loss, record.LossPerLevel = t.means.take()
	if c.TestEvery > 0 && iteration%c.TestEvery == 0 {
		test, _, err := t.evaluate(context.Background(), firstTest+uint64(iteration), 1)
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

// firstTest is where the batches for the test losses in the course of a training begin, behind those for its end.
const firstTest = 1 << 32

// result gathers what was learned. It does not measure a training that was stopped: whoever stopped it waits.
func (t *trainer) result(ctx context.Context) (*Result, error) {
	params, err := t.learner.Read(learner.Average)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Config: t.config, Network: t.network, Params: params, Iterations: t.done, History: t.history,
		schedule: t.batcher.schedule, data: t.batcher.source.Name(),
		commit: t.options.Commit, device: t.options.foreign(),
	}
	if t.done < t.config.Training.Iterations {
		if n := len(t.history); n > 0 {
			r.Loss, r.LossPerLevel = t.history[n-1].Loss, t.history[n-1].LossPerLevel
		}
		return r, nil
	}
	batches := (t.config.Training.EvalRows + t.batcher.rows - 1) / t.batcher.rows
	r.Loss, r.LossPerLevel, err = t.evaluate(context.WithoutCancel(ctx), 0, batches)
	return r, err
}

// evaluate is the loss of the averaged weights on data and noise that they have not seen.
func (t *trainer) evaluate(ctx context.Context, first uint64, batches int) (mean float64, perLevel []float64, err error) {
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
	mean, perLevel = means.take()
	return mean, perLevel, nil
}
