package proposal

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
)

// TestFlags: a flag for other data is refused, with what it is for. NaN in an array is an empty place of a table.
func TestFlags(t *testing.T) {
	dir := t.TempDir()
	text, array := filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.npy")
	if err := os.WriteFile(text, []byte("a;b\n"+strings.Repeat("1,5;2\n-3;4,25\n7;8,5\n", 10)), 0o644); err != nil {
		t.Fatal(err)
	}
	numbers := make([]float32, 60*3)
	for i := range numbers {
		numbers[i] = float32(math.Sin(float64(i * i)))
	}
	numbers[7] = float32(math.NaN())
	writeNPY(t, array, []int{60, 3}, numbers)
	series := filepath.Join(dir, "s.npy")
	waves := make([]float32, 40*32)
	for i := range waves {
		waves[i] = float32(math.Sin(float64(i/32) + float64(i%32)/5))
	}
	writeNPY(t, series, []int{40, 32}, waves)
	folder := filepath.Join(dir, "f")
	for want, r := range map[string]Request{
		"--size is for a folder of pictures, and " + text + " is a table":             {Path: text, ImageSize: 16},
		"--flip is for pictures in a folder or as bytes, and " + text + " is a table": {Path: text, Flip: true},
		"--decimal-comma is for a table as text, and " + array + " is an array of rows": {
			Path: array, DecimalComma: true,
		},
		"--drop is for a table, and " + series + " is an array of series": {Path: series, Drop: []string{"x"}},
		"--decimal-comma is for a table as text, and " + folder + " is a folder of pictures": {
			Path: folder, DecimalComma: true,
		},
		"--as table is for an array of numbers [rows, columns], and " + folder + " is": {Path: folder, As: AsTable},
		"--size is 10: want a multiple of 4":                                           {Path: folder, ImageSize: 10},
	} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := New(t.Context(), r)
		if flag := (*FlagError)(nil); !errors.As(err, &flag) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, r := range []Request{
		{Path: text, DecimalComma: true, As: AsTable, Drop: []string{"b"}}, {Path: array, Drop: []string{"x2"}},
		{Path: series, As: AsTable, Drop: []string{"x1"}},
	} {
		if p, err := New(t.Context(), r); err != nil || p.Config.Data.Name != data.Tables {
			t.Errorf("%+v: %+v, %v", r, p.Config.Data, err)
		}
	}
}
