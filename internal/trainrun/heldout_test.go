package trainrun

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/data"
)

// TestHeldOut: the rows for a detector are those that the training draws its tests from, and none that it trains on.
func TestHeldOut(t *testing.T) {
	const rows = 45
	array, table := filepath.Join(t.TempDir(), "rows.csv"), filepath.Join(t.TempDir(), "table.csv")
	var numbers []byte
	for i := range rows {
		numbers = append(strconv.AppendInt(numbers, int64(i), 10), ",1\n"...)
	}
	for path, text := range map[string][]byte{array: numbers, table: append([]byte("a,b\n"), numbers...)} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []data.Config{
		{Name: data.CSV, Dir: array},
		{Name: data.Tables, Dir: table, Columns: []data.Column{
			{Name: "a", Kind: models.ColumnNumber}, {Name: "b", Kind: models.ColumnConstant},
		}},
	} {
		held, err := HeldOut(t.Context(), data.Reader{}, c, 1)
		if err != nil || !slices.Equal(held, []float32{9, 1, 19, 1, 29, 1, 39, 1}) {
			t.Errorf("%s: %v, %v", c.Name, held, err)
		}
		if c.Name == data.Tables {
			continue
		}
		for split, want := range map[data.Split]bool{data.Test: true, data.Train: false} {
			source, err := c.Open(split, 1)
			if err != nil {
				t.Fatal(err)
			}
			x := make([]float32, 2*rows)
			if err := source.Read(x, 0); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(x); i += 2 {
				if int(x[i])%10 == 9 != want {
					t.Errorf("%s of %s draws row %g", split, c.Name, x[i])
				}
			}
		}
	}
	if held, err := HeldOut(t.Context(), data.Reader{}, data.Config{Name: data.Ring}, 1); held != nil ||
		err != nil {
		t.Errorf("of a known distribution: %v, %v", held, err)
	}
}

// TestHeldOutOfArrays: the held-out rows of arrays have the scale and the order of the axes of the training.
func TestHeldOutOfArrays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	for name, c := range map[string]struct {
		kind, shape string
		config      data.Config
		want        []float32
	}{
		"bytes":    {"|u1", "(10, 2, 3)", data.Config{}, []float32{54, 55, 56, 57, 58, 59}},
		"last":     {"|u1", "(10, 1, 2, 3)", data.Config{Layout: data.ChannelsLast}, []float32{54, 57, 55, 58, 56, 59}},
		"rescaled": {"|u1", "(20, 1, 3)", data.Config{Transform: data.TransformRescaled}, nil},
		"integers": {"|i1", "(10, 2, 3)", data.Config{Layout: data.ChannelsFirst}, []float32{54, 55, 56, 57, 58, 59}},
	} {
		header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", c.kind, c.shape)
		text := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
		text = append(text, header...)
		for i := range 60 {
			text = append(text, byte(i))
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		c.config.Name, c.config.Dir = data.NPY, path
		held, err := HeldOut(t.Context(), data.Reader{}, c.config, 1)
		if c.kind == "|u1" {
			for i := range c.want {
				c.want[i] /= 255
			}
		}
		if c.want == nil {
			for _, level := range []float32{27, 28, 29, 57, 58, 59} {
				c.want = append(c.want, -1+2*level/255)
			}
		}
		if err != nil || !slices.Equal(held, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, held, err, c.want)
		}
	}
}

// TestSome: rows keep their conditions, and each is taken once.
func TestSome(t *testing.T) {
	var rows []float32
	var given [][]float32
	for i := float32(0); i < 20; i++ {
		rows, given = append(rows, i, -i), append(given, []float32{100 + i})
	}
	some, of := Some(rows, 2, given, 8)
	seen := map[float32]bool{}
	for i, g := range of {
		seen[some[2*i]] = true
		if some[2*i+1] != -some[2*i] || g[0] != 100+some[2*i] {
			t.Errorf("row %v has the condition %v", some[2*i:2*i+2], g)
		}
	}
	if len(some) != 16 || len(of) != 8 || len(seen) != 8 {
		t.Errorf("%d numbers, %d conditions, %d different rows", len(some), len(of), len(seen))
	}
	if all, none := Some(rows, 2, nil, 20); !slices.Equal(all, rows) || none != nil {
		t.Errorf("all rows are %v, %v", all, none)
	}
}
