package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
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
	"github.com/langevin-ml/langevin/training/eval"
)

const pictureSide = 28 // of MNIST's pictures, which the built-in classifier sees

// stroke is a picture like no other: a bar of random place, slope, width and brightness, in [0, 1]. Those of odd chains
// are dark.
func stroke(chain uint64) []float32 {
	var u [4]float32
	sampling.Noise{Seed: 7, Chain: chain}.Uniform(u[:], 0)
	x := make([]float32, pictureSide*pictureSide)
	for i := range x {
		column, row := float32(i%pictureSide), float32(i/pictureSide)
		distance := column - (6 + 16*u[0]) - (row-14)*(1.6*u[1]-0.8)
		if width := 1 + 3*u[2]; distance < width && distance > -width && row > 3 && row < 25 {
			x[i] = (0.3 + 0.7*u[3]) / float32(1+2*(chain%2))
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

// strokes is a fake model of mnist with two classes that answers with pictures of every step-th chain from first on,
// made darker by a factor. Its black is low, and its white 1.
func strokes(first, step uint64, factor, low float32) fake.Script {
	shape := []int{1, pictureSide, pictureSide}
	return fake.Script{
		Models: []client.Model{{
			Name: "mnist", Version: 1, State: client.ModelReady, Shape: shape, Sigmas: []float64{1, 0.1},
			Low: float64(low), High: 1,
			Condition: &client.ModelCondition{Classes: 2, Names: []string{"bright", "dark"}},
			Training:  `{"preset": "mnist-small", "data": "mnist, dequantised uniform"}`,
		}},
		Sample: fake.Samples(shape, func(chain uint64) []float32 {
			x := stroke(first + step*chain)
			for i := range x {
				x[i] = low + (1-low)*factor*x[i]
			}
			return x
		}),
	}
}

// Images are judged end to end by the built-in classifier: samples like the test images are as good as these, dark ones
// are told apart from them, and copies of training images are found out. Samples of classes are compared with test
// images of these classes.
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
		note := func(prefix string, metrics []eval.Metric) {
			for _, m := range metrics {
				excess[prefix+m.Name] = m.Value - m.Expected
				if m.Name == "FID" {
					excess[prefix+"FID, times"] = m.Value / m.Expected
				}
			}
		}
		note("", e.Metrics)
		for _, q := range e.ByClass {
			note(fmt.Sprintf("%d %s of %d: ", q.N, q.Name, q.Class), q.Metrics)
		}
		return excess
	}
	picture := filepath.Join(dir, "near.png")
	good := measure(strokes(5000, 1, 1, 0), "--neighbours", picture, "--class", "bright,1")
	dark := measure(strokes(5000, 2, 0.3, 0), "--class", "0")
	copies := measure(strokes(0, 1, 1, -1))
	if good["FID, times"] > 1.5 || dark["FID, times"] < 3 {
		t.Errorf("FID is %g times what is expected of like images, %g of dark ones", good["FID, times"],
			dark["FID, times"])
	}
	for _, class := range []string{"100 bright of 0: ", "100 dark of 1: "} {
		if times := good[class+"FID, times"]; times == 0 || times > 2 || math.Abs(good[class+eval.AskedClass]) > 0.2 {
			t.Errorf("%sFID is %g times what is expected of like images, the share off by %g", class, times,
				good[class+eval.AskedClass])
		}
	}
	if times := dark["200 bright of 0: FID, times"]; times < 3 {
		t.Errorf("FID of dark images is %g times what is expected of bright ones", times)
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
	if good[memory] < -0.5 || copies[memory] > -2 {
		t.Errorf("%s is off by %g of like images, %g of copies: %v", memory, good[memory], copies[memory], good)
	}
	if text, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(text), "\x89PNG") {
		t.Errorf("%s: %d bytes, %v", picture, len(text), err)
	}
}

// writeFolder writes n pictures from chain first on as .png files, in a folder for each class.
func writeFolder(t *testing.T, dir string, first, n int) {
	t.Helper()
	for i := range n {
		m := image.NewGray(image.Rect(0, 0, pictureSide, pictureSide))
		for k, v := range stroke(uint64(first + i)) {
			m.Pix[k] = byte(255 * v)
		}
		path := filepath.Join(dir, []string{"bright", "dark"}[i%2], fmt.Sprintf("%d.png", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, encodedPNG(t, m), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Pictures of one's own, which no classifier knows, are compared as train does it, also those of classes alone. What is
// missing is said.
func TestEvalOfOwnPictures(t *testing.T) {
	dir := t.TempDir()
	writeFolder(t, dir, 0, 60)
	writeFolder(t, filepath.Join(dir, "test"), 60, 30) // too few for a two-sample test, which takes long
	picture := filepath.Join(t.TempDir(), "near.png")
	measure := func(first uint64, arguments ...string) (e evalcommands.Report, found map[string]float64) {
		t.Helper()
		script := strokes(first, 1, 1, -1)
		script.Models[0].Training = `{"data": "images at 28 x 28 in grey, with the classes of folders"}`
		got := langevin(t, script, append([]string{"eval", "mnist", "-n", "200", "--data", dir, "--json",
			"--neighbours", picture}, arguments...)...)
		if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK ||
			!oneLineWith(got.stderr, "without a classifier of these pictures (--classifier), FID, KID") {
			t.Fatalf("%v: %+v", err, got)
		}
		found = map[string]float64{}
		for _, m := range e.Metrics {
			found[m.Name] = m.Value
		}
		return e, found
	}
	others, good := measure(5000)
	_, copies := measure(0)
	if len(good) != 4 || good["near copies"] > 0.2 || copies["near copies"] < 0.2 || others.Classes != nil ||
		others.Data != "the test part of "+filepath.Base(dir) {
		t.Errorf("%+v, of copies %v", others, copies)
	}
	if text, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(text), "\x89PNG") {
		t.Errorf("the picture of neighbours has %d bytes, %v", len(text), err)
	}
	right, _ := measure(5000, "--class", "bright,1")
	wrong, _ := measure(5000, "--class", "1,bright")
	if len(right.ByClass) != 2 || right.ByClass[1].Name != "dark" || right.ByClass[1].N != 100 {
		t.Fatalf("by class: %+v", right.ByClass)
	}
	for k, q := range right.ByClass {
		if m, other := q.Metrics[0], wrong.ByClass[k].Metrics[0]; m.Name != eval.SlicedWassersteinName ||
			m.Value >= other.Value {
			t.Errorf("class %d: %+v, of the other class's samples %+v", k, m, other)
		}
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
