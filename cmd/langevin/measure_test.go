package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// TestMeasureFlags: what the flags and files say is what the server is asked for.
func TestMeasureFlags(t *testing.T) {
	writeFiles(t, map[string][]byte{
		"y.npy":     npy("<f4", "(2,)", []float32{3, 4}),
		"mask.npy":  npy("|b1", "(2,)", []bool{true, false}),
		"pick.npy":  npy("<i4", "(2,)", []int32{5, 0}),
		"rows.npy":  npy("<f4", "(1, 2)", []float32{1, 2}),
		"image.npy": npy("<f4", "(1, 2, 4)", []float32{0, 0.5, 1, 0, 0, 0.5, 1, 0}),
		"photo.JPG": photo(t), "grey.png": twoGreys(t),
		"many.npy": npy("<f4", "(2, 3)", []float32{1, 2, 3, 4, 5, 6}),
	})
	several := langevin(t, fake.Script{}, "measure", "many.npy", "--measure", "pool:3", "--out", "mean.npy")
	if several.code != cli.ExitOK || !strings.Contains(several.stderr, "2 samples of shape [3]: this is sample 0") {
		t.Errorf("%+v", several)
	}
	made := langevin(t, fake.Script{}, "measure", "image.npy", "--measure", "pool:2", "--out", "y.png")
	if made.code != cli.ExitOK {
		t.Fatalf("%+v", made)
	}
	y := []float32{3, 4}
	particles := client.Particles{Count: 9, Spread: new(2.0)}
	for line, want := range map[string]client.SampleRequest{
		"--measure pool:4 --observed y.npy --noise 0.05": {
			Measurement: &client.Measurement{Operator: client.Pool(4), Values: y, NoiseStd: 0.05},
		},
		"--measure mask:mask.npy --observed y.npy --particles 9 --spread 2 --refuse-collapsed": {
			Measurement: &client.Measurement{Operator: client.Mask{true, false}, Values: y, Method: particles,
				RefuseCollapsed: true},
		},
		"--measure mask:grey.png --observed y.npy": {
			Measurement: &client.Measurement{Operator: client.Mask{false, true}, Values: y},
		},
		"--measure fourier:pick.npy --observed y.npy --posterior ddrm": {
			Measurement: &client.Measurement{Operator: client.Fourier{5, 0}, Values: y, Method: client.DDRM{}},
		},
		"--measure hadamard:pick.npy --observed y.npy --noise 0": {
			Measurement: &client.Measurement{Operator: client.Hadamard{5, 0}, Values: y},
		},
		"--measure matrix:rows.npy --observed y.npy --posterior snips": {
			Measurement: &client.Measurement{Operator: client.Matrix{1, 2}, Values: y, Method: client.SNIPS{}},
			Sampler:     client.AnnealedLangevin{},
		},
		"--measure blur:rows.npy --observed y.npy --posterior langevin": {
			Measurement: &client.Measurement{Operator: client.Blur{Kernel: []float32{1, 2}, Rows: 1}, Values: y,
				Method: client.LikelihoodLangevin{}},
			Sampler: client.AnnealedLangevin{},
		},
		"--measure grey --observed y.png --sde-steps 30": { // of a model whose range is -1 to 1
			Measurement: &client.Measurement{Operator: client.Grey{}, Values: []float32{-0.5, 0}},
			Sampler:     client.ReverseSDE{Steps: 30},
		},
		"--measure pool:1 --observed photo.JPG": { // its three channels are equal
			Measurement: &client.Measurement{Operator: client.Pool(1), Values: []float32{-0.6, -0.6}},
		},
	} {
		var got client.SampleRequest
		script := fake.Script{
			Models: []client.Model{{Version: 1, State: client.ModelReady, Low: -1, High: 1, Shape: []int{1, 1, 2}}},
			Sample: func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
				got = req
				return points()(ctx, req, emit)
			},
		}
		if out := langevin(t, script, append([]string{"sample"}, strings.Fields(line)...)...); out.code != cli.ExitOK {
			t.Errorf("sample %s: %+v", line, out)
			continue
		}
		if want.N = 1; want.Sampler == nil {
			want.Sampler = client.ReverseSDE{}
		}
		near := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 })
		if diff := cmp.Diff(want, got, near); diff != "" {
			t.Errorf("sample %s (-want +got):\n%s", line, diff)
		}
	}
}

// encodedPNG returns a picture as a file.
func encodedPNG(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// photo returns a colour photo of 1 × 2 pixels of grey, at a level of 0.2.
func photo(t *testing.T) []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 2, 1))
	draw.Draw(picture, picture.Rect, image.NewUniform(color.Gray{Y: 51}), image.Point{}, draw.Src)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, picture, nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestMeasureRefuses: mistakes of both commands are one line.
func TestMeasureRefuses(t *testing.T) {
	writeFiles(t, map[string][]byte{
		"y.npy":      npy("<f4", "(2,)", []float32{3, 4.5}),
		"cube.npy":   npy("<f4", "(1, 1, 1, 1, 1)", []float32{3}),
		"pair.npy":   npy("<f4", "(1, 2)", []float32{3, 4.5}),
		"big.npy":    npy("<f4", "(2,)", []float32{3e38, 3e38}),
		"ones.npy":   npy("<f4", "(1, 2)", []float32{1, 1}),
		"m3.npy":     npy("|b1", "(3,)", []bool{true, false, true}),
		"m1.npy":     npy("|b1", "(1,)", []bool{true}),
		"torn.png":   []byte("\x89PNG"),
		"black.png":  encodedPNG(t, image.NewGray(image.Rect(0, 0, 9, 14))),
		"turned.png": encodedPNG(t, image.NewGray(image.Rect(0, 0, 14, 9))),
		"clear.png":  encodedPNG(t, image.NewNRGBA(image.Rect(0, 0, 1, 1))),

		"rgb.npy": npy("<f4", "(3, 1, 1)", []float32{0, 0.5, 2}),
	})
	made := langevin(t, fake.Script{}, "measure", "rgb.npy", "--measure", "pool:1", "--out", "rgb.png")
	if made.code != cli.ExitOK || !strings.Contains(made.stderr, "1 of them was cut off, at 0 or 1") {
		t.Fatalf("%+v", made)
	}
	grey := client.Model{Name: "grey", Version: 1, State: client.ModelReady, Shape: []int{1, 14, 9}, High: 1}
	for line, want := range map[string]string{
		"sample --measure pool:4": "--measure needs --observed",
		"sample --observed y.npy": "need --measure",
		"sample --noise 0.1":      "--noise needs --sampler edm or sde, or --measure",
		"sample --measure grey --observed y.npy --steps-per-level 3": "--steps-per-level is for --sampler annealed: " +
			"with --measure, --posterior particles and ddrm follow sde, and snips and langevin follow annealed",
		"sample --measure grey --observed y.npy --posterior snips --sde-steps 3": "is for --sampler sde: with",
		"sample --measure grey --observed y.npy --posterior ddrm --refuse-collapsed": "--refuse-collapsed is for " +
			"--posterior particles, not ddrm",
		"sample --measure pool:1 --observed y.jpg": "read y.jpg: no such file",
		"sample grey --measure pool:1 --observed rgb.png": "--observed rgb.png has colours: want grey, as what " +
			"--measure pool:1 makes of samples of grey",
		"sample grey --measure blur:1.4 --observed y.npy": "--measure is blur:1.4: want a standard deviation of at " +
			"most 1.33 for 14 × 9 pixels",
		"measure pair.npy --measure blur:0.1 --out z.npy": "--measure is blur:0.1: want pictures, or blur:FILE with " +
			"a kernel of one row for 2 numbers",
		"sample --measure pool --observed y.npy":                             "--measure is pool: want pool:N",
		"sample --measure pool:x --observed y.npy":                           "--measure is pool:x: want pool:N",
		"sample --measure grey:3 --observed y.npy":                           "--measure is grey:3: want",
		"sample --measure box:3 --observed y.npy":                            "--measure is box:3: want",
		"sample --measure blur:99 --observed y.npy":                          "--measure is blur:99: want",
		"sample --measure blur:y.npy --observed y.npy":                       "it has shape [2]: want a kernel",
		"sample --measure fourier:y.npy --observed y.npy":                    "element 1 is 4.5: want whole numbers",
		"sample --measure mask:no.npy --observed y.npy":                      "read no.npy: no such file",
		"sample --measure grey --observed torn.png":                          "read torn.png: ",
		"sample --measure grey --observed y.npy --posterior pc":              "--posterior",
		"sample --measure grey --observed y.npy --posterior ddrm --spread 1": "--particles and --spread are for",
		"measure y.npy --measure pool:2":                                     "--out is \"\": want",
		"measure y.npy --out z.npy":                                          "measure needs --measure",
		"measure y.npy --measure pool:3 --out z.npy":                         "pool.factor is 3: want",
		"measure y.npy --measure hadamard:y.npy --out z.png":                 "element 1 is 4.5",
		"measure y.npy --measure pool:1 --row 4 --out z.npy":                 "--row is 4: y.npy has 1 sample",
		"measure cube.npy --measure pool:1 --out z.npy":                      "the sample has shape [1 1 1 1 1]",
		"measure y.npy --measure pool:1 --noise -1 --out z.npy":              "--noise is -1: want 0 to 1e+18",
		"measure y.npy --measure pool:1 --noise 1e19 --out z.npy":            "--noise is 1e+19: want 0 to 1e+18",
		"measure y.npy --measure pool:1 --row -1 --out z.npy":                "want a whole number from 0",
		"measure big.npy --measure matrix:ones.npy --out z.npy":              "value 0 is 6e+38: want one that",
		"measure pair.npy --measure mask:m3.npy --out z.npy":                 "the mask has 3 elements: want one",
		"measure pair.npy --measure mask:m1.npy --out z.npy":                 "the mask has 1 element: want one",
		"measure pair.npy --measure mask:rgb.png --out z.npy":                "it has colours: want black and white",
		"measure clear.png --measure pool:1 --out z.npy":                     "pixel 0, 0 is transparent: want",
		"sample grey --measure pool:1 --observed turned.png":                 "has 9 × 14 pixels: want 14 × 9, as what",
		"sample grey --measure blur:1.3 --observed black.png": "--noise is 0: --measure blur:1.3 hides so much that " +
			"the rounding of the levels of black.png would decide: want at least 0.0011",
	} {
		got := langevin(t, fake.Script{Models: []client.Model{grey}}, strings.Fields(line)...)
		if got.code == cli.ExitOK || got.stdout != "" || !oneLineWith(got.stderr, want) {
			t.Errorf("%s: %+v\nwant %q", line, got, want)
		}
	}
	if _, err := os.Stat("z.npy"); err == nil {
		t.Error("a refused command has written its file")
	}
}
