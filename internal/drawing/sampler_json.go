package drawing

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// SamplerReport is the JSON form of a sampler in reports and in state files: its kind, then its settings by their keys.
// A setting without a value is left out. A switch that is off is left out too, except one that several samplers have.
type SamplerReport struct{ message proto.Message }

// NewSamplerReport returns the report of a sampler, or nil if there is none or this program does not know it.
func NewSamplerReport(s client.Sampler) *SamplerReport {
	if s == nil {
		return nil
	}
	message, err := client.SamplerMessage(s)
	if err != nil { // it has a word from a newer API
		return nil
	}
	return &SamplerReport{message}
}

// Sampler is the inverse of [NewSamplerReport].
func (r *SamplerReport) Sampler() client.Sampler { return client.SamplerOf(r.message) }

// MarshalJSON keeps the order of the description.
func (r SamplerReport) MarshalJSON() ([]byte, error) {
	d, found := langevinv1.SamplerOf(r.message)
	if !found {
		return nil, fmt.Errorf("%T is no sampler", r.message)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"kind":%q`, d.Field)
	for _, s := range d.Settings {
		value := s.Value(r.message)
		if s.Type() == langevinv1.SettingSwitch {
			value = switchReport(s, value)
		}
		if value == nil {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Key(), err)
		}
		fmt.Fprintf(&out, `,%q:%s`, s.Key(), text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// switchReport returns the value that a report has for a switch, or nil if it leaves the switch out.
func switchReport(s langevinv1.SettingDescription, value any) any {
	switch {
	case value == true:
		return true
	case haveSeveralSamplers(s.Key()):
		return false
	}
	return nil
}

// haveSeveralSamplers reports whether more than one kind of sampler has a setting with the given key.
func haveSeveralSamplers(key string) bool {
	kinds := 0
	for _, d := range langevinv1.Samplers() {
		if _, found := d.Setting(key); found {
			kinds++
		}
	}
	return kinds > 1
}

// UnmarshalJSON refuses a kind or a setting that this program does not know: without it, a sampler would draw other
// samples. A switch that is left out is off.
func (r *SamplerReport) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	var kind string
	if err := json.Unmarshal(fields["kind"], &kind); err != nil {
		return fmt.Errorf("kind of sampler: %w", err)
	}
	d, found := langevinv1.SamplerByField(kind)
	if !found {
		return fmt.Errorf("kind of sampler is %q, which this program does not know", kind)
	}
	delete(fields, "kind")
	r.message = d.New()
	for _, s := range d.Settings {
		if err := setJSON(s, r.message, fields[s.Key()]); err != nil {
			return fmt.Errorf("%s.%s is %s: %w", kind, s.Key(), fields[s.Key()], err)
		}
		delete(fields, s.Key())
	}
	for key := range fields {
		return fmt.Errorf("%s has the setting %q, which this program does not know", kind, key)
	}
	return nil
}

// setJSON sets a setting from JSON. text is nil if JSON leaves it out.
func setJSON(s langevinv1.SettingDescription, sampler proto.Message, text json.RawMessage) error {
	if text == nil {
		if s.Type() == langevinv1.SettingSwitch {
			return s.Set(sampler, false)
		}
		return nil
	}
	value, err := settingJSON(s.Type(), text)
	if err != nil {
		return fmt.Errorf("want %s", s.Allowed())
	}
	return s.Set(sampler, value)
}

// settingJSON reads a value with the Go type that settings of type t have.
func settingJSON(t langevinv1.SettingType, text json.RawMessage) (any, error) {
	switch t {
	case langevinv1.SettingCount:
		return readJSON[int](text)
	case langevinv1.SettingSwitch:
		return readJSON[bool](text)
	case langevinv1.SettingNumbers:
		return readJSON[[]float64](text)
	case langevinv1.SettingWord:
		return readJSON[string](text)
	}
	return readJSON[float64](text)
}

func readJSON[T any](text json.RawMessage) (value T, err error) {
	err = json.Unmarshal(text, &value)
	return value, err
}
