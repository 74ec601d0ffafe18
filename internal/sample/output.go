package sample

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/pictures"
)

// output writes a result in the format that the ending of a file's name asks for.
type output struct {
	path    string
	picture bool // whether it draws samples
	moving  bool // whether it needs previews
	write   func(io.Writer, *client.Result, client.Model) error
}

func newOutput(path string) (output, error) {
	o := output{path: path}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		o.write = func(w io.Writer, r *client.Result, _ client.Model) error {
			return datafile.WriteTable(w, r.Table, r.Batch)
		}
	case ".npy":
		o.write = func(w io.Writer, r *client.Result, _ client.Model) error { return datafile.WriteNPY(w, r.Batch) }
	case ".png":
		o.picture, o.write = true, pictures.WritePNG
	case ".gif":
		o.picture, o.moving, o.write = true, true, pictures.WriteGIF
	default:
		return output{}, cli.Usagef("--out is %s: want a name that ends in .csv, .npy, .png or .gif",
			phrase.Quoted(path))
	}
	return o, nil
}
