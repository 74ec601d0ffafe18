package data

import (
	"image"

	"golang.org/x/image/draw"
)

// split writes the pixels of a picture, [channels, height, width], to dst: the three colours, or the grey value.
func (m *Images) split(dst []byte, from *image.RGBA) {
	area := m.Width * m.Height
	for i := range area {
		r, g, b := from.Pix[4*i], from.Pix[4*i+1], from.Pix[4*i+2]
		if m.Channels == 1 {
			dst[i] = byte((299*int(r) + 587*int(g) + 114*int(b) + 500) / 1000) // ITU-R 601 luma
			continue
		}
		dst[i], dst[area+i], dst[2*area+i] = r, g, b
	}
}

// join is the inverse of split.
func (m *Images) join(to *image.RGBA, from []byte) {
	area := m.Width * m.Height
	second, third := (m.Channels-1)/2*area, (m.Channels-1)*area // for a grey picture, these are the first as well
	for i := range area {
		copy(to.Pix[4*i:], []byte{from[i], from[second+i], from[third+i], 0xff})
	}
}

// resized returns m with the middle square of every picture resized to size x size, in the same way as pictures of a
// folder.
func (m *Images) resized(size int) (*Images, error) {
	from := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	to := image.NewRGBA(image.Rect(0, 0, size, size))
	middle, err := square(from.Rect, 0)
	if err != nil {
		return nil, err
	}
	scaler := draw.BiLinear.NewScaler(size, size, middle.Dx(), middle.Dy())
	small := &Images{Channels: m.Channels, Height: size, Width: size, Labels: m.Labels}
	small.Pixels = make([]byte, m.Len()*small.size())
	for i := range m.Len() {
		m.join(from, m.At(i))
		scaler.Scale(to, to.Rect, from, middle, draw.Src, nil)
		small.split(small.At(i), to)
	}
	return small, nil
}
