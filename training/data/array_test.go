package data

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// npyHead returns a header of the given version with the given dictionary.
func npyHead(version byte, dictionary string) []byte {
	head := append([]byte(npyMagic), version, 0)
	if version == 1 {
		head = binary.LittleEndian.AppendUint16(head, uint16(len(dictionary)))
	} else {
		head = binary.LittleEndian.AppendUint32(head, uint32(len(dictionary)))
	}
	return append(head, dictionary...)
}

// npyOf returns a file of the elements, as bytes, in the form that NumPy writes today.
func npyOf(kind, shape string, elements []byte) []byte {
	dictionary := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", kind, shape)
	return append(npyHead(1, dictionary), elements...)
}

func encoded(order binary.ByteOrder, values any) []byte {
	text, err := binary.Append(nil, order, values)
	if err != nil {
		panic(err)
	}
	return text
}

// TestNPYElements reads every type of numbers of NumPy, in both byte orders.
func TestNPYElements(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	for _, c := range []struct {
		kind string
		text []byte
		want []float32
	}{
		{"|b1", []byte{0, 1}, []float32{0, 1}},
		{"|u1", []byte{0, 255}, []float32{0, 255}},
		{"|i1", []byte{0x80, 0x7f}, []float32{-128, 127}},
		{"<u2", encoded(little, []uint16{1, 65535}), []float32{1, 65535}},
		{">i2", encoded(big, []int16{-2, 300}), []float32{-2, 300}},
		{"<i4", encoded(little, []int32{-1 << 31, 7}), []float32{-1 << 31, 7}},
		{">u4", encoded(big, []uint32{1 << 31, 3}), []float32{1 << 31, 3}},
		{"<i8", encoded(little, []int64{-5, 1<<24 + 1}), []float32{-5, 1 << 24}},
		{">u8", encoded(big, []uint64{1 << 63, 9}), []float32{1 << 63, 9}},
		{"<f2", []byte{0x00, 0x3c, 0xff, 0x7b}, []float32{1, 65504}},
		{">f2", []byte{0xc0, 0x00, 0x00, 0x01}, []float32{-2, 1.0 / (1 << 24)}},
		{">f4", encoded(big, []float32{0.1, -3}), []float32{0.1, -3}},
		{"f8", encoded(little, []float64{0.1, 1e38}), []float32{0.1, 1e38}},
		{">f8", encoded(big, []float64{-0.5, 2}), []float32{-0.5, 2}},
	} {
		a, err := DecodeNPY(bytes.NewReader(npyOf(c.kind, "(2,)", c.text)))
		if err != nil || !slices.Equal(a.Values, c.want) || !slices.Equal(a.Shape, []int{2}) || a.Kind != c.kind {
			t.Errorf("%s: %+v, %v: want %v", c.kind, a, err, c.want)
		}
	}
}

// TestNPYHeaders reads headers of old and new programs.
func TestNPYHeaders(t *testing.T) {
	elements := encoded(binary.LittleEndian, []float32{1, 2, 3, 4, 5, 6})
	rows, columns := []float32{1, 2, 3, 4, 5, 6}, []float32{1, 3, 5, 2, 4, 6}
	for _, c := range []struct {
		version    byte
		dictionary string
		want       []float32
	}{
		{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }", rows},
		{2, `{"descr": "<f4", "fortran_order": false, "shape": (2, 3)}`, nil},
		{2, `{"shape":(2,3),"fortran_order":False,"descr":"<f4"}`, rows},
		{3, "{'shape': (2, 3), 'fortran_order': True, 'descr': '<f4'}", columns},
		{4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", nil},
	} {
		a, err := DecodeNPY(bytes.NewReader(append(npyHead(c.version, c.dictionary), elements...)))
		if (err == nil) != (c.want != nil) || !slices.Equal(a.Values, c.want) {
			t.Errorf("version %d, %s: %v, %v: want %v", c.version, c.dictionary, a.Values, err, c.want)
		}
	}
}

// TestNPYFortran: in Fortran's order the first index varies fastest. Element [i, j, k] of 2 x 3 x 4 is number i + 2j +
// 6k of the file.
func TestNPYFortran(t *testing.T) {
	elements := make([]byte, 24)
	for i := range elements {
		elements[i] = byte(i)
	}
	text := append(npyHead(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3, 4)}"), elements...)
	a, err := DecodeNPY(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for at, v := range a.Values {
		i, j, k := at/12, at/4%3, at%4
		if want := float32(i + 2*j + 6*k); v != want {
			t.Fatalf("element [%d, %d, %d] is %g, want %g", i, j, k, v, want)
		}
	}
	bad := append(npyHead(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}"),
		encoded(binary.LittleEndian, []float32{1, 2, 3, float32(math.Inf(-1)), 5, 6})...)
	const want = "element [1, 1], counted from 0, is -Inf"
	if _, err := DecodeNPY(bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// archive returns a zip file of members, stored or deflated, in order.
func archive(t *testing.T, method uint16, members ...any) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for i := 0; i < len(members); i += 2 {
		member, err := w.CreateHeader(&zip.FileHeader{Name: members[i].(string), Method: method})
		if err == nil {
			_, err = member.Write(members[i+1].([]byte))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestNPZ(t *testing.T) {
	x := npyOf("<f4", "(2, 1)", encoded(binary.LittleEndian, []float32{1, 2}))
	y := npyOf("|u1", "(2,)", []byte{3, 4})
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, path("one.npz"), archive(t, zip.Deflate, "__MACOSX/._x.npy", []byte("?"), "x.npy", x))
	writeFile(t, path("two.npz"), archive(t, zip.Store, "x.npy", x, "y.npy", y))
	writeFile(t, path("broken.npz"), archive(t, zip.Deflate, "x.npy", x[:len(x)-1]))
	writeFile(t, path("none.npz"), archive(t, zip.Deflate, "x.txt", []byte("1")))
	writeFile(t, path("book.npz"), archive(t, zip.Deflate, "xl/workbook.xml", []byte("<workbook/>")))
	writeFile(t, path("x.npy.gz"), zipped(t, x))
	writeFile(t, path("odd.npz:x"), x)
	for file, want := range map[string][]float32{
		"one.npz": {1, 2}, "two.npz:x": {1, 2}, "two.npz:y": {3, 4}, "x.npy.gz": {1, 2}, "odd.npz:x": {1, 2},
	} {
		if a, err := ReadArray(path(file)); err != nil || !slices.Equal(a.Values, want) {
			t.Errorf("%s: %v, %v: want %v", file, a.Values, err, want)
		}
	}
	for file, want := range map[string]string{
		"two.npz":    "it has 2 arrays: want one of x, y behind its name, as in file.npz:x",
		"two.npz:z":  `it has no array "z": want one of x, y`,
		"broken.npz": "array x: the file is cut short: 7 bytes where shape [2 1] needs 8",
		"none.npz":   "it is a zip file without an array",
		"book.npz":   "it is a workbook of Excel: save its sheet as CSV",
	} {
		if _, err := ReadArray(path(file)); err == nil || !strings.Contains(err.Error(), "read "+path(file)+": "+want) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
	}
}

// TestText reads the same four numbers as several programs write them.
func TestText(t *testing.T) {
	for name, text := range map[string]string{
		"savetxt":               "1.000000000000e+00 -2.500000000000e+00\n3.000000000000e+00 4.000000000000e+02\n",
		"savetxt with header":   "# x y\n1 -2.5\n3 400\n",
		"savetxt with comma":    "1.0e+00,-2.5e+00\n3.0e+00,4.0e+02\n",
		"pandas":                ",x,y\n0,1.0,-2.5\n1,3.0,400.0\n",
		"pandas without index":  "x,y\n1.0,-2.5\n3.0,400.0\n",
		"pandas without names":  ",0,1\n0,1.0,-2.5\n7,3.0,400.0\n",
		"Excel":                 "\ufeffx,y\r\n1,-2.5\r\n3,400\r\n",
		"Excel in Germany":      "\ufeffBreite, mm;Länge\r\n1;-2,5\r\n3;4E+02\r\n;\r\n",
		"Excel with separator":  "sep=;\r\n1;-2,5\r\n3;400\r\n",
		"Excel on an old Mac":   "x\ty\r1\t-2.5\r3\t400",
		"R":                     "\"\",\"x, mm\",\"y\"\n\"1\",1,-2.5\n\"2\",3,400\n",
		"R with blanks":         "\"x\" \"y\"\n1  -2.5\n 3 400 \n",
		"quotes":                "\"1\",\"-2.5\"\n\"3\", \"400\"\n",
		"tabs":                  "1\t-2.5\n3\t400\n",
		"an empty last line":    "1,-2.5\n3,400\n\n",
		"blanks around":         " 1 , -2.5\n\n  3 ,400\n  \n",
		"no end of line":        "1,-2.5\n3,400",
		"a comment in between":  "1,-2.5\n  # half\n3,400\n",
		"a byte order mark":     "\ufeff1,-2.5\n3,400\n",
		"a mark and a comment":  "\ufeff# x\n1,-2.5\n3,400\n",
		"numbers that overflow": "1,-2.5\n3,400.00000000000000000000000000000000000000000000001\n",
	} {
		a, err := decodeText(iotestReader(text))
		if err != nil || !slices.Equal(a.Values, []float32{1, -2.5, 3, 400}) || !slices.Equal(a.Shape, []int{2, 2}) {
			t.Errorf("%s: %v of shape %v, %v", name, a.Values, a.Shape, err)
		}
		if strings.HasPrefix(name, "pandas") && !strings.Contains(name, "without index") != (a.Note != "") {
			t.Errorf("%s: note %q", name, a.Note)
		}
	}
	for _, first := range []string{"0,1", "1,2,3", "2019,2020", "-1,0", ",2019,2020"} {
		text := first + "\n" + strings.Repeat("0.5,", strings.Count(first, ",")) + "0.25\n"
		table := tableOfText(t, text, false)
		note := "line 1, " + first + ", is taken for numbers, not for the names of columns"
		if table.Rows != 2 || !slices.Equal(table.Notes, []string{note}) {
			t.Errorf("names that are numbers: %+v, want %q", table, note)
		}
	}
	a, err := decodeText(strings.NewReader("0,1\n0.5,0.25\n"))
	if err != nil || len(a.Values) != 4 || a.Note != "line 1, 0,1, is taken for numbers, not for the names of columns" {
		t.Errorf("names that are numbers: %v, %v", a, err)
	}
	for _, first := range []string{"2019,2021", "1.0,2.0", "5"} {
		if table := tableOfText(t, first+"\n"+first+"\n", false); len(table.Notes) > 0 {
			t.Errorf("%s: notes %q", first, table.Notes)
		}
	}
}

// iotestReader returns the text one byte at a time, so that every line end comes at the end of the known text.
func iotestReader(text string) io.Reader { return &slow{strings.NewReader(text)} }

type slow struct{ r io.Reader }

func (s *slow) Read(p []byte) (int, error) { return s.r.Read(p[:min(1, len(p))]) }

func TestTextRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"1,2\n3\n":                  "line 2 has 1 number: want 2, as line 1",
		"x,y\n1,2,3\n":              "line 2 has 3 numbers: want 2, as line 1",
		",x\n0,1\n1,2,3\n":          "line 3 has 3 numbers: want 2, as line 1",
		"x,y\n\n1,1e40\n":           "line 3, column 2 (y) is 1e40, which does not fit float32: want at most 3.4",
		"1,-1e39\n":                 "line 1, column 2 is -1e39, which does not fit float32",
		"1,2\n1,nan\n":              "line 2, column 2 is NaN: want finite numbers",
		"x\n-inf\n":                 "line 2, column 1 (x) is -Inf: want finite numbers",
		"1,2\n3,\n":                 "line 2, column 2 is empty: want a number",
		"x,kind\n1,setosa\n":        `line 2, column 2 (kind) is "setosa": want a number`,
		"1,setosa\n":                `line 1, column 2 is "setosa": want a number`,
		"1\t2,5\n":                  `line 1, column 2 is "2,5": want a number`,
		",x\na,1\n":                 `line 2, column 1 is "a" and has no name: want a name, or pandas' index`,
		"x,y\n":                     "it has no rows",
		"# nothing\n\n":             "it has no rows",
		"1,\"2\n3,4\n":              "line 1 has quotes that do not match",
		"1,2\n3,\"4\n5\",6\n7,8\n":  "line 2 has 3 numbers: want 2, as line 1",
		"1,2\n\"3\n\",4\n7,8,9\n":   "line 4 has 3 numbers: want 2, as line 1",
		"x,gr\xf6\xdfe\n1,2\n":      `line 1, column 2 is "gr\xf6\xdfe", which is not UTF-8: save the file as UTF-8`,
		"x,y\n1,2\n3,k\xf6ln\n":     `line 3, column 2 is "k\xf6ln", which is not UTF-8`,
		"\xff\xfe1\x00,\x002\x00":   "it is text in UTF-16: save it as UTF-8",
		"PAR1\x15\x04\x15\x10":      "it is a Parquet file: save it as CSV",
		"[{\"a\": 1},\n{\"a\": 2}]": "it is JSON: save it as CSV, as pandas.read_json(FILE)",
		"{\"a\": 1}\n{\"a\": 2}\n":  "it is JSON: save it as CSV",
		"[ [1, 2], [3, 4]]":         "it is JSON: save it as CSV",
		"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff": "it is a single picture: want a folder",
		string(npyOf("|O", "(2,)", nil)): "its elements are |O: want whole numbers, " +
			"bools, or floats of 16, 32 or 64 bits; these are Python objects, which x.astype(float) may convert",
		string(npyOf("<U5", "(2,)", nil)): "its elements are <U5: want whole numbers, bools, or floats of 16, 32 or " +
			"64 bits; these are texts",
		"\x7fELF\x02\x01\x00\x00":   "it is neither NumPy's .npy or .npz nor numbers as text",
		strings.Repeat("1 ", 1<<23): "line 1 has more than 16777216 bytes",
	} {
		path := filepath.Join(t.TempDir(), "x.csv")
		writeFile(t, path, []byte(text))
		_, err := ReadArray(path)
		if err == nil || !strings.Contains(err.Error(), "read "+path+": "+want) {
			t.Errorf("%.30q: error %v, want %q", text, err, want)
		}
	}
}

// TestNPYClaims: a header that claims more than the file has does not allocate memory for it.
func TestNPYClaims(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	text := npyOf("<f8", "(2147483647,)", make([]byte, 80))
	writeFile(t, path, text)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, fromFile := ReadArray(path)
	_, fromStream := DecodeNPY(bytes.NewReader(text))
	runtime.ReadMemStats(&after)
	for _, err := range []error{fromFile, fromStream} {
		if err == nil || !strings.Contains(err.Error(), "80 bytes where shape [2147483647] needs 17179869176") {
			t.Errorf("error %v, want that the file is cut short", err)
		}
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes were taken", took)
	}
}
