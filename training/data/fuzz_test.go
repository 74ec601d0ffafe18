package data

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"path/filepath"
	"testing"

	"github.com/langevin-ml/langevin/internal/alloctest"
)

// deflated is the largest number of bytes that one byte of a packed file can become.
const deflated = 1032

// checkArray fails the test unless an array has the elements of its shape, and all are finite.
func checkArray(t *testing.T, a Array) {
	t.Helper()
	elements := 1
	for _, n := range a.Shape {
		elements *= n
	}
	if len(a.Values) != elements {
		t.Errorf("%d values of shape %v", len(a.Values), a.Shape)
	}
	for i, v := range a.Values {
		if v-v != 0 {
			t.Errorf("value %d is %g", i, v)
		}
	}
}

// FuzzNPY: an array has its promised shape, and takes memory by the size of the file.
func FuzzNPY(f *testing.F) {
	f.Add(npyOf("<f4", "(2, 3)", make([]byte, 24)))
	f.Add(npyOf("|b1", "()", []byte{1}))
	f.Add(npyOf(">i8", "(3L, 1L)", make([]byte, 24)))
	f.Add(npyOf("<f8", "(2147483647,)", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, file []byte) {
		alloctest.Bounded(t, file, 64, func(file []byte) {
			for _, size := range []int64{unknownSize, int64(len(file))} {
				if a, err := decodeNPY(bytes.NewReader(file), size, decoder{}); err == nil {
					checkArray(t, a)
				}
			}
		})
	})
}

// FuzzText is FuzzNPY for comma-separated values and other tables of text.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"x;y\n1;2,5\n", ",0,1\n0,1,2\n", "sep=;\r1;2\r", "# a\n1 2\n\n3\t4\n", "\"1\",\"2\n\"\n",
		"\ufeff1,2\r\n3,4\r\n", "1e39\n", ",x\n#1, inf\n,\n2,\"1\n0\"\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		alloctest.Bounded(t, text, 1024, func(text []byte) {
			if a, err := decodeText(bytes.NewReader(text)); err == nil {
				checkArray(t, a)
			}
		})
		table, err := decodeTable(bytes.NewReader(text), TextForm{Whole: true})
		if err != nil {
			return
		}
		for j := range table.Columns {
			if c := &table.Columns[j]; len(c.Numbers) != table.Rows || len(c.texts) != table.Rows {
				t.Errorf("%d numbers and %d texts in %d rows", len(c.Numbers), len(c.texts), table.Rows)
			}
		}
	})
}

// FuzzArray reads files of any format, as their content says.
func FuzzArray(f *testing.F) {
	npy := npyOf("<f4", "(2, 3)", make([]byte, 24))
	f.Add(npy)
	f.Add([]byte("x;y\n1;2,5\n"))
	f.Add(gzipOf(f, npy))
	f.Add(npzOf(f, npy))
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "x")
		writeFile(t, path, file)
		alloctest.Bounded(t, file, 64*deflated, func([]byte) {
			if a, err := ReadArray(path); err == nil {
				checkArray(t, a)
			}
		})
	})
}

func gzipOf(t testing.TB, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// npzOf returns a zip file of one array, x.
func npzOf(t testing.TB, npy []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	member, err := w.Create("x.npy")
	if err == nil {
		_, err = member.Write(npy)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// FuzzNPZ: an array of an archive has its promised shape, and takes memory by the size of the archive.
func FuzzNPZ(f *testing.F) {
	f.Add(npzOf(f, npyOf("<f4", "(2, 3)", make([]byte, 24))), "")
	f.Add(npzOf(f, npyOf("|u1", "(100, 100)", make([]byte, 10000))), "x")
	f.Fuzz(func(t *testing.T, file []byte, name string) {
		alloctest.Bounded(t, file, 64*deflated, func(file []byte) {
			if a, err := readNPZ(bytes.NewReader(file), int64(len(file)), name, decoder{}); err == nil {
				checkArray(t, a)
			}
		})
	})
}

// FuzzIDX: pictures and labels have their promised shape, and take memory by the size of the file.
func FuzzIDX(f *testing.F) {
	idx := func(axes ...uint32) []byte {
		file, size := []byte{0, 0, 8, byte(len(axes))}, 1
		for _, n := range axes {
			file, size = binary.BigEndian.AppendUint32(file, n), size*int(n)
		}
		return append(file, make([]byte, min(size, 64))...)
	}
	f.Add(idx(2, 3, 4), uint8(3))
	f.Add(idx(5), uint8(1))
	f.Add(idx(1<<15, 1<<15, 2), uint8(3))
	f.Fuzz(func(t *testing.T, file []byte, axes uint8) {
		axes %= 5
		alloctest.Bounded(t, file, 16, func(file []byte) {
			shape, values, err := decodeIDX(bytes.NewReader(file), int(axes))
			elements := 1
			for _, n := range shape {
				elements *= n
			}
			if err == nil && (len(values) != elements || len(shape) != int(axes)) {
				t.Errorf("%d values of shape %v", len(values), shape)
			}
		})
	})
}

// FuzzGunzip: what is unpacked is bounded by the packed file.
func FuzzGunzip(f *testing.F) {
	f.Add(gzipOf(f, make([]byte, 1<<16)))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := gunzip(bytes.NewReader(file))
		if err != nil {
			return
		}
		if n, _ := io.Copy(io.Discard, r); n > deflated*int64(len(file)) {
			t.Errorf("%d bytes of %d", n, len(file))
		}
	})
}
