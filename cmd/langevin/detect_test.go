package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/sampling"
)

// normal returns n points of N(0, 1) in two dimensions.
func normal(seed uint64, n int) []float32 {
	x := make([]float32, 2*n)
	sampling.Noise{Seed: seed}.Normal(x, 0)
	return x
}

// TestDetect fits a detector to a file of the data, asks it about others, and compares the samples of the model with
// those before.
func TestDetect(t *testing.T) {
	const held, others = 600, 500
	folder := modelFolder(t)
	flags := append([]string{"--local"}, inside(t, folder)...)
	x := normal(2, others)
	x[0], x[1] = 30, -30 // far from everything
	writeFiles(t, map[string][]byte{
		"held.npy": npy("<f4", "(600, 2)", normal(1, held)), "new.npy": npy("<f4", "(500, 2)", x),
	})
	sample := func() string {
		got := runAlone(t, append([]string{"sample", "gauss", "-n", "5", "--seed", "1"}, flags...)...)
		if got.code != cli.ExitOK {
			t.Fatalf("%+v", got)
		}
		return got.stdout
	}
	before := sample()
	if got := runAlone(t, append([]string{"detect", "gauss", "new.npy"}, flags...)...); got.code != cli.ExitFailed ||
		!strings.Contains(got.stderr, "langevin detect fit gauss --models-dir FOLDER --data FILE") {
		t.Errorf("without a detector: %+v", got)
	}
	got := runAlone(t, append([]string{"detect", "fit", "gauss", "--data", "held.npy", "--json"}, flags[1:5]...)...)
	var fitted struct {
		Path       string
		Calibrated int
	}
	if err := json.Unmarshal([]byte(got.stdout), &fitted); err != nil || fitted.Calibrated != held/2 ||
		fitted.Path != filepath.Join(folder, "gauss", "1", models.FileName) {
		t.Fatalf("%+v, %v", got, err)
	}
	if after := sample(); after != before {
		t.Errorf("the samples are %s, and were %s", after, before)
	}

	got = runAlone(t, append([]string{"detect", "gauss", "new.npy", "--threshold", "0.05", "--json"}, flags...)...)
	var report struct {
		Alarms int
		Rows   []struct {
			PValue   float64 `json:"p_value"`
			Distance float64
			Alarm    bool
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitAlarm ||
		len(report.Rows) != others {
		t.Fatalf("%+v, %v", got, err)
	}
	first := report.Rows[0]
	if !first.Alarm || first.PValue != 1./(held/2+1) || first.Distance < 10 {
		t.Errorf("what is far away is %+v", first)
	}
	share, deviation := float64(report.Alarms-1)/(others-1), math.Sqrt(0.05*0.95*(1./others+2./held))
	if math.Abs(share-0.05) > 4*deviation {
		t.Errorf("%.3f of the data's own samples are alarms, want 0.05 ± %.3f", share, deviation)
	}
	got = runAlone(t, append([]string{"detect", "gauss", "new.npy", "--out", "p.npy"}, flags...)...)
	if file, err := os.ReadFile("p.npy"); err != nil || got.code != cli.ExitOK || got.stdout != "" ||
		!bytes.Contains(file, []byte("(500, 2,)")) {
		t.Errorf("to a file: %+v, %v", got, err)
	}
	got = runAlone(t, append([]string{"models", "show", "gauss"}, flags...)...)
	if !strings.Contains(got.stdout, "detector") || !strings.Contains(got.stdout, "calibrated by 300 rows") {
		t.Errorf("models show: %+v", got)
	}
}

// TestDetectPictures: pictures in files of their own have the channels and the range of the model.
func TestDetectPictures(t *testing.T) {
	writeFiles(t, map[string][]byte{"colour.jpg": photo(t), "grey.png": twoGreys(t)})
	for channels, want := range map[int][]float32{
		1: {-0.6, -0.6, -1, 1}, 3: {-0.6, -0.6, -0.6, -0.6, -0.6, -0.6, -1, 1, -1, 1, -1, 1},
	} {
		var asked client.DetectRequest
		script := fake.Script{
			Models: []client.Model{{
				Name: "photos", Version: 1, State: client.ModelReady, Low: -1, High: 1, Shape: []int{channels, 1, 2},
			}},
			Detect: func(_ context.Context, r client.DetectRequest) (*client.Detected, error) {
				asked = r
				return &client.Detected{PValue: []float64{1, 1}, Distance: []float64{0, 0}}, nil
			},
		}
		got := langevin(t, script, "detect", "photos", "colour.jpg", "grey.png")
		near := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 })
		if diff := cmp.Diff(want, asked.X, near); diff != "" || got.code != cli.ExitOK {
			t.Errorf("%d channels: %+v (-want +got):\n%s", channels, got, diff)
		}
	}
}

// TestDetectFolders: pictures of any size are read as the model's training read those of its folder, and folders have
// all pictures in them. The output has their names. A model of other pictures takes them as they are.
func TestDetectFolders(t *testing.T) {
	wide := image.NewGray(image.Rect(0, 0, 6, 4))
	for i := range wide.Pix {
		wide.Pix[i] = 255
	}
	writeFiles(t, map[string][]byte{
		"new/colour.jpg": photo(t), "new/deep/grey.png": twoGreys(t), "new/wide.png": encodedPNG(t, wide),
		"new/notes.txt": {}, "empty/notes.txt": {},
		"broken.png": []byte("no picture"), "rows.npy": npy("<f4", "(1, 2)", make([]float32, 2)),
	})
	var asked client.DetectRequest
	of := func(record string) fake.Script {
		return fake.Script{
			Models: []client.Model{{
				Name: "photos", Version: 1, State: client.ModelReady, Low: -1, High: 1, Shape: []int{1, 2, 2},
				Training: record,
			}},
			Detect: func(_ context.Context, r client.DetectRequest) (*client.Detected, error) {
				asked = r
				return &client.Detected{PValue: make([]float64, len(r.X)/4), Distance: make([]float64, len(r.X)/4)}, nil
			},
		}
	}
	const own = `{"data": "images at 2 x 2 in grey on white, flipped at random"}`
	got := langevin(t, of(own), "detect", "photos", "new", "new/deep/grey.png")
	colour, grey := filepath.Join("new", "colour.jpg"), filepath.Join("new", "deep", "grey.png")
	near := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-2 })
	want := slices.Concat(slices.Repeat([]float32{-0.6}, 4), slices.Repeat([]float32{-1}, 4), // its left pixel
		slices.Repeat([]float32{1}, 4), slices.Repeat([]float32{-1}, 4))
	if diff := cmp.Diff(want, asked.X, near); diff != "" || !slices.Equal(asked.Shape, []int{1, 2, 2}) ||
		!strings.Contains(got.stderr, "left out 1 file without the ending of a picture") {
		t.Errorf("%+v of shape %v (-want +got):\n%s", got, asked.Shape, diff)
	}
	if lines := strings.Split(got.stdout, "\n"); !strings.HasSuffix(strings.TrimSpace(lines[0]), "FILE") ||
		!strings.Contains(lines[1], colour) || !strings.Contains(lines[2], grey) {
		t.Errorf("the names are in\n%s", got.stdout)
	}
	got = langevin(t, of(own), "detect", "photos", "new", "--json")
	if !strings.Contains(got.stdout, `{"file":`+strconv.Quote(colour)+`,"p_value":0`) {
		t.Errorf("the names are in %s", got.stdout)
	}
	for _, tt := range []struct{ record, files, want string }{
		{own, "empty", "read empty: it has no pictures: want files that end in .png"},
		{own, "new broken.png", "read broken.png: it is not a PNG"},
		{own, "new none.png", "read none.png: no such file"},
		{own, "new rows.npy", "rows.npy: want one file of rows, or pictures and folders of them"},
		{`{"data": "mnist"}`, "new", "want pictures of one size"},
		{"", "new/colour.jpg new/wide.png", "want pictures of one size"},
	} {
		got := langevin(t, of(tt.record), append([]string{"detect", "photos"}, strings.Fields(tt.files)...)...)
		if got.code == cli.ExitOK || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.files, got, tt.want)
		}
	}
}

// twoGreys returns a grey picture of 1 × 2 pixels, black and white.
func twoGreys(t *testing.T) []byte {
	picture := image.NewGray(image.Rect(0, 0, 2, 1))
	picture.Pix[1] = 255
	return encodedPNG(t, picture)
}

// TestDetectRefuses: mistakes name the flag or the file, and leave the model file as it is.
func TestDetectRefuses(t *testing.T) {
	folder := modelFolder(t)
	file := filepath.Join(folder, "gauss", "1", models.FileName)
	given := modelstest.Conditional(models.Condition{Classes: 2}, "given", 2)
	addModel(t, folder, "given", modelstest.File(t, modelstest.GaussianOfClass(
		[][]float32{{0, 0}, {1, 1}, {0, 0}}, 2), given))
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := normal(1, 200)
	broken[7] = float32(math.NaN())
	writeFiles(t, map[string][]byte{
		"few.npy": npy("<f4", "(199, 2)", normal(1, 199)), "broken.npy": npy("<f4", "(200, 2)", broken),
		"wide.npy": npy("<f4", "(2, 3)", make([]float32, 6)), "held.npy": npy("<f4", "(200, 2)", normal(1, 200)),
		"classes.npy": npy("<i4", "(3,)", []int32{0, 1, 0}),
		"third.npy":   npy("<i4", "(200,)", append(make([]int32, 199), 3)),
	})
	for _, c := range []struct {
		line, want string
		code       int
	}{
		{"fit gauss", "gauss was not trained with a preset: want --data", cli.ExitUsage},
		{"fit gauss --data few.npy", "want 200 to 20000 rows, not 199", cli.ExitFailed},
		{"fit gauss --data broken.npy", "broken.npy: element [3, 1], counted from 0, is NaN", cli.ExitFailed},
		{"fit gauss --data wide.npy", "--data wide.npy has shape [2 3]: want rows of shape [2]", cli.ExitFailed},
		{"fit gauss --data none.npy", "none.npy", cli.ExitFailed},
		{"fit gauss --data held.npy --given classes.npy", "gauss takes no condition", cli.ExitUsage},
		{"fit given --data held.npy", "want --given", cli.ExitUsage},
		{"fit given --data held.npy --given classes.npy", "--given classes.npy has shape [3]", cli.ExitFailed},
		{"fit given --data held.npy --given third.npy", "--given third.npy: row 199", cli.ExitFailed},
		{"fit ring --data held.npy", "ring is built in: want --out", cli.ExitUsage},
		{"fit nobody --data held.npy", "nobody", cli.ExitFailed},
		{"fit gauss --data held.npy --rows 10", "--rows", cli.ExitUsage},
	} {
		got := runAlone(t, append([]string{"detect"}, append(strings.Fields(c.line), "--models-dir", folder)...)...)
		if got.code != c.code || !strings.Contains(got.stderr, c.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: %+v, want %d with %q", c.line, got, c.code, c.want)
		}
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the model file changed, %v", err)
	}
	for line, want := range map[string]string{
		"gauss held.npy --threshold 2": "--threshold is 2: want above 0 and below 1",
		"gauss held.npy --out p.txt":   "--out is p.txt",
		"gauss held.npy wide.npy":      "want one file of rows, or pictures",
		"gauss":                        "only 1 argument: want MODEL FILE...",
		"gauss@0 held.npy":             "gauss@0",
	} {
		got := runAlone(t, append([]string{"detect"}, strings.Fields(line)...)...)
		if got.code != cli.ExitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want %q", line, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), models.DigestFileName), []byte("0"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := runAlone(t, "detect", "fit", file, "--data", "held.npy")
	if !strings.Contains(got.stderr, models.DigestFileName+" has the digest of the model as it is") {
		t.Errorf("a pinned model: %+v", got)
	}
}
