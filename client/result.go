package client

import "time"

// Result has all samples of a call, and what is needed to draw them again.
type Result struct {
	Batch // a row for each chain, in chain order

	Model      string
	Version    int
	Digest     string // SHA-256 of the model file, in hexadecimal
	Engine     string // what else decides the bits: the noise generator, the runtime and its settings
	Sampler    Sampler
	Seed       uint64
	FirstChain uint64 // the chain of row 0

	Given         Given    // of the request; nil for none
	GuidanceScale *float64 // of the request; nil for none
	Sum           *Sum     // that the chains followed, with every default filled in; nil for none
	Approximate   bool     // what was asked for is only approximated, see [Started]

	Measurement    *Measurement // with the method that was used; nil for none
	EffectiveSizes []float64    // of the particles of each chain, see [Chunk]; nil without particles
	LogEvidence    float64      // of all chains, see [Done]
	Collapsed      int          // a warning if above 0, see [Done]

	Table []Column // the columns of a table, in order; nil for other models

	Previews        []Preview // in the order of steps; none unless the request asked for them
	PreviewsDropped int       // lost because they were read too slowly

	Steps     int           // of each chain
	NFE       int64         // evaluations of networks, summed over all chains; see Started.Evaluations
	Elapsed   time.Duration // since the server accepted the call
	Queued    time.Duration // how long the call waited before the first chain started
	Resumed   int           // how often the call broke and was resumed, see [WithResume]
	RequestID string        // names the call in the server's log
}

// collect adds an event to the result. The events have been checked.
func (r *Result) collect(e Event) {
	switch e := e.(type) {
	case Started:
		*r = Result{
			Batch:      Batch{Shape: e.Shape},
			Model:      e.Model,
			Version:    e.Version,
			Digest:     e.Digest,
			Engine:     e.Engine,
			Sampler:    e.Sampler,
			Steps:      e.Steps,
			Seed:       e.Seed,
			FirstChain: e.FirstChain,
			RequestID:  e.RequestID,
			Given:      e.Given,
			Sum:        e.Sum,

			GuidanceScale: e.GuidanceScale,
			Approximate:   e.Approximate,
			Table:         e.Table,
			Measurement:   e.Measurement,
		}
	case Preview:
		r.Previews = append(r.Previews, e)
	case Resumed:
		r.Resumed++
	case Chunk:
		r.X = append(r.X, e.X...)
		r.PNG = append(r.PNG, e.PNG...)
		r.N += e.N
		r.EffectiveSizes = append(r.EffectiveSizes, e.EffectiveSizes...)
	case Done:
		r.NFE, r.Elapsed, r.Queued, r.PreviewsDropped = e.NFE, e.Elapsed, e.Queued, e.PreviewsDropped
		r.LogEvidence, r.Collapsed = e.LogEvidence, e.Collapsed
	}
}
