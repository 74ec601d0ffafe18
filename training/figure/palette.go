package figure

import (
	"cmp"
	"image"
	"image/color"
	"math"
	"slices"
)

// palette has at most 255 opaque colours for all colours of an animation. In a GIF, a transparent entry 0 is added,
// which means "unchanged". Every pixel gets its nearest entry, so that equal colours stay equal from frame to frame.
type palette []rgb // without the transparent entry

const maxColours = 255

// census counts the pixels of each colour.
type census map[rgb]int

func (c census) add(img *image.RGBA) {
	var last rgb
	run := 0
	for i := 0; i < len(img.Pix); i += 4 {
		v := rgb(img.Pix[i])<<16 | rgb(img.Pix[i+1])<<8 | rgb(img.Pix[i+2])
		if v != last {
			c[last] += run
			last, run = v, 0
		}
		run++
	}
	c[last] += run
}

// shade is a colour and its weight. The weight is the square root of its number of pixels, so that large areas do not
// take every entry.
type shade struct {
	colour rgb
	weight float64
}

// bucket is a set of shades that share one entry of the palette.
type bucket struct {
	shades []shade
	axis   int     // the channel, 0 to 2, with the largest spread
	spread float64 // weighted squared deviation along it
	mean   float64 // along it
}

func newBucket(shades []shade) bucket {
	b := bucket{shades: shades}
	for axis := range 3 {
		var n, sum, square float64
		for _, s := range shades {
			v := float64(s.colour.bytes()[axis])
			n, sum, square = n+s.weight, sum+float64(s.weight*v), square+float64(s.weight*v*v)
		}
		if spread := square - sum*sum/n; spread > b.spread || axis == 0 {
			b.axis, b.spread, b.mean = axis, spread, sum/n
		}
	}
	return b
}

// split divides the bucket at the mean of its widest channel.
func (b bucket) split() (bucket, bucket) {
	slices.SortFunc(b.shades, func(s, t shade) int {
		return cmp.Or(cmp.Compare(s.colour.bytes()[b.axis], t.colour.bytes()[b.axis]), cmp.Compare(s.colour, t.colour))
	})
	k, _ := slices.BinarySearchFunc(b.shades, b.mean, func(s shade, mean float64) int {
		return cmp.Compare(float64(s.colour.bytes()[b.axis]), mean)
	})
	k = min(max(k, 1), len(b.shades)-1)
	return newBucket(b.shades[:k]), newBucket(b.shades[k:])
}

// colour returns the most frequent shade of the bucket if it outweighs the others, else the mean.
func (b bucket) colour() rgb {
	var n float64
	var sum [3]float64
	top := b.shades[0]
	for _, s := range b.shades {
		n += s.weight
		for axis, v := range s.colour.bytes() {
			sum[axis] += float64(s.weight * float64(v))
		}
		if s.weight > top.weight {
			top = s
		}
	}
	if top.weight > n/2 {
		return top.colour
	}
	part := func(axis int) rgb { return rgb(math.Round(sum[axis] / n)) }
	return part(0)<<16 | part(1)<<8 | part(2)
}

// palette quantizes by median cut with the variance as the measure (after Wu 1991). It splits the bucket with the
// largest spread until there are enough.
func (c census) palette() palette {
	shades := make([]shade, 0, len(c))
	for v, n := range c {
		shades = append(shades, shade{v, math.Pow(float64(n), 0.6)})
	}
	slices.SortFunc(shades, func(s, t shade) int { return cmp.Compare(s.colour, t.colour) })
	buckets := []bucket{newBucket(shades)}
	for len(buckets) < min(maxColours, len(shades)) {
		widest := 0
		for i, b := range buckets {
			if b.spread > buckets[widest].spread {
				widest = i
			}
		}
		if len(buckets[widest].shades) == 1 {
			break
		}
		a, b := buckets[widest].split()
		buckets[widest] = a
		buckets = append(buckets, b)
	}
	p := make(palette, len(buckets))
	for i, b := range buckets {
		p[i] = b.colour()
	}
	return p
}

// model returns the palette of a GIF, with the transparent entry first.
func (p palette) model() color.Palette {
	m := color.Palette{color.RGBA{}}
	for _, v := range p {
		m = append(m, color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xff})
	}
	return m
}

// nearest returns the entry of the model that is closest to v. Channels are weighted by their brightness.
func (p palette) nearest(v rgb) uint8 {
	best, distance := 0, math.MaxInt
	want := v.bytes()
	for i, entry := range p {
		e := entry.bytes()
		green := int(e[1]) - int(want[1])
		d := 6 * green * green
		if d >= distance {
			continue
		}
		red, blue := int(e[0])-int(want[0]), int(e[2])-int(want[2])
		if d += 3*red*red + blue*blue; d < distance {
			best, distance = i, d
		}
	}
	return uint8(best + 1)
}

// index returns img in the palette's colours.
func (p palette) index(img *image.RGBA, model color.Palette) *image.Paletted {
	out, known := image.NewPaletted(img.Rect, model), map[rgb]uint8{}
	last, entry := rgb(0), p.nearest(0)
	for i := range out.Pix {
		v := rgb(img.Pix[4*i])<<16 | rgb(img.Pix[4*i+1])<<8 | rgb(img.Pix[4*i+2])
		if v != last {
			var ok bool
			if entry, ok = known[v]; !ok {
				entry = p.nearest(v)
				known[v] = entry
			}
			last = v
		}
		out.Pix[i] = entry
	}
	return out
}
