package data

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// sixColours returns a picture of 3 by 2 with the colours "RGB YCM".
func sixColours() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i, c := range []color.NRGBA{
		{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 0, 255},
		{0, 255, 255, 255}, {255, 0, 255, 255},
	} {
		m.SetNRGBA(i%3, i/3, c)
	}
	return m
}

// named writes the colours of a picture by name, row by row.
func named(m image.Image) string {
	names := map[[3]uint32]string{
		{1, 0, 0}: "R", {0, 1, 0}: "G", {0, 0, 1}: "B", {1, 1, 0}: "Y",
		{0, 1, 1}: "C", {1, 0, 1}: "M", {0, 0, 0}: "K", {1, 1, 1}: "W",
	}
	var rows []string
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		row := ""
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			r, g, b, _ := m.At(x, y).RGBA()
			row += names[[3]uint32{r >> 15, g >> 15, b >> 15}]
		}
		rows = append(rows, row)
	}
	return strings.Join(rows, " ")
}

// exifWith returns metadata with an orientation.
func exifWith(order binary.AppendByteOrder, mark string, o uint16) []byte {
	text := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	text = order.AppendUint16(text, 2) // number of entries
	for _, entry := range [][2]uint16{{0x100, 77}, {0x112, o}} {
		text = order.AppendUint32(order.AppendUint16(order.AppendUint16(text, entry[0]), 3), 1)
		text = order.AppendUint16(order.AppendUint16(text, entry[1]), 0)
	}
	return order.AppendUint32(text, 0)
}

// pngWith returns a PNG file with metadata after the picture.
func pngWith(t *testing.T, m image.Image, exif []byte) []byte {
	t.Helper()
	text := encodedBy(t, png.Encode, m)
	const end = 12
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif)))
	chunk = append(append(chunk, "eXIf"...), exif...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return slices.Concat(text[:len(text)-end], chunk, text[len(text)-end:])
}

// jpegWith returns a JPEG file with metadata, like a camera's.
func jpegWith(t *testing.T, m image.Image, exif []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	exif = append([]byte("Exif\x00\x00"), exif...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xe1}, uint16(len(exif)+2))
	return slices.Concat(file.Bytes()[:2], segment, exif, file.Bytes()[2:])
}

func encodedBy(t *testing.T, encode func(w io.Writer, m image.Image) error, m image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := encode(&file, m); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestOrientation checks the eight orientations. Exif 2.3 describes them by the places of row 0 and column 0.
func TestOrientation(t *testing.T) {
	for o, want := range []string{
		0: "RGB YCM", 1: "RGB YCM", 2: "BGR MCY", 3: "MCY BGR", 4: "YCM RGB",
		5: "RY GC BM", 6: "YR CG MB", 7: "MB CG YR", 8: "BM GC RY", 9: "RGB YCM",
	} {
		for form, text := range map[string][]byte{
			"PNG":                pngWith(t, sixColours(), exifWith(binary.BigEndian, "MM", uint16(o))),
			"PNG, little-endian": pngWith(t, sixColours(), exifWith(binary.LittleEndian, "II", uint16(o))),
		} {
			if m, err := decodePicture(text, 0); err != nil || named(m) != want {
				t.Errorf("%s of orientation %d: %s, %v: want %s", form, o, named(m), err, want)
			}
		}
	}
	const side = 16 // a block of a JPEG
	wide := image.NewNRGBA(image.Rect(0, 0, 3*side, 2*side))
	for i := range wide.Pix {
		x, y := i/4%(3*side), i/4/(3*side)
		wide.Pix[i] = sixColours().Pix[4*(y/side*3+x/side)+i%4]
	}
	m, err := decodePicture(jpegWith(t, wide, exifWith(binary.LittleEndian, "II", 6)), 0)
	if err != nil {
		t.Fatal(err)
	}
	small := image.NewNRGBA(image.Rect(0, 0, 2, 3))
	for i := range 6 {
		small.Set(i%2, i/2, m.At(i%2*side+side/2, i/2*side+side/2))
	}
	if named(small) != "YR CG MB" {
		t.Errorf("JPEG of orientation 6: %s", named(small))
	}
}

// TestFormats reads files of the six colours. Pillow 13 wrote the formats that Go does not write.
func TestFormats(t *testing.T) {
	paletted := image.NewPaletted(image.Rect(0, 0, 3, 2), nil)
	for i := range 6 {
		paletted.Palette = append(paletted.Palette, sixColours().At(i%3, i/3))
		paletted.Pix[i] = byte(i)
	}
	deep := image.NewNRGBA64(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		deep.Set(i%3, i/3, sixColours().At(i%3, i/3))
	}
	corner := image.NewPaletted(image.Rect(1, 1, 3, 2), paletted.Palette) // a part of a larger canvas
	corner.Pix = []byte{4, 5}
	var part bytes.Buffer
	animation := &gif.GIF{
		Image: []*image.Paletted{corner, paletted}, Delay: []int{1, 1},
		Config: image.Config{Width: 3, Height: 2, ColorModel: paletted.Palette},
	}
	if err := gif.EncodeAll(&part, animation); err != nil {
		t.Fatal(err)
	}
	withoutOptions := func(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) }
	gifs := func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"BMP":               {encodedBy(t, bmp.Encode, sixColours()), "RGB YCM"},
		"TIFF":              {encodedBy(t, withoutOptions, sixColours()), "RGB YCM"},
		"TIFF of 16 bits":   {encodedBy(t, withoutOptions, deep), "RGB YCM"},
		"GIF":               {encodedBy(t, gifs, paletted), "RGB YCM"},
		"GIF, a part":       {part.Bytes(), "KKK KCM"},
		"PNG of a palette":  {encodedBy(t, png.Encode, paletted), "RGB YCM"},
		"PNG of 16 bits":    {encodedBy(t, png.Encode, deep), "RGB YCM"},
		"WebP, turned":      {unbase64(t, webpTurned), "YR CG MB"},
		"TIFF, LZW, turned": {unbase64(t, tiffTurned), "YR CG MB"},
	} {
		if m, err := decodePicture(c.text, 0); err != nil || named(m) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Pillow wrote these pictures of the six colours with orientation 6: a lossless WebP file and a TIFF file with LZW
// compression.
const (
	webpTurned = "UklGRmgAAABXRUJQVlA4WAoAAAAIAAAAAgAAAQAAVlA4TCgAAAAvAkAAAC8gEEjaH3qN+RcQFPk/2vwHH0QCg0K2EeDQvQSn" +
		"cBH9j2MFRVhJRhoAAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA=="
	tiffTurned = "SUkqABYAAACAP8AQOBQR/wWDwJ/wEAsAAAEDAAEAAAADAAAAAQEDAAEAAAACAAAAAgEDAAMAAACgAAAAAwEDAAEAAAAFAAAA" +
		"BgEDAAEAAAACAAAAEQEEAAEAAAAIAAAAEgEDAAEAAAAGAAAAFQEDAAEAAAADAAAAFgEDAAEAAAACAAAAFwEEAAEAAAAOAAAA" +
		"HAEDAAEAAAABAAAAAAAAAAgACAAIAA=="
)

// TestDecoders checks what the decoders do not decode correctly. Pillow reads this lossy WebP file as (202, 50, 31)
// where rows has a plus, and as (200, 51, 31) elsewhere.
func TestDecoders(t *testing.T) {
	const lossy = "UklGRj4AAABXRUJQVlA4IDIAAADQAQCdASoIAAgAAMASJaACdLoB+AADsAD+9Ykf/s7v07v07v8DH/7JW+wz/sM//seQAA=="
	const rows = "++++++-- ++++++-- ++++++-- ++++++-- ++++++-- ++++++-- ----++-- ----++--"
	m, err := decodePicture(unbase64(t, lossy), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		want := color.NRGBA{202, 50, 31, 255}
		if rows[9*(i/8)+i%8] == '-' {
			want = color.NRGBA{200, 51, 31, 255}
		}
		if got := m.At(i%8, i/8); got != want {
			t.Fatalf("pixel %d of the WebP file is %v, want %v", i, got, want)
		}
	}
	fax := "SUkqAA4AAAAJVgAgAgAJAAABAwABAAAAAwAAAAEBAwABAAAAAgAAAAIBAwABAAAAAQAAAAMBAwABAAAABAAAAAYBAwABAAAA" +
		"AQAAABEBBAABAAAACAAAABYBAwABAAAAAgAAABcBBAABAAAABQAAABwBAwABAAAAAQAAAAAAAAA="
	cmyk := unbase64(t, fax)
	cmyk[bytes.Index(cmyk, []byte{0x06, 0x01, 3, 0})+8] = 5 // the kind of colours
	moves := "RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x01\x00\x00ANIM"
	for want, text := range map[string][]byte{
		"fax compression": unbase64(t, fax), "in CMYK": cmyk, "animated WebP file": []byte(moves),
	} {
		if _, err := decodePicture(text, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestBackground: the background c shows through a picture as v + (1 - a) c, where the colour v is already multiplied
// by its opacity a.
func TestBackground(t *testing.T) {
	dir := t.TempDir()
	m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i, c := range []color.NRGBA{{200, 100, 0, 255}, {200, 100, 0, 0}, {200, 100, 0, 51}, {0, 0, 0, 204}} {
		m.SetNRGBA(i%2, i/2, c)
	}
	writePicture(t, filepath.Join(dir, "a.png"), m)
	writePicture(t, filepath.Join(dir, "test", "b.png"), m)
	for background, back := range map[string][3]float64{
		"": {}, "black": {}, "white": {255, 255, 255}, "#0a80FF": {10, 128, 255},
	} {
		images, err := Config{Name: Pictures, Dir: dir, ImageSize: 2, Background: background}.Images(Train)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			c := m.NRGBAAt(i%2, i/2)
			a := float64(c.A) / 255
			for k, v := range []uint8{c.R, c.G, c.B} {
				got, want := float64(images.At(0)[4*k+i]), a*float64(v)+(1-a)*back[k]
				if math.Abs(got-want) > 1 {
					t.Errorf("pixel %d, channel %d on %q is %g, want %g", i, k, background, got, want)
				}
			}
		}
	}
	for _, bad := range []string{"red", "#12345", "#gggggg", "0000000", "#+12345"} {
		c := Config{Name: Pictures, Dir: dir, ImageSize: 2, Background: bad}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "data.background is") {
			t.Errorf("background %q: error %v", bad, err)
		}
	}
}

// noted reads the training part of a dataset and collects the notices.
func noted(t *testing.T, c Config) (images *Images, notices []string, err error) {
	t.Helper()
	calls := 0
	r := Reader{
		Progress: func(done, total int) {
			if calls++; done != calls || done > total {
				t.Errorf("call %d tells %d of %d", calls, done, total)
			}
		},
		Notice: func(text string) { notices = append(notices, text) },
	}
	images, err = r.Images(t.Context(), c, Train)
	return images, notices, err
}

// TestHiddenFiles: files that no person put into a folder are skipped and counted.
func TestHiddenFiles(t *testing.T) {
	dir := t.TempDir()
	white := flat(4, 4, 0, color.White, color.White)
	for _, name := range []string{
		"a.png", "b.JPEG", "test/c.png", "._a.png", ".a.png", "__MACOSX/d.png", ".ipynb_checkpoints/e.png",
		"@eaDir/f.png",
		"sub/.hidden/g.png",
	} {
		writePicture(t, filepath.Join(dir, name), white)
	}
	writeFile(t, filepath.Join(dir, "._b.png"), []byte("\x00\x05\x16\x07"))
	writeFile(t, filepath.Join(dir, "Thumbs.db"), nil)
	writeFile(t, filepath.Join(dir, "notes.txt"), nil)
	images, notices, err := noted(t, Config{Name: Pictures, Dir: dir, ImageSize: 4})
	if err != nil || images.Len() != 2 {
		t.Fatalf("%v, %v: want a.png and b.JPEG", images, err)
	}
	want := dir + ": left out 8 hidden files and folders (" + filepath.Join(dir, "._a.png") +
		" and so on), 1 file without the ending of a picture (" + filepath.Join(dir, "notes.txt") + ")"
	if !slices.Equal(notices, []string{want}) {
		t.Errorf("notices %q, want %q", notices, want)
	}
}

// TestLinks: links to folders and to files are followed. No folder is read twice, so reading ends.
func TestLinks(t *testing.T) {
	root := t.TempDir()
	store, dir := filepath.Join(root, "store"), filepath.Join(root, "dir")
	for i, name := range []string{"x0.png", "more/x1.png", "held/x2.png"} {
		grey := color.Gray{byte(50 * (i + 1))}
		writePicture(t, filepath.Join(store, name), flat(4, 4, 0, grey, grey))
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, link := range [][2]string{
		{filepath.Join(store, "x0.png"), "dir/file.png"},
		{filepath.Join(store, "more"), "dir/folder"},
		{filepath.Join(store, "held"), "dir/test"},
		{dir, "dir/again"},
		{store, "store/more/up"},
		{dir, "linked"},
	} {
		if err := os.Symlink(link[0], filepath.Join(root, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dir", "linked"} {
		images, notices, err := noted(t,
			Config{Name: Pictures, Dir: filepath.Join(root, name), ImageSize: 4, Grey: true})
		if err != nil {
			t.Fatal(err)
		}
		levels := []byte{}
		for i := range images.Len() {
			levels = append(levels, images.At(i)[0])
		}
		// dir/folder/up leads to x0.png a second time, under another name.
		if !slices.Equal(levels, []byte{50, 50, 100}) {
			t.Errorf("%s: pictures of levels %v", name, levels)
		}
		if len(notices) != 1 || !strings.Contains(notices[0], "left out 3 links to folders that were already read") {
			t.Errorf("%s: notices %q", name, notices)
		}
		test, err := Config{Name: Pictures, Dir: filepath.Join(root, name), ImageSize: 4, Grey: true}.Images(Test)
		if err != nil || test.Len() != 1 || test.At(0)[0] != 150 {
			t.Errorf("%s: test part %v, %v", name, test, err)
		}
	}
}

// TestBrokenPictures: all broken pictures are found at the start, or skipped on request.
func TestBrokenPictures(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		grey := color.Gray{byte(10 * i)}
		writePicture(t, filepath.Join(dir, fmt.Sprintf("a%02d.png", i)), flat(8, 8, 0, grey, grey))
	}
	writePicture(t, filepath.Join(dir, "test", "z.png"), flat(8, 8, 0, color.White, color.White))
	whole, err := os.ReadFile(filepath.Join(dir, "a00.png"))
	if err != nil {
		t.Fatal(err)
	}
	cut, heic, gone := filepath.Join(dir, "a03.png"), filepath.Join(dir, "a07.png"), filepath.Join(dir, "a11.png")
	writeFile(t, cut, whole[:len(whole)-20])
	writeFile(t, heic, []byte("\x00\x00\x00\x18ftypheic"))
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", gone); err != nil {
		t.Fatal(err)
	}
	c := Config{Name: Pictures, Dir: dir, ImageSize: 4, Grey: true}
	list := fmt.Sprintf("%s (the file is cut short: png: invalid format: unexpected EOF), "+
		"%s (it is not a PNG, JPEG, WebP, BMP, TIFF or GIF file), %s (no such file or directory)", cut, heic, gone)
	want := "data.dir: 3 of 20 pictures cannot be read; --set data.skip_broken=true leaves them out: " + list
	if _, err := c.Open(Train, 1); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	c.SkipBroken = true
	images, notices, err := noted(t, c)
	if err != nil || images.Len() != 17 {
		t.Fatalf("%v, %v: want 17 pictures", images, err)
	}
	notice := dir + ": left out 3 of 20 pictures, which cannot be read: " + list
	if !slices.Equal(notices, []string{notice}) {
		t.Errorf("notices %q, want %q", notices, want)
	}
	near(t, "the fourth of them", images.At(3), 40)
	drawn, err := c.Open(Train, 1)
	if err != nil {
		t.Fatal(err)
	}
	want1 := make([]float32, 17*16)
	if err := newPictures(images, c, 1).Read(want1, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want1))
	if err := drawn.Read(got, 0); err != nil || !slices.Equal(got, want1) {
		t.Errorf("drawn %v, %v: want the pictures that can be read", got, err)
	}
	testPartsTogether(t, c, list)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Reader{}).Open(ctx, c, Train, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("reading after the end: %v", err)
	}
}

// testPartsTogether: the broken pictures of both parts are told at once, in one count. c has 3 of 20 for training and 1
// of 2 for the test.
func testPartsTogether(t *testing.T, c Config, list string) {
	broken := filepath.Join(c.Dir, "test", "broken.png")
	writeFile(t, broken, []byte("no picture"))
	var notices []string
	r := Reader{Notice: func(text string) { notices = append(notices, text) }}
	train, test, err := r.Parts(t.Context(), c, 1)
	if err != nil {
		t.Fatal(err)
	}
	list += ", " + broken + " (it is not a PNG, JPEG, WebP, BMP, TIFF or GIF file)"
	want := c.Dir + ": left out 4 of 22 pictures, which cannot be read: " + list
	if !slices.Equal(notices, []string{want}) {
		t.Errorf("told %q, want %q", notices, want)
	}
	x := make([]float32, 17*16)
	if err := errors.Join(train.Read(x, 0), test.Read(x[:16], 0)); err != nil || slices.Min(x[:16]) != 1 {
		t.Errorf("read %v, %v: want the white picture of the test part", x[:16], err)
	}
	if err := os.Remove(filepath.Join(c.Dir, "test", "z.png")); err != nil {
		t.Fatal(err)
	}
	want = "data.dir: none of 1 pictures of the test part can be read: "
	if _, _, err := r.Parts(t.Context(), c, 1); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	c.SkipBroken = false
	want = "data.dir: 4 of 21 pictures cannot be read; --set data.skip_broken=true leaves them out: " + list
	if _, _, err := r.Parts(t.Context(), c, 1); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// FuzzPicture: a file that is not a picture is refused, whatever its metadata say.
func FuzzPicture(f *testing.F) {
	exif := exifWith(binary.BigEndian, "MM", 6)
	f.Add(append([]byte("\xff\xd8\xff\xe1\x00\x2cExif\x00\x00"), exif...))
	f.Add(exif)
	for _, text := range []string{webpTurned, tiffTurned} {
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if o := orientationOf(text); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
		if size, err := checkPicture(text, 0); err != nil || size.Width > 1<<12 || size.Height > 1<<12 {
			return
		}
		if m, err := decodePicture(text, 0); err == nil && m.Bounds().Empty() {
			t.Error("an empty picture")
		}
	})
}
