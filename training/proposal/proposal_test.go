package proposal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
)

// TestTable: what is proposed for a table is valid, complete, the same every time, and survives being written down.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "My Rows (1).csv.txt")
	var b strings.Builder
	b.WriteString("a,b,kind\n")
	for i := range 60 {
		fmt.Fprintf(&b, "%.3f,%.3f,%s\n", math.Sin(float64(i)), math.Cos(float64(3*i)), []string{"x", "y"}[i%2])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := New(t.Context(), Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	if c.Name != "my-rows-1" || c.Network.Name != nn.NameResidual || len(c.Data.Columns) != 3 {
		t.Errorf("name %q, network %q, %d columns", c.Name, c.Network.Name, len(c.Data.Columns))
	}
	if len(p.Found) == 0 || !strings.Contains(p.Found[0], "60 rows, 3 columns: 2 number, 1 category") {
		t.Errorf("found %q", p.Found)
	}
	// Technique 1: no two rows are farther apart. Columns have variance 1, and the codes of the kinds differ by √8.
	if f := c.Noise.First; f < 2 || f > 6 || c.Noise.Levels < 2 || c.Prior.Std != f {
		t.Errorf("noise %+v, prior %+v", c.Noise, c.Prior)
	}
	if !c.Training.KeepBest || c.Training.TestEvery == 0 {
		t.Errorf("few rows: training %+v, want that the best weights are kept", c.Training)
	}
	changed := c
	changed.Training.Iterations = 77
	if got := strings.Join(p.Chosen(changed), "\n"); !strings.Contains(got, "77 iterations of 256 rows") ||
		!strings.Contains(got, "network residual of 2 blocks of 128 units\n") {
		t.Errorf("chosen with 77 iterations: %q", got)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	read, err := training.Parse(text)
	if diff := cmp.Diff(c, read); err != nil || diff != "" {
		t.Errorf("%v (-written +read):\n%s", err, diff)
	}
}

// TestTableNotes: what is found is said once, and in the singular where there is one.
func TestTableNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	var b strings.Builder
	b.WriteString("a,a\n")
	for i := range 40 {
		fmt.Fprintf(&b, "%.5f,%.5f\n", math.Sin(float64(i)), math.Cos(float64(3*i)))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	request := Request{Path: path, Drop: []string{"a"}, Reader: data.Reader{Notice: func(text string) { told[text]++ }}}
	p, err := New(t.Context(), request)
	if err != nil || len(p.Found) != 1 || !strings.Contains(p.Found[0], "40 rows, 1 column: 1 number") ||
		told[path+`: two columns are named "a": column 2 is called "a_2"`] != 1 {
		t.Errorf("found %q, told %v, %v", p.Found, told, err)
	}
}

func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"moons.csv": "moons", "data/Titanic.CSV": "titanic", "x.csv.gz": "x", "a.npz:x": "a", "photos/": "photos",
		"Größe.csv": "gr-e", "...": "model", "/": "model", strings.Repeat("n", 80): strings.Repeat("n", 64),
	} {
		if got := nameOf(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// TestPictures: a folder of pictures in folders gets classes, the grey of its pictures, and a size that the network
// takes.
func TestPictures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shapes")
	for i := range 40 {
		m := image.NewGray(image.Rect(0, 0, 19, 23))
		for j := range m.Pix {
			m.Pix[j] = uint8(i * j % 251)
		}
		var text bytes.Buffer
		if err := png.Encode(&text, m); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(dir, []string{"round", "square"}[i%2])
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".png")), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := New(t.Context(), Request{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	d, k := p.Config.Data, p.Config.Condition
	if d.ImageSize != 16 || !d.Grey || !d.ClassFolders || k == nil || len(k.Names) != 2 || p.Config.Name != "shapes" {
		t.Errorf("data %+v, condition %+v", d, k)
	}
	if p, err = New(t.Context(), Request{Path: dir, ImageSize: 12, Flip: true}); err != nil ||
		p.Config.Data.ImageSize != 12 || !p.Config.Data.RandomFlip {
		t.Errorf("--size 12 --flip: %+v, %v", p.Config.Data, err)
	}
	for size, want := range map[int]string{14: "--size is 14: want a multiple of 4"} {
		if _, err := New(t.Context(), Request{Path: dir, ImageSize: size}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("size %d: %v, want %q", size, err, want)
		}
	}
	first, held := filepath.Join(dir, "round", "0.png"), filepath.Join(dir, "round", "24.png") // of each part
	for _, path := range []string{first, held} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("2 of 40 pictures cannot be read; --set data.skip_broken=true leaves them out: %s (it is "+
		"not a PNG, JPEG, WebP, BMP, TIFF or GIF file), %s (", first, held)
	if _, err := New(t.Context(), Request{Path: dir}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("two broken pictures: %v", err)
	}
	var told []string
	reader := data.Reader{Notice: func(text string) { told = append(told, text) }}
	p, err = New(t.Context(), Request{Path: dir, SkipBroken: true, Reader: reader})
	if err != nil || !p.Config.Data.SkipBroken || len(told) != 1 ||
		!strings.HasPrefix(told[0], dir+": left out 2 of 40 pictures") {
		t.Errorf("broken pictures that may be skipped: %+v, %v, and %q", p.Config.Data, err, told)
	}
	if _, err := New(t.Context(), Request{Path: t.TempDir()}); err == nil ||
		!strings.Contains(err.Error(), "it has no pictures") {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestSeries: rows of waves are taken for series, and rows of noise or of one number with noise for tables.
func TestSeries(t *testing.T) {
	const rows, length = 60, 32
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(value func(phase float64, time int) float64) data.Array {
		a := data.Array{Shape: []int{rows, length}, Kind: "<f4"}
		for range rows {
			phase := 2 * math.Pi * r.Float64()
			for time := range length {
				a.Values = append(a.Values, float32(value(phase, time)))
			}
		}
		return a
	}
	wave := func(phase float64, time int) float64 { return math.Sin(phase + 0.3*float64(time)) }
	waves := fill(wave)
	for name, c := range map[string]struct {
		array data.Array
		want  bool
	}{
		"waves":         {waves, true},
		"noise":         {fill(func(float64, int) float64 { return r.NormFloat64() }), false},
		"one number":    {fill(func(phase float64, _ int) float64 { return phase + 0.01*r.NormFloat64() }), false},
		"text":          {data.Array{Shape: waves.Shape, Kind: "text", Values: waves.Values}, false},
		"few":           {data.Array{Shape: []int{5, length}, Kind: "<f4", Values: waves.Values[:5*length]}, false},
		"another shape": {data.Array{Shape: []int{rows, 4, 8}, Kind: "<f4", Values: waves.Values}, false},
	} {
		if got := isSeries(c.array); got != c.want {
			t.Errorf("%s: series %v, want %v", name, got, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "waves.npy")
	writeNPY(t, path, []int{rows, length}, waves.Values)
	for as, want := range map[As]string{"": nn.NameSeries, AsSeries: nn.NameSeries, AsTable: nn.NameResidual} {
		p, err := New(t.Context(), Request{Path: path, As: as})
		if err != nil || p.Config.Network.Name != want {
			t.Errorf("as %q: network %q, %v, want %q", as, p.Config.Network.Name, err, want)
		}
	}
}

// TestPatch: patches divide the length and leave 16 elements, and blocks have channels of about the same work.
func TestPatch(t *testing.T) {
	for length, want := range map[int][2]int{
		16: {1, 48}, 31: {1, 48}, 32: {2, 64}, 63: {1, 48}, 64: {4, 96}, 66: {2, 64}, 1024: {4, 96},
	} {
		n := patch(length)
		if got := [2]int{n, channels(n)}; got != want {
			t.Errorf("length %d: patch and channels %v, want %v", length, got, want)
		}
	}
}

// TestSeriesOfVectors: an array [series, time, numbers] is series, each number has its own mean, and numbers of far
// apart sizes are noted.
func TestSeriesOfVectors(t *testing.T) {
	const rows, length = 40, 16
	path := filepath.Join(t.TempDir(), "weather.npy")
	for _, small := range []float64{1, 0.01} {
		var x []float32
		for i := range rows {
			for time := range length {
				angle := float64(i) + 0.3*float64(time)
				x = append(x, float32(1000+math.Sin(angle)), float32(-20+small*math.Cos(angle)))
			}
		}
		writeNPY(t, path, []int{rows, length, 2}, x)
		p, err := New(t.Context(), Request{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		n := p.Config.Network
		if n.Name != nn.NameSeries || len(n.Means) != 2 || math.Abs(n.Means[0]-1000) > 1 ||
			math.Abs(n.Means[1]+20) > 1 || n.Std > 1 {
			t.Errorf("network %+v, want means of 1000 and -20, and a standard deviation below 1", n)
		}
		if noted := strings.Contains(strings.Join(p.Found, "\n"), "standard deviations from"); noted != (small < 1) {
			t.Errorf("one of size %g: found %q", small, p.Found)
		}
		if _, err := n.Build([]int{length, 2}, nil); err != nil {
			t.Error(err)
		}
	}
	_, err := New(t.Context(), Request{Path: path, As: AsTable})
	if err == nil || !strings.Contains(err.Error(), "[rows, columns]") {
		t.Errorf("as a table: %v", err)
	}
}

// TestPicturesOfNumbers: numbers from 0 to 1 that are alike in both directions are taken for pictures, and others only
// if the user says so.
func TestPicturesOfNumbers(t *testing.T) {
	const rows = 40
	r := rand.New(rand.NewPCG(1, 2))
	smooth := func(i, y, x int) float64 { return 0.5 + 0.5*math.Sin(float64(i*i)+0.3*float64(y)+0.2*float64(x)) }
	noise := func(int, int, int) float64 { return r.Float64() }
	along := func(i, y, x int) float64 { return 0.5 + 0.5*math.Sin(float64(i*i)+0.3*float64(y)+float64(x*x)) }
	wide := func(i, y, x int) float64 { return 255 * smooth(i, y, x) }
	for name, c := range map[string]struct {
		value func(i, y, x int) float64
		shape []int // without the rows
		as    As
		want  []int  // the shape of a picture; nil for none
		found string // or the error
	}{
		"smooth":         {smooth, []int{8, 12}, "", []int{1, 8, 12}, "they are taken for pictures (--as series)"},
		"said series":    {smooth, []int{8, 12}, AsSeries, nil, "40 series of 8 times 12 numbers"},
		"said pictures":  {noise, []int{8, 12}, AsPictures, []int{1, 8, 12}, "numbers from 0 to 1 of shape [40 8 12]"},
		"noise":          {noise, []int{8, 12}, "", nil, "if they are pictures, train with --as pictures"},
		"several":        {along, []int{8, 12}, "", nil, "if they are pictures, train with --as pictures"},
		"of an odd size": {smooth, []int{9, 12}, "", nil, "40 series of 9 times 12 numbers"},
		"colours last":   {noise, []int{8, 12, 3}, "", []int{3, 8, 12}, "they are taken for pictures"},
		"colours first":  {noise, []int{3, 8, 12}, "", []int{3, 8, 12}, "they are taken for pictures"},
		"two channels":   {noise, []int{8, 12, 2}, "", nil, "with 1 or 3 channels"},
		"of 255":         {wide, []int{8, 12}, AsPictures, nil, "want 0 to 1 for pictures, or bytes"},
		"rows":           {noise, []int{8}, AsPictures, nil, "want an array of numbers or bytes [N, H, W]"},
	} {
		var x []float32
		width := c.shape[min(1, len(c.shape)-1)]
		for k := range rows * elements(c.shape) {
			at := k % elements(c.shape)
			x = append(x, float32(c.value(k/elements(c.shape), at/width, at%width)))
		}
		path := filepath.Join(t.TempDir(), "x.npy")
		writeNPY(t, path, append([]int{rows}, c.shape...), x)
		p, err := New(t.Context(), Request{Path: path, As: c.as})
		if found := fmt.Sprint(p.Found, err); !strings.Contains(found, c.found) {
			t.Errorf("%s: found %q, want %q", name, found, c.found)
		}
		if isPicture := p.Config.Network.Name == nn.NameUNet; isPicture != (c.want != nil) {
			t.Errorf("%s: network %q", name, p.Config.Network.Name)
		}
		if c.want == nil {
			continue
		}
		source, err := p.Config.Data.Open(data.Train, 1)
		if err != nil || !slices.Equal(source.Shape(), c.want) {
			t.Errorf("%s: %v, %v, want samples of shape %v", name, source, err, c.want)
		}
	}
}

// writeNPY writes an array of float32.
func writeNPY(t *testing.T, path string, shape []int, x []float32) {
	t.Helper()
	axes := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ")
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n", axes)
	text := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	text = append(text, header...)
	for _, v := range x {
		text = binary.LittleEndian.AppendUint32(text, math.Float32bits(v))
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
