package sampling

import "math"

// stages is the number of slopes in a Dormand-Prince step. The last slope is the first slope of the next step.
const stages = 7

// dormandPrince is the pair RK5(4)7M of Dormand & Prince (1980), "A family of embedded Runge-Kutta formulae": the
// position of each stage in the step, its weights for the slopes before it, and the difference of the two results. The
// last stage is at the result of order 5.
var dormandPrince = struct {
	c [stages]float64
	a [stages][]float64
	e [stages]float64
}{
	c: [stages]float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
	a: [stages][]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	},
	e: [stages]float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40},
}

// These constants control the step length in ln σ. The slope -σ²·s changes over lengths of about 1, whatever the data.
const (
	firstStep    = 0.1
	smallestStep = 1e-9
	safety       = 0.9
	mostShrink   = 0.2
	mostGrowth   = 5.0
)

// path is the state of one chain that moves along the flow.
type path struct {
	row     int       // index in the request
	given   []float32 // of the model; nil for none
	noise   Noise
	u, end  float64   // ln σ, now and at the end
	h       float64   // the step in progress, with its sign
	x, y    []float64 // the state, and the point of the current stage
	slope   [stages][]float64
	probes  [][]float32     // unit or sign vectors along which the divergence is measured
	rate    [stages]float64 // the divergence of each slope
	log     float64         // its integral so far
	nfe     int
	refused bool // whether the last step was refused
}

func newPath(r *FlowRequest, row int, from, to float64, probe probes) *path {
	p := &path{
		row: row, noise: r.noise(row),
		u: math.Log(from), end: math.Log(to),
		x: make([]float64, r.Dim), y: make([]float64, r.Dim),
	}
	for i, v := range r.X[row*r.Dim : (row+1)*r.Dim] {
		p.x[i] = float64(v)
	}
	for j := range p.slope {
		p.slope[j] = make([]float64, r.Dim)
	}
	if probe != nil {
		p.probes = probe(p.noise, r.Dim)
	}
	p.setStep(firstStep)
	return p
}

// setStep sets the next step to length h, or to what is left if that is shorter.
func (p *path) setStep(h float64) {
	left := p.end - p.u
	p.h = math.Copysign(min(h, math.Abs(left)), left)
}

// move sets y to the point of a stage: x + h·Σ a_j·slope_j.
func (p *path) move(stage int) {
	for i, x := range p.x {
		p.y[i] = x + float64(p.h*p.sum(dormandPrince.a[stage], i))
	}
}

// sum returns the weighted sum of the slopes of element i. It rounds each product by itself, so that no compiler fuses
// it with the addition.
func (p *path) sum(weights []float64, i int) float64 {
	var sum float64
	for j, w := range weights {
		sum += float64(w * p.slope[j][i])
	}
	return sum
}

// sigma returns the σ of a stage as the model receives it.
func (p *path) sigma(stage int) float32 {
	return float32(math.Exp(p.u + float64(dormandPrince.c[stage]*p.h)))
}

// record takes the scores of the rows that appendRows appended and computes the slope of the stage.
func (p *path) record(x, score []float32, stage int) {
	dim, sigma := len(p.x), float64(p.sigma(stage))
	for i, s := range score[:dim] {
		p.slope[stage][i] = -sigma * sigma * float64(s)
	}
	p.rate[stage] = -sigma * sigma * divergence(p.probes, x[dim:], score[dim:])
	p.nfe += p.rows()
}

// advance accepts or refuses the step, once all its slopes are known.
func (p *path) advance(r *FlowRequest) (done bool, err error) {
	excess, h := p.excess(r), math.Abs(p.h)
	accepted := excess <= 1
	if accepted {
		last := h >= math.Abs(p.end-p.u)
		if p.accept(); last {
			return true, nil
		}
	}
	switch {
	case !finite(excess) && h < smallestStep:
		return false, ErrDiverged
	case p.nfe+(stages-1)*p.rows() > r.MaxNFE || !accepted && h < smallestStep:
		return false, ErrTolerance
	}
	p.setStep(h * p.growth(excess))
	p.refused = !accepted
	return false, nil
}

// growth returns the factor for the length of the next step. It is at most 1 directly after a refusal.
func (p *path) growth(excess float64) float64 {
	if !finite(excess) {
		return mostShrink
	}
	most := mostGrowth
	if p.refused || excess > 1 {
		most = 1
	}
	return max(mostShrink, min(most, safety*math.Pow(excess, -0.2)))
}

// excess returns the error of the step as a multiple of the allowed error. It is the root mean square over the elements
// or, if greater, the error of the log density per dimension. It is NaN or infinite if the path is no longer finite.
//
// A log density is the integral of the divergence less |x|²/2σ_max² at the end. Far from the data the latter is so
// large that the rounding of the former does not count.
func (p *path) excess(r *FlowRequest) float64 {
	var sum, rate, square float64
	for i, x := range p.x {
		square += float64(x * x)
		e := p.h * p.sum(dormandPrince.e[:], i) / (r.ATol + float64(r.RTol*max(math.Abs(x), math.Abs(p.y[i]))))
		sum += float64(e * e)
	}
	for j, w := range dormandPrince.e {
		rate += float64(w * p.rate[j])
	}
	dim := float64(len(p.x))
	far := float64(r.RTol*square) / float64(2*r.SigmaMax*r.SigmaMax)
	allowed := max(float64(r.ATol*dim)+float64(r.RTol*math.Abs(p.log)), far)
	return max(math.Sqrt(sum/dim), math.Abs(p.h*rate)/allowed)
}

// accept moves the path to the end of the step.
func (p *path) accept() {
	var rate float64
	for j, w := range dormandPrince.a[stages-1] {
		rate += float64(w * p.rate[j])
	}
	p.log += float64(p.h * rate)
	p.u += p.h
	p.x, p.y = p.y, p.x
	p.slope[0], p.slope[stages-1] = p.slope[stages-1], p.slope[0]
	p.rate[0] = p.rate[stages-1]
}

// store writes the end of the path to the result. The slope there is -σ²·s.
func (p *path) store(result *FlowResult, denoise bool) {
	x := result.X[p.row*len(p.x) : (p.row+1)*len(p.x)]
	for i, v := range p.x {
		if denoise {
			v -= p.slope[0][i]
		}
		x[i] = float32(v)
	}
	result.NFE[p.row] = p.nfe
	if result.LogP != nil {
		result.LogP[p.row] = p.log
	}
}
