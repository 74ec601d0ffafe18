package eval

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// Images are told apart by their dataset, size and colour, not by how they were made to vary.
func TestSameData(t *testing.T) {
	for _, c := range []struct {
		description string
		config      data.Config
		want        bool
	}{
		{"mnist, dequantised uniform", data.Config{Name: data.MNIST, Dir: "x"}, true},
		{"mnist at 16 x 16, dequantised uniform", data.Config{Name: data.MNIST, Dir: "x", ImageSize: 16}, true},
		{"mnist at 16 x 16", data.Config{Name: data.MNIST, Dir: "x"}, false},
		{"mnist", data.Config{Name: data.MNIST, Dir: "x", ImageSize: 16}, false},
		{"images at 16 x 16 in grey, flipped at random", data.Config{Name: data.Pictures, Dir: "x", ImageSize: 16,
			Grey: true}, true},
		{"images at 16 x 16", data.Config{Name: data.Pictures, Dir: "x", ImageSize: 16, Grey: true}, false},
		{"fashion-mnist", data.Config{Name: data.MNIST, Dir: "x"}, false},
		{"2gauss, std 1", data.Config{Name: data.TwoGaussians, Std: 1}, true},
		{"2gauss, std 1", data.Config{Name: data.TwoGaussians, Std: 2}, false},
	} {
		if got := sameData(c.description, c.config); got != c.want {
			t.Errorf("%q and %s: %t, want %t", c.description, c.config, got, c.want)
		}
	}
}

// TestOwnPoints: a model of points from a file is refused at once, with what eval can measure.
func TestOwnPoints(t *testing.T) {
	for name, want := range map[string]string{
		`{"preset":"toy-ring","data":"csv"}`: "mine was trained on csv: eval measures samples of mixtures of " +
			"Gaussians and of images, and not of other points",
		`{"preset":"toy-ring","data":"ring, 8 modes, radius 5, std 1"}`: "",
	} {
		m := client.Model{Name: "mine", Shape: []int{2}, Training: name}
		_, err := (&command{}).config(m)
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && strings.Contains(got, "other points") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestFrontierSummary: means and standard deviations over seeds, and the points that no cheaper one beats.
func TestFrontierSummary(t *testing.T) {
	f := Frontier{N: 10}
	for _, r := range []struct {
		setting string
		nfe     int64
		seconds float64
		fid     float64
	}{
		{"few", 50, 2, 4}, {"few", 50, 4, 8}, {"middle", 100, 4, 7}, {"middle", 100, 4, 6}, {"many", 200, 9, 1},
		{"as few", 50, 9, 9},
	} {
		run := Run{Seed: uint64(len(f.Points)), NFE: r.nfe, Seconds: r.seconds,
			quality: quality{Metrics: []eval.Metric{{Name: "FID", Value: r.fid, Expected: 3}}}}
		f.add(drawing.Choice{Curve: "c", Setting: r.setting}, client.EDM{}, run, "FID")
	}
	want := map[string]Point{
		"few":    {Evaluations: 5, Seconds: Spread{Mean: 0.3, Deviation: math.Sqrt2 / 10}, Best: true},
		"middle": {Evaluations: 10, Seconds: Spread{Mean: 0.4}},
		"many":   {Evaluations: 20, Seconds: Spread{Mean: 0.9}, Best: true},
		"as few": {Evaluations: 5, Seconds: Spread{Mean: 0.9}},
	}
	for _, p := range f.Points {
		w := want[p.Setting]
		if p.Evaluations != w.Evaluations || math.Abs(p.Seconds.Mean-w.Seconds.Mean) > 1e-12 ||
			math.Abs(p.Seconds.Deviation-w.Seconds.Deviation) > 1e-12 || p.Best != w.Best {
			t.Errorf("%s is %+v, want %+v", p.Setting, p, w)
		}
	}
	if fid := f.Points[0].Measures["FID"]; fid != (Spread{6, 2 * math.Sqrt2, 3}) {
		t.Errorf("FID is %+v, want 6 ± √8", fid)
	}
	curves := f.curves()
	if len(curves) != 1 || curves[0][0].Setting != "few" || curves[0][3].Setting != "many" {
		t.Errorf("the curve is %+v", curves)
	}
}
