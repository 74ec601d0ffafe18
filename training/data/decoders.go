package data

import (
	"errors"
	"image"
)

// The decoders of golang.org/x/image fail on four kinds of files that occur in practice. This file corrects one and
// refuses the others.

// misread returns an error if a decoder would decode a file wrongly, or refuse it with a message that does not help.
func misread(text []byte) error {
	const compression, fax3, fax4 = 0x103, 3, 4
	const photometric, blackIsZero, inks = 0x106, 1, 5
	const animated = 2
	if isTIFF(text) {
		c, colours := tiffTag(text, compression), tiffTag(text, photometric)
		if (c == fax3 || c == fax4) && colours == blackIsZero {
			return errors.New("it is a TIFF file with fax compression, which would be inverted: save it uncompressed")
		}
		if colours == inks {
			return errors.New("it is a TIFF file in CMYK, the colours of inks: save it in RGB")
		}
	}
	if len(text) > 20 && string(text[:4]) == "RIFF" && string(text[8:16]) == "WEBPVP8X" && text[20]&animated != 0 {
		return errors.New("it is an animated WebP file: want a single picture")
	}
	return nil
}

// fullRange corrects the colours of a lossy WebP file. Its brightness goes from 16 to 235 (RFC 6386, section 9.2). The
// decoder returns it as if it went from 0 to 255, as in JPEG.
func fullRange(m image.Image) image.Image {
	var opacity func(x, y int) uint8
	var colours *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		colours, opacity = m, func(int, int) uint8 { return 255 }
	case *image.NYCbCrA:
		colours, opacity = &m.YCbCr, func(x, y int) uint8 { return m.A[m.AOffset(x, y)] }
	default:
		return m // lossless
	}
	to := image.NewNRGBA(m.Bounds())
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			r, g, b := studioColour(colours.YCbCrAt(x, y).Y, colours.YCbCrAt(x, y).Cb, colours.YCbCrAt(x, y).Cr)
			copy(to.Pix[to.PixOffset(x, y):], []uint8{r, g, b, opacity(x, y)})
		}
	}
	return to
}

// studioColour is ITU-R BT.601 with a brightness from 16 to 235 and colours from 16 to 240, in 14 bits like libwebp.
func studioColour(y, cb, cr uint8) (r, g, b uint8) {
	part := func(v uint8, factor int) int { return int(v) * factor >> 8 }
	clip := func(v int) uint8 { return uint8(min(max(v>>6, 0), 255)) }
	light := part(y, 19077)
	return clip(light + part(cr, 26149) - 14234),
		clip(light - part(cb, 6419) - part(cr, 13320) + 8708),
		clip(light + part(cb, 33050) - 17685)
}
