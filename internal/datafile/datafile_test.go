package datafile

import (
	"bytes"
	"math"
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
