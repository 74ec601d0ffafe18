package sampling

import (
	"fmt"
	"math"
)

// Refresh says when the noise on a known part is drawn.
type Refresh int

// The two refresh policies.
const (
	// RefreshLevel draws the noise of the known part once for each level. It sets the part before the first step of the
	// level and after every step (Song & Ermon 2019, algorithm 2).
	RefreshLevel Refresh = iota
	// RefreshStep draws new noise and sets the part before every step, and does nothing after it (the code of Song &
	// Ermon 2020).
	RefreshStep
)

// Known fixes a part of every sample while the rest is drawn. Before a step at sigma it sets the part to the known
// values plus N(0, sigma²) noise of the chain, because the data look like this at that level. After a last step without
// noise it sets the part to exactly the known values. Values outside the part have no effect.
//
// The part is a set of elements (inpainting) or one direction of colour space (colourisation).
type Known struct {
	values    []float32
	mask      []bool // nil for a direction
	direction []float32
	refresh   Refresh
}

// Inpaint fixes the elements of values whose mask is true. mask and values must have the same length, at least one mask
// element must be true, and the values there must be finite. Inpaint copies both.
func Inpaint(values []float32, mask []bool, refresh Refresh) (*Known, error) {
	if len(mask) != len(values) {
		return nil, &FieldError{
			Field: "mask",
			Given: fmt.Sprintf("%d elements", len(mask)),
			Want:  fmt.Sprintf("%d, one for each value", len(values)),
		}
	}
	k := &Known{values: make([]float32, len(values)), mask: append([]bool(nil), mask...), refresh: refresh}
	held := false
	for i, known := range mask {
		if !known {
			continue
		}
		if !finite(float64(values[i])) {
			return nil, &FieldError{
				Field: "values",
				Given: fmt.Sprintf("%g at element %d", values[i], i),
				Want:  "finite numbers where the mask is set",
			}
		}
		held = true
		k.values[i] = values[i]
	}
	if !held {
		return nil, &FieldError{Field: "mask", Given: "all unset", Want: "at least one element set"}
	}
	return k, nil
}

// Colourise fixes the grey of samples of shape [channels, height·width]: the component of every pixel along
// (1, 1, ..., 1)/√channels. grey has one finite value for each pixel, in the units of the samples. A grey of v is the
// colour (v, v, ..., v). This is the colourisation of Song et al. (2021, appendix I.3), whose rotation of colour space
// has this direction as its first axis.
func Colourise(grey []float32, channels int, refresh Refresh) (*Known, error) {
	if channels < 2 {
		return nil, &FieldError{
			Field: "grey",
			Given: fmt.Sprintf("set for samples of %d channel", channels),
			Want:  "samples of at least 2 channels",
		}
	}
	for i, v := range grey {
		if !finite(float64(v)) {
			return nil, &FieldError{Field: "grey", Given: fmt.Sprintf("%g at pixel %d", v, i), Want: "finite numbers"}
		}
	}
	k := &Known{values: append([]float32(nil), grey...), direction: make([]float32, channels), refresh: refresh}
	for c := range k.direction {
		k.direction[c] = float32(1 / math.Sqrt(float64(channels)))
	}
	return k, nil
}

// Fits reports whether the known part belongs to samples of dim elements.
func (k *Known) Fits(dim int) bool {
	return len(k.values)*max(1, len(k.direction)) == dim
}

// before sets the part before the given step of a plan.
func (k *Known) before(x, z []float32, plan Plan, step int, noise Noise) {
	if k.refresh == RefreshStep || step == 0 || plan[step].Level != plan[step-1].Level {
		k.impose(x, z, plan[step].Sigma, noise, k.drawIndex(plan, step))
	}
}

// after sets the part after the given step of a plan.
func (k *Known) after(x, z []float32, plan Plan, step int, noise Noise) {
	s := &plan[step]
	switch {
	case step == len(plan)-1 && s.C == 0 && s.SNR == 0:
		k.impose(x, z, 0, noise, 0)
	case k.refresh == RefreshLevel:
		k.impose(x, z, s.Sigma, noise, k.drawIndex(plan, step))
	}
}

// drawIndex returns the number of the noise draw for a step.
func (k *Known) drawIndex(plan Plan, step int) uint32 {
	if k.refresh == RefreshLevel {
		return uint32(plan[step].Level)
	}
	return uint32(step)
}

// impose sets the part of x to the known values plus sigma times the noise of the given draw. z is scratch space.
func (k *Known) impose(x, z []float32, sigma float32, noise Noise, draw uint32) {
	z = z[:len(k.values)]
	clear(z)
	if sigma != 0 {
		noise.normal(z, draw, laneKnown)
	}
	if k.mask != nil {
		for i, known := range k.mask {
			if known {
				x[i] = k.values[i] + float32(sigma*z[i])
			}
		}
		return
	}
	u, pixels := k.direction, len(k.values)
	for i, grey := range k.values {
		// The colour (grey, ..., grey) has the component grey·√channels = grey/u along u.
		wanted := float32(grey/u[0]) + float32(sigma*z[i])
		var have float32
		for c := range u {
			have += float32(u[c] * x[c*pixels+i])
		}
		for c := range u {
			x[c*pixels+i] += float32(u[c] * (wanted - have))
		}
	}
}
