package classifier

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// The classifiers that come with the program know the test images of their datasets, which make data obtains.
func TestClassifiersKnowTheirImages(t *testing.T) {
	for dataset, least := range map[string]float64{data.MNIST: 0.99, data.FashionMNIST: 0.91} {
		t.Run(dataset, func(t *testing.T) {
			config := data.Config{Name: dataset, Dir: filepath.Join("..", "..", "data", dataset)}
			images, err := config.Images(data.Test)
			if err != nil {
				t.Skipf("run make data: %v", err)
			}
			c, err := Open("", "", dataset)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, probabilities, err := c.Classify(t.Context(), eval.Pixels(images))
			if err != nil {
				t.Fatal(err)
			}
			right := 0
			for i, label := range images.Labels {
				row := probabilities.Row(i)
				if row[label] == slices.Max(row) {
					right++
				}
			}
			if share := float64(right) / float64(images.Len()); share < least {
				t.Errorf("%.2f %% of the test images are right, want at least %.0f %%", 100*share, 100*least)
			}
		})
	}
}
