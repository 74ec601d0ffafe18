package drawing

import (
	"fmt"
	"io"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/training/data"
)

// ConditionFlags choose a part of every sample that is known, and interpolation.
type ConditionFlags struct {
	inpaint, mask string
	colourise     string
	Flags         cli.FlagGroup
	refresh       cli.WordValue[client.Refresh]
	Columns       cli.CountValue
}

// Group makes the flags.
func (c *ConditionFlags) Group() cli.FlagGroup {
	c.refresh.Words, c.Columns.Least = []client.Refresh{client.RefreshLevel, client.RefreshStep}, 2
	g := cli.NewFlagGroup("Conditions")
	g.Flags.StringVar(&c.inpaint, "inpaint", "", "`FILE` with one sample (.npy, .npz or .csv): keep "+
		"the part that --mask marks (with --denoise it comes out unchanged)")
	g.Flags.StringVar(&c.mask, "mask", "", "`FILE` of the same shape, or of an image's height "+
		"and width: 1, 255 or True where it is known, else 0")
	g.Flags.StringVar(&c.colourise, "colourise", "", "`FILE` with the grey of every pixel, [height, width]: "+
		"keep it and draw the colours (grey v is the colour (v, v, v))")
	g.Flags.Var(&c.refresh, "refresh", "when the noise on the known part is drawn: level or step (default level)")
	g.Flags.Var(&c.Columns, "interpolate", "draw rows with this many `COLUMNS` that go from one sample to another "+
		"(-n counts all samples; default one row)")
	c.Flags = g
	return g
}

// Condition reads the files that the flags name, and returns nil if they name none. It writes to warn what files were
// taken for.
func (c *ConditionFlags) Condition(warn io.Writer) (client.Condition, error) {
	switch {
	case c.inpaint == "" && c.mask == "" && c.colourise == "" && c.refresh.Word == "":
		return nil, nil
	case c.colourise != "" && (c.inpaint != "" || c.mask != ""):
		return nil, cli.Usagef("--colourise and --inpaint: want one of them")
	case c.colourise != "":
		return c.colourisation(warn)
	case c.inpaint == "" && c.mask != "":
		return nil, cli.Usagef("--mask needs --inpaint, the file with the known values")
	case c.inpaint == "":
		return nil, cli.Usagef("--refresh needs --inpaint or --colourise")
	case c.mask == "":
		return nil, cli.Usagef("--inpaint needs --mask, the file that says what is known")
	}
	values, err := datafile.ReadNumbers("inpaint", c.inpaint, warn)
	if err != nil {
		return nil, err
	}
	mask, err := datafile.ReadArray(c.mask, warn)
	if err != nil {
		return nil, err
	}
	if !coversPart(mask.Shape, values.Shape) {
		return nil, fmt.Errorf("--mask %s has shape %v: want %v as %s has, or the [height, width] of an image",
			c.mask, mask.Shape, values.Shape, c.inpaint)
	}
	known, err := marks(mask)
	if err != nil {
		return nil, fmt.Errorf("--mask %s: %w", c.mask, err)
	}
	return client.Inpainting{Values: values.Values, Shape: values.Shape, Mask: known, Refresh: c.refresh.Word}, nil
}

// colourisation reads the grey of every pixel.
func (c *ConditionFlags) colourisation(warn io.Writer) (client.Condition, error) {
	grey, err := datafile.ReadNumbers("colourise", c.colourise, warn)
	if err != nil {
		return nil, err
	}
	return client.Colourisation{Grey: grey.Values, Shape: withoutOnes(grey.Shape), Refresh: c.refresh.Word}, nil
}

// coversPart reports whether a mask has an element for each element of a sample, or for each pixel of a sample with
// shape [channels, height, width]. Leading axes of length 1 do not count.
func coversPart(mask, sample []int) bool {
	mask, sample = withoutOnes(mask), withoutOnes(sample)
	return slices.Equal(mask, sample) || len(sample) == 3 && slices.Equal(mask, withoutOnes(sample[1:]))
}

// withoutOnes returns a shape without its leading axes of length 1.
func withoutOnes(shape []int) []int {
	for len(shape) > 0 && shape[0] == 1 {
		shape = shape[1:]
	}
	return shape
}

// marks returns which elements a mask marks as known: those that are 1, or 255 in bytes, as in pictures. Others must be
// 0.
func marks(mask data.Array) ([]bool, error) {
	known := make([]bool, len(mask.Values))
	for i, v := range mask.Values {
		known[i] = v != 0
		if v != 0 && v != 1 && !(v == 255 && mask.Bytes()) {
			return nil, fmt.Errorf("element %d is %g: want 0 or 1", i, v)
		}
	}
	if !slices.Contains(known, true) {
		return nil, fmt.Errorf("no element is known: want at least one 1")
	}
	return known, nil
}
