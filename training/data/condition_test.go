package data

import (
	"path/filepath"
	"slices"
	"testing"
)

// read returns samples of a source and their conditions.
func read(t *testing.T, s Source, n, width int) (x, c []float32) {
	t.Helper()
	size := 1
	for _, axis := range s.Shape() {
		size *= axis
	}
	x, c = make([]float32, n*size), make([]float32, n*width)
	if err := s.Read(x, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.(Conditional).ReadCondition(c, 3); err != nil {
		t.Fatal(err)
	}
	return x, c
}

func open(t *testing.T, c Config, split Split) Source {
	t.Helper()
	s, err := c.Open(split, 7)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestClasses: the class of a picture is its label, and the class of a mixture's point its component.
func TestClasses(t *testing.T) {
	for split, classes := range map[Split]int{Train: 5, Test: 2} {
		s := open(t, digits(t), split)
		if c := ConditionOf(s); c != (Condition{Classes: classes}) {
			t.Errorf("%s: condition %+v: want %d classes", split, c, classes)
		}
		x, labels := read(t, s, 20, 1)
		for i, label := range labels {
			if x[6*i] != 10*label/255 { // the first pixel of picture i is 10i
				t.Errorf("%s: sample %d of pixel %g has label %g", split, i, 255*x[6*i], label)
			}
		}
	}
	ring := Config{Name: Ring, Modes: 6, Radius: 5, Std: 0.01}
	s, m := open(t, ring, Train), must(ring.Mixture())
	x, classes := read(t, s, 100, 1)
	for i, class := range classes {
		if nearest := m.Nearest(x[2*i : 2*i+2]); nearest != int(class) {
			t.Errorf("point %d is of mode %d: its class is %g", i, nearest, class)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestConditionColumns: the first columns are the condition of the others, of the same row.
func TestConditionColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	var text []byte
	for i := range 30 {
		row := []byte{byte('0' + i/10), byte('0' + i%10)}
		text = append(text, slices.Concat([]byte("1"), row, []byte(",2"), row, []byte(",3"), row, []byte("\n"))...)
	}
	writeFile(t, path, text)
	for columns, name := range map[int]string{0: "csv", 1: "csv, given the first column",
		2: "csv, given the first 2 columns"} {
		s := open(t, Config{Name: CSV, Dir: path, ConditionColumns: columns}, Train)
		if c := ConditionOf(s); c != (Condition{Size: columns}) || s.Name() != name ||
			!slices.Equal(s.Shape(), []int{3 - columns}) {
			t.Errorf("%d columns: %q of shape %v, condition %+v", columns, s.Name(), s.Shape(), c)
		}
		x, c := read(t, s, 27, columns)
		for i := range 27 {
			row := append(slices.Clone(c[i*columns:(i+1)*columns]), x[i*(3-columns):(i+1)*(3-columns)]...)
			if first := row[0] - 100; !slices.Equal(row, []float32{100 + first, 200 + first, 300 + first}) {
				t.Errorf("%d columns: row %d is %v", columns, i, row)
			}
		}
	}
}

// TestNoCondition: of most data nothing is known.
func TestNoCondition(t *testing.T) {
	if c := ConditionOf(open(t, Config{Name: Square, Side: 2}, Train)); c != (Condition{}) {
		t.Errorf("a square has the condition %+v", c)
	}
}
