package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
)

// TestWithoutDetector: a trained model is written if its detector cannot be fitted, or is interrupted.
func TestWithoutDetector(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(t.TempDir(), "rows.csv")
	var text strings.Builder
	for i := range 2000 { // of which a tenth is enough for a detector
		fmt.Fprintf(&text, "%d,%d\n", i%7, i%11)
	}
	if err := os.WriteFile(rows, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := training.Preset("toy-ring")
	if err == nil {
		config, err = config.With("data={name: csv, dir: "+rows+", modes: 0, radius: 0, std: 0}",
			"training.iterations=2", "training.log_every=1", "training.eval_rows=50", "network.hidden=8",
			"noise.levels=2", "optimizer.warmup=1")
	}
	if err != nil {
		t.Fatal(err)
	}
	result, err := training.Run(t.Context(), config, training.Options{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	write := func(ctx context.Context) (path, told string, err error) {
		files := newTrainingFiles(&command{folder: t.TempDir()}, config.Name)
		if err := errors.Join(files.reserve(), files.begin()); err != nil {
			t.Fatal(err)
		}
		defer files.close()
		var stderr bytes.Buffer
		_, err = files.write(ctx, cli.New(io.Discard, &stderr), result, library, false)
		file, unread := os.ReadFile(files.model)
		if m, unfit := models.Read(file); unread != nil || unfit != nil || m.Detector != nil {
			t.Errorf("the model is %d bytes, with the detector %v: %v, %v", len(file), m.Detector, unread, unfit)
		}
		return files.model, stderr.String(), err
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	path, _, err := write(stopped)
	want := path + " is trained and written, its detector and its figures are not; --resume makes them"
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
		t.Errorf("interrupted: %v, want %q", err, want)
	}
	if err := os.Remove(rows); err != nil {
		t.Fatal(err)
	}
	path, told, err := write(t.Context())
	if err != nil || strings.Count(told, "\n") != 1 || !strings.Contains(told, rows+": no such file") ||
		!strings.Contains(told, "langevin detect fit "+path+" --data FILE adds one") {
		t.Errorf("without the rows: %v, told %q", err, told)
	}
}
