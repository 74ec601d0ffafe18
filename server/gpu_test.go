package server_test

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// gpu is the device that the tests of GPUs use; cpu runs all they have that a CPU can.
var gpu = flag.String("gpu", "cuda", "device of the tests of GPUs")

// How far scores of another device may be off: the largest difference over the largest score.
const (
	toleranceFloat32 = 1e-4
	toleranceTF32    = 1e-2 // 10 bits are 5e-4 for each factor
)

// needDevice skips the test if the device cannot be used, and says why.
func needDevice(t *testing.T) (library, device string) {
	t.Helper()
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	d, err := ort.ParseDevice(*gpu)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ort.ProbeDevice(t.Context(), library, d); err != nil {
		t.Skip(err)
	}
	return library, d.String()
}

// gpuModels returns the built-in models and a convolutional network.
func gpuModels(t *testing.T) (files []models.File) {
	t.Helper()
	repo, err := models.NewRepository(models.Zoo(), networks(t), models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	entries, problems := repo.List()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, e := range entries {
		file, err := repo.Open(e.Name, e.Version)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// TestGPUScores compares the device's scores with the CPU's, at every sigma of the schedule and at numbers of rows that
// are padded, not padded, and split.
func TestGPUScores(t *testing.T) {
	library, device := needDevice(t)
	runtime, err := ort.Open(library)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range gpuModels(t) {
		cpu := scoresOf(t, runtime, file, ort.Options{})
		for _, tt := range []struct {
			options   ort.Options
			tolerance float64
		}{
			{ort.Options{Device: device}, toleranceFloat32},
			{ort.Options{Device: device, TF32: true}, toleranceTF32},
		} {
			off := distance(scoresOf(t, runtime, file, tt.options), cpu)
			t.Logf("%s on %s, TF32 %v: off by %.2g", file.Name, device, tt.options.TF32, off)
			if !(off <= tt.tolerance) {
				t.Errorf("%s on %s, TF32 %v: off by %.2g, %g is allowed",
					file.Name, device, tt.options.TF32, off, tt.tolerance)
			}
		}
	}
}

// scoresOf returns the scores of random points.
func scoresOf(t *testing.T, runtime *ort.Runtime, file models.File, options ort.Options) (all []float32) {
	t.Helper()
	session, err := runtime.Load(t.Context(), file.Graph, file.Manifest, options)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	random := rand.New(rand.NewPCG(5, 0))
	for _, rows := range []int{1, 16, 33, 300} {
		x, score, sigma := make([]float32, rows*file.Manifest.Dim()), make([]float32, rows*file.Manifest.Dim()),
			make([]float32, rows)
		for i := range sigma {
			sigma[i] = float32(file.Manifest.Sigmas[i%len(file.Manifest.Sigmas)])
		}
		for i := range x {
			x[i] = float32(random.NormFloat64()) * (1 + sigma[i/file.Manifest.Dim()])
		}
		if err := session.Score(t.Context(), score, x, sigma); err != nil {
			t.Fatal(err)
		}
		for i := range score {
			score[i] *= sigma[i/file.Manifest.Dim()] // so that every level counts
		}
		all = append(all, score...)
	}
	return all
}

func distance(got, want []float32) float64 {
	var off, size float64
	for i, v := range want {
		off = max(off, math.Abs(float64(got[i])-float64(v)))
		size = max(size, math.Abs(float64(v)))
		if got[i] != got[i] {
			return math.NaN()
		}
	}
	return off / size
}

// TestGPUServes: the service reports the device that it runs on, and a repeated request has the same bits.
func TestGPUServes(t *testing.T) {
	_, device := needDevice(t)
	dir := networks(t)
	r := start(t, func(c *server.Config) { c.Models.Dir, c.Models.Default, c.Device = dir, "mlp", device })
	model, err := langevinv1.NewModelServiceClient(r.conn).GetModel(t.Context(),
		&langevinv1.GetModelRequest{Name: "conv"})
	if err != nil || model.GetModel().GetDevice() != device {
		t.Errorf("the model runs on %q (%v), want %s", model.GetModel().GetDevice(), err, device)
	}
	for _, name := range []string{"mlp", "conv", "ring"} {
		req := order(name, 48)
		req.Sampler = &langevinv1.SampleRequest_Langevin{
			Langevin: &langevinv1.Langevin{Steps: proto.Int32(30), StepSize: proto.Float64(0.001)},
		}
		alone := r.floats(t, req)
		again := r.floats(t, req)
		if len(alone) != len(again) {
			t.Fatalf("%s: %d and %d numbers", name, len(alone), len(again))
		}
		for i, v := range alone {
			if math.Float32bits(v) != math.Float32bits(again[i]) {
				t.Fatalf("%s: the same request twice differs at %d: %g and %g", name, i, v, again[i])
			}
		}
	}
}
