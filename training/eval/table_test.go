package eval

import (
	"math"
	"testing"

	"github.com/langevin-ml/langevin/models"
)

func pairTable() models.Columns {
	return models.Columns{
		{Name: "a", Kind: models.ColumnNumber, Mean: 10, Std: 2, High: 20},
		{Name: "k", Kind: models.ColumnCategory, Words: []string{"x", "y"}},
	}
}

// TestTableMetrics compares rows that differ in known ways.
func TestTableMetrics(t *testing.T) {
	columns := pairTable()
	var test, shifted []float32
	for i := range 100 {
		test = append(test, float32(i%10), float32(i%2))
		// A tenth of the rows has another number, and a quarter another word.
		v, k := float32(i%10), float32(i%2)
		if i%10 == 0 {
			v = 10
		}
		if i%4 == 0 {
			k = 1
		}
		shifted = append(shifted, v, k)
	}
	x, y := TableRows(columns, test), TableRows(columns, shifted)
	metrics, err := TableMetrics(columns, x, x, y)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Metric{}
	for _, m := range metrics {
		found[m.Name] = m
	}
	// Distribution functions: 0.1 apart from 0 to 10. Shares of the words: 0.25 instead of 0.5.
	if m := found[MarginalsName]; math.Abs(m.Value-(0.1+0.25)/2) > 1e-9 || m.Expected != 0 {
		t.Errorf("marginals %g, expected %g, want 0.175 and 0", m.Value, m.Expected)
	}
	if m := found[SlicedWassersteinName]; m.Value <= 0 || m.Expected != 0 {
		t.Errorf("sliced Wasserstein %g, expected %g, want above 0, and 0", m.Value, m.Expected)
	}
	if m := found[CorrelationsName]; m.Value <= 0 || m.Expected != 0 {
		t.Errorf("correlations %g, expected %g, want above 0, and 0", m.Value, m.Expected)
	}
	if _, err := TableMetrics(columns[:1], x, x, y); err == nil {
		t.Error("rows of 3 numbers for a column of 1: want an error")
	}
}

// TestCorrelation compares with NumPy: np.corrcoef([1, 2, 3, 5], [2, 1, 4, 4]).
func TestCorrelation(t *testing.T) {
	c := correlation(Rows{X: []float32{1, 2, 7, 2, 1, 7, 3, 4, 7, 5, 4, 7}, Dim: 3})
	if want := 0.7481900559272088; math.Abs(c[3]-want) > 1e-9 || math.Abs(c[0]-1) > 1e-9 || c[8] != 0 {
		t.Errorf("correlations %v, want 1, %g below it, and 0 for a number that does not vary", c, want)
	}
}

func TestKolmogorovSmirnov(t *testing.T) {
	for _, c := range []struct {
		x, y []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{1, 2, 3}, 0},
		{[]float64{1, 2}, []float64{3, 4}, 1},
		{[]float64{1, 1, 1, 2}, []float64{1, 2}, 0.25},
		{[]float64{0, 1, 2, 3}, []float64{2.5}, 0.75},
	} {
		if got := kolmogorovSmirnov(c.x, c.y); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %g, want %g", c.x, c.y, got, c.want)
		}
	}
}
