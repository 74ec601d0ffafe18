package rpc

import (
	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
)

// previewOf compiles the preview options of a request for a job that is otherwise complete.
func previewOf(in *langevinv1.PreviewOptions, job batch.Job, m models.Manifest, bad *invalid) *batch.Preview {
	if in == nil || len(job.Plan) == 0 {
		return nil
	}
	n := job.N
	p := &batch.Preview{
		Steps:    previewSteps(in, job, bad),
		Chains:   min(langevinv1.DefaultPreviewChains, n),
		Denoised: in.GetKind() == langevinv1.PreviewKind_PREVIEW_KIND_DENOISED,
	}
	if in.Chains != nil {
		if c := in.GetChains(); c < 1 || c > int64(n) {
			bad.add("preview.chains", c, "1 to n, which is %d", n)
			return nil
		}
		p.Chains = int(in.GetChains())
	}
	if _, known := langevinv1.PreviewKind_name[int32(in.GetKind())]; !known {
		bad.add("preview.kind", in.GetKind(), "a PreviewKind that this server knows")
	}
	dim := m.RowDim()
	if in.GetForResume() {
		dim = m.Dim()
	}
	if in.GetForResume() && p.Denoised {
		bad.add("preview.for_resume", true, "false with denoised estimates, from which no chain can go on")
	}
	frame := 4 * dim * p.Chains
	if p.Chains > 1 && frame > langevinv1.MaxEventBytes {
		bad.add("preview.chains", p.Chains, "at most %d, so that a preview stays under 1 MiB",
			max(1, langevinv1.MaxEventBytes/(4*dim)))
	}
	if total := frame * len(p.Steps); total > langevinv1.MaxPreviewBytes {
		bad.add("preview", total, "at most %d bytes in all: fewer frames or fewer chains", langevinv1.MaxPreviewBytes)
	}
	return p
}

// previewSteps returns the steps after which the chains are shown, from the job's first to its last.
func previewSteps(in *langevinv1.PreviewOptions, job batch.Job, bad *invalid) []int {
	first, last := job.StartStep, len(job.Plan)
	steps := []int{first}
	switch c := in.GetCadence().(type) {
	case *langevinv1.PreviewOptions_EverySteps:
		if c.EverySteps < 1 {
			bad.add("preview.every_steps", c.EverySteps, "at least 1")
			return nil
		}
		every := int(c.EverySteps)
		for s := (first/every + 1) * every; s < last; s += every {
			steps = append(steps, s)
		}
	case *langevinv1.PreviewOptions_Frames:
		if c.Frames < 2 || int(c.Frames) > last-first+1 {
			bad.add("preview.frames", c.Frames, "2 to %d, one more than the steps of a chain", last-first+1)
			return nil
		}
		return spread(first, last, int(c.Frames))
	case *langevinv1.PreviewOptions_MaxFrames:
		if c.MaxFrames < 2 {
			bad.add("preview.max_frames", c.MaxFrames, "at least 2")
			return nil
		}
		return spread(first, last, min(int(c.MaxFrames), last-first+1))
	default: // the default is every level
		for s := first + 1; s < last; s++ {
			if job.Plan[s].Level != job.Plan[s-1].Level {
				steps = append(steps, s)
			}
		}
	}
	return append(steps, last)
}

// spread returns the steps of the given number of frames, spread evenly from the first to the last. A single frame is
// at the last step.
func spread(first, last, frames int) []int {
	if frames < 2 {
		return []int{last}
	}
	steps := make([]int, frames)
	for i := range steps {
		steps[i] = first + i*(last-first)/(frames-1)
	}
	return steps
}
