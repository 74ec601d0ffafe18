package figure

import "math"

// rgb is an opaque sRGB colour, 0xRRGGBB.
type rgb uint32

// These are the inks of all pictures: near-black for arrows and titles, greys that stay behind the data, and one
// warning colour.
const (
	white   rgb = 0xffffff
	black   rgb = 0x1d1d2b
	dots    rgb = 0x3b2a78
	caption rgb = 0x6b6b76
	border  rgb = 0xb9b9c2
	rule    rgb = 0xe4e4e9
	warning rgb = 0xc0263a
)

// RGBA implements color.Color.
func (c rgb) RGBA() (r, g, b, a uint32) {
	v := c.bytes()
	return uint32(v[0]) * 0x101, uint32(v[1]) * 0x101, uint32(v[2]) * 0x101, 0xffff
}

func (c rgb) bytes() [3]uint8 { return [3]uint8{uint8(c >> 16), uint8(c >> 8), uint8(c)} }

// oklch converts lightness, chroma and hue (degrees) of Ottosson's OKLab space (2020) to sRGB, clamped to its gamut.
func oklch(l, c, h float64) rgb {
	h *= math.Pi / 180
	return oklab(l, c*math.Cos(h), c*math.Sin(h))
}

func oklab(l, a, b float64) rgb {
	cube := func(v float64) float64 { return v * v * v }
	x := cube(l + 0.3963377774*a + 0.2158037573*b)
	y := cube(l - 0.1055613458*a - 0.0638541728*b)
	z := cube(l - 0.0894841775*a - 1.2914855480*b)
	red := gamma(4.0767416621*x - 3.3077115913*y + 0.2309699292*z)
	green := gamma(-1.2684380046*x + 2.6097574011*y - 0.3413193965*z)
	blue := gamma(-0.0041960863*x - 0.7034186147*y + 1.7076147010*z)
	return red<<16 | green<<8 | blue
}

// gamma encodes linear light in [0,1] as an sRGB byte.
func gamma(v float64) rgb {
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return rgb(math.Round(255 * min(1, max(0, v))))
}

// ramp is a sequence of colours of falling lightness, for values in [0,1].
type ramp [1024]rgb

func (r *ramp) at(t float64) rgb { return r[int(min(1, max(0, t))*float64(len(r)-1)+0.5)] }

// ember returns a ramp from white over apricot and rose to deep violet, which is at depth 1. Lightness falls evenly, as
// in magma. A smaller depth stops earlier and leaves room for ink on top.
func ember(depth, vivid float64) *ramp {
	var r ramp
	for i := range r {
		t := depth * float64(i) / float64(len(r)-1)
		chroma := vivid * math.Pow(math.Sin(math.Pi*math.Pow(t, 0.8)), 0.9)
		r[i] = oklch(1-0.80*t, chroma+0.03*t, 72-144*t)
	}
	return &r
}
