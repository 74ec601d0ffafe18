package data

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/draw"
)

// An orientation says how a camera was held. It is 1 to 8, as in the tag Orientation of Exif 2.3, section 4.6.4.
// Turning a picture by it makes the picture upright.
type orientation uint16

// upright is the orientation of a picture that is stored upright.
const upright orientation = 1

// orientationOf returns the orientation in a JPEG, PNG, WebP or TIFF file. It returns upright if there is none, or an
// unknown one.
func orientationOf(text []byte) orientation {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xd8")):
		return tagOf(exifOfJPEG(text))
	case bytes.HasPrefix(text, []byte("\x89PNG\r\n\x1a\n")):
		return tagOf(exifOfPNG(text[8:]))
	case bytes.HasPrefix(text, []byte("RIFF")) && len(text) > 12:
		return tagOf(exifOfWebP(text[12:]))
	case isTIFF(text):
		return tagOf(text)
	}
	return upright
}

func isTIFF(text []byte) bool {
	return bytes.HasPrefix(text, []byte("II*\x00")) || bytes.HasPrefix(text, []byte("MM\x00*"))
}

var exifStart = []byte("Exif\x00\x00")

// exifOfJPEG searches the segments before the picture. It returns nil if none has Exif data.
func exifOfJPEG(text []byte) []byte {
	const application1, scan = 0xe1, 0xda
	for at := 2; at+4 <= len(text) && text[at] == 0xff && text[at+1] != scan; {
		if text[at+1] == 0xff { // padding
			at++
			continue
		}
		end := at + 2 + int(binary.BigEndian.Uint16(text[at+2:]))
		if end < at+4 || end > len(text) {
			return nil
		}
		if exif, ok := bytes.CutPrefix(text[at+4:end], exifStart); ok && text[at+1] == application1 {
			return exif
		}
		at = end
	}
	return nil
}

// exifOfPNG searches the chunks. A chunk has a length, a name, the content and a checksum.
func exifOfPNG(text []byte) []byte {
	for len(text) >= 12 {
		n := uint64(binary.BigEndian.Uint32(text))
		if n > uint64(len(text)-12) {
			return nil
		}
		if string(text[4:8]) == "eXIf" {
			return text[8 : 8+n]
		}
		text = text[12+n:]
	}
	return nil
}

// exifOfWebP searches the chunks. A chunk has a name, a length and the content, padded to an even length.
func exifOfWebP(text []byte) []byte {
	for len(text) >= 8 {
		n := uint64(binary.LittleEndian.Uint32(text[4:]))
		if n > uint64(len(text)-8) {
			return nil
		}
		if string(text[:4]) == "EXIF" {
			return bytes.TrimPrefix(text[8:8+n], exifStart)
		}
		text = text[min(uint64(len(text)), 8+n+n%2):]
	}
	return nil
}

// tagOf returns the orientation in TIFF data.
func tagOf(text []byte) orientation {
	const tag = 0x112
	if o := orientation(tiffTag(text, tag)); o >= 1 && o <= 8 {
		return o
	}
	return upright
}

// tiffTag returns the 16-bit number of a tag in the first directory of TIFF data, or 0 if there is none. The data begin
// with a byte order, 42 and the offset of the directory. The directory has the number of its entries, and 12 bytes per
// entry: a tag, a type, a count and a value.
func tiffTag(text []byte, tag uint16) uint16 {
	const short = 3
	if len(text) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if text[0] == 'M' {
		order = binary.BigEndian
	}
	start := uint64(order.Uint32(text[4:]))
	if start+2 > uint64(len(text)) {
		return 0
	}
	entries := text[start+2:]
	for range order.Uint16(text[start:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			return order.Uint16(entries[8:])
		}
		entries = entries[12:]
	}
	return 0
}

// turn returns a picture as it should be shown.
func (o orientation) turn(m image.Image) image.Image {
	if o == upright {
		return m
	}
	width, height := m.Bounds().Dx(), m.Bounds().Dy()
	from := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(from, from.Rect, m, m.Bounds().Min, draw.Src)
	size := image.Pt(width, height)
	if o >= 5 {
		size = image.Pt(height, width)
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			sx, sy := x, y
			if o >= 5 {
				sx, sy = y, x
			}
			if o == 2 || o == 3 || o == 7 || o == 8 {
				sx = width - 1 - sx
			}
			if o == 3 || o == 4 || o == 6 || o == 7 {
				sy = height - 1 - sy
			}
			copy(to.Pix[to.PixOffset(x, y):][:4], from.Pix[from.PixOffset(sx, sy):])
		}
	}
	return to
}
