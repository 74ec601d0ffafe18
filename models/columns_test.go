package models_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// table has a column of each kind.
func table() models.Columns {
	return models.Columns{
		{Name: "height", Kind: models.ColumnNumber, Decimals: 1, Mean: 170, Std: 10, Low: 150, High: 200,
			Unit: "cm"},
		{Name: "children", Kind: models.ColumnInteger, Mean: 2, Std: 2, Low: 0, High: 9},
		{Name: "species", Kind: models.ColumnCategory, Words: []string{"cat", "dog", "eel"}},
		{Name: "planet", Kind: models.ColumnConstant, Values: []float64{3}},
		{Name: "rain", Kind: models.ColumnNumber, Std: 4, High: 8,
			Knots: [][2]float64{{0, -2}, {0, 0}, {2, 1}, {8, 2}}},
		{Name: "flag", Kind: models.ColumnCategory, Values: []float64{-1, 0.5}},
	}
}

func TestColumnsThereAndBack(t *testing.T) {
	c := table()
	if err := c.Validate(); err != nil || c.Width() != 1+1+3+0+1+2 {
		t.Fatalf("width %d, %v", c.Width(), err)
	}
	const a, b = 2 - 2.0/3, -2.0 / 3
	for _, tt := range []struct{ row, u, z []float32 }{
		{[]float32{180.5, 4, 1, 3, 2, -1}, nil, []float32{1.05, 1, b, a, b, 1, 1, -1}},
		{[]float32{170, 0, 2, 3, 5, 0.5}, nil, []float32{0, -1, b, b, a, 1.5, -1, 1}},
		{[]float32{170, 0, 0, 3, 0, 0.5}, nil, []float32{0, -1, a, b, b, -0.6391, -1, 1}},
		{[]float32{170, 0, 0, 3, 0, 0.5}, []float32{0, 0.75, 0, 0, 0.25, 0},
			[]float32{-0.005, -0.875, a, b, b, -1.0711, -1, 1}},
	} {
		if err := c.Check(tt.row); err != nil {
			t.Errorf("%v: %v", tt.row, err)
		}
		z, row := make([]float32, c.Width()), make([]float32, len(c))
		c.Encode(z, tt.row, tt.u)
		for i, v := range z {
			if math.Abs(float64(v-tt.z[i])) > 1e-4 {
				t.Errorf("%v is seen as %v, want %v", tt.row, z, tt.z)
				break
			}
		}
		if c.Decode(row, z); !slices.Equal(row, tt.row) {
			t.Errorf("%v comes back as %v", tt.row, row)
		}
	}
	none, rounds := []float32{1}, models.Columns{{Name: "x", Kind: models.ColumnNumber, Decimals: 1, Std: 1}}
	if rounds.Decode(none, []float32{-0.04}); math.Float32bits(none[0]) != 0 {
		t.Errorf("-0.04 is rounded to %g, want 0", none[0])
	}
	far := make([]float32, len(c))
	c.Decode(far, []float32{9, 30, 0, 0, 1, 7, 0, 1})
	if want := []float32{260, 9, 2, 3, 8, 0.5}; !slices.Equal(far, want) {
		t.Errorf("samples far from the data are %v, want %v: integers and knots stay in their range", far, want)
	}
}

// TestVolumeIsTheDerivative: with the derivatives of Encode, which finite differences measure, a density of what a
// network sees becomes one of the row, and its gradient too.
func TestVolumeIsTheDerivative(t *testing.T) {
	c := table()
	c = slices.Delete(c, 2, 4) // numbers and the flag
	row, width := []float32{181, 3, 1.25, 0.5}, c.Width()
	gradient := make([]float32, width)
	for i := range gradient {
		gradient[i] = float32(i + 1)
	}
	got := make([]float32, len(c))
	c.Gradient(got, gradient, row)
	const sigma, h = 0.1, 0.25
	volume := 2 * math.Log(sigma*math.Sqrt(2*math.Pi)) // of the flag
	for j := range 3 {
		up, down := slices.Clone(row), slices.Clone(row)
		up[j], down[j] = up[j]+h, down[j]-h
		above, below := make([]float32, width), make([]float32, width)
		c.Encode(above, up, nil)
		c.Encode(below, down, nil)
		slope := float64(above[j]-below[j]) / (2 * h)
		volume += math.Log(slope)
		if want := slope * float64(j+1); math.Abs(float64(got[j])-want) > 1e-4*want {
			t.Errorf("gradient along %s is %g, want %g", c[j].Name, got[j], want)
		}
	}
	if got[3] != 0 {
		t.Errorf("gradient along a category is %g, want 0", got[3])
	}
	if v := c.LogVolume(row, sigma); math.Abs(v-volume) > 1e-4 {
		t.Errorf("volume %g, want %g", v, volume)
	}
	// A value that many rows have has the probability of its jump: SciPy has ln((Φ(0) - Φ(-2))/φ(-0.6391)).
	rain := models.Columns{table()[4]}
	if v, want := rain.LogVolume([]float32{0}, 1), 0.38345545766110206; math.Abs(v-want) > 1e-12 {
		t.Errorf("volume of a jump %g, want %g", v, want)
	}
}

func TestColumnsMask(t *testing.T) {
	mask := table().Mask([]bool{true, false, true, true, false, true})
	if want := []bool{true, false, true, true, true, false, true, true}; !slices.Equal(mask, want) {
		t.Errorf("mask %v, want %v", mask, want)
	}
}

func TestBadColumns(t *testing.T) {
	for want, change := range map[string]func(c models.Columns){
		`columns[0].name is "": want 1 to 64`:        func(c models.Columns) { c[0].Name = "" },
		`columns[1].name is "height", like another`:  func(c models.Columns) { c[1].Name = "height" },
		`columns[0].unit is " cm"`:                   func(c models.Columns) { c[0].Unit = " cm" },
		`columns[0].kind is "word"`:                  func(c models.Columns) { c[0].Kind = "word" },
		"columns[0].decimals is 10":                  func(c models.Columns) { c[0].Decimals = 10 },
		"columns[1].decimals is 1":                   func(c models.Columns) { c[1].Decimals = 1 },
		"columns[0] has mean 170 and std 0":          func(c models.Columns) { c[0].Std = 0 },
		"columns[0] has words or values":             func(c models.Columns) { c[0].Words = []string{"a"} },
		"columns[0] is from 300 to 200":              func(c models.Columns) { c[0].Low = 300 },
		"columns[4].knots has 1 points":              func(c models.Columns) { c[4].Knots = c[4].Knots[:1] },
		"columns[4].knots[2] is [2 0]":               func(c models.Columns) { c[4].Knots[2][1] = 0 },
		"columns[4].knots go from 0 to 8: want 0 to": func(c models.Columns) { c[4].High = 9 },
		"columns[2] has 1 values: want 2 to 1024":    func(c models.Columns) { c[2].Words = c[2].Words[:1] },
		"columns[3] has 2 values: want 1 to 1":       func(c models.Columns) { c[3].Values = []float64{1, 2} },
		"columns[2] has words and values":            func(c models.Columns) { c[2].Values = []float64{1} },
		"columns[2] has mean, std, knots":            func(c models.Columns) { c[2].Std = 1 },
		`columns[2].words[1] is "cat": want differ`:  func(c models.Columns) { c[2].Words[1] = "cat" },
		"columns[5].values[1] is -1: want finite":    func(c models.Columns) { c[5].Values[1] = -1 },
	} {
		c := table()
		change(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	constant := models.Columns{table()[3]}
	if err := constant.Validate(); err == nil || !strings.Contains(err.Error(), "all constant") {
		t.Errorf("only a constant: %v", err)
	}
}

func TestBadRows(t *testing.T) {
	for want, change := range map[string]func(row []float32){
		`column "height" is NaN: want a finite number`: func(row []float32) { row[0] = float32(math.NaN()) },
		`column "species" is 3: want 0 to 2, which stand for "cat", "dog" or "eel"`: func(row []float32) {
			row[2] = 3
		},
		`column "planet" is 8: want "3"`:         func(row []float32) { row[3] = 8 },
		`column "species" is 0.5`:                func(row []float32) { row[2] = 0.5 },
		`column "flag" is 1: want "-1" or "0.5"`: func(row []float32) { row[5] = 1 },
	} {
		row := []float32{180.5, 4, 1, 3, 2, -1}
		change(row)
		if err := table().Check(row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestManifestOfATable: columns are kept in the file, need format 3, and must have the network's shape.
func TestManifestOfATable(t *testing.T) {
	m := modelstest.Manifest("t", 8)
	m.Format, m.Columns = models.FormatColumns, table()
	got, err := models.Read(modelstest.File(t, modelstest.Gaussian(8), m))
	if err != nil || len(got.Columns) != 6 || got.RowDim() != 6 || !slices.Equal(got.RowShape(), []int{6}) {
		t.Errorf("%d columns, rows of %v, %v", len(got.Columns), got.RowShape(), err)
	}
	for want, change := range map[string]func(m *models.Manifest){
		"format is 1: want 3 with columns":           func(m *models.Manifest) { m.Format = 1 },
		"format is 3: want 1 without columns":        func(m *models.Manifest) { m.Columns = nil },
		"shape is [7]: want [8], the numbers of the": func(m *models.Manifest) { m.Shape = []int{7} },
		"columns has 0 elements":                     func(m *models.Manifest) { m.Columns = models.Columns{} },
	} {
		m := m
		change(&m)
		if err := m.Validate(); !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
