package latents

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/data"
)

// pictureFiles returns the files of pictures that arguments name, and all of the folders among them; nil if there is
// one argument and it is neither.
func pictureFiles(p *cli.Program, args []string) (paths []string, err error) {
	b := p.NewBar("pictures")
	defer b.Close(false, "")
	r := data.Reader{Notice: func(text string) { p.Tell(b, text) }}
	for _, path := range args {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			below, err := r.List(path)
			if err != nil {
				return nil, err
			}
			paths = append(paths, below...)
		case !drawing.IsPicture(path) && len(args) == 1:
			return nil, nil
		case !drawing.IsPicture(path):
			return nil, cli.Usagef("%s: want one file of rows, or pictures and folders of them", path)
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
		default:
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// picturesOf returns the levels of pictures, from 0 to 1, as samples of a model. If the model was trained on a folder
// of pictures, they are read in the same way. Others must have its size.
func picturesOf(ctx context.Context, p *cli.Program, m client.Model, paths []string) (client.Batch, error) {
	made, err := models.ParseTraining(m.Training)
	if err != nil {
		return client.Batch{}, fmt.Errorf("read how %s was trained: %w", m.Name, err)
	}
	c := data.Described(made.Data)
	square := len(m.Shape) == 3 && m.Shape[1] == c.ImageSize && m.Shape[2] == c.ImageSize
	if c.Name != data.Pictures || !square {
		return asTheyAre(m, paths)
	}
	c.Grey = m.Shape[0] == 1
	b := p.NewBar("pictures")
	defer b.Close(false, "")
	r := data.Reader{Progress: func(done, total int) {
		b.Set(int64(done), int64(total), fmt.Sprintf("picture %s of %s", phrase.Grouped(int64(done)),
			phrase.Grouped(int64(total))))
	}}
	images, err := r.Files(ctx, c, paths)
	if err != nil {
		return client.Batch{}, err
	}
	rows := client.Batch{X: make([]float32, len(images.Pixels)), N: len(paths), Shape: m.Shape}
	for i, v := range images.Pixels {
		rows.X[i] = float32(v) / 255
	}
	return rows, nil
}

// asTheyAre returns pictures of one size, with the channels of a model.
func asTheyAre(m client.Model, paths []string) (client.Batch, error) {
	channels := 3
	if len(m.Shape) == 3 { // otherwise the server says what it wants
		channels = m.Shape[0]
	}
	var rows client.Batch
	for _, path := range paths {
		levels, shape, err := drawing.ReadPicture(path)
		if err != nil {
			return client.Batch{}, err
		}
		levels, ok := drawing.Channels(levels, shape[0], channels)
		if !ok {
			return client.Batch{}, fmt.Errorf("%s has colours: want grey, as samples of %s", path, m.Name)
		}
		shape[0] = channels
		if rows.N > 0 && !slices.Equal(shape, rows.Shape) {
			return client.Batch{}, fmt.Errorf("%s has %d × %d pixels, and %s %d × %d: want pictures of one size", path,
				shape[1], shape[2], paths[0], rows.Shape[1], rows.Shape[2])
		}
		rows = client.Batch{X: append(rows.X, levels...), N: rows.N + 1, Shape: shape}
	}
	return rows, nil
}
