package train

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/training/data"
)

// readData returns the rows of --data and their length, with the values that training sees: bytes are pictures, whose
// grey values go from 0 to 1.
func (o *scheduleCommand) readData(warn io.Writer) (rows []float32, dim int, err error) {
	if info, err := os.Stat(o.data); err == nil && info.IsDir() {
		return o.readFolder(warn)
	}
	if o.imageSize.N > 0 {
		return nil, 0, cli.Usagef("--image-size is for a folder of pictures: %s is none", o.data)
	}
	a, err := datafile.ReadArray(o.data, warn)
	if err != nil {
		return nil, 0, err
	}
	if len(a.Shape) < 2 {
		return nil, 0, fmt.Errorf("--data %s has shape %v: want [rows, ...]", o.data, a.Shape)
	}
	if a.Bytes() {
		for i := range a.Values {
			a.Values[i] /= 255
		}
	}
	return a.Values, datafile.Elements(a.Shape[1:]), nil
}

// readFolder reads the pictures for training of a folder, or as many of them as --rows says, chosen at random.
func (o *scheduleCommand) readFolder(warn io.Writer) (rows []float32, dim int, err error) {
	if o.imageSize.N == 0 {
		return nil, 0, cli.Usagef("--data %s is a folder: want --image-size, to which its pictures are resized", o.data)
	}
	c := data.Config{Name: data.Pictures, Dir: o.data, ImageSize: o.imageSize.N, Grey: o.grey}
	notice := func(text string) { fmt.Fprintf(warn, "langevin: %s\n", text) }
	images, err := data.Reader{Notice: notice}.Images(o.context, c, data.Train)
	if err != nil {
		return nil, 0, fmt.Errorf("--data: %w", err)
	}
	order := rand.New(rand.NewPCG(0, 0)).Perm(images.Len())
	if n := o.rows.N; n > 0 && n < len(order) {
		order = order[:n]
	}
	for _, i := range order {
		for _, level := range images.At(i) {
			rows = append(rows, float32(level)/255)
		}
	}
	return rows, images.Channels * images.Height * images.Width, nil
}
