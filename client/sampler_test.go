package client_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestSettingsSurvive sends every value of every setting through the typed sampler and back. A value that Go's zero
// value stands for, such as a number that may be 0, must not become the default.
func TestSettingsSurvive(t *testing.T) {
	for _, d := range langevinv1.Samplers() {
		for _, setting := range d.Settings {
			for _, value := range valuesOf(setting) {
				want := d.New()
				if setting.Set(want, value) != nil {
					continue // out of this setting's range
				}
				got, err := client.SamplerMessage(client.SamplerOf(want))
				if err != nil {
					t.Fatalf("%s.%s = %v: %v", d.Field, setting.Field(), value, err)
				}
				if !setting.Has(got) || !proto.Equal(only(d, setting, got), want) {
					t.Errorf("%s.%s = %v comes back as %v", d.Field, setting.Field(), value, got)
				}
			}
		}
	}
}

// valuesOf are values of a setting's type, some of them out of its range.
func valuesOf(s langevinv1.SettingDescription) []any {
	switch s.Type() {
	case langevinv1.SettingCount:
		return []any{1, 2, 1 << 30}
	case langevinv1.SettingNumber:
		return []any{0.0, 0.25, 1.0, 1e6}
	case langevinv1.SettingNumbers:
		return []any{[]float64{3, 0.5}}
	case langevinv1.SettingSwitch:
		return []any{false, true}
	}
	var words []any
	for _, word := range s.Words() {
		words = append(words, word)
	}
	return words
}

// only is a message that has no more than one setting of another.
func only(d langevinv1.SamplerDescription, s langevinv1.SettingDescription, m proto.Message) proto.Message {
	one := d.New()
	if err := s.Set(one, s.Value(m)); err != nil {
		return m
	}
	return one
}
