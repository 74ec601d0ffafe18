package eval

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Frontier is the file that eval --frontier writes: what each setting of each sampler costs, and how good its samples
// are.
type Frontier struct {
	Model       string                  `json:"model"`
	Version     int                     `json:"version"`
	Digest      string                  `json:"digest"`
	Data        string                  `json:"data"`
	Classifier  string                  `json:"classifier,omitempty"` // a file; empty for the built-in one
	Guidance    *drawing.GuidanceReport `json:"guidance,omitempty"`
	N           int                     `json:"n"`           // samples of each run
	Evaluations int                     `json:"evaluations"` // for one sample, the most that a point has
	Points      []Point                 `json:"points"`
	drawing.FollowedReport
}

// Point is one setting of a sampler.
type Point struct {
	Curve       string                 `json:"curve"`             // what it shares with others that spend more or less
	Setting     string                 `json:"setting,omitempty"` // what it spends
	Sampler     *drawing.SamplerReport `json:"sampler,omitempty"`
	Evaluations float64                `json:"evaluations"` // of networks for one sample
	Seconds     Spread                 `json:"seconds"`     // for one sample, among the n of a run
	Measures    map[string]Spread      `json:"measures"`
	Best        bool                   `json:"best"` // no point with as few evaluations has a better first measure
	Runs        []Run                  `json:"runs"`
}

// Run is a point with one seed.
type Run struct {
	Seed    uint64  `json:"seed,string"`
	NFE     int64   `json:"nfe"`
	Seconds float64 `json:"seconds"`
	quality
}

// Spread is the mean of a number over seeds and its standard deviation, which is 0 for one seed.
type Spread struct {
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"standard_deviation"`
	Expected  float64 `json:"expected,omitempty"` // of true samples, for a measure
}

// readFrontier returns the frontier in a file, or an empty one if there is no file. f says what it has to be about.
func readFrontier(path string, f Frontier) (Frontier, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	var found Frontier
	if err := json.Unmarshal(text, &found); err != nil {
		return f, fmt.Errorf("read frontier %s: %w", path, err)
	}
	if differs := f.differsFrom(found); differs != "" {
		return f, fmt.Errorf("frontier %s is of another %s: name another file with --out, or remove it", path, differs)
	}
	f.Points = found.Points
	return f, nil
}

// differsFrom says in what two frontiers differ so that their points cannot be compared, or returns "".
func (f Frontier) differsFrom(other Frontier) string {
	guide := func(f Frontier) drawing.GuidanceReport {
		if f.Guidance == nil {
			return drawing.GuidanceReport{}
		}
		return *f.Guidance
	}
	switch {
	case f.Digest != other.Digest:
		return "model file"
	case f.Data != other.Data:
		return "dataset"
	case f.N != other.N:
		return fmt.Sprintf("number of samples, %d", other.N)
	case f.Classifier != other.Classifier:
		return "classifier"
	case guide(f) != guide(other):
		return "guide"
	case !reflect.DeepEqual(f.Given, other.Given):
		return "list of classes"
	case !reflect.DeepEqual(f.GuidanceScale, other.GuidanceScale):
		return "guidance scale"
	}
	return ""
}

// write writes the frontier, whole or not at all.
func (f Frontier) write(path string) error {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return wholefile.WriteBytes(path, append(text, '\n'))
}

// has reports whether a choice was measured with a seed.
func (f Frontier) has(c drawing.Choice, seed uint64) bool {
	i := f.find(c)
	return i >= 0 && slices.ContainsFunc(f.Points[i].Runs, func(r Run) bool { return r.Seed == seed })
}

func (f Frontier) find(c drawing.Choice) int {
	return slices.IndexFunc(f.Points, func(p Point) bool { return p.Curve == c.Curve && p.Setting == c.Setting })
}

// add adds a run to the point of a choice. primary is the measure that decides which points are best.
func (f *Frontier) add(c drawing.Choice, sampler client.Sampler, r Run, primary string) {
	i := f.find(c)
	if i < 0 {
		i = len(f.Points)
		f.Points = append(f.Points, Point{Curve: c.Curve, Setting: c.Setting,
			Sampler: drawing.NewSamplerReport(sampler)})
	}
	p := &f.Points[i]
	p.Runs = append(p.Runs, r)
	p.summarize(f.N)
	f.markBest(primary)
}

// of returns the frontier of some seeds alone. It has the points that were measured with all of them. missing is the
// number of points that were measured with some.
func (f Frontier) of(seeds []uint64, primary string) (some Frontier, missing int) {
	some = f
	some.Points = nil
	for _, p := range f.Points {
		p.Runs = slices.DeleteFunc(slices.Clone(p.Runs), func(r Run) bool { return !slices.Contains(seeds, r.Seed) })
		switch {
		case len(p.Runs) == len(seeds):
			p.summarize(f.N)
			some.Points = append(some.Points, p)
		case len(p.Runs) > 0:
			missing++
		}
	}
	some.markBest(primary)
	return some, missing
}

func (p *Point) summarize(n int) {
	var evaluations, seconds []float64
	values, expected := map[string][]float64{}, map[string][]float64{}
	for _, r := range p.Runs {
		evaluations = append(evaluations, float64(r.NFE)/float64(n))
		seconds = append(seconds, r.Seconds/float64(n))
		for _, m := range r.Metrics {
			values[m.Name] = append(values[m.Name], m.Value)
			expected[m.Name] = append(expected[m.Name], m.Expected)
		}
	}
	p.Evaluations, p.Seconds = stat.Mean(evaluations, nil), newSpread(seconds)
	p.Measures = map[string]Spread{}
	for name, v := range values {
		s := newSpread(v)
		s.Expected = stat.Mean(expected[name], nil)
		p.Measures[name] = s
	}
}

func newSpread(values []float64) Spread {
	s := Spread{Mean: stat.Mean(values, nil)}
	if len(values) > 1 {
		s.Deviation = stat.StdDev(values, nil)
	}
	return s
}

// markBest marks the points that no other beats in the primary measure, of which less is better, with as few
// evaluations.
func (f *Frontier) markBest(primary string) {
	order := make([]*Point, len(f.Points))
	for i := range f.Points {
		order[i] = &f.Points[i]
	}
	slices.SortStableFunc(order, func(a, b *Point) int {
		return cmp.Or(cmp.Compare(a.Evaluations, b.Evaluations),
			cmp.Compare(a.Measures[primary].Mean, b.Measures[primary].Mean))
	})
	var last *Point
	for _, p := range order {
		p.Best = last == nil || p.Measures[primary].Mean < last.Measures[primary].Mean
		if p.Best {
			last = p
		}
	}
}

// curves returns the points of each curve in order of evaluations, in the order in which the curves were measured.
func (f Frontier) curves() [][]Point {
	var all [][]Point
	for _, p := range f.Points {
		i := slices.IndexFunc(all, func(curve []Point) bool { return curve[0].Curve == p.Curve })
		if i < 0 {
			all = append(all, []Point{p})
		} else {
			all[i] = append(all[i], p)
		}
	}
	for _, curve := range all {
		slices.SortStableFunc(curve, func(a, b Point) int { return cmp.Compare(a.Evaluations, b.Evaluations) })
	}
	return all
}
