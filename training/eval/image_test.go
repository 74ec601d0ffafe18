package eval

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// thresholds is a classifier of two classes, by the sign of an image's first pixel; its features are the pixels.
type thresholds struct{}

func (thresholds) Classify(_ context.Context, images Rows) (features, probabilities Rows, err error) {
	probabilities.Dim = 2
	for i := range images.Len() {
		p := 0.98
		if images.Row(i)[0] < 0 {
			p = 0.02
		}
		probabilities.X = append(probabilities.X, float32(p), float32(1-p))
	}
	return images, probabilities, nil
}

func TestMeasureImages(t *testing.T) {
	test := normals(2000, 3, 0, 1, 1)
	reference, err := NewTestImages(t.Context(), thresholds{}, test)
	if err != nil {
		t.Fatal(err)
	}
	measure := func(samples Rows) map[string]Metric {
		found, err := reference.Measure(t.Context(), samples)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Classes.Shares) != 2 {
			t.Errorf("%d classes, want 2", len(found.Classes.Shares))
		}
		named := map[string]Metric{}
		for _, m := range found.Metrics {
			named[m.Name] = m
		}
		return named
	}
	good, bad := measure(normals(1000, 3, 0, 1, 2)), measure(normals(1000, 3, 1, 0.5, 3))
	for name, within := range map[string]float64{
		"confident": 0, "FID": 0.03, "KID": 0.1, "inception score": 0.02, "precision": 0.06, "recall": 0.06,
		"rarest class": 0.1, "commonest class": 0.1,
	} {
		near(t, name, good[name].Value, good[name].Expected, within)
	}
	near(t, "FID of shifted images", bad["FID"].Value, 3*(1+0.25), 0.3)
	if bad["rarest class"].Value > 0.2 || bad["recall"].Value > 0.7 {
		t.Errorf("shifted images: rarest class %g, recall %g", bad["rarest class"].Value, bad["recall"].Value)
	}
	near(t, "FID over true", bad["FID over true"].Value, bad["FID"].Value/bad["FID"].Expected, 1e-12)
	// The sign of the first pixel is negative for a half of the test images, and for Φ(-2) = 2.3 % of the shifted ones.
	half, tail := 0.5, math.Erfc(math.Sqrt2)/2
	both := (half + tail) / 2 // of 1,000 images each
	want := 1000 * (half - tail) * (half - tail) / (2 * both * (1 - both))
	near(t, "class χ²", bad["class χ²"].Value, want, 60)
	if good["class χ²"].Value > 10.8 || good["class χ²"].Expected != 1 {
		t.Errorf("class χ² of like images is %+v", good["class χ²"])
	}
	if _, err := NewTestImages(t.Context(), thresholds{}, test.Slice(0, 100)); err == nil {
		t.Error("100 test images were not refused")
	}
}

func TestMemoryMetric(t *testing.T) {
	train, test := normals(5000, 3, 0, 1, 1), normals(300, 3, 0, 1, 2)
	copied, err := MemoryMetric(train.Slice(0, 300), test, train)
	if err != nil {
		t.Fatal(err)
	}
	if copied.Value > 1e-3 || copied.Expected < 0.05 || math.IsNaN(copied.Expected) {
		t.Errorf("copies are at %g, test images at %g", copied.Value, copied.Expected)
	}
}

// TestCopiesMetric: all copies are near copies, and as many other rows of the same distribution as there should be.
func TestCopiesMetric(t *testing.T) {
	train, test := normals(500, 3, 0, 1, 1), normals(200, 3, 0, 1, 2)
	mixed := Rows{X: append(train.Slice(0, 50).X[:150:150], normals(150, 3, 0, 1, 3).X...), Dim: 3}
	for name, c := range map[string]struct {
		samples   Rows
		want, off float64
	}{
		"copies": {train.Slice(0, 200), 1, 0}, "a quarter": {mixed, 0.25 + 0.75*0.1, 0.06},
		"others": {normals(200, 3, 0, 1, 4), 0.1, 0.07},
	} {
		m, ok, err := CopiesMetric("row", c.samples, test, train)
		if err != nil || !ok || m.Expected != 0.1 || math.Abs(m.Value-c.want) > c.off {
			t.Errorf("%s: %+v, %v, %v, want %g", name, m, ok, err, c.want)
		}
	}
	if _, ok, err := CopiesMetric("row", test, test.Slice(0, 9), train); ok || err != nil {
		t.Errorf("with 9 test rows: %v, %v", ok, err)
	}
}

func TestClassifierFile(t *testing.T) {
	for _, name := range []string{"mnist", "fashion-mnist"} {
		if file, err := ClassifierFile(name); err != nil || len(file) > 1<<20 {
			t.Errorf("%s: %d bytes, %v; want at most 1 MiB", name, len(file), err)
		}
	}
	if _, err := ClassifierFile("svhn"); err == nil {
		t.Error("a classifier for svhn: want an error")
	}
}

// TestLeast: least returns the beginning of a stable sort.
func TestLeast(t *testing.T) {
	type pair struct{ key, place int }
	random := rand.New(rand.NewPCG(1, 0))
	all := make([]pair, 200)
	for i := range all {
		all[i] = pair{random.IntN(20), i}
	}
	byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, byKey)
	for _, k := range []int{1, 7, 200, 300} {
		if got := least(all, k, byKey); !slices.Equal(got, sorted[:min(k, 200)]) {
			t.Errorf("the first %d are %v", k, got)
		}
	}
}
