package datafile

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/training/data"
)

// TestNPYThereAndBack: what sample writes can be read, and a header of version 2 too.
func TestNPYThereAndBack(t *testing.T) {
	want := client.Batch{X: []float32{1, -2, math.Pi, math.MaxFloat32, 5, 6}, Shape: []int{3, 1}, N: 2}
	var file bytes.Buffer
	if err := WriteNPY(&file, want); err != nil {
		t.Fatal(err)
	}
	first := bytes.Clone(file.Bytes())
	second := append([]byte("\x93NUMPY\x02\x00"), first[8], first[9], 0, 0)
	second = append(second, first[10:]...)
	for _, text := range [][]byte{first, second} {
		got, err := data.DecodeNPY(bytes.NewReader(text))
		if diff := cmp.Diff(data.Array{Shape: []int{2, 3, 1}, Kind: "<f4", Values: want.X}, got); diff != "" ||
			err != nil {
			t.Errorf("%v (-written +read):\n%s", err, diff)
		}
	}
}

// TestTableHasNoExponents: counts and prices are written as people write them, also large ones.
func TestTableHasNoExponents(t *testing.T) {
	columns := []client.Column{
		{Name: "price", Kind: client.ColumnNumber, Decimals: 2}, {Name: "count", Kind: client.ColumnInteger},
		{Name: "size", Kind: client.ColumnNumber},
	}
	var text strings.Builder
	err := WriteTable(&text, columns, client.Batch{
		X: []float32{41318.93, 1234567, 1e-7, 2500000.5, -16777216, 1e30}, Shape: []int{3}, N: 2,
	})
	const want = "price,count,size\n41318.93,1234567,1e-07\n2500000.5,-16777216,1e+30\n"
	if err != nil || text.String() != want {
		t.Errorf("%v, written %q, want %q", err, text.String(), want)
	}
}

// TestRowsOfAModel: words may differ in their case where that is clear, and values that the model has not seen are
// counted.
func TestRowsOfAModel(t *testing.T) {
	columns := []client.Column{
		{Name: "age", Kind: client.ColumnInteger, Low: 18, High: 79},
		{Name: "member", Kind: client.ColumnCategory, Words: []string{"false", "true"}},
		{Name: "size", Kind: client.ColumnCategory, Words: []string{"S", "l", "s"}},
	}
	path := filepath.Join(t.TempDir(), "x.csv")
	for text, c := range map[string]struct {
		x       []float32
		outside string
		err     string
	}{
		"18,True,s\n79,FALSE,L\n": {x: []float32{18, 1, 2, 79, 0, 1}},
		"18,true,S\n200,,\n": {
			x:       []float32{18, 1, 0, 200, 0, 0},
			outside: "line 3, column 1 (age) is 200, and the data of the model have 18 to 79",
		},
		"-5,true,S\n200,,S\n": {
			x: []float32{-5, 1, 0, 200, 0, 0},
			outside: "line 2, column 1 (age) is -5, and the data of the model have 18 to 79; another value is " +
				"outside of what the model knows",
		},
		"18,tru,S\n20,,S\n": {err: `line 2, column 2 (member) is "tru": want "false" or "true"`},
	} {
		if err := os.WriteFile(path, []byte("age,member,size\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadTable("--in", path, false, columns, io.Discard)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", text, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(rows.X, c.x) || rows.Outside(columns) != c.outside {
			t.Errorf("%q: %v, %q, %v", text, rows.X, rows.Outside(columns), err)
		}
	}
	if _, err := columns[2].Parse("L"); err != nil {
		t.Error(err)
	}
	same := client.Column{Kind: client.ColumnConstant, Values: []float64{0.1}}
	if _, err := same.Parse("8"); err == nil || err.Error() != "8: want 0.1" {
		t.Errorf("another value of a constant: %v", err)
	}
	if v, err := same.Parse("0.1"); err != nil || v != 0.1 {
		t.Errorf("the value of a constant: %v, %v", v, err)
	}
	twice := client.Column{Kind: client.ColumnCategory, Words: []string{"Ab", "aB"}}
	if _, err := twice.Parse("AB"); err == nil {
		t.Error("a word that may be two was accepted")
	}
}

// TestArrayOfATable: an array has no names, so with as many columns as the model it has these in order, and indices of
// words.
func TestArrayOfATable(t *testing.T) {
	columns := []client.Column{
		{Name: "age", Kind: client.ColumnInteger},
		{Name: "member", Kind: client.ColumnCategory, Words: []string{"no", "yes"}},
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	for err, x := range map[string][]float32{
		"": {18, 1, 20.1, 0},
		"row 2, column 2 (member) is 2: want 0 to 1, the index of one of its words": {18, 1, 20, 2},
	} {
		var b bytes.Buffer
		if err := WriteNPY(&b, client.Batch{X: x, N: 2, Shape: []int{2}}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		rows, got := ReadTable("--in", path, false, columns, io.Discard)
		switch {
		case err != "" && (got == nil || !strings.Contains(got.Error(), err)):
			t.Errorf("error %v, want %q", got, err)
		case err == "" && (got != nil || !slices.Equal(rows.X, x) || rows.Text(1, columns) != "yes" ||
			rows.Text(2, columns) != "20.1"):
			t.Errorf("%v, %v", rows, got)
		}
	}
	var b bytes.Buffer
	if err := WriteNPY(&b, client.Batch{X: []float32{18, float32(math.NaN())}, N: 1, Shape: []int{2}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	gaps, err := ReadGaps(path, false, columns, io.Discard)
	if err != nil || !slices.Equal(gaps.Known, []bool{true, false}) {
		t.Errorf("NaN: %v, %v", gaps, err)
	}
	const want = "has 2 columns without names: want 1, for \"age\""
	_, err = ReadTable("--in", path, false, columns[:1], io.Discard)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

// TestPipe: a file that can be read only once is numbers and a table too, as a regular one is.
func TestPipe(t *testing.T) {
	columns := []client.Column{{Name: "b", Kind: client.ColumnNumber}, {Name: "a", Kind: client.ColumnNumber}}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("a,b\n1,2\n3,4\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := Open(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := in.Numbers("x", io.Discard); err != nil || !slices.Equal(a.Values, []float32{1, 2, 3, 4}) {
		t.Errorf("numbers %v, %v", a.Values, err)
	}
	rows, err := in.Rows("x", false, columns, io.Discard)
	if err != nil || !slices.Equal(rows.X, []float32{2, 1, 4, 3}) {
		t.Errorf("a table %v, %v", rows.X, err)
	}
}

func TestCSVKeepsBits(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 0.1, 1e-10, 16777217, 1 << 24, math.Pi, math.MaxFloat32,
		math.SmallestNonzeroFloat32}
	var text strings.Builder
	if err := WriteCSV(&text, client.Batch{X: values, Shape: []int{9}, N: 1}); err != nil {
		t.Fatal(err)
	}
	for i, field := range strings.Split(strings.TrimSpace(text.String()), ",") {
		v, err := strconv.ParseFloat(field, 32)
		if err != nil || math.Float32bits(float32(v)) != math.Float32bits(values[i]) {
			t.Errorf("%v is written as %s, which reads as %v (%v)", values[i], field, v, err)
		}
	}
}
