package latents

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/datafile"
)

// What a table was taken for is told, and its numbers are those that are asked about.
func TestReadingOfTables(t *testing.T) {
	t.Chdir(t.TempDir())
	table := "\ufeff;x;y\r\n0;1,5;-2\r\n1;0;4E+00\r\n\r\n"
	if err := os.WriteFile("points.csv", []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := datafile.ReadNumbers("in", "points.csv", io.Discard)
	if err != nil || !slices.Equal(a.Values, []float32{1.5, -2, 0, 4}) {
		t.Errorf("%v, %v", a, err)
	}
	var told bytes.Buffer
	input, err := datafile.Open("points.csv")
	if err != nil {
		t.Fatal(err)
	}
	b, err := readRows(input, "points.csv", &told)
	if err != nil || b.N != 2 || !slices.Equal(b.Shape, []int{2}) || !slices.Equal(b.X, a.Values) {
		t.Errorf("rows %v, %v", b, err)
	}
	const want = "langevin: points.csv: column 1, of whole numbers under no name, is taken for"
	if !strings.HasPrefix(told.String(), want) || strings.Count(told.String(), "\n") != 1 {
		t.Errorf("told %q", told.String())
	}
}
