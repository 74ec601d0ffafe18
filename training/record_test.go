package training

import "testing"

// TestLevelMeans: the mean of a batch with fewer rows than levels is the mean of these rows.
func TestLevelMeans(t *testing.T) {
	m := newLevelMeans(4)
	m.add([]int{0, 2, 2}, []float32{1, 2, 4})
	if mean, perLevel := m.flush(); mean != 2 || perLevel[0] != 1 || perLevel[2] != 3 || perLevel[3] != 0 {
		t.Errorf("mean %g of levels %v, want 2 of 1 and 3", mean, perLevel)
	}
}
