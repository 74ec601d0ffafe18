package rpc

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// knownOf returns the known part of the samples of a request; nil if there is none.
func knownOf(req *langevinv1.SampleRequest, m models.Manifest, bad *invalid) *sampling.Known {
	switch c := req.GetCondition().(type) {
	case *langevinv1.SampleRequest_Inpainting:
		return inpainting(c.Inpainting, m, bad)
	case *langevinv1.SampleRequest_Colourisation:
		return colourisation(c.Colourisation, m, bad)
	}
	return nil
}

// setCondition sets the condition of the started event.
func setCondition(s *langevinv1.Started, req *langevinv1.SampleRequest) {
	switch c := req.GetCondition().(type) {
	case *langevinv1.SampleRequest_Inpainting:
		s.Condition = &langevinv1.Started_Inpainting{Inpainting: &langevinv1.Inpainting{
			Values: c.Inpainting.GetValues(), Mask: c.Inpainting.GetMask(),
			Refresh: refreshOf(c.Inpainting.GetRefresh()),
		}}
	case *langevinv1.SampleRequest_Colourisation:
		s.Condition = &langevinv1.Started_Colourisation{Colourisation: &langevinv1.Colourisation{
			Grey: c.Colourisation.GetGrey(), Refresh: refreshOf(c.Colourisation.GetRefresh()),
		}}
	}
}

// refreshOf returns a valid choice with the default filled in.
func refreshOf(given langevinv1.Refresh) langevinv1.Refresh {
	return named(refreshes(), choice(refreshes(), given, "", &invalid{}))
}

func inpainting(in *langevinv1.Inpainting, m models.Manifest, bad *invalid) *sampling.Known {
	const field = "inpainting."
	values, ok := decodeOne(in.GetValues(), field+"values", "one sample", m.RowShape(), bad)
	if !ok {
		return nil
	}
	mask := in.GetMask()
	if m.Columns != nil && len(mask) == len(values) {
		if values, mask, ok = knownColumns(field+"values", values, mask, m.Columns, bad); !ok {
			return nil
		}
	}
	if len(m.Shape) == 3 && len(mask) == m.Shape[1]*m.Shape[2] {
		mask = slices.Repeat(mask, m.Shape[0])
	}
	known, err := sampling.Inpaint(values, mask, choice(refreshes(), in.GetRefresh(), field+"refresh", bad))
	bad.join(field, err)
	return known
}

// knownColumns returns what a network sees of the known columns of a row, and where.
func knownColumns(
	field string, row []float32, known []bool, columns models.Columns, bad *invalid,
) ([]float32, []bool, bool) {
	row = slices.Clone(row)
	for i, c := range columns {
		if !known[i] {
			row[i] = c.Filler()
		} else if err := c.Check(float64(row[i])); err != nil {
			*bad = append(*bad, &sampling.FieldError{Field: field, Cause: err})
			return nil, nil, false
		}
	}
	x := make([]float32, columns.Width())
	columns.Encode(x, row, nil)
	return x, columns.Mask(known), true
}

func colourisation(in *langevinv1.Colourisation, m models.Manifest, bad *invalid) *sampling.Known {
	const field = "colourisation."
	if len(m.Shape) != 3 {
		bad.add("colourisation", m.Name,
			"a model whose samples have shape [channels, height, width]: %s has samples of shape %v", m.Name, m.Shape)
		return nil
	}
	grey, ok := decodeOne(in.GetGrey(), field+"grey", "one value for each pixel", m.Shape[1:], bad)
	if !ok {
		return nil
	}
	known, err := sampling.Colourise(grey, m.Shape[0], choice(refreshes(), in.GetRefresh(), field+"refresh", bad))
	bad.join(field, err)
	return known
}

func refreshes() []word[langevinv1.Refresh, sampling.Refresh] {
	return []word[langevinv1.Refresh, sampling.Refresh]{
		{langevinv1.Refresh_REFRESH_UNSPECIFIED, sampling.RefreshLevel},
		{langevinv1.Refresh_REFRESH_LEVEL, sampling.RefreshLevel},
		{langevinv1.Refresh_REFRESH_STEP, sampling.RefreshStep},
	}
}

// columnsOf returns the columns of an interpolation; 0 without one.
func columnsOf(req *langevinv1.SampleRequest, bad *invalid) int {
	in := req.GetInterpolation()
	if in != nil && in.GetColumns() < 2 {
		bad.add("interpolation.columns", in.GetColumns(), "at least 2")
	}
	return int(in.GetColumns())
}

// resume makes a job resume from the states of a request, if it has any.
func resume(job *batch.Job, in *langevinv1.Resume, entry models.Entry, bad *invalid) {
	if in == nil || len(job.Plan) == 0 {
		return
	}
	if in.GetDigest() != entry.Digest {
		bad.add("resume.digest", quoted(in.GetDigest()),
			"the digest of %s version %d, %s: states of another model cannot be resumed",
			entry.Name, entry.Version, entry.Digest)
	}
	if job.Measured.Rows() > 1 {
		bad.add("resume", "set", "none with particles, whose states are not enough to go on from")
		return
	}
	last := len(job.Plan) - 1
	if step := in.GetStep(); step < 0 || step > int64(last) {
		bad.add("resume.step", step, "0 to %d", last)
		return
	}
	if in.GetStep() > 0 && job.Plan.UsesHistory() {
		bad.add("resume.step", in.GetStep(),
			"0: the steps of this sampler remember earlier ones, which a state does not hold")
	}
	job.StartStep = int(in.GetStep())
	// A state is what the network sees, also of a table: the values of columns do not say where between them it was.
	job.Start = decodeRows(in.GetX(), "resume.x", "states of "+entry.Name, entry.Manifest.Shape, job.N, bad)
	if rows := len(job.Start) / entry.Manifest.Dim(); rows < job.N {
		bad.add("resume.x", fmt.Sprintf("%d rows", rows), "%d, one for each of n chains", job.N)
	}
}
