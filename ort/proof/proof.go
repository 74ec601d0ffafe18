// Package proof evaluates model files in child processes before this process opens them. A file that crashes, hangs or
// takes too much memory ends its child only.
package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
)

// Limits are what one proof may take. The zero value of a field means its default.
type Limits struct {
	Memory int64         // bytes; DefaultMemory
	Time   time.Duration // of a processor, in whole seconds; DefaultTime. A clock may show four times as much.
}

// The defaults of [Limits]. Networks of 100 million weights take some 2 GiB, and half a minute on one core.
const (
	DefaultMemory = 4 << 30
	DefaultTime   = time.Minute

	// LeastMemory is what ONNX Runtime and a network of a few weights need.
	LeastMemory = 256 << 20
)

func (l Limits) withDefaults() Limits {
	return Limits{Memory: cmp.Or(l.Memory, DefaultMemory), Time: cmp.Or(l.Time, DefaultTime)}
}

// Clock returns how long a proof may take by the clock: other work may take processors from it.
func (l Limits) Clock() time.Duration { return 4 * l.withDefaults().Time }

// Prover proves model files. It remembers its verdicts as long as it lives, and those on files that passed also in a
// folder, if it has one. It is safe for concurrent use, and as many proofs run at once as there are processors.
type Prover struct {
	runtime *ort.Runtime
	rules   models.Rules
	limits  Limits
	cores   chan struct{}
	kept    kept

	mu       sync.Mutex
	verdicts map[string]verdict // by digest; all have the same library, rules and limits
}

// verdict is what a proof found out about a file.
type verdict struct {
	grain   int   // [ort.Session.Grain]
	refusal error // why the file cannot be served; nil if it can
	passes  bool  // whether the refusal may be due to what else the machine does
}

// New returns a prover of files that obey the rules. folder is where it keeps verdicts, as from [Folder]; if it is
// empty, a prover keeps them in memory only.
func New(r *ort.Runtime, rules models.Rules, limits Limits, folder string) *Prover {
	limits = limits.withDefaults()
	return &Prover{
		runtime: r, rules: rules, limits: limits, cores: make(chan struct{}, processors.Count()),
		kept: newKept(folder, r, rules, limits), verdicts: map[string]verdict{},
	}
}

// Load proves a model file and then opens it with [ort.Runtime.Load], which skips its own trial on a CPU. Load sets the
// options Rules and Grain. The error wraps [models.ErrInvalid] if the proof refuses the file, and its text is then the
// reason.
func (p *Prover) Load(ctx context.Context, graph []byte, m models.Manifest, options ort.Options) (*ort.Session, error) {
	grain, err := p.Prove(ctx, graph, m)
	if err != nil {
		return nil, err
	}
	options.Rules, options.Grain = p.rules, grain
	return p.runtime.Load(ctx, graph, m, options)
}

// Prove returns an error if a model file cannot be served, and [ort.Session.Grain] of its sessions on a CPU if it can.
// The error wraps [models.ErrInvalid] if the file is the reason.
func (p *Prover) Prove(ctx context.Context, graph []byte, m models.Manifest) (grain int, err error) {
	if _, err := p.rules.Decode(graph, m); err != nil {
		return 0, err
	}
	sum := sha256.Sum256(graph)
	digest := hex.EncodeToString(sum[:])
	v, known := p.known(digest)
	if !known {
		if v, err = p.tryAlone(ctx, graph); err != nil {
			return 0, fmt.Errorf("prove %q: %w", m.Name, err)
		}
		p.keep(digest, v)
	}
	return v.grain, v.refusal
}

func (p *Prover) known(digest string) (verdict, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, known := p.verdicts[digest]; known {
		return v, true
	}
	return p.kept.get(digest)
}

// keep remembers a verdict, unless it depends on what else the machine does.
func (p *Prover) keep(digest string, v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !v.passes {
		p.verdicts[digest] = v
		_ = p.kept.put(digest, v) // otherwise it is proved again after a restart
	}
}

// tryAlone runs a child for a file when a processor is free for it.
func (p *Prover) tryAlone(ctx context.Context, graph []byte) (verdict, error) {
	select {
	case p.cores <- struct{}{}:
		defer func() { <-p.cores }()
	case <-ctx.Done():
		return verdict{}, context.Cause(ctx)
	}
	return try(ctx, task{Library: p.runtime.Path(), Rules: p.rules, Limits: p.limits}, graph)
}
