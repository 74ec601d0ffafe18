package proposal

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/nn"
)

// TestTable: what is proposed for a table is valid, complete, the same every time, and survives being written down.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "My Rows (1).csv.txt")
	var b strings.Builder
	b.WriteString("a,b,kind\n")
	for i := range 60 {
		fmt.Fprintf(&b, "%.3f,%.3f,%s\n", math.Sin(float64(i)), math.Cos(float64(3*i)), []string{"x", "y"}[i%2])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := New(t.Context(), Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	if c.Name != "my-rows-1" || c.Network.Name != nn.NameResidual || len(c.Data.Columns) != 3 {
		t.Errorf("name %q, network %q, %d columns", c.Name, c.Network.Name, len(c.Data.Columns))
	}
	if len(p.Found) == 0 || !strings.Contains(p.Found[0], "60 rows, 3 columns: 2 number, 1 category") {
		t.Errorf("found %q", p.Found)
	}
	// Technique 1: no two rows are farther apart. Columns have variance 1, and the codes of the kinds differ by √8.
	if f := c.Noise.First; f < 2 || f > 6 || c.Noise.Levels < 2 || c.Prior.Std != f {
		t.Errorf("noise %+v, prior %+v", c.Noise, c.Prior)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	read, err := training.Parse(text)
	if diff := cmp.Diff(c, read); err != nil || diff != "" {
		t.Errorf("%v (-written +read):\n%s", err, diff)
	}
}

func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"moons.csv": "moons", "data/Titanic.CSV": "titanic", "x.csv.gz": "x", "a.npz:x": "a", "photos/": "photos",
		"Größe.csv": "gr-e", "...": "model", "/": "model", strings.Repeat("n", 80): strings.Repeat("n", 64),
	} {
		if got := nameOf(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
