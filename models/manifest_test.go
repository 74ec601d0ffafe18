package models_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
)

func trained() models.Manifest {
	m := modelstest.Manifest("ring-8.v2_x", 1, 4, 4)
	m.Description = "eight modes on a circle"
	m.Parameterization = models.ParameterizationNoise
	m.Prior = sampling.Prior{Kind: sampling.PriorUniform, Low: -1, High: 1}
	m.Sampler.Denoise = true
	m.Training = &models.Training{
		Preset: "ring", Data: "ring", Commit: "0123abcd", Iterations: 1000, BatchSize: 128,
		Seed: math.MaxUint64, Loss: 1.5, LossPerLevel: []float64{1, 1.5, 2},
	}
	return m
}

func TestManifestRoundTrip(t *testing.T) {
	want := trained()
	model := modelstest.Gaussian(1, 4, 4)
	model.MetadataProps = []*protos.StringStringEntryProto{{Key: "author", Value: "a"}}
	first := modelstest.File(t, model, modelstest.Manifest("replaced", 2))
	file := modelstest.File(t, model, want)
	got, err := models.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest differs (-attached +read):\n%s", diff)
	}
	if m, err := models.Read(first); err != nil || m.Name != "replaced" {
		t.Errorf("first manifest: %q, %v", m.Name, err)
	}
	if keys := len(model.MetadataProps); keys != 2 {
		t.Errorf("%d metadata entries after two Attach: want author and the manifest", keys)
	}
	if !slices.Equal(file, modelstest.File(t, model, want)) {
		t.Error("attaching the same manifest again changed the file")
	}
}

// detector returns a detector for two levels.
func detector(t *testing.T) *detect.Detector {
	t.Helper()
	norms := make([]float64, 2*detect.LeastRows)
	for i := range norms {
		norms[i] = 1 + math.Mod(float64(i)*math.Phi, 1)
	}
	d, err := detect.Fit([]float64{1, 0.1}, norms)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestWithManifest: a file gets a detector, and everything else in it keeps its bytes.
func TestWithManifest(t *testing.T) {
	model := modelstest.Gaussian(1, 4, 4)
	model.MetadataProps = []*protos.StringStringEntryProto{{Key: "author", Value: "a"}}
	bare := trained()
	file := modelstest.File(t, model, bare)
	want := bare
	want.Format, want.Detector = models.FormatDetector, detector(t)
	with, err := models.WithManifest(file, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := models.Read(with)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest differs (-given +read):\n%s", diff)
	}
	if _, err := models.Decode(with, got); err != nil {
		t.Error(err)
	}
	back, err := models.WithManifest(with, bare)
	if err != nil || !slices.Equal(back, file) {
		t.Errorf("with its first manifest again the file differs: %v", err)
	}
	want.Detector.Mean = nil
	if _, err := models.WithManifest(file, want); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("a bad manifest: %v", err)
	}
	if _, err := models.WithManifest(file[:len(file)/2], bare); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("half a file: %v", err)
	}
}

// TestDefaultSampler compares the plan of each kind of default sampler with the one that package sampling compiles, and
// reads it back from a file.
func TestDefaultSampler(t *testing.T) {
	m := trained()
	if m.Dim() != 16 {
		t.Errorf("dim %d, want 16", m.Dim())
	}
	annealed, err := sampling.AnnealedLangevin{
		Schedule: must(m.Schedule()), StepsPerLevel: 5, StepLR: 0.002, Denoise: true,
	}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	checkDefault(t, m, annealed, m.Prior)
	reverse(&m, 12, 1.5)
	reverse, err := sampling.ReverseSDE{
		Schedule: must(sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], 12, 7)),
		Method:   sampling.ReverseMultistep, Eta: 1.5, Noise: 1, Denoise: true,
	}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	checkDefault(t, m, reverse, sampling.Prior{Kind: sampling.PriorNormal, Std: m.Sigmas[0]})
	m.Sampler.Kind, m.Sampler.ReverseSDE = models.SamplerConsistency, nil
	m.Sampler.Consistency = &models.Consistency{Sigmas: []float64{3, 0.5}}
	consistency, err := sampling.Consistency{Schedule: must(sampling.NewSchedule(3, 0.5))}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	checkDefault(t, m, consistency, sampling.Prior{Kind: sampling.PriorNormal, Std: 3})
}

func reverse(m *models.Manifest, steps int, eta float64) {
	m.Sampler.Kind, m.Sampler.ReverseSDE = models.SamplerReverseSDE, &models.ReverseSDE{Steps: steps, Eta: eta}
}

func checkDefault(t *testing.T, m models.Manifest, want sampling.Plan, from sampling.Prior) {
	t.Helper()
	read, err := models.Read(modelstest.File(t, modelstest.Gaussian(1, 4, 4), m))
	if err != nil {
		t.Fatal(err)
	}
	plan, prior, err := read.Default()
	if err != nil || prior != from {
		t.Errorf("%s: chains start at %v, error %v: want %v", m.Sampler.Kind, prior, err, from)
	}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("%s: plan differs (-want +got):\n%s", m.Sampler.Kind, diff)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAttachRefusesABadManifest(t *testing.T) {
	model := modelstest.Gaussian(2)
	if err := models.Attach(model, models.Manifest{}); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("Attach of a zero manifest: %v", err)
	}
	if len(model.MetadataProps) != 0 {
		t.Error("a refused manifest was attached")
	}
}

func TestValidate(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	tests := []struct {
		name   string
		break_ func(*models.Manifest)
		want   string
	}{
		{"format", func(m *models.Manifest) { m.Format = 2 }, "format is 2: want 1 without"},
		{"no name", func(m *models.Manifest) { m.Name = "" }, `name is ""`},
		{"name with a slash", func(m *models.Manifest) { m.Name = "../ring" }, `name is "../ring"`},
		{"name in capitals", func(m *models.Manifest) { m.Name = "Ring" }, `name is "Ring"`},
		{"name of 65 letters", func(m *models.Manifest) { m.Name = strings.Repeat("a", 65) }, "name is"},
		{"name ending in a newline", func(m *models.Manifest) { m.Name = "ring\n" }, `name is "ring\n"`},
		{"no shape", func(m *models.Manifest) { m.Shape = nil }, "shape has 0 axes"},
		{"five axes", func(m *models.Manifest) { m.Shape = []int{1, 1, 1, 1, 1} }, "shape has 5 axes"},
		{"zero axis", func(m *models.Manifest) { m.Shape = []int{4, 0} }, "shape[1] of [4 0] is 0"},
		{"too many elements", func(m *models.Manifest) { m.Shape = []int{1 << 20, 1 << 20} }, "shape[1]"},
		{"product overflows", func(m *models.Manifest) { m.Shape = []int{4, math.MaxInt/2 + 1} }, "shape[1]"},
		{"parameterization", func(m *models.Manifest) { m.Parameterization = "epsilon" },
			`parameterization is "epsilon": want "score"`},
		{"no sigmas", func(m *models.Manifest) { m.Sigmas = nil }, "sigmas has 0 levels"},
		{"rising sigmas", func(m *models.Manifest) { m.Sigmas = []float64{1, 2, 3} }, "sigma 1 is 2"},
		{"NaN sigma", func(m *models.Manifest) { m.Sigmas = []float64{nan, 2, 1} }, "sigma 0 is NaN"},
		{"empty range", func(m *models.Manifest) { m.Range = models.Range{Low: 1, High: 1} }, "range is 1 to 1"},
		{"infinite range", func(m *models.Manifest) { m.Range.High = inf }, "range is -3 to +Inf"},
		{"prior kind", func(m *models.Manifest) { m.Prior.Kind = "cauchy" }, `"cauchy"`},
		{"prior std", func(m *models.Manifest) { m.Prior = sampling.Prior{Kind: sampling.PriorNormal} },
			"prior: normal"},
		{"sampler kind", func(m *models.Manifest) { m.Sampler.Kind = "euler" }, `sampler kind is "euler"`},
		{"no steps", func(m *models.Manifest) { m.Sampler.StepsPerLevel = 0 }, "steps_per_level is 0"},
		{"endless steps", func(m *models.Manifest) { m.Sampler.StepsPerLevel = 1 << 20 }, "steps_per_level is 1048576"},
		{"step_lr", func(m *models.Manifest) { m.Sampler.StepLR = nan }, "step_lr is NaN"},
		{"kind without settings", func(m *models.Manifest) { m.Sampler.Kind = models.SamplerReverseSDE },
			"sampler has no reverse_sde"},
		{"settings without kind", func(m *models.Manifest) { m.Sampler.ReverseSDE = &models.ReverseSDE{Steps: 5} },
			"sampler has reverse_sde"},
		{"consistency without sigmas", func(m *models.Manifest) {
			m.Sampler.Kind, m.Sampler.Consistency = models.SamplerConsistency, &models.Consistency{}
		}, "sampler consistency.sigmas: noise schedule: no sigmas"},
		{"two kinds", func(m *models.Manifest) {
			reverse(m, 5, 1)
			m.Sampler.Consistency = &models.Consistency{Sigmas: []float64{1}}
		}, "sampler has consistency: want it only if its kind"},
		{"one step", func(m *models.Manifest) { reverse(m, 1, 1) }, "reverse_sde.steps is 1: want 2 to"},
		{"negative eta", func(m *models.Manifest) { reverse(m, 5, -1) }, "reverse_sde.eta is -1"},
		{"one level", func(m *models.Manifest) { reverse(m, 5, 1); m.Sigmas, m.Training = m.Sigmas[:1], nil },
			"want at least 2 sigmas, not 1"},
		{"format of a detector", func(m *models.Manifest) { m.Detector = detector(t) },
			"format is 1: want 4 with a detector"},
		{"no detector", func(m *models.Manifest) { m.Format = models.FormatDetector },
			"format is 4: want 1 without a detector"},
		{"bad detector", func(m *models.Manifest) { m.Detector = detector(t); m.Detector.Mean = nil },
			"detector mean has 0"},
		{"detector of conditions", func(m *models.Manifest) { m.Detector = detector(t); m.Detector.Given = true },
			"want a model with one"},
		{"detector without the condition", func(m *models.Manifest) {
			m.Detector, m.Condition = detector(t), &models.Condition{Classes: 2}
		}, "want a model that was trained without it too"},
		{"detector of a consistency model", func(m *models.Manifest) {
			m.Detector, m.Sampler.Kind = detector(t), models.SamplerConsistency
		}, "because it has no score"},
		{"iterations", func(m *models.Manifest) { m.Training.Iterations = -1 }, "-1 iterations"},
		{"loss", func(m *models.Manifest) { m.Training.Loss = inf }, "loss is +Inf"},
		{"losses of other levels", func(m *models.Manifest) { m.Training.LossPerLevel = []float64{1} },
			"loss_per_level has 1 values"},
		{"loss of a level", func(m *models.Manifest) { m.Training.LossPerLevel[1] = nan }, "loss_per_level[1] is NaN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := trained()
			tt.break_(&m)
			err := m.Validate()
			if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v: want one line with %q", err, tt.want)
			}
		})
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	err := models.Manifest{Training: &models.Training{BatchSize: -1}}.Validate()
	for _, field := range []string{"format", "name", "shape", "parameterization", "sigmas", "range", "prior",
		"sampler kind",
		"steps_per_level", "step_lr", "batch_size"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q is not in: %v", field, err)
		}
	}
}

func TestReadIsStrict(t *testing.T) {
	good, err := json.Marshal(trained())
	if err != nil {
		t.Fatal(err)
	}
	with := func(values ...string) []byte {
		return modelstest.WithManifest(t, modelstest.Gaussian(1, 4, 4), values...)
	}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "empty"},
		{"text", []byte("this is not a model"), "not an ONNX file"},
		{"html", []byte("<!DOCTYPE html><html></html>"), "not an ONNX file"},
		{"no manifest", with(), "no langevin.manifest"},
		{"two manifests", with(string(good), string(good)), "2 entries"},
		{"no JSON", with("format: 1"), "manifest: invalid character"},
		{"cut JSON", with(string(good[:len(good)/2])), "unexpected EOF"},
		{"unknown key", with(`{"sigmaz": [1],` + string(good[1:])), `unknown field "sigmaz"`},
		{"unknown nested key", with(strings.Replace(string(good), `"step_lr"`, `"step_rl"`, 1)),
			`unknown field "step_rl"`},
		{"text after", with(string(good) + "{}"), "text after its end"},
		{"number as text", with(strings.Replace(string(good), `"step_lr":0.002`, `"step_lr":"0.002"`, 1)), "step_lr"},
		{"bad value", with(strings.Replace(string(good), `"step_lr":0.002`, `"step_lr":-1`, 1)), "step_lr is -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := models.Read(tt.file)
			if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v: want %q", err, tt.want)
			}
		})
	}
}

// TestTruncatedFiles cuts a file at every byte. Every function must refuse each piece.
func TestTruncatedFiles(t *testing.T) {
	m := modelstest.Manifest("cut", 2)
	file := modelstest.File(t, modelstest.Gaussian(2), m)
	for n := range file {
		_, readErr := models.Read(file[:n])
		_, decodeErr := models.Decode(file[:n], m)
		if err := errors.Join(readErr, decodeErr); !errors.Is(err, models.ErrInvalid) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(file), err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(modelstest.File(f, modelstest.Gaussian(2), modelstest.Manifest("seed", 2)))
	f.Add(modelstest.File(f, modelstest.Conv("Elu", 4, 1), modelstest.Manifest("seed", 1, 4, 4)))
	f.Add(modelstest.File(f, modelstest.GaussianOfClass([][]float32{{1, 2}, {3, 4}, {0, 0}}, 2),
		modelstest.Conditional(models.Condition{Classes: 2, Names: []string{"a", "b"}, Dropped: true}, "seed", 2)))
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := models.Read(file)
		if err != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatalf("Read let through: %v", err)
		}
		if model, err := models.Decode(file, m); err == nil {
			models.Rewrite(model)
		}
	})
}
