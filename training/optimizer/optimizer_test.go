package optimizer

import (
	"math"
	"testing"

	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/ort"
)

// TestOptimizers compares each algorithm, for given gradients, with its paper's formulas in float64.
func TestOptimizers(t *testing.T) {
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	backend, err := onnxbackend.New(path + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	gradients := [][]float32{{3, -4, 0.1}, {-0.2, 0.1, 0.3}, {0.5, 5, -0.4}, {0.1, 0.1, 0.1}}
	for _, o := range []Config{
		{Name: Adam}, {Name: Adam, Clip: 1}, {Name: Adam, WeightDecay: 0.1}, {Name: AMSGrad},
		{Name: SGD}, {Name: SGD, Clip: 1, WeightDecay: 0.1}, {Name: RMSProp}, {Name: Adam, EMAWarmup: true},
	} {
		o.LearningRate, o.Beta1, o.Beta2, o.Epsilon, o.Decay, o.EMA = 0.1, 0.8, 0.6, 1e-3, DecayNone, 0.3
		exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			params, moments := o.Move(in[0], in[2], in[3], in[4:])
			return append([]*graph.Node{params, o.Average(in[1], params, in[3])}, moments...)
		})
		if err != nil {
			t.Fatal(err)
		}
		theta, average := []float32{1, -2, 0.5}, []float32{1, -2, 0.5}
		moments := make([][]float32, o.Moments())
		for i := range moments {
			moments[i] = make([]float32, 3)
		}
		want := reference{theta: []float64{1, -2, 0.5}, average: []float64{1, -2, 0.5},
			m: make([]float64, 3), v: make([]float64, 3), top: make([]float64, 3)}
		for iteration, g := range gradients {
			rates := o.Rates(iteration, 100)
			args := []any{theta, average, g, rates[:]}
			for _, m := range moments {
				args = append(args, m)
			}
			out, err := exec.Call(args...)
			if err != nil {
				t.Fatal(err)
			}
			if theta, err = tensors.CopyFlatData[float32](out[0]); err != nil {
				t.Fatal(err)
			}
			if average, err = tensors.CopyFlatData[float32](out[1]); err != nil {
				t.Fatal(err)
			}
			for i := range moments {
				if moments[i], err = tensors.CopyFlatData[float32](out[2+i]); err != nil {
					t.Fatal(err)
				}
			}
			want.step(o, iteration, g)
			want.averaged(o, iteration)
			for i := range theta {
				if math.Abs(float64(theta[i])-want.theta[i]) > 1e-5 {
					t.Errorf("%+v, iteration %d: weights %v, want %v", o, iteration, theta, want.theta)
				}
				if math.Abs(float64(average[i])-want.average[i]) > 1e-5 {
					t.Errorf("%+v, iteration %d: averages %v, want %v", o, iteration, average, want.average)
				}
			}
		}
	}
}

// reference is an optimizer in float64.
type reference struct{ theta, average, m, v, top []float64 }

func (r *reference) step(o Config, iteration int, gradient []float32) {
	var norm float64
	for _, g := range gradient {
		norm += float64(g) * float64(g)
	}
	scale := 1.0
	if norm = math.Sqrt(norm); o.Clip > 0 && norm > o.Clip {
		scale = o.Clip / norm
	}
	for i := range gradient {
		g := scale*float64(gradient[i]) + o.WeightDecay*r.theta[i]
		if o.Name == SGD {
			r.m[i] = o.Beta1*r.m[i] + g
			r.theta[i] -= o.LearningRate * r.m[i]
			continue
		}
		r.m[i] = o.Beta1*r.m[i] + (1-o.Beta1)*g
		r.v[i] = o.Beta2*r.v[i] + (1-o.Beta2)*g*g
		r.top[i] = max(r.top[i], r.v[i])
		k := float64(iteration + 1)
		along, square := r.m[i]/(1-math.Pow(o.Beta1, k)), r.v[i]/(1-math.Pow(o.Beta2, k))
		switch o.Name {
		case RMSProp:
			along, square = g, r.v[i]
		case AMSGrad:
			square = r.top[i] / (1 - math.Pow(o.Beta2, k))
		}
		r.theta[i] -= o.LearningRate * along / (math.Sqrt(square) + o.Epsilon)
	}
}

// averaged follows the average of Song et al. (2021), whose decay rises from 2/11 if it has a warm-up.
func (r *reference) averaged(o Config, iteration int) {
	decay, n := o.EMA, float64(iteration+1)
	if o.EMAWarmup && (1+n)/(10+n) < decay {
		decay = (1 + n) / (10 + n)
	}
	for i, v := range r.theta {
		r.average[i] += (1 - decay) * (v - r.average[i])
	}
}

func TestRate(t *testing.T) {
	o := Config{LearningRate: 2, Warmup: 4, Decay: DecayCosine}
	for iteration, want := range map[int]float64{0: 0.5, 1: 1, 3: 2, 4: 2, 54: 1,
		104 - 1: 2 * 0.5 * (1 + math.Cos(math.Pi*0.99))} {
		if got := o.Rate(iteration, 104); math.Abs(got-want) > 1e-12 {
			t.Errorf("cosine: rate of iteration %d is %g, want %g", iteration, got, want)
		}
	}
	o.Decay = DecayNone
	if got := o.Rate(103, 104); got != 2 {
		t.Errorf("no decay: last rate is %g, want 2", got)
	}
}
