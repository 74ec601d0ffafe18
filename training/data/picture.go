package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // registers the decoder
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
	"io"
	"strconv"
	"strings"

	_ "golang.org/x/image/bmp" // registers the decoder
	"golang.org/x/image/draw"
	_ "golang.org/x/image/tiff" // registers the decoder
	_ "golang.org/x/image/webp" // registers the decoder
)

// readPicture writes the pixels of a file, [channels, height, width], to dst. It takes the middle square of the upright
// picture and resizes it. The square has crop pixels, or is as large as possible if crop is 0. The background shows
// through transparent pixels.
func readPicture(dst []byte, m *Images, path string, crop int, background color.RGBA) error {
	text, err := readPictureFile(path)
	if err != nil {
		return err
	}
	from, err := decodePicture(text, crop)
	if err != nil {
		return err
	}
	middle, err := square(from.Bounds(), crop)
	if err != nil {
		return err
	}
	scaled := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	draw.BiLinear.Scale(scaled, scaled.Rect, from, middle, draw.Src, nil)
	flatten(scaled, background)
	m.split(dst, scaled)
	return nil
}

// ReadPicture returns the upright picture in a file: a PNG, JPEG, WebP, BMP or TIFF file, or the first frame of a GIF.
// The content decides the format. The error names the file.
func ReadPicture(path string) (image.Image, error) {
	text, err := readPictureFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	picture, err := decodePicture(text, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return picture, nil
}

func readPictureFile(path string) ([]byte, error) {
	const most = 1 << 30
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > most {
		return nil, fmt.Errorf("it has %d bytes: want at most %d", size, most)
	}
	text := make([]byte, size)
	_, err = io.ReadFull(f, text)
	return text, err
}

// decodePicture decodes a file. The content decides its format. It decodes the first frame of a GIF.
func decodePicture(text []byte, crop int) (image.Image, error) {
	size, err := checkPicture(text, crop)
	if err != nil {
		return nil, err
	}
	m, format, err := image.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, inWords(err)
	}
	if format == "webp" {
		m = fullRange(m)
	}
	// The frame of a GIF can be smaller.
	if canvas := image.Rect(0, 0, size.Width, size.Height); !m.Bounds().Eq(canvas) {
		whole := image.NewRGBA(canvas)
		draw.Draw(whole, m.Bounds(), m, m.Bounds().Min, draw.Src)
		m = whole
	}
	return orientationOf(text).turn(m), nil
}

// checkPicture reads the format and the size from the head of a file.
func checkPicture(text []byte, crop int) (image.Config, error) {
	const most = 1 << 26 // pixels: a small file can claim to have more than fit into memory
	if err := misread(text); err != nil {
		return image.Config{}, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(text))
	if err != nil {
		return size, inWords(err)
	}
	if size.Width > most/max(size.Height, 1) {
		return size, fmt.Errorf("it has %d x %d pixels: want at most %d in all", size.Width, size.Height, most)
	}
	_, err = square(image.Rect(0, 0, size.Width, size.Height), crop)
	return size, err
}

// inWords replaces two errors of the decoders by clear ones.
func inWords(err error) error {
	switch {
	case errors.Is(err, image.ErrFormat):
		return errors.New("it is not a PNG, JPEG, WebP, BMP, TIFF or GIF file")
	case strings.HasSuffix(err.Error(), "EOF") || strings.HasSuffix(err.Error(), "not enough pixel data"): // of a PNG
		return fmt.Errorf("the file is cut short: %w", err)
	}
	return err
}

// square returns the middle square of a picture.
func square(bounds image.Rectangle, side int) (image.Rectangle, error) {
	if side == 0 {
		side = min(bounds.Dx(), bounds.Dy())
	}
	if side < 1 || side > bounds.Dx() || side > bounds.Dy() {
		return image.Rectangle{}, fmt.Errorf("it has %d x %d pixels: want at least %d each way",
			bounds.Dx(), bounds.Dy(), max(side, 1))
	}
	corner := bounds.Min.Add(image.Pt((bounds.Dx()-side)/2, (bounds.Dy()-side)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(side, side))}, nil
}

// flatten draws a picture over a background. The colours of m are multiplied by their opacity.
func flatten(m *image.RGBA, background color.RGBA) {
	for i := 0; i < len(m.Pix); i += 4 {
		through := 255 - int(m.Pix[i+3])
		for k, c := range []uint8{background.R, background.G, background.B} {
			m.Pix[i+k] += byte((through*int(c) + 127) / 255)
		}
	}
}

// colour parses the colour of a background: black, white, or red, green and blue as hexadecimal digits, such as
// #ff8000.
func colour(text string) (c color.RGBA, ok bool) {
	switch text {
	case "", "black":
		return color.RGBA{A: 255}, true
	case "white":
		return color.RGBA{255, 255, 255, 255}, true
	}
	v, err := strconv.ParseUint(text[1:], 16, 24)
	if text[0] != '#' || len(text) != 7 || err != nil {
		return color.RGBA{}, false
	}
	return color.RGBA{byte(v >> 16), byte(v >> 8), byte(v), 255}, true
}
