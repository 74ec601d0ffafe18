package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/draw"
)

// flat returns a picture of one colour with a border of another.
func flat(width, height, border int, inside, outside color.Color) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, inside)
			if x < border || y < border || x >= width-border || y >= height-border {
				m.Set(x, y, outside)
			}
		}
	}
	return m
}

func writePicture(t *testing.T, path string, m image.Image) {
	t.Helper()
	var buffer bytes.Buffer
	var err error
	if filepath.Ext(path) == ".png" {
		err = png.Encode(&buffer, m)
	} else {
		err = jpeg.Encode(&buffer, m, &jpeg.Options{Quality: 100})
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, buffer.Bytes())
}

// near checks that every channel of a picture has about one value.
func near(t *testing.T, what string, got []byte, want ...byte) {
	t.Helper()
	area := len(got) / len(want)
	for i, v := range got {
		if math.Abs(float64(v)-float64(want[i/area])) > 4 {
			t.Fatalf("%s: element %d is %d, want %v in %d channels", what, i, v, want, len(want))
		}
	}
}

// TestCelebA reads a folder with CelebA's layout. The crop removes the border.
func TestCelebA(t *testing.T) {
	dir := t.TempDir()
	red, blue := color.RGBA{200, 40, 0, 255}, color.RGBA{0, 0, 255, 255}
	var partition strings.Builder
	for i := range 4 {
		name := fmt.Sprintf("%06d.jpg", i+1)
		writePicture(t, filepath.Join(dir, "img_align_celeba", name), flat(178, 218, 16, red, blue))
		fmt.Fprintf(&partition, "%s %d\n", name, []int{0, 1, 2, 0}[i])
	}
	writeFile(t, filepath.Join(dir, "list_eval_partition.txt"), []byte(partition.String()))
	c := Config{Name: CelebA, Dir: dir, ImageSize: 32, RandomFlip: true}
	for split, n := range map[Split]int{Train: 2, Test: 1} {
		m, err := c.Images(split)
		if err != nil {
			t.Fatal(err)
		}
		if m.Len() != n || m.Channels != 3 || m.Height != 32 {
			t.Errorf("%s: %d pictures of %d x %d x %d, want %d of 3 x 32 x 32",
				split, m.Len(), m.Channels, m.Height, m.Width, n)
		}
		near(t, "celeba", m.At(0), 200, 40, 0)
	}
	writeFile(t, filepath.Join(dir, "list_eval_partition.txt"), []byte("../secret.jpg 0\n"))
	if _, err := c.Images(Train); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a path out of the folder: error %v, want one that names the line", err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		grey := color.Gray{byte(10 * i)}
		writePicture(t, filepath.Join(dir, fmt.Sprintf("a%02d.png", i)), flat(40, 20, 0, grey, grey))
	}
	writeFile(t, filepath.Join(dir, "notes.txt"), []byte("not a picture"))
	c := Config{Name: Pictures, Dir: dir, ImageSize: 8, Grey: true}
	train, err := c.Images(Train)
	if err != nil {
		t.Fatal(err)
	}
	test, err := c.Images(Test)
	if err != nil {
		t.Fatal(err)
	}
	if train.Len() != 18 || test.Len() != 2 {
		t.Fatalf("%d pictures for training and %d to test, want 18 and 2", train.Len(), test.Len())
	}
	near(t, "picture 10 of 18", train.At(9), 100)
	near(t, "picture 2 of 2", test.At(1), 190)
	few, testOnly := t.TempDir(), t.TempDir()
	writePicture(t, filepath.Join(few, "a.png"), flat(9, 9, 0, color.White, color.White))
	writePicture(t, filepath.Join(testOnly, "test", "a.png"), flat(9, 9, 0, color.White, color.White))
	for folder, want := range map[string]string{
		t.TempDir(): ": it has no pictures: want files that end in .png, .jpg",
		few:         ": it has 1 pictures, and every tenth is of the test part: want at least 10, or a folder test",
		testOnly:    ": all its 1 pictures are in its folder test: want others for training",
	} {
		_, _, err := (Reader{}).Parts(t.Context(), Config{Name: Pictures, Dir: folder, ImageSize: 4}, 1)
		if err == nil || !strings.HasPrefix(err.Error(), "data.dir: read "+folder+want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	writePicture(t, filepath.Join(dir, "test", "b.jpg"), flat(9, 9, 0, color.White, color.White))
	if test, err = c.Images(Test); err != nil || test.Len() != 1 {
		t.Errorf("a folder named test: %v, %v", test, err)
	}
	broken := filepath.Join(dir, "broken.png")
	writeFile(t, broken, []byte("\x89PNG\r\n\x1a\n and no more"))
	if _, err := c.Images(Train); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("error %v, want one that names %s", err, broken)
	}
}

func TestCIFAR10(t *testing.T) {
	dir := t.TempDir()
	record := func(label byte) []byte { return append([]byte{label}, bytes.Repeat([]byte{label * 20}, 3*32*32)...) }
	for i := range 5 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)),
			slices.Concat(record(byte(i)), record(9)))
	}
	writeFile(t, filepath.Join(dir, "test_batch.bin"), record(7))
	c := Config{Name: CIFAR10, Dir: dir}
	m, err := c.Images(Train)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Labels, []byte{0, 9, 1, 9, 2, 9, 3, 9, 4, 9}) || m.Len() != 10 || m.At(4)[3000] != 40 {
		t.Errorf("labels %v, %d pictures", m.Labels, m.Len())
	}
	for text, want := range map[string]string{"x": "it has 1 bytes", string(record(11)): "picture 0 has label 11"} {
		path := filepath.Join(dir, "test_batch.bin")
		writeFile(t, path, []byte(text))
		if _, err := c.Images(Test); err == nil || !strings.Contains(err.Error(), path+": "+want) {
			t.Errorf("error %v, want one that names the file and says %q", err, want)
		}
	}
}

// npy returns the configuration of a file of 20 rows in NumPy's array format.
func npy(t *testing.T, kind, shape string, values any) Config {
	t.Helper()
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", kind, shape)
	text := npyHead(1, header)
	text, err := binary.Append(text, binary.LittleEndian, values)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.npy")
	writeFile(t, path, text)
	return Config{Name: NPY, Dir: path}
}

func TestNPY(t *testing.T) {
	floats, bytes := make([]float32, 60), make([]byte, 80)
	for i := range floats {
		floats[i] = float32(i)
	}
	for i := range bytes {
		bytes[i] = byte(i)
	}
	c := npy(t, "<f4", "(20, 3)", floats)
	x := readAll(t, c, Test, 0, 2)
	if want := []float32{27, 28, 29, 57, 58, 59}; !slices.Equal(slices.Sorted(slices.Values(x)), want) {
		t.Errorf("test rows %v, want the 10th and the 20th", x)
	}
	if x := readAll(t, c, Train, 0, 18); len(x) != 54 || slices.Contains(x, 27) {
		t.Errorf("training rows %v, want all others", x)
	}
	c.Transform = TransformLogit
	want := "data.dir: read " + c.Dir + ": it has <f4, and data.transform is logit: " +
		"want that only for pictures of bytes, and otherwise none"
	if _, err := c.Open(Train, 1); err == nil || err.Error() != want {
		t.Errorf("logit of floats: error %v, want %s", err, want)
	}
	c.Transform, c.Dequantize = TransformNone, DequantizeNone
	if none := readAll(t, c, Test, 0, 2); !slices.Equal(none, x) {
		t.Errorf("rows %v with dequantization and transform none, want %v as without them", none, x)
	}
	c = npy(t, "|u1", "(20, 2, 2)", bytes)
	source, err := c.Open(Test, 1)
	if err != nil || !slices.Equal(source.Shape(), []int{1, 2, 2}) {
		t.Fatalf("pictures of bytes: %v, %v", source, err)
	}
	if x := readAll(t, c, Test, 0, 2); slices.Max(x) != 79.0/255 {
		t.Errorf("pictures %v, want at most 79/255", x)
	}
	if _, err := npy(t, "<f4", "(60,)", floats).Open(Train, 1); err == nil ||
		!strings.Contains(err.Error(), "want [rows, ...]") {
		t.Errorf("one axis: error %v, want what fits", err)
	}
}

// TestLayout: pictures in arrays of either order give the same samples, and a wrong order is refused.
func TestLayout(t *testing.T) {
	const n, height, width = 20, 2, 4
	pixel := func(i, c, y, x int) byte { return byte(7*i + 50*c + 11*y + 3*x) }
	first, last := make([]byte, n*3*height*width), make([]byte, n*3*height*width)
	for k := range first {
		i, c, y, x := k/(3*height*width), k/(height*width)%3, k/width%height, k%width
		first[k] = pixel(i, c, y, x)
		last[((i*height+y)*width+x)*3+c] = pixel(i, c, y, x)
	}
	want := readAll(t, npy(t, "|u1", "(20, 3, 2, 4)", first), Train, 0, 18)
	c := npy(t, "|u1", "(20, 2, 4, 3)", last)
	c.Layout = ChannelsLast
	source, err := c.Open(Train, 1)
	if err != nil || !slices.Equal(source.Shape(), []int{3, 2, 4}) {
		t.Fatalf("%v, %v: want samples of shape [3 2 4]", source, err)
	}
	if got := readAll(t, c, Train, 0, 18); !slices.Equal(got, want) {
		t.Errorf("samples %v, want %v", got[:24], want[:24])
	}
	floats := make([]float32, len(last))
	for i, v := range last {
		floats[i] = float32(v) / 255
	}
	c = npy(t, "<f4", "(20, 2, 4, 3)", floats)
	c.Layout = ChannelsLast
	if got := readAll(t, c, Train, 0, 18); !slices.Equal(got, want) {
		t.Errorf("floats %v, want %v", got[:24], want[:24])
	}
	for _, bad := range []struct {
		kind, shape string
		layout      Layout
		want        string
	}{
		{"|u1", "(20, 2, 4, 3)", "",
			"which has 2 channels as [N, C, H, W]: want 1 or 3; --set data.layout=channels_last reads"},
		{"|u1", "(20, 2, 4, 3)", ChannelsFirst,
			"which has 2 channels as [N, C, H, W]: want 1 or 3, without one for opacity"},
		{"|u1", "(20, 3, 2, 4)", ChannelsLast,
			"4 channels as [N, H, W, C]: want 1 or 3; without data.layout it is read"},
		{"|i1", "(20, 4, 2, 3)", "", "4 channels as [N, C, H, W]: want 1 or 3; --set data.layout=channels_last"},
		{"|u1", "(10, 6, 2, 4)", "", "the 4 of [N, H, W, C] have one for opacity: save it without, as x[..., :3]"},
		{"|i1", "(20, 4, 3, 2)", "", "want 1 or 3, or data.layout, which says where they are"},
		{"|i1", "(20, 24)", ChannelsLast, "its shape is [20 24], and data.layout is channels_last: want pictures"},
	} {
		c := npy(t, bad.kind, bad.shape, last)
		c.Layout = bad.layout
		_, err := c.Open(Train, 1)
		if err == nil || !strings.HasPrefix(err.Error(), "data.dir: read "+c.Dir+": its shape is ["+bad.shape[1:3]) ||
			!strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s, %s: error %v, want %q", bad.shape, bad.layout, err, bad.want)
		}
	}
	c = npy(t, "<f4", "(20, 6, 4)", floats)
	c.Layout = ChannelsFirst
	if source, err := c.Open(Train, 1); err != nil || !slices.Equal(source.Shape(), []int{1, 6, 4}) ||
		source.(Finite).Len() != 18 {
		t.Errorf("%v, %v: want 18 samples of shape [1 6 4]", source, err)
	}
	c = npy(t, "|i1", "(20, 4, 3, 2)", last) // for example the output of a network
	c.Layout = ChannelsFirst
	if source, err := c.Open(Train, 1); err != nil || !slices.Equal(source.Shape(), []int{4, 3, 2}) {
		t.Errorf("4 channels that are meant: %v, %v", source, err)
	}
}

// TestCSV: text is read like an array for training, and a field that is not a number is found at the start.
func TestCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "points.csv")
	text := "\ufeff,x,y\r\n"
	for i := range 20 {
		text += fmt.Sprintf("%d,%d,%d.5\r\n", i, 2*i, 2*i+1)
	}
	writeFile(t, path, []byte(text))
	c := Config{Name: CSV, Dir: path}
	if x := readAll(t, c, Test, 0, 2); !slices.Equal(slices.Sorted(slices.Values(x)), []float32{18, 19.5, 38, 39.5}) {
		t.Errorf("test rows %v, want the 10th and the 20th", x)
	}
	var notices []string
	r := Reader{Notice: func(text string) { notices = append(notices, text) }}
	_, err := r.Open(t.Context(), c, Train, 1)
	if err != nil || len(notices) != 1 || !strings.Contains(notices[0], path+": column 1, of whole numbers") {
		t.Errorf("%v, notices %q", err, notices)
	}
	writeFile(t, path, []byte(text+"20,nan,3\r\n"))
	want := "data.dir: read " + path + ": line 22, column 2 (x) is NaN: want finite numbers"
	if _, err := c.Open(Train, 1); err == nil || err.Error() != want {
		t.Errorf("error %v, want one that names the line and the column", err)
	}
}

// TestTransforms checks the mean and the standard deviation of Gaussian dequantization, and the exact transforms.
func TestTransforms(t *testing.T) {
	c := digits(t)
	plain := readAll(t, c, Train, 0, 2000)
	c.Dequantize = DequantizeGaussian
	var mean, square float64
	for i, v := range readAll(t, c, Train, 0, 2000) {
		d := float64(v-plain[i]) / 0.01
		mean += d / 12000
		square += d * d / 12000
	}
	if math.Abs(mean) > 0.04 || math.Abs(square-1) > 0.05 {
		t.Errorf("Gaussian noise has mean %g and variance %g, want 0 and 1", mean, square)
	}
	c.Dequantize, c.Transform = DequantizeNone, TransformRescaled
	for i, v := range readAll(t, c, Train, 0, 5) {
		if want := 2*plain[i] - 1; v != want {
			t.Fatalf("rescaled %g is %g, want %g", plain[i], v, want)
		}
	}
	c.Transform = TransformLogit
	for i, v := range readAll(t, c, Train, 0, 5) {
		back := (1/(1+math.Exp(-float64(v))) - 1e-6) / (1 - 2e-6)
		if math.Abs(back-float64(plain[i])) > 1e-6 {
			t.Fatalf("logit of %g is %g, whose inverse is %g", plain[i], v, back)
		}
	}
}

// TestClassFolders: the class of a picture is its folder, in both parts, and a folder says what it has.
func TestClassFolders(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		for k, class := range []string{"cats", "dogs"} {
			c := color.NRGBA{R: uint8(100 * k), G: 50, B: uint8(10 * i), A: 255}
			m := image.NewNRGBA(image.Rect(0, 0, 20+i, 30))
			draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
			var text bytes.Buffer
			if err := png.Encode(&text, m); err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(dir, class, "more")
			if i > 9 {
				folder = filepath.Join(dir, "test", class)
			}
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(folder, fmt.Sprintf("%d.PNG", i)), text.Bytes())
		}
	}
	c := Config{Name: Pictures, Dir: dir, ImageSize: 8, ClassFolders: true}
	s, err := Reader{}.Survey(t.Context(), c)
	if err != nil || s.Pictures != 24 || s.Least != 20 || s.Grey || s.Clear ||
		!slices.Equal(s.Classes, []string{"cats", "dogs"}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, split := range []Split{Train, Test} {
		source, err := c.Open(split, 1)
		if err != nil {
			t.Fatal(err)
		}
		if k := ConditionOf(source); k.Classes != 2 {
			t.Errorf("%s: %d classes, want 2", split, k.Classes)
		}
		x, classes := make([]float32, 20*3*8*8), make([]float32, 20)
		if err := errors.Join(source.Read(x, 0), source.(Conditional).ReadCondition(classes, 0)); err != nil {
			t.Fatal(err)
		}
		for i, class := range classes {
			if red := x[i*3*8*8] * 255; math.Round(float64(red)) != 100*float64(class) {
				t.Errorf("%s: picture %d with red %g has class %g", split, i, red, class)
			}
		}
		all, err := c.Images(split)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := source.(Pictured).Images()
		if err != nil || !slices.Equal(parts.Labels, all.Labels) || len(all.Labels) != all.Len() {
			t.Errorf("%s: labels %v and %v, %v", split, parts.Labels, all.Labels, err)
		}
		for i, label := range all.Labels {
			if red := all.At(i)[0]; red != 100*label {
				t.Errorf("%s: picture %d with red %d has label %d", split, i, red, label)
			}
		}
	}
	c.Dir = filepath.Join(dir, "cats")
	if _, err := c.Open(Train, 1); err == nil || !strings.Contains(err.Error(), "at least two folders") {
		t.Errorf("one folder: %v", err)
	}
}
