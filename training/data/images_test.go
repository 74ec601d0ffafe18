package data

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// idxOf returns an idx file of bytes.
func idxOf(shape []byte, values []byte) []byte {
	text := []byte{0, 0, 8, byte(len(shape))}
	for _, n := range shape {
		text = append(text, 0, 0, 0, n)
	}
	return append(text, values...)
}

// ramp returns n pictures of 2 by 3. Picture i has the values 10i, 10i+1 and so on.
func ramp(n int) []byte {
	pixels := make([]byte, 6*n)
	for i := range pixels {
		pixels[i] = byte(10*(i/6) + i%6)
	}
	return pixels
}

// digits writes 5 pictures for training, and 2 compressed ones for the test. Picture i has label i.
func digits(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"train-images-idx3-ubyte":   idxOf([]byte{5, 2, 3}, ramp(5)),
		"train-labels-idx1-ubyte":   idxOf([]byte{5}, []byte{0, 1, 2, 3, 4}),
		"t10k-images-idx3-ubyte.gz": zipped(t, idxOf([]byte{2, 2, 3}, ramp(2))),
		"t10k-labels-idx1-ubyte.gz": zipped(t, idxOf([]byte{2}, []byte{0, 1})),
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return Config{Name: MNIST, Dir: dir}
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readAll opens a source and reads n samples, beginning with sample first.
func readAll(t *testing.T, c Config, split Split, first uint64, n int) []float32 {
	t.Helper()
	source, err := c.Open(split, 1)
	if err != nil {
		t.Fatal(err)
	}
	size := 1
	for _, axis := range source.Shape() {
		size *= axis
	}
	x := make([]float32, n*size)
	if err := source.Read(x, first); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIDX(t *testing.T) {
	c := digits(t)
	for split, n := range map[Split]int{Train: 5, Test: 2} {
		images, err := c.Images(split)
		if err != nil {
			t.Fatal(err)
		}
		if images.Len() != n || images.Channels != 1 || images.Height != 2 || images.Width != 3 ||
			!bytes.Equal(images.Pixels, ramp(n)) {
			t.Errorf("%s: %+v", split, images)
		}
		for i, label := range images.Labels {
			if int(label) != i {
				t.Errorf("%s: label %d of picture %d", split, label, i)
			}
		}
	}
}

// TestEpochs: each epoch has every picture once, in its own order. A sample does not depend on what was read before.
func TestEpochs(t *testing.T) {
	c := digits(t)
	x := readAll(t, c, Train, 0, 20)
	var orders [][]float32
	for epoch := range 4 {
		var order []float32
		for i := range 5 {
			order = append(order, x[(5*epoch+i)*6])
		}
		orders = append(orders, slices.Clone(order))
		slices.Sort(order)
		for i, v := range order {
			if want := float32(10*i) / 255; v != want {
				t.Errorf("epoch %d has first elements %v, want each picture once", epoch, order)
			}
		}
	}
	if slices.Equal(orders[0], orders[1]) && slices.Equal(orders[1], orders[2]) && slices.Equal(orders[2], orders[3]) {
		t.Error("every epoch has the same order")
	}
	if late := readAll(t, c, Train, 13, 7); !slices.Equal(late, x[13*6:]) {
		t.Error("samples 13 to 19 differ when they are read alone")
	}
}

func TestDequantize(t *testing.T) {
	c := digits(t)
	plain := readAll(t, c, Train, 0, 1000)
	c.Dequantize = DequantizeUniform
	var sum float64
	for i, v := range readAll(t, c, Train, 0, 1000) {
		u := float64(v)*256 - math.Round(float64(plain[i])*255)
		if u < -1e-4 || u > 1 {
			t.Fatalf("element %d is %g from level %g: want it from 0 to 1 level above", i, v, plain[i]*255)
		}
		sum += u / 6000
	}
	if math.Abs(sum-0.5) > 0.015 {
		t.Errorf("u has mean %g, want 1/2", sum)
	}
}

func TestRandomFlip(t *testing.T) {
	c := digits(t)
	plain := readAll(t, c, Train, 0, 1000)
	c.RandomFlip = true
	flipped := 0
	for x := readAll(t, c, Train, 0, 1000); len(x) > 0; x, plain = x[6:], plain[6:] {
		p := plain[:6]
		switch {
		case slices.Equal(x[:6], []float32{p[2], p[1], p[0], p[5], p[4], p[3]}):
			flipped++
		case !slices.Equal(x[:6], p):
			t.Fatalf("%v is neither %v nor its mirror image", x[:6], p)
		}
	}
	if flipped < 440 || flipped > 560 {
		t.Errorf("%d of 1000 pictures are mirrored", flipped)
	}
}

// TestIDXRefuses: the error for an invalid file names the file and what is wrong.
func TestIDXRefuses(t *testing.T) {
	const pictures, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
	whole := idxOf([]byte{5, 2, 3}, ramp(5))
	for name, c := range map[string]struct {
		file string
		text []byte // nil: removed
		want string
	}{
		"missing":     {pictures, nil, "it is not there, nor train-images.idx3-ubyte, nor either with .gz"},
		"empty":       {pictures, []byte{}, "not an idx file of bytes with 3 axes"},
		"short":       {pictures, whole[:len(whole)-1], "it has 29 elements, shape [5 2 3] needs 30"},
		"long":        {pictures, append(slices.Clone(whole), 0), "it has more than its 30 elements"},
		"labels":      {pictures, idxOf([]byte{5}, []byte{0, 1, 2, 3, 4}), "3 axes"},
		"no pictures": {pictures, idxOf([]byte{0, 2, 3}, nil), "axis 0 has length 0"},
		"huge": {pictures, []byte{0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
			"axis 0 has length 4294967295"},
		"too few labels": {labels, idxOf([]byte{4}, []byte{0, 1, 2, 3}), "4 labels for 5 pictures"},
		"floats": {labels, []byte{0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0},
			"not an idx file of bytes with 1 axes"},
		"broken zip file": {labels, nil, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			config := digits(t)
			path := filepath.Join(config.Dir, c.file)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			switch {
			case c.text != nil:
				writeFile(t, path, c.text)
			case name == "broken zip file":
				path += ".gz"
				writeFile(t, path, zipped(t, idxOf([]byte{5}, []byte{0, 1, 2, 3, 4}))[:30])
			}
			if _, err := config.Open(Train, 1); err == nil ||
				!strings.Contains(err.Error(), "data.dir: read "+path+": ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, c.want)
			}
		})
	}
}

// TestIDXNames: files of digits are found under their other names, whether they are compressed or not, whatever their
// names say, and without labels.
func TestIDXNames(t *testing.T) {
	pictures, labels := idxOf([]byte{5, 2, 3}, ramp(5)), idxOf([]byte{5}, []byte{0, 1, 2, 3, 4})
	for _, names := range [][2]string{
		{"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
		{"train-images.idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
		{"train-images-idx3-ubyte/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte"},
		{"emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte"},
		{"train-images-idx3-ubyte", ""},
	} {
		dir := t.TempDir()
		for k, text := range [][]byte{pictures, labels} {
			if names[k] == "" {
				continue
			}
			path := filepath.Join(dir, names[k])
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if k == 1 { // compressed, under a name without .gz
				text = zipped(t, text)
			}
			writeFile(t, path, text)
		}
		writeFile(t, filepath.Join(dir, "._x-train-images-idx3-ubyte"), nil)
		m, err := Config{Name: MNIST, Dir: dir}.Images(Train)
		if err != nil || !bytes.Equal(m.Pixels, ramp(5)) || len(m.Labels) != 5 && names[1] != "" {
			t.Errorf("%v: %+v, %v", names, m, err)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"emnist-digits-train-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte"} {
		writeFile(t, filepath.Join(dir, name), pictures)
	}
	want := "it could be any of emnist-digits-train-images-idx3-ubyte, emnist-letters-train-images-idx3-ubyte: keep"
	if _, err := (Config{Name: MNIST, Dir: dir}).Open(Train, 1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("two datasets: error %v, want %q", err, want)
	}
}

// TestDescribed: a description says how files are read, and not what a training makes of them.
func TestDescribed(t *testing.T) {
	for _, c := range []Config{
		{Name: Pictures, ImageSize: 8},
		{Name: Pictures, ImageSize: 12, Grey: true, Background: "#ff8000", ClassFolders: true},
		{Name: CelebA, ImageSize: 64, Background: "white"},
		{Name: MNIST},
		{Name: NPY},
	} {
		varied := c
		varied.Dir, varied.RandomFlip, varied.Dequantize, varied.Transform = "x", true, DequantizeUniform,
			TransformRescaled
		if got := Described(varied.String()); !reflect.DeepEqual(got, c) {
			t.Errorf("%q describes %+v, want %+v", varied.String(), got, c)
		}
	}
}
