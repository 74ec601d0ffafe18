package main

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/train"
)

func scheduleOf(t *testing.T, line string) (r train.ScheduleReport) {
	t.Helper()
	got := langevin(t, fake.Script{}, append([]string{"schedule", "--json"}, strings.Fields(line)...)...)
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("schedule %s: %v, %+v", line, err, got)
	}
	return r
}

// TestSchedule reproduces the schedules that Song & Ermon (2020) published, which all have C = 0.567 and sigmas down to
// 0.01. Their step size for churches is twice what their rule gives.
func TestSchedule(t *testing.T) {
	for line, want := range map[string]struct {
		levels           int
		ratio            float64
		stepLR, variance float64
	}{
		"--dim 3072 --sigma1 50 --overlap 0.567 --steps-per-level 5": {232, 1.03756, 6.18e-6, 1.0555},
		"--dim 12288 --sigma1 90":                                    {500, 1.01841, 3.34e-6, 1.0314},
		"--dim 27648 --sigma1 140 --steps-per-level 4":               {788, 1.01220, 2.31e-6, 1.0224},
		"--dim 49152 --sigma1 190 --steps-per-level 3":               {1086, 1.00912, 1.77e-6, 1.0174},
		"--dim 196608 --sigma1 348 --steps-per-level 3":              {2311, 1.00454, 8.93e-7, 1.0089},
		"--dim 2 --sigma1 50 --levels 232":                           {232, 1.03756, 6.18e-6, 1.0555},
	} {
		got := scheduleOf(t, line)
		tolerance := 1 + want.levels/1000 // C is published to three digits
		if math.Abs(float64(got.Levels-want.levels)) > float64(tolerance) || math.Abs(got.Ratio-want.ratio) > 2e-4 {
			t.Errorf("%s: %d levels of ratio %.5f, want %d of %.5f", line, got.Levels, got.Ratio, want.levels,
				want.ratio)
		}
		if math.Abs(got.StepLR/want.stepLR-1) > 0.02 || math.Abs(got.Variance-want.variance) > 1e-3 {
			t.Errorf("%s: step_lr %.4g gives variance %.4f, want %.4g and %.4f", line, got.StepLR, got.Variance,
				want.stepLR, want.variance)
		}
		if got.NFE != got.Levels*got.StepsPerLevel {
			t.Errorf("%s: %d evaluations", line, got.NFE)
		}
	}
}

// TestScheduleOfData: four corners of a box of 6 by 8, in 6 dimensions, are at most 10 apart.
func TestScheduleOfData(t *testing.T) {
	corners := make([]float64, 24)
	corners[6], corners[12+1], corners[18], corners[18+1] = 6, 8, 6, 8
	writeFiles(t, map[string][]byte{
		"corners.npy": npy("<f8", "(4, 2, 3)", corners),
		"corners.csv": []byte("\ufeffa;b;c;d;e;f\r\n0;0;0;0;0;0\r\n" +
			"6;0;0;0;0;0\r\n0;8;0;0;0;0\r\n6,0;8;0;0;0;0\r\n\r\n"),
		"bytes.npy": npy("|u1", "(2, 5)", make([]uint8, 10)),
		"flat.npy":  npy("<f4", "(3,)", []float32{1, 2, 3}),
		"same.npy":  npy("<f4", "(2, 1)", []float32{3, 3}),
		"nan.npy":   npy("<f4", "(2, 1)", []float32{3, float32(math.NaN())}),
	})
	for _, file := range []string{"corners.npy", "corners.csv"} {
		got := scheduleOf(t, "--data "+file+" --levels 3 --sigma-last 0.1 --sigmas")
		if got.Dim != 6 || got.First != 10 || len(got.Sigmas) != 3 || math.Abs(got.Sigmas[1]-1) > 1e-12 {
			t.Errorf("%s: %+v: want 6 dimensions and sigmas 10, 1, 0.1", file, got)
		}
	}
	for line, want := range map[string]string{
		"--data nowhere.npy": "read nowhere.npy: no such file",
		"--data flat.npy":    "--data flat.npy has shape [3]: want [rows, ...]",
		"--data nan.npy":     "read nan.npy: element [1, 0], counted from 0, is NaN: want finite numbers",
	} {
		if got := langevin(t, fake.Script{},
			append([]string{"schedule"}, strings.Fields(line)...)...); got.code != cli.ExitFailed ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("schedule %s: %+v, want %q", line, got, want)
		}
	}
	for line, want := range map[string]string{
		"":                                            "want --data, or both --dim and --sigma1",
		"--dim 784":                                   "want --data, or both --dim and --sigma1",
		"--data same.npy":                             "--data same.npy: all its rows are equal: want rows that differ",
		"--data corners.npy --dim 6":                  "--data and --dim or --sigma1",
		"--dim 784 --sigma1 5 --rows 7":               "--rows needs --data",
		"--dim 784 --sigma1 0.01":                     "--sigma-last is 0.01: want it below the largest sigma, 0.01",
		"--dim 1 --sigma1 5":                          "1 dimension: want at least 5",
		"--dim 4 --sigma1 5":                          "4 dimensions: want at least 5",
		"--dim 784 --sigma1 5 --overlap 1":            "--overlap is 1: want above 0 and below 0.9973",
		"--dim 784 --sigma1 5 --overlap 0":            "--overlap is 0: want a finite number above 0",
		"--dim 9 --sigma1 5 --overlap 0.5 --levels 3": "--levels and --overlap: want one of them",
		"--dim 0 --sigma1 5":                          "--dim is 0: want a whole number from 1",
		"--dim 9 --sigma1 5 --levels 1":               "--levels is 1: want a whole number from 2 to 65536",
		"--dim 9 --sigma1 5 --levels 2147483647":      "--levels is 2147483647: want a whole number from 2 to 65536",
		"--dim 16777217 --sigma1 5":                   "--dim is 16777217: want a whole number from 1 to 16777216",
		"--dim 16777216 --sigma1 1e30 --overlap 0.9":  "it needs 2.483e+05 levels, want at most 65536",
		"--dim 9 --sigma1 5 --steps-per-level 1048577": "--steps-per-level is 1048577: " +
			"want a whole number from 1 to 1048576",
	} {
		if got := langevin(t, fake.Script{},
			append([]string{"schedule"}, strings.Fields(line)...)...); got.code != cli.ExitUsage ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("schedule %s: %+v, want %q", line, got, want)
		}
	}
}

// TestScheduleText: what it prints are values that the other commands take.
func TestScheduleText(t *testing.T) {
	table := langevin(t, fake.Script{}, "schedule", "--dim", "3072", "--sigma1", "50")
	for _, part := range []string{"3,072 dimensions", " 232 ", " 1.03756 ", " 0.567", "1,160 score evaluations",
		"6.18e-06", " 1.0555 ",
		"--set noise.levels=232", "--steps-per-level 5 --step-lr 6.18e-06"} {
		if !strings.Contains(table.stdout, part) {
			t.Errorf("no %q in %+v", part, table)
		}
	}
	ladder := langevin(t, fake.Script{}, "schedule", "--dim", "3072", "--sigma1", "50", "--sigmas")
	var sigmas cli.SigmasValue
	if err := sigmas.Set(strings.TrimSpace(ladder.stdout)); err != nil || len(sigmas) != 232 || sigmas[0] != 50 ||
		sigmas[231] != 0.01 {
		t.Errorf("%d sigmas, %v: %+v", len(sigmas), err, ladder)
	}
}

// TestScheduleOfPictures: pictures are measured as training sees them, from a folder and as bytes.
func TestScheduleOfPictures(t *testing.T) {
	writeFiles(t, map[string][]byte{
		"bytes.npy": npy("|u1", "(3, 4)", []uint8{0, 0, 0, 0, 255, 255, 255, 255, 51, 51, 51, 51}),
		"bools.npy": npy("|b1", "(2, 4)", []uint8{0, 0, 0, 0, 1, 1, 1, 1}),
	})
	if err := os.Mkdir("pictures", 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		grey := image.NewGray(image.Rect(0, 0, 4, 4))
		if i == 0 {
			for k := range grey.Pix {
				grey.Pix[k] = 255
			}
		}
		if err := os.WriteFile(fmt.Sprintf("pictures/%d.png", i), encodedPNG(t, grey), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]struct {
		dim   int
		first float64
	}{
		"--data bytes.npy": {4, 2}, "--data bools.npy": {4, 2},
		"--data pictures --image-size 2 --grey": {4, 2}, "--data pictures --image-size 2": {12, math.Sqrt(12)},
	} {
		if got := scheduleOf(t, line+" --levels 3"); got.Dim != want.dim || math.Abs(got.First-want.first) > 1e-6 {
			t.Errorf("%s: %d dimensions, sigma1 %g: want %+v", line, got.Dim, got.First, want)
		}
	}
	for line, want := range map[string]string{
		"--data pictures":                   "--data pictures is a folder: want --image-size",
		"--data bytes.npy --image-size 2":   "--image-size is for a folder of pictures: bytes.npy is none",
		"--data bytes.npy --grey":           "--grey needs --image-size",
		"--data pictures --image-size 1025": "--image-size is 1025: want a whole number from 1 to 1024",
	} {
		if got := langevin(t, fake.Script{}, append([]string{"schedule"}, strings.Fields(line)...)...); got.code !=
			cli.ExitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("schedule %s: %+v, want %q", line, got, want)
		}
	}
}
