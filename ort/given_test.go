package ort

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/sampling"
)

var (
	fourClasses = models.Condition{Classes: 4}
	orNone      = models.Condition{Classes: 4, Dropped: true}
	vector      = models.Condition{Size: 3, Dropped: true}
)

func conditionalOf(t testing.TB, s *Session) sampling.Conditional {
	t.Helper()
	c, ok := s.Model().(sampling.Conditional)
	if !ok {
		t.Fatalf("the model is a %T: want a sampling.Conditional", s.Model())
	}
	return c
}

func scoreGiven(t testing.TB, s *Session, x, sigma, c []float32) []float32 {
	t.Helper()
	dst := make([]float32, len(x))
	if err := conditionalOf(t, s).ScoreGiven(t.Context(), dst, x, sigma, c); err != nil {
		t.Fatal(err)
	}
	return dst
}

// means returns one mean for each class, and one for none.
func means(classes, dim int) [][]float32 {
	all := make([][]float32, classes+1)
	for k := range all {
		all[k] = make([]float32, dim)
		for j := range all[k] {
			all[k][j] = float32(3*k - j)
		}
	}
	return all
}

// randomGiven draws conditions of all kinds for n rows.
func randomGiven(n int, c *models.Condition) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	given := make([]float32, 0, n*c.Width())
	for range n {
		switch kinds := c.Kinds(); {
		case kinds > 0:
			given = append(given, float32(rng.IntN(kinds)))
		case c.Dropped && rng.IntN(4) == 0:
			given = append(given, make([]float32, c.Width())...)
		default:
			row := make([]float32, c.Width())
			for j := range c.Size {
				row[j] = 4*rng.Float32() - 2
			}
			flag(row, c)
			given = append(given, row...)
		}
	}
	return given
}

// TestScoreGivenIsExact compares graphs whose output is (mean-x)/(1+σ²) for the mean of the condition with the score in
// float64, for calls of one part and of several.
func TestScoreGivenIsExact(t *testing.T) {
	compare := func(s *Session, c *models.Condition, mean func(given []float32, j int) float64) {
		t.Helper()
		for _, n := range []int{0, 1, 15, 17, 5000} {
			x, sigma := rows(n, s.dim)
			given, width := randomGiven(n, c), c.Width()
			for i, got := range scoreGiven(t, s, x, sigma, given) {
				row := i / s.dim
				v := 1 + float64(sigma[row])*float64(sigma[row])
				want := (mean(given[row*width:(row+1)*width], i%s.dim) - float64(x[i])) / v
				if math.Abs(float64(got)-want) > 2e-6*(1+math.Abs(want)) {
					t.Fatalf("%d rows: score[%d] given %v is %g: want %g", n, i, given[row*width:(row+1)*width],
						got, want)
				}
			}
		}
	}
	for _, shape := range [][]int{{2}, {1, 5, 3}} {
		for _, c := range []models.Condition{fourClasses, orNone} {
			m := modelstest.Conditional(c, "classes", shape...)
			table := means(4, m.Dim())
			s := load(t, modelstest.GaussianOfClass(table, shape...), m, Options{})
			compare(s, &c, func(given []float32, j int) float64 { return float64(table[int(given[0])][j]) })
		}
	}
	for _, c := range []models.Condition{vector, {Size: 3}} {
		s := load(t, modelstest.GaussianOfVector(3, c.Dropped), modelstest.Conditional(c, "vector", 3), Options{})
		compare(s, &c, func(given []float32, j int) float64 { return float64(given[j]) })
	}
}

// TestScoreWithoutCondition: Score is the score given none, and an error if the network was not trained for it. A model
// without conditions takes none.
func TestScoreWithoutCondition(t *testing.T) {
	x, sigma := rows(20, 2)
	table := means(4, 2)
	s := load(t, modelstest.GaussianOfClass(table, 2), modelstest.Conditional(orNone, "classes", 2), Options{})
	none := slices.Repeat([]float32{4}, 20)
	if got, want := score(t, s, x, sigma), scoreGiven(t, s, x, sigma, none); !slices.Equal(got, want) {
		t.Errorf("without a condition %v: want %v", got, want)
	}
	if s.Model() != s.Model() {
		t.Error("a session is two models")
	}
	s = load(t, modelstest.GaussianOfClass(table, 2), modelstest.Conditional(fourClasses, "classes", 2), Options{})
	err := s.Model().Score(t.Context(), make([]float32, 40), x, sigma)
	if err == nil || !strings.Contains(err.Error(), "no condition: want one of 4 classes") {
		t.Errorf("without a condition: %v", err)
	}
	s = load(t, modelstest.Gaussian(2), modelstest.Manifest("gauss", 2), Options{})
	if _, ok := s.Model().(sampling.Conditional); ok {
		t.Error("a model without conditions is Conditional")
	}
}

func TestBadConditions(t *testing.T) {
	m := modelstest.Conditional(fourClasses, "classes", 2)
	s := load(t, modelstest.GaussianOfClass(means(4, 2), 2), m, Options{})
	x, sigma := rows(3, 2)
	for _, tt := range []struct {
		given []float32
		want  string
	}{
		{[]float32{0, 1}, "3 rows with 2 elements of conditions: want 3"},
		{[]float32{0, 1, 4}, "condition of row 2: class is 4: want a whole number from 0 to 3"},
		{[]float32{0, -1, 0}, "condition of row 1: class is -1"},
		{[]float32{0.5, 0, 0}, "condition of row 0: class is 0.5"},
	} {
		err := conditionalOf(t, s).ScoreGiven(t.Context(), make([]float32, 6), x, sigma, tt.given)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v: want %q", tt.given, err, tt.want)
		}
	}
}

// TestGivenRowsAreIndependent tests the promise for rows with conditions: a row's bits depend neither on the batch, nor
// on the conditions of its neighbours, nor on the number of threads.
func TestGivenRowsAreIndependent(t *testing.T) {
	square := []int{1, 12, 12}
	for _, network := range []struct {
		name  string
		model *protos.ModelProto
		given models.Condition
		shape []int
		rows  int
	}{
		{"MLP of classes", modelstest.GivenMLP(orNone, 1), orNone, []int{2}, 1024},
		{"MLP of a vector", modelstest.GivenMLP(vector, 2), vector, []int{2}, 1024},
		{"conv of classes", modelstest.GivenConv(orNone, 12, 3), orNone, square, 128},
		{"conv of a vector", modelstest.GivenConv(vector, 12, 4), vector, square, 128},
	} {
		t.Run(network.name, func(t *testing.T) {
			m := modelstest.Conditional(network.given, "given", network.shape...)
			one, two := load(t, network.model, m, Options{}), load(t, network.model, m, Options{Threads: 2})
			x, sigma := rows(network.rows, m.Dim())
			c, width := randomGiven(network.rows, m.Condition), m.Condition.Width()
			want := scoreGiven(t, one, x, sigma, c)
			for n := 1; n < network.rows; n += 1 + n/3 {
				for _, first := range []int{0, (n * 37) % (network.rows - n)} {
					from, to := first*m.Dim(), (first+n)*m.Dim()
					for _, s := range []*Session{one, two} {
						got := scoreGiven(t, s, x[from:to], sigma[first:first+n], c[first*width:(first+n)*width])
						if !slices.Equal(got, want[from:to]) {
							t.Fatalf("%d rows from row %d differ from the same rows among %d", n, first, network.rows)
						}
					}
				}
			}
			load(t, network.model, m, Options{Threads: 2, Like: one})
		})
	}
}

func TestTrialRefusesRowsOfOtherConditions(t *testing.T) {
	for _, path := range trialPaths {
		m := modelstest.Conditional(orNone, "dependent", path.shape...)
		for _, c := range modelstest.DependentOnConditions(means(4, m.Dim()), path.shape...) {
			_, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, c.Model), m, Options{})
			if !errors.Is(err, models.ErrInvalid) ||
				!strings.Contains(err.Error(), "a row's output must depend on that row alone") {
				t.Errorf("%s, %s: got %v: want an error that says that rows depend on each other", path.name, c.Name,
					err)
			}
		}
	}
}

// TestTrialTriesClasses: the trial evaluates all classes and none, so a table that is too short is refused, and so is a
// class whose score is not finite. The error names the class.
func TestTrialTriesClasses(t *testing.T) {
	for _, path := range trialPaths {
		for _, classes := range []int{3, 100, 250} {
			c := models.Condition{Classes: classes, Dropped: true}
			m := modelstest.Conditional(c, "classes", path.shape...)
			table := means(classes, m.Dim())
			load(t, modelstest.GaussianOfClass(table, path.shape...), m, Options{})
			refuse := func(table [][]float32, index, want string) {
				model := modelstest.GaussianOfClass(table, path.shape...)
				model.Graph.Node[0].Input[1] = index
				model.Graph.Node = slices.Insert(model.Graph.Node, 0, &protos.NodeProto{Name: "size", OpType: "Abs",
					Input: []string{models.InputC}, Output: []string{"size"}})
				_, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, model), m, Options{})
				if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %d classes: got %v: want %q", path.name, classes, err, want)
				}
			}
			refuse(table[:classes], models.InputC, "the network has "+strconv.Itoa(classes)+", the rows of its tensor")
			refuse(table[:classes], "size", "indices element out of data bounds") // which only an evaluation shows
			table[classes-1][0] = float32(math.NaN())
			c.Names = nil
			refuse(table, models.InputC, " for class "+c.ClassName(classes-1)+": it is NaN")
		}
	}
	c := models.Condition{Classes: 60000}
	m := modelstest.Conditional(c, "many", 2)
	load(t, modelstest.GaussianOfClass(means(c.Classes, 2), 2), m, Options{})
}

// TestOddVectors: an index that is out of range only for a vector of large numbers is found by the trial if the numbers
// may be huge, and otherwise by the proof.
func TestOddVectors(t *testing.T) {
	m := modelstest.Conditional(models.Condition{Size: 2}, "odd", 2)
	between := func(low, high float32) *protos.ModelProto {
		model := modelstest.GaussianOfVector(2, false)
		g := model.Graph
		table := &protos.TensorProto{Name: "table", Dims: []int64{1}, DataType: int32(protos.TensorProto_FLOAT),
			FloatData: []float32{0}}
		scalar := func(name string, v float32) *protos.TensorProto {
			return &protos.TensorProto{Name: name, DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{v}}
		}
		g.Initializer = append(g.Initializer, table, scalar("low", low), scalar("high", high))
		for _, node := range g.Node {
			if i := slices.Index(node.Input, models.InputC); i >= 0 {
				node.Input[i] = "odd"
			}
		}
		to := []*protos.AttributeProto{{Name: "to", Type: protos.AttributeProto_INT,
			I: int64(protos.TensorProto_INT64)}}
		g.Node = append([]*protos.NodeProto{
			{OpType: "Greater", Input: []string{models.InputC, "low"}, Output: []string{"above"}},
			{OpType: "Less", Input: []string{models.InputC, "high"}, Output: []string{"below"}},
			{OpType: "And", Input: []string{"above", "below"}, Output: []string{"between"}},
			{OpType: "Cast", Input: []string{"between"}, Output: []string{"index"}, Attribute: to},
			{OpType: "Gather", Input: []string{"table", "index"}, Output: []string{"nothing"}},
			{OpType: "Add", Input: []string{models.InputC, "nothing"}, Output: []string{"odd"}},
		}, g.Node...)
		return model
	}
	_, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, between(1e20, 1e35)), m, Options{})
	if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "out of data bounds") {
		t.Errorf("huge numbers: got %v: want a refusal", err)
	}
	s := load(t, between(-1e10, -1e8), m, Options{})
	if err := s.Stress(t.Context(), m); !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("large numbers: got %v: want the evaluation that fails", err)
	}
	if err := load(t, between(2e38, 1e38), m, Options{}).Stress(t.Context(), m); err != nil {
		t.Error(err)
	}
}
