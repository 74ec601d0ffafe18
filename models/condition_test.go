package models_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

var (
	digits  = &models.Condition{Classes: 10, Dropped: true}
	clothes = &models.Condition{Classes: 3, Names: []string{"T-shirt/top", "Trouser", "Pullover"}}
	sides   = &models.Condition{Size: 2, Names: []string{"width", "height"}, Dropped: true}
	triple  = &models.Condition{Size: 3}
)

func TestConditionOfAManifest(t *testing.T) {
	for _, c := range []*models.Condition{digits, clothes, sides, triple} {
		want := trained()
		want.Format, want.Condition = models.FormatCondition, c
		file := modelstest.File(t, modelstest.Gaussian(1, 4, 4), want)
		got, err := models.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("manifest differs (-attached +read):\n%s", diff)
		}
	}
	text, err := json.Marshal(trained())
	if err != nil || strings.Contains(string(text), "condition") {
		t.Errorf("a manifest without conditions is %s, error %v: want no word of them", text, err)
	}
}

// TestNewerFormat expects the version of the format to be the complaint, not a key that this version does not know.
func TestNewerFormat(t *testing.T) {
	for manifest, want := range map[string]string{
		`{"format": 5, "terms": []}`:             "format is 5, of a newer program: want 1 to 4",
		`{"format": 2, "name": "a"}`:             "format is 2: want 1 without a condition",
		`{"format": 1, "condition": {"size":1}}`: "format is 1: want 2 with a condition",
	} {
		_, err := models.Read(modelstest.WithManifest(t, modelstest.Gaussian(2), manifest))
		if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v: want %q", manifest, err, want)
		}
	}
}

func TestValidateCondition(t *testing.T) {
	tests := []struct {
		condition models.Condition
		want      string
	}{
		{models.Condition{}, "condition.classes is 0 and condition.size is 0: want one of the two"},
		{models.Condition{Classes: 2, Size: 2}, "condition.classes is 2 and condition.size is 2"},
		{models.Condition{Classes: -1}, "condition.classes is -1: want 1 to 65536"},
		{models.Condition{Classes: 65537}, "condition.classes is 65537"},
		{models.Condition{Size: -1}, "condition.size is -1: want 1 to 65536"},
		{models.Condition{Size: 65537}, "condition.size is 65537"},
		{models.Condition{Classes: 2, Names: []string{"a"}}, "condition.names has 1 name: want none or 2"},
		{models.Condition{Size: 1, Names: []string{"a", "b"}}, "condition.names has 2 names: want none or 1"},
		{models.Condition{Classes: 2, Names: []string{"a", "a"}}, `names[1] is "a", like another`},
		{models.Condition{Classes: 2, Names: []string{"a", ""}}, `names[1] is ""`},
		{models.Condition{Classes: 2, Names: []string{"a\n", "b"}}, `names[0] is "a\n"`},
		{models.Condition{Classes: 2, Names: []string{"a", " b"}}, `names[1] is " b"`},
		{models.Condition{Classes: 2, Names: []string{"a", "\xff"}}, `names[1] is "\xff"`},
		{models.Condition{Classes: 1, Names: []string{strings.Repeat("a", 65)}}, "want 1 to 64 bytes"},
		{models.Condition{Classes: 1 << 15, Names: longNames(1 << 15)},
			"condition.names has 1310720 bytes: want at most"},
		{models.Condition{Classes: 2, Names: []string{"1", "0"}}, `names[0] is "1", the index of another class`},
	}
	for _, tt := range tests {
		m := trained()
		m.Format, m.Condition = models.FormatCondition, &tt.condition
		err := m.Validate()
		if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v: want %q", tt.condition, err, tt.want)
		}
	}
	for _, valid := range []models.Condition{
		{Classes: 1}, {Classes: 3, Names: []string{"0", "1", "two"}}, {Size: 2, Names: []string{"1", "0"}},
	} {
		if err := valid.Validate(); err != nil {
			t.Errorf("%+v: %v", valid, err)
		}
	}
}

// longNames returns n different names of 40 bytes.
func longNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%039d", i)
	}
	return names
}

func TestConditionRows(t *testing.T) {
	type rows struct {
		row []float32
		err error
	}
	row := func(row []float32, err error) rows { return rows{row, err} }
	tests := []struct {
		name      string
		condition *models.Condition
		got       rows
		want      []float32
	}{
		{"class", digits, row(digits.ClassRow(7)), []float32{7}},
		{"first class", clothes, row(clothes.ClassRow(0)), []float32{0}},
		{"name", clothes, row(clothes.NamedRow("Pullover")), []float32{2}},
		{"index as a name", digits, row(digits.NamedRow("9")), []float32{9}},
		{"index beside names", clothes, row(clothes.NamedRow("1")), []float32{1}},
		{"no class", digits, row(digits.NoneRow()), []float32{10}},
		{"vector", triple, row(triple.VectorRow([]float32{1, 0, -2})), []float32{1, 0, -2}},
		{"dropped vector", sides, row(sides.VectorRow([]float32{0, 3})), []float32{0, 3, 1}},
		{"no vector", sides, row(sides.NoneRow()), []float32{0, 0, 0}},
		{"no conditions", nil, row((*models.Condition)(nil).NoneRow()), nil},
	}
	for _, tt := range tests {
		if tt.got.err != nil || !slices.Equal(tt.got.row, tt.want) {
			t.Errorf("%s: row %v, error %v: want %v", tt.name, tt.got.row, tt.got.err, tt.want)
		}
		if n := tt.condition.Width(); n != len(tt.want) {
			t.Errorf("%s: width %d: want %d", tt.name, n, len(tt.want))
		}
		if err := tt.condition.CheckRow(tt.got.row); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestBadConditionRows(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	var none *models.Condition
	failed := func(_ []float32, err error) error { return err }
	tests := []struct {
		got  error
		want string
	}{
		{failed(digits.ClassRow(10)), "class is 10: want 0 to 9"},
		{failed(digits.ClassRow(-1)), "class is -1: want 0 to 9"},
		{failed(digits.NamedRow("10")), `class_name is "10": want 0 to 9`},
		{failed(digits.NamedRow("seven")), `class_name is "seven": want an index from 0 to 9`},
		{failed(clothes.NamedRow("trousers")),
			`class_name is "trousers": want a class of the model: did you mean "Trouser"?`},
		{failed(clothes.NamedRow("PULL")), `class_name is "PULL": want a class of the model: did you mean "Pullover"?`},
		{failed(clothes.NamedRow("zebra")),
			`class_name is "zebra": want "T-shirt/top", "Trouser" or "Pullover", or an index from 0 to 2`},
		{failed(clothes.NoneRow()), "no condition: want one of 3 classes, because the model was not trained without"},
		{failed(triple.NoneRow()), "no condition: want 3 numbers, because the model was not trained without"},
		{failed(triple.ClassRow(1)), "class is 1: want 3 numbers, because the model has no classes"},
		{failed(triple.NamedRow("a")), `class_name is "a": want 3 numbers, because the model has no classes`},
		{failed(triple.VectorRow([]float32{1})), "condition has 1 number: want 3"},
		{failed(sides.VectorRow([]float32{1, 2, 3})), "condition has 3 numbers: want 2"},
		{failed(sides.VectorRow([]float32{1, nan})), "condition number 1 is NaN: want finite"},
		{failed(sides.VectorRow([]float32{inf, 1})), "condition number 0 is +Inf: want finite"},
		{failed(digits.VectorRow([]float32{1})), "condition has 1 number: want one of 10 classes"},
		{failed(none.ClassRow(1)), "class is 1: want none, because the model has no conditions"},
		{failed(none.NamedRow("a")), `class_name is "a": want none`},
		{failed(none.VectorRow(nil)), "condition has 0 numbers: want none"},
		{none.CheckRow([]float32{1}), "row of the condition has 1 elements: want 0"},
		{digits.CheckRow([]float32{11}), "class is 11: want a whole number from 0 to 10"},
		{digits.CheckRow([]float32{0.5}), "class is 0.5"},
		{digits.CheckRow([]float32{nan}), "class is NaN"},
		{clothes.CheckRow([]float32{3}), "class is 3: want a whole number from 0 to 2"},
		{sides.CheckRow([]float32{1, inf, 1}), "condition number 1 is +Inf"},
		{sides.CheckRow([]float32{1, 0, 0}), "condition flag is 0"},
		{sides.CheckRow([]float32{0, 0, 0.5}), "condition flag is 0.5"},
	}
	for _, tt := range tests {
		if tt.got == nil || !strings.HasPrefix(tt.got.Error(), tt.want) || strings.Contains(tt.got.Error(), "\n") {
			t.Errorf("got %v: want one line with %q", tt.got, tt.want)
		}
	}
}

func TestConditionInWords(t *testing.T) {
	for want, c := range map[string]*models.Condition{
		"10 classes, or none": digits, "3 classes": clothes, "2 numbers, or none": sides, "nothing": nil,
		"1 class": {Classes: 1}, "1 number": {Size: 1},
	} {
		if got := c.String(); got != want {
			t.Errorf("%+v is %q: want %q", c, got, want)
		}
	}
	if clothes.ClassName(1) != "Trouser" || digits.ClassName(7) != "7" {
		t.Errorf("classes are %q and %q: want Trouser and 7", clothes.ClassName(1), digits.ClassName(7))
	}
}

// TestCheckCondition checks graphs with the input c against manifests with a condition.
func TestCheckCondition(t *testing.T) {
	means := [][]float32{{0, 1}, {1, 0}, {0, 0}}
	classes, vector := modelstest.GaussianOfClass(means, 2), modelstest.GaussianOfVector(2, true)
	divided := modelstest.GaussianOfClass(means, 2)
	addNodes(divided, divide("Div", "c", "c"))
	resizing := modelstest.GaussianOfClass(means, 2)
	addNodes(resizing, resized("Expand", "x", "c"))
	tests := []struct {
		name      string
		model     *protos.ModelProto
		condition *models.Condition
		want      string
	}{
		{"classes", classes, &models.Condition{Classes: 3}, ""},
		{"vector", vector, &models.Condition{Size: 2, Dropped: true}, ""},
		{"longer vector that was not dropped", vector, &models.Condition{Size: 3}, ""},
		{"no condition", classes, nil, `inputs are ["x" "sigma" "c"]: want ["x" "sigma"]`},
		{"no input", modelstest.Gaussian(2), digits, `inputs are ["x" "sigma"]: want ["x" "sigma" "c"]`},
		{"vector for classes", vector, digits, "c: type is FLOAT: want INT64"},
		{"classes for a vector", classes, sides, "c: type is INT64: want FLOAT"},
		{"vector without the flag", vector, &models.Condition{Size: 2}, "c: shape is [N 3]: want [N 2]"},
		{"integers divided by the class", divided, digits, "integers are divided"},
		{"size by the class", resizing, digits, `depends on input "c"`},
	}
	for _, tt := range tests {
		m := modelstest.Manifest("given", 2)
		if m.Condition = tt.condition; m.Condition != nil {
			m.Format = models.FormatCondition
		}
		err := models.Check(tt.model, m)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v: want %q", tt.name, err, tt.want)
		}
	}
}
