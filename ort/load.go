package ort

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
)

// Options configures a session.
type Options struct {
	// Threads is the number of threads within one evaluation; 1 if zero. Results do not depend on it. Several callers
	// of Score scale better.
	Threads int
	Device  string // for [ParseDevice]; DeviceCPU if empty
	TF32    bool   // let a GPU round the factors of products to 10 bits, for speed; no effect on a CPU

	Rules models.Rules // of the check of the graph

	// Grain is [Session.Grain] of an earlier session of the same graph, with the same library on the same type of CPU.
	// It replaces the trial, except on a GPU. If 0, there is a trial.
	Grain int

	// Like is a session of the same graph on the same device. It replaces the trial: rows are padded as in it, and the
	// results for a few of them are compared with its results.
	Like *Session
}

// ErrUnlike is returned by [Runtime.Load] if the results do not equal those of [Options.Like] to the last bit.
var ErrUnlike = errors.New("results differ in their bits from those with other threads")

func (o Options) withDefaults() Options {
	o.Threads = cmp.Or(o.Threads, 1)
	o.Device = cmp.Or(o.Device, DeviceCPU)
	return o
}

// Load opens a session from the bytes of an .onnx file and its manifest. It checks the graph with [models.Rules] before
// ONNX Runtime sees it, and rewrites its activations with [models.Rewrite]. Then a trial evaluates rows at sigmas from
// the whole schedule. It refuses a graph that cannot be run, whose score is not finite, that gives different results
// when repeated, or whose rows depend on the other rows. On a GPU it evaluates the graph once more to check that all of
// it runs there. Errors about the graph wrap [models.ErrInvalid], and errors about the device wrap
// [ErrDeviceUnavailable]. Cancelling ctx ends the trial.
func (r *Runtime) Load(ctx context.Context, graph []byte, manifest models.Manifest, options Options) (*Session, error) {
	s, err := r.load(ctx, graph, manifest, options.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("load %q: %w", manifest.Name, err)
	}
	return s, nil
}

func (r *Runtime) load(ctx context.Context, graph []byte, manifest models.Manifest, options Options) (*Session, error) {
	if err := manifest.Validate(); err != nil {
		return nil, err
	}
	graph, multiples, err := prepare(graph, manifest, options.Rules)
	if err != nil {
		return nil, err
	}
	device, err := ParseDevice(options.Device)
	if err != nil {
		return nil, err
	}
	device.TF32 = options.TF32
	opened, err := newCopies(graph, manifest, options, device)
	if err != nil {
		return nil, err
	}
	s := newSession(opened, manifest, device, r.identity(device))
	// The first evaluations load more of a GPU's libraries.
	err = device.Starting(func() error {
		switch {
		case options.Like != nil:
			return s.match(ctx, options.Like, manifest)
		case options.Grain > 0 && !s.buckets:
			s.multiple = options.Grain
			return nil
		}
		return s.try(ctx, manifest, multiples)
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if device.CUDA { // on a GPU; otherwise everything runs on the CPU
		if err := checkPlacement(graph, manifest, options, device); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// identity names everything on which a result depends, except the model file, the row and the type of CPU.
func (r *Runtime) identity(device Device) string {
	return fmt.Sprintf("onnxruntime %s, %s, optimization all, rewrite %d", r.version, device.kind(),
		models.RewriteVersion)
}

// prepare returns the graph to load and the multiples to which its rows may have to be padded. The graph is the given
// bytes unless stored weights were widened or nodes rewritten.
func prepare(graph []byte, manifest models.Manifest, rules models.Rules) (prepared []byte, multiples []int,
	err error) {
	model, err := rules.Decode(graph, manifest)
	if err != nil {
		return nil, nil, err
	}
	widened := models.WidenStored(model)
	multiples = rowMultiplesOf(model.GetGraph(), manifest.Dim())
	if models.Rewrite(model)+widened == 0 {
		return graph, multiples, nil
	}
	rewritten, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the rewritten graph: %w", err)
	}
	return rewritten, multiples, nil
}

func sessionOptions(options Options, device Device) (*onnxruntime.SessionOptions, error) {
	if options.Threads < 1 {
		return nil, fmt.Errorf("threads is %d: want at least 1", options.Threads)
	}
	settings, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		settings.SetIntraOpNumThreads(options.Threads),
		settings.SetInterOpNumThreads(1),
		settings.SetExecutionMode(onnxruntime.ExecutionModeSequential),
		settings.SetGraphOptimizationLevel(onnxruntime.GraphOptimizationLevelEnableAll),
		// A thread that spins while it waits takes a core from the other sessions.
		settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		settings.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err == nil {
		err = useDevice(settings, device)
	}
	if err != nil {
		return nil, errors.Join(err, settings.Destroy())
	}
	return settings, nil
}

func newSession(opened *copies, manifest models.Manifest, device Device, identity string) *Session {
	s := &Session{
		copies:   opened,
		manifest: manifest,
		dim:      manifest.Dim(),
		multiple: productRows,
		rows:     rowsPerRun(manifest.Dim(), device),
		buckets:  device.CUDA,
		convert:  conversions[manifest.Parameterization],
		identity: identity,
	}
	s.returned = sync.NewCond(&s.mu)
	return s
}

// try evaluates the graph for a trial of its rows. The trial decides how rows are padded.
func (s *Session) try(ctx context.Context, manifest models.Manifest, multiples []int) error {
	l, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(l)
	switch err := s.settle(ctx, l, manifest, multiples); {
	case ctx.Err() != nil:
		return fmt.Errorf("trial evaluation: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("%w: %w", models.ErrInvalid, err)
	}
	return nil
}
