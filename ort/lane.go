package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
)

// lane has the buffers of one caller at a time. For each number of rows that was evaluated it has the tensors that
// describe the buffers to ONNX Runtime. All tensors share the buffers, so another number of rows costs hardly any
// memory.
type lane struct {
	loaded   *onnxruntime.DynamicAdvancedSession
	shape    []int
	x        buffer[float32]
	sigma    buffer[float32]
	c        given
	score    buffer[float32]
	bindings map[int]*binding
}

func newLane(loaded *onnxruntime.DynamicAdvancedSession, rows int, m models.Manifest) *lane {
	return &lane{
		loaded:   loaded,
		shape:    m.Shape,
		x:        newBuffer[float32](rows * m.Dim()),
		sigma:    newBuffer[float32](rows),
		c:        newGiven(m.Condition, rows),
		score:    newBuffer[float32](rows * m.Dim()),
		bindings: map[int]*binding{},
	}
}

// binding returns the tensors of the first rows of the buffers. The first call makes them.
func (l *lane) binding(rows int) (*binding, error) {
	if b, ok := l.bindings[rows]; ok {
		return b, nil
	}
	b, err := l.bind(rows)
	if err != nil {
		return nil, fmt.Errorf("bind %d rows: %w", rows, errors.Join(err, b.destroy()))
	}
	l.bindings[rows] = b
	return b, nil
}

// bind returns what it has made so far, also with an error.
func (l *lane) bind(rows int) (*binding, error) {
	b := &binding{loaded: l.loaded}
	perRow := onnxruntime.NewShape(int64(rows))
	sample := onnxruntime.NewShape(int64(rows))
	for _, n := range l.shape {
		sample = append(sample, int64(n))
	}
	var err error
	if b.x, err = onnxruntime.NewTensor(sample, []float32(l.x)); err != nil {
		return b, err
	}
	if b.sigma, err = onnxruntime.NewTensor(perRow, []float32(l.sigma)); err != nil {
		return b, err
	}
	if b.c, err = l.c.tensor(rows); err != nil {
		return b, err
	}
	if b.score, err = onnxruntime.NewTensor(sample, []float32(l.score)); err != nil {
		return b, err
	}
	if b.io, err = l.loaded.CreateIoBinding(); err != nil {
		return b, err
	}
	if b.c != nil {
		if err := b.io.BindInput(models.InputC, b.c); err != nil {
			return b, err
		}
	}
	return b, errors.Join(
		b.io.BindInput(models.InputX, b.x),
		b.io.BindInput(models.InputSigma, b.sigma),
		b.io.BindOutput(models.OutputScore, b.score),
	)
}

func (l *lane) destroy() error {
	var errs []error
	for _, b := range l.bindings {
		errs = append(errs, b.destroy())
	}
	l.x.free()
	l.sigma.free()
	l.c.free()
	l.score.free()
	return errors.Join(errs...)
}

// binding ties tensors to the graph's inputs and output, so that a run allocates nothing in Go.
type binding struct {
	loaded          *onnxruntime.DynamicAdvancedSession
	x, sigma, score *onnxruntime.Tensor[float32]
	c               onnxruntime.Value // nil for a graph without conditions
	io              *onnxruntime.IoBinding
	took            time.Duration // by the last run; 0 before the first
	yielded         time.Time     // the last time that other goroutines could run
}

// longRun is the duration from which a run can be interrupted. Making it interruptible takes a thousandth of it.
const longRun = 20 * time.Millisecond

// yieldAfter is how long a caller evaluates before it lets other goroutines run. Go's monitor assumes that a goroutine
// is stuck if the scheduler has not seen it for 10 ms. It interrupts the goroutine and then looks every 20 µs, on a
// core that is needed: with one caller or two, 64 rows of a small network took 1.2 times as long.
const yieldAfter = time.Millisecond

// run evaluates. It stops with an error when ctx ends, even within the graph, unless the last run was short.
func (b *binding) run(ctx context.Context) error {
	start := time.Now()
	if start.Sub(b.yielded) > yieldAfter {
		runtime.Gosched()
		b.yielded = start
	}
	if ctx.Done() == nil || b.took < longRun && b.took > 0 {
		err := b.loaded.RunWithBinding(b.io)
		b.took = time.Since(start)
		return err
	}
	err := b.runUntil(ctx)
	b.took = time.Since(start)
	return err
}

// runUntil runs and stops when ctx ends. It allocates, unlike the bound run, which cannot be stopped.
func (b *binding) runUntil(ctx context.Context) error {
	options, err := onnxruntime.NewRunOptions()
	if err != nil {
		return err
	}
	defer options.Destroy()
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate() // the run returns the error
	})
	inputs := []onnxruntime.Value{b.x, b.sigma}
	if b.c != nil {
		inputs = append(inputs, b.c)
	}
	err = b.loaded.RunWithOptions(inputs, []onnxruntime.Value{b.score}, options)
	if !stop() {
		<-terminated // options must not be destroyed before
	}
	return err
}

func (b *binding) destroy() error {
	var errs []error
	if b.io != nil {
		errs = append(errs, b.io.Destroy())
	}
	for _, tensor := range []*onnxruntime.Tensor[float32]{b.x, b.sigma, b.score} {
		if tensor != nil {
			errs = append(errs, tensor.Destroy())
		}
	}
	if b.c != nil {
		errs = append(errs, b.c.Destroy())
	}
	return errors.Join(errs...)
}
