package eval

import (
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

func TestAskedShare(t *testing.T) {
	got := AskedShare([]int{7, 7, 1, 7}, []int{7, 7, 7, 7})
	near(t, "share", got.Value, 0.75, 0)
	near(t, "error", got.Error, 0.21650635, 1e-8) // sqrt(0.75 · 0.25 / 4)
}

func TestInProportion(t *testing.T) {
	labels := []int{0, 1, 0, 1, 2, 0, 0, 1, 0, 0} // 6 of class 0, 3 of class 1
	for _, c := range []struct {
		want, indices []int
	}{
		{[]int{1, 0, 0}, []int{0, 2, 5, 6, 8, 9}},
		{[]int{1, 1, 0}, []int{1, 2, 3, 6, 7, 9}}, // every second of class 0
		{[]int{3, 1, 0}, []int{0, 2, 3, 5, 6, 7, 8, 9}},
		{[]int{0, 0, 5}, []int{4}},
		{[]int{0, 1}, []int{1, 3, 7}},
	} {
		got, err := InProportion(labels, c.want)
		if err != nil || !slices.Equal(got, c.indices) {
			t.Errorf("%v: rows %v, %v, want %v", c.want, got, err, c.indices)
		}
	}
	if _, err := InProportion(labels, []int{1, 1, 1, 1}); err == nil {
		t.Error("a class without rows was not refused")
	}
}

// Samples of one component are as good as expected for it, and bad for another.
func TestComponentMetrics(t *testing.T) {
	m := sampling.TwoGaussians()
	samples := Draw(Component(m, 1), 500, 1)
	for k, share := range []float64{0, 1} {
		metrics, err := ComponentMetrics(m, k, samples)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "share of the asked class", metrics[0].Value, share, 0)
		near(t, "expected share", metrics[0].Expected, 1, 0)
		for _, d := range metrics {
			if d.Name == SlicedWassersteinName {
				near(t, d.Name, d.Value, (1-share)*10, 0.5) // the means are 10 √2 apart
			}
		}
	}
	both := Restricted(m, []int{1, 3})
	if !slices.Equal(both.Weights, []float64{1, 3}) || len(both.Means) != 2 {
		t.Errorf("restricted to 1 and 3: %+v", both)
	}
}

func TestShuffled(t *testing.T) {
	x := normals(50, 2, 0, 1, 1)
	mixed, order := x.Shuffled()
	for i, k := range order {
		if !slices.Equal(mixed.Row(i), x.Row(k)) {
			t.Errorf("row %d is not row %d", i, k)
		}
	}
	sorted := slices.Sorted(slices.Values(order))
	if slices.Equal(sorted, order) || sorted[49] != 49 || sorted[0] != 0 {
		t.Errorf("order %v", order)
	}
}
