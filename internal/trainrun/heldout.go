package trainrun

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/data"
)

// DetectorRows is the number of rows that a detector is fitted to, unless there are fewer.
const DetectorRows = 4000

// HeldOut returns the rows of a dataset that a training does not use, as users of its model see them. It returns nil
// for draws of a known distribution, and for files that it cannot read row by row.
func HeldOut(ctx context.Context, r data.Reader, c data.Config, seed uint64) ([]float32, error) {
	switch c.Name {
	case data.Tables, data.NPY, data.CSV:
		if c.ConditionColumns > 0 {
			return nil, nil
		}
		source, err := r.Open(ctx, c, data.Test, seed)
		if err != nil {
			return nil, err
		}
		switch s := source.(type) {
		case interface{ Rows() []float32 }:
			return s.Rows(), nil
		case data.Pictured:
			return heldPictures(c, s.Images)
		}
	case data.MNIST, data.FashionMNIST, data.CIFAR10, data.CelebA, data.Pictures:
		return heldPictures(c, func() (*data.Images, error) { return r.Images(ctx, c, data.Test) })
	}
	return nil, nil
}

// heldPictures returns the pictures that read reads as rows, on the scale on which the training sees them.
func heldPictures(c data.Config, read func() (*data.Images, error)) ([]float32, error) {
	low, high := float32(0), float32(1)
	switch c.Transform {
	case data.TransformRescaled:
		low = -1
	case data.TransformLogit:
		return nil, nil
	}
	images, err := read()
	if err != nil {
		return nil, err
	}
	return Levels(images, low, high), nil
}

// Levels returns pictures as rows, with black at low and white at high.
func Levels(images *data.Images, low, high float32) []float32 {
	rows := make([]float32, len(images.Pixels))
	for i, v := range images.Pixels {
		rows[i] = low + (high-low)*float32(v)/255
	}
	return rows
}

// Some returns n of the rows, of the given number of elements, and of the conditions of each, chosen at random; all of
// them if there are fewer. given may be nil.
func Some(rows []float32, size int, given [][]float32, n int) ([]float32, [][]float32) {
	total := len(rows) / size
	if total <= n {
		return rows, given
	}
	var some []float32
	var of [][]float32
	for _, i := range rand.New(rand.NewPCG(0, 0)).Perm(total)[:n] {
		some = append(some, rows[i*size:(i+1)*size]...)
		if given != nil {
			of = append(of, given[i])
		}
	}
	return some, of
}

// FitDetector fits the detector of a model whose session is given, and shows its progress by a bar.
func FitDetector(
	ctx context.Context, p *cli.Program, s *ort.Session, m models.Manifest, held models.HeldOut,
) (models.Manifest, error) {
	b := p.NewBar("detector of " + m.Name)
	held.Progress = func(done, total int) {
		b.Set(int64(done), int64(total), fmt.Sprintf("%d of %d rows", done, total))
	}
	fitted, err := m.FitDetector(ctx, s.Model(), held)
	b.Close(err == nil, "all rows")
	return fitted, err
}
