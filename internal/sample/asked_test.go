package sample

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestDiffers: both values are named if the states have them.
func TestDiffers(t *testing.T) {
	first := asked{"n": "aa 3", "seed": "bb 7", "given": "cc"}
	for _, c := range []struct{ field, value, want string }{
		{"n", "aa 3", ""},
		{"n", "aa", ""}, // too long to be kept
		{"n", "ab 4", "with n 3, and now it is 4"},
		{"n", "ab", "by a command with another n"},
		{"seed", "", "with seed 7, and now it is not set"},
		{"given", "cd", "by a command with another given"},
		{"edm", "dd set", "with edm not set, and now it is set"},
	} {
		other := maps.Clone(first)
		if other[c.field] = c.value; c.value == "" {
			delete(other, c.field)
		}
		if got := first.differs(other); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.field, c.value, got, c.want)
		}
	}
}

// TestEveryFieldIsAsked: whatever field of a request is set, it is compared. The fields that are not are listed here
// once more, so that nobody leaves out another without a thought.
func TestEveryFieldIsAsked(t *testing.T) {
	if want := []protoreflect.Name{"preview", "format", "waiting", "resume"}; !slices.Equal(delivery(), want) {
		t.Errorf("%v are not compared, want %v", delivery(), want)
	}
	fields := (&langevinv1.SampleRequest{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		w := (&langevinv1.SampleRequest{}).ProtoReflect()
		switch f := fields.Get(i); {
		case f.IsList() && f.Message() != nil:
			w.Mutable(f).List().AppendMutable()
		case f.Message() != nil:
			w.Mutable(f)
		case f.Kind() == protoreflect.StringKind:
			w.Set(f, protoreflect.ValueOfString("x"))
		case f.Kind() == protoreflect.BoolKind:
			w.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.EnumKind:
			w.Set(f, protoreflect.ValueOfEnum(1))
		case f.Kind() == protoreflect.DoubleKind:
			w.Set(f, protoreflect.ValueOfFloat64(1))
		case f.Kind() == protoreflect.Int32Kind:
			w.Set(f, protoreflect.ValueOfInt32(1))
		case f.Kind() == protoreflect.Int64Kind:
			w.Set(f, protoreflect.ValueOfInt64(1))
		case f.Kind() == protoreflect.Uint64Kind:
			w.Set(f, protoreflect.ValueOfUint64(1))
		}
		a := asked{}
		if err := a.add("", w); err != nil || a[string(fields.Get(i).Name())] == "" {
			t.Errorf("%s is not compared: %v, %v", fields.Get(i).Name(), a, err)
		}
	}
}

// TestAskedOfMeasurement: what was measured, how, and how it is drawn from tells commands apart, and is named.
func TestAskedOfMeasurement(t *testing.T) {
	ask := func(change func(*client.Measurement)) asked {
		m := client.Measurement{
			Operator: client.Matrix{1, 1}, Values: []float32{3}, NoiseStd: 0.1, Method: client.Particles{Count: 32},
		}
		r := client.SampleRequest{Model: "ring", N: 3, Seed: new(uint64(7)), Measurement: &m}
		if change == nil {
			r.Measurement = nil
		} else {
			change(&m)
		}
		a, err := newAsked(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := ask(func(*client.Measurement) {})
	if how := first.differs(ask(func(*client.Measurement) {})); how != "" {
		t.Errorf("the same command: %q", how)
	}
	for want, change := range map[string]func(*client.Measurement){
		"with measurement set, and now it is not set": nil,
		"by a command with another measurement.matrix.rows": func(m *client.Measurement) {
			m.Operator = client.Matrix{1, 2}
		},
		"by a command with another measurement.values":      func(m *client.Measurement) { m.Values[0] = 4 },
		"with measurement.noise_std 0.1, and now it is 0.2": func(m *client.Measurement) { m.NoiseStd = 0.2 },
		"with measurement.particles.count 32, and now it is not set": func(m *client.Measurement) {
			m.Method = client.Particles{}
		},
		"with measurement.ddrm not set, and now it is set": func(m *client.Measurement) {
			m.Method = client.DDRM{}
		},
		"with measurement.refuse_collapsed not set, and now it": func(m *client.Measurement) {
			m.RefuseCollapsed = true
		},
		"with measurement.grey not set, and now it is set": func(m *client.Measurement) {
			m.Operator = client.Grey{}
		},
	} {
		if how := first.differs(ask(change)); !strings.HasPrefix(how, want) {
			t.Errorf("%q, want %q", how, want)
		}
	}
}
