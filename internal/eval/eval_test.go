package eval

import (
	"fmt"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/training/data"
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
