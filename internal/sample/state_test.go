package sample

import (
	"bufio"
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/datafile"
)

// TestOldStates: files of every kind of sampler, as they were written when each kind had code of its own, ask for the
// sampler that they were drawn with.
func TestOldStates(t *testing.T) {
	for _, tt := range []struct {
		sampler string // in the file
		want    client.Sampler
	}{
		{`{"kind":"annealed_langevin","sigmas":[3,1],"steps_per_level":4,"step_lr":0.002,"denoise":false}`,
			client.AnnealedLangevin{
				Sigmas: []float64{3, 1}, StepsPerLevel: 4, StepLR: 0.002, Denoise: new(false), Consistent: new(false)}},
		{`{"kind":"annealed_langevin","sigmas":[3,1],"steps_per_level":4,"step_lr":1,"denoise":true,"consistent":true}`,
			client.AnnealedLangevin{
				Sigmas: []float64{3, 1}, StepsPerLevel: 4, StepLR: 1, Denoise: new(true), Consistent: new(true)}},
		{`{"kind":"langevin","sigma":0.2,"steps":9,"step_size":0.002,"denoise":false}`,
			client.Langevin{Sigma: 0.2, Steps: 9, StepSize: 0.002, Denoise: new(false)}},
		{`{"kind":"predictor_corrector","process":"ve","sigma_min":0.2,"sigma_max":20,"times":5,` +
			`"predictor":"reverse_diffusion","corrector":"none",` +
			`"corrector_steps":1,"snr":0.16,"epsilon":0.00001,"denoise":true}`,
			client.PredictorCorrector{
				Process: client.ProcessVE, SigmaMin: 0.2, SigmaMax: 20, Times: 5,
				Predictor: client.PredictorReverseDiffusion,
				Corrector: client.CorrectorNone, CorrectorSteps: 1, SNR: 0.16, Epsilon: 1e-5, Denoise: new(true)}},
		{`{"kind":"predictor_corrector","process":"vp","beta_min":0.1,"beta_max":10,"times":50,` +
			`"predictor":"reverse_diffusion","corrector":"annealed_langevin",` +
			`"corrector_steps":2,"snr":0.16,"epsilon":0.001,` +
			`"denoise":true}`,
			client.PredictorCorrector{
				Process: client.ProcessVP, BetaMin: 0.1, BetaMax: 10, Times: 50,
				Predictor: client.PredictorReverseDiffusion,
				Corrector: client.CorrectorAnnealed, CorrectorSteps: 2, SNR: 0.16, Epsilon: 1e-3, Denoise: new(true)}},
		{`{"kind":"probability_flow","sigmas":[20,5.868240018366638,0.2],"method":"euler","denoise":false}`,
			client.ProbabilityFlow{
				Sigmas: []float64{20, 5.868240018366638, 0.2}, Method: client.FlowEuler, Denoise: new(false)}},
	} {
		head := `{"format":"langevin-state-1","model":"ring","version":1,"digest":"35bf","engine":` +
			`"onnxruntime 1.30.0, cpu","seed":"7","first_chain":"0","step":4,"sampler":` + tt.sampler + "}\n"
		x := client.Batch{X: []float32{1, 2}, N: 1, Shape: []int{2}}
		file := bytes.NewBufferString(head)
		if err := datafile.WriteNPY(file, x); err != nil {
			t.Fatal(err)
		}
		s, err := decodeState(bufio.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		want := client.SampleRequest{
			Model: "ring", Version: 1, N: 1, Seed: new(uint64(7)), Sampler: tt.want,
			Resume: &client.Resume{Digest: "35bf", Step: 4, X: x},
		}
		if diff := cmp.Diff(want, s.request()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sampler, diff)
		}
	}
}

// TestDamagedState: a state file in which any byte has changed is refused, or is the same state. One without a digest
// is that of an older program.
func TestDamagedState(t *testing.T) {
	saved := newState(client.Started{Model: "ring", N: 3, Shape: []int{2}, Sampler: client.Langevin{Steps: 9}})
	saved.Finished, saved.x = 2, client.Batch{X: []float32{1, 2, 3, 4}, N: 2, Shape: []int{2}}
	var file bytes.Buffer
	if err := saved.write(&file); err != nil {
		t.Fatal(err)
	}
	want, err := decodeState(bufio.NewReader(bytes.NewReader(file.Bytes())))
	if err != nil || !slices.Equal(want.x.X, saved.x.X) {
		t.Fatalf("the whole file: %v, %v", want.x, err)
	}
	for i := range file.Len() {
		damaged := slices.Clone(file.Bytes())
		damaged[i] ^= 1
		got, err := decodeState(bufio.NewReader(bytes.NewReader(damaged)))
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("byte %d flipped, %q: no error", i, damaged[max(0, i-20):i+1])
		}
	}
	last := slices.Clone(file.Bytes())
	last[len(last)-1] ^= 1
	const damage = "it is damaged: its SHA-256 is not the one in its first line"
	if _, err := decodeState(bufio.NewReader(bytes.NewReader(last))); err == nil || err.Error() != damage {
		t.Errorf("the last byte flipped: %v, want %q", err, damage)
	}
	line, rows, _ := bytes.Cut(last, []byte("\n"))
	line, _ = unsealed(line)
	if _, err := decodeState(bufio.NewReader(bytes.NewReader(slices.Concat(line, []byte("\n"), rows)))); err != nil {
		t.Errorf("without a digest: %v", err)
	}
}
