package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/classifier"
	"github.com/langevin-ml/langevin/internal/cli"
	evalcommands "github.com/langevin-ml/langevin/internal/eval"
	"github.com/langevin-ml/langevin/sampling"
)

const pictureSide = 28 // of MNIST's pictures, which the built-in classifier sees

// stroke is a picture like no other: a bar of random place, slope, width and brightness, in [0, 1].
func stroke(chain uint64) []float32 {
	var u [4]float32
	sampling.Noise{Seed: 7, Chain: chain}.Uniform(u[:], 0)
	x := make([]float32, pictureSide*pictureSide)
	for i := range x {
		column, row := float32(i%pictureSide), float32(i/pictureSide)
		distance := column - (6 + 16*u[0]) - (row-14)*(1.6*u[1]-0.8)
		if width := 1 + 3*u[2]; distance < width && distance > -width && row > 3 && row < 25 {
			x[i] = 0.3 + 0.7*u[3]
		}
	}
	return x
}

// writeStrokes writes n pictures from chain first on, and labels 0 and 1 in turn, as MNIST's files of that name.
func writeStrokes(t *testing.T, dir, name string, first, n int) {
	t.Helper()
	header := func(axes ...int) []byte {
		text := []byte{0, 0, 8, byte(len(axes))}
		for _, length := range axes {
			text = binary.BigEndian.AppendUint32(text, uint32(length))
		}
		return text
	}
	pictures, labels := header(n, pictureSide, pictureSide), header(n)
	for i := range n {
		labels = append(labels, byte(i%2))
		for _, v := range stroke(uint64(first + i)) {
			pictures = append(pictures, byte(255*v))
		}
	}
	for file, text := range map[string][]byte{name + "-images-idx3-ubyte": pictures,
		name + "-labels-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// strokes is a fake model of mnist that answers with pictures of chains from first on, made darker by a factor.
func strokes(first uint64, factor float32) fake.Script {
	shape := []int{1, pictureSide, pictureSide}
	return fake.Script{
		Models: []client.Model{{
			Name: "mnist", Version: 1, State: client.ModelReady, Shape: shape, Sigmas: []float64{1, 0.1},
			Low: 0, High: 1,
			Training: `{"preset": "mnist-small", "data": "mnist, dequantised uniform"}`,
		}},
		Sample: fake.Samples(shape, func(chain uint64) []float32 {
			x := stroke(first + chain)
			for i := range x {
				x[i] *= factor
			}
			return x
		}),
	}
}

// Images are judged end to end by the built-in classifier: samples like the test images are as good as these, dark ones
// are told apart from them, and copies of training images are found out.
func TestEvalOfImages(t *testing.T) {
	dir := t.TempDir()
	writeStrokes(t, dir, "train", 0, 300)
	writeStrokes(t, dir, "t10k", 1000, 400)
	measure := func(script fake.Script, arguments ...string) map[string]float64 {
		t.Helper()
		got := langevin(t, script, append([]string{"eval", "mnist", "-n", "200", "--data", dir, "--json"},
			arguments...)...)
		var e evalcommands.Report
		if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK {
			t.Fatalf("%v: %+v", err, got)
		}
		if len(e.Classes) != 10 || e.N != 200 {
			t.Errorf("%d classes of %d samples, want 10 of 200", len(e.Classes), e.N)
		}
		excess := map[string]float64{}
		for _, m := range e.Metrics {
			excess[m.Name] = m.Value - m.Expected
			if m.Name == "FID" {
				excess["FID, times"] = m.Value / m.Expected
			}
		}
		return excess
	}
	picture := filepath.Join(dir, "near.png")
	good := measure(strokes(5000, 1), "--neighbours", picture)
	dark := measure(strokes(5000, 0.3))
	copies := measure(strokes(0, 1))
	if good["FID, times"] > 1.5 || dark["FID, times"] < 3 {
		t.Errorf("FID is %g times what is expected of like images, %g of dark ones", good["FID, times"],
			dark["FID, times"])
	}
	if good["recall"] < -0.15 || dark["recall"] > -0.3 {
		t.Errorf("recall is off by %g of like images, %g of dark ones", good["recall"], dark["recall"])
	}
	for _, judge := range []string{"two-sample, pixels", "two-sample, features"} {
		if math.Abs(good[judge]) > 0.15 || dark[judge] < 0.3 {
			t.Errorf("%s is off by %g of like images, %g of dark ones", judge, good[judge], dark[judge])
		}
	}
	memory := "nearest training image"
	if good[memory] < -0.5 || copies[memory] > -3 {
		t.Errorf("%s is off by %g of like images, %g of copies: %v", memory, good[memory], copies[memory], good)
	}
	if text, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(text), "\x89PNG") {
		t.Errorf("%s: %d bytes, %v", picture, len(text), err)
	}
}

// A classifier is trained from a folder of images and written to a file, on the device that is asked for.
func TestTrainClassifier(t *testing.T) {
	dir := t.TempDir()
	writeStrokes(t, dir, "train", 0, 20)
	writeStrokes(t, dir, "t10k", 1000, 10)
	out := filepath.Join(dir, "classifier.onnx")
	got := runAlone(t, "eval", "classifier", "mnist", "--data", dir, "--iterations", "1", "--device", "cpu", "--out",
		out)
	if want := " % of 10 test images right, " + out; got.code != cli.ExitOK ||
		!strings.HasSuffix(strings.TrimSpace(got.stdout), want) {
		t.Errorf("%+v, want %q", got, want)
	}
	c, err := classifier.Open("", out, "mnist")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
