package detector

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/data"
)

// TestBackground: behind transparent pictures is what was behind those of the training.
func TestBackground(t *testing.T) {
	dir := t.TempDir()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.png", "test/b.png"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, picture.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := models.Manifest{Shape: []int{1, 1, 1}, Range: models.Range{Low: -1, High: 1},
		Training: &models.Training{Data: "images at 1 x 1 in grey on white"}}
	rows, err := (&command{data: dir}).pictures(t.Context(), data.Reader{}, m)
	if err != nil || !slices.Equal(rows, []float32{1, 1}) {
		t.Errorf("%v, %v, want white pictures", rows, err)
	}
}
