package figure

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"strconv"
	"strings"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// typeface writes Liberation Sans in any size. It is not safe for concurrent use. Each canvas has its own.
type typeface struct {
	sans  *opentype.Font
	scale float64
	faces map[float64]font.Face // by size in points
}

func newTypeface(scale float64) (typeface, error) {
	sans, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		return typeface{}, fmt.Errorf("read the embedded font: %w", err)
	}
	return typeface{sans, scale, map[float64]font.Face{}}, nil
}

func (t typeface) face(size float64) (font.Face, error) {
	if f, ok := t.faces[size]; ok {
		return f, nil
	}
	f, err := opentype.NewFace(t.sans, &opentype.FaceOptions{Size: size * t.scale, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("size the embedded font to %g points: %w", size, err)
	}
	t.faces[size] = f
	return f, nil
}

// anchor is the part of a text's width on the left of its position.
type anchor float64

const (
	left   anchor = 0
	middle anchor = 0.5
	right  anchor = 1
)

// write draws text with its baseline at p.
func (c *canvas) write(text string, p point, size float64, ink rgb, a anchor) error {
	face, err := c.text.face(size)
	if err != nil {
		return err
	}
	x := p.x*c.scale - float64(a)*float64(font.MeasureString(face, text))/64
	d := font.Drawer{
		Dst:  c.img.SubImage(c.clip).(draw.Image),
		Src:  image.NewUniform(ink),
		Face: face,
		Dot:  fixed.Point26_6{X: fixed.Int26_6(math.Round(x) * 64), Y: fixed.Int26_6(math.Round(p.y*c.scale) * 64)},
	}
	d.DrawString(text)
	return nil
}

// header writes a title above b on the left and a note on the right. It cuts a title that is too long.
func (c *canvas) header(title, note string, noteInk rgb, b box) error {
	const lift, space = 8, 12
	noteWidth, err := c.width(note, titleSize-1)
	if err != nil {
		return err
	}
	if title, err = c.cut(title, titleSize, b.w-noteWidth-space); err != nil {
		return err
	}
	if err := c.write(title, point{b.x, b.y - lift}, titleSize, black, left); err != nil {
		return err
	}
	return c.write(note, point{b.x + b.w, b.y - lift}, titleSize-1, noteInk, right)
}

// width returns the width of text in points.
func (c *canvas) width(text string, size float64) (float64, error) {
	face, err := c.text.face(size)
	if err != nil {
		return 0, err
	}
	return float64(font.MeasureString(face, text)) / 64 / c.scale, nil
}

// cut shortens text to the given width and adds an ellipsis.
func (c *canvas) cut(text string, size, width float64) (string, error) {
	kept := []rune(text)
	for {
		w, err := c.width(text, size)
		if err != nil || w <= width || len(kept) == 0 {
			return text, err
		}
		kept = kept[:len(kept)-1]
		text = string(kept) + "…"
	}
}

// sigmaText formats a sigma with three significant digits. The width is constant over the values of an ordinary
// schedule.
func sigmaText(sigma float64) string { return fmt.Sprintf("σ = %#.3g", sigma) }

// tickText formats v in full, with a true minus sign.
func tickText(v float64) string {
	return strings.Replace(strconv.FormatFloat(v, 'g', 6, 64), "-", "−", 1)
}
