package langevinv1

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// SettingDescription is one setting of a sampler as the API describes it.
type SettingDescription struct {
	*Setting                                // the option of the field
	path     []protoreflect.FieldDescriptor // from the sampler's message to the field
}

// SettingType is the type of a setting's values.
type SettingType string

// The types of settings, and the Go types of their values.
const (
	SettingCount   SettingType = "count"   // int
	SettingNumber  SettingType = "number"  // float64
	SettingNumbers SettingType = "numbers" // []float64
	SettingSwitch  SettingType = "switch"  // bool
	SettingWord    SettingType = "word"    // string, one of Words
)

// Field returns the path of the setting's field from the sampler's message, joined by dots: "sde.sigma_min".
func (s SettingDescription) Field() string {
	names := make([]string, len(s.path))
	for i, f := range s.path {
		names[i] = string(f.Name())
	}
	return strings.Join(names, ".")
}

// Key returns the name of the setting outside the API, unique in its sampler: "sigma_min".
func (s SettingDescription) Key() string { return firstOf(s.GetName(), string(s.leaf().Name())) }

// FlagName returns the name of its command-line flag: "sigma-min".
func (s SettingDescription) FlagName() string {
	return firstOf(s.GetFlag(), strings.ReplaceAll(s.Key(), "_", "-"))
}

// Type returns the type of its values.
func (s SettingDescription) Type() SettingType {
	switch f := s.leaf(); {
	case f.IsList():
		return SettingNumbers
	case f.Kind() == protoreflect.BoolKind:
		return SettingSwitch
	case f.Kind() == protoreflect.EnumKind:
		return SettingWord
	case f.Kind() == protoreflect.Int32Kind:
		return SettingCount
	}
	return SettingNumber
}

// Words returns the values of a setting of type [SettingWord], in the order of the enum.
func (s SettingDescription) Words() []string {
	enum := s.leaf().Enum()
	if enum == nil {
		return nil
	}
	var words []string
	for i := range enum.Values().Len() {
		if word := wordOf(enum.Values().Get(i)); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// EnumValue returns the enum value of a word, for a setting of type [SettingWord]; nil if there is none.
func (s SettingDescription) EnumValue(word string) protoreflect.EnumValueDescriptor {
	return valueOf(s.leaf().Enum(), word)
}

// Least returns the lower bound of the values; the bound itself may be excluded. It is -Inf if there is none.
func (s SettingDescription) Least() float64 { return max(s.bounds().least, s.bounds().above) }

// DefaultText returns what the server fills in, for people: a value, or a phrase about the model.
func (s SettingDescription) DefaultText() string { return firstOf(s.GetDefault(), s.GetModelDefault()) }

// Has reports whether a sampler gives the setting a value.
func (s SettingDescription) Has(sampler proto.Message) bool {
	m := s.holder(sampler, false)
	return m != nil && m.Has(s.leaf())
}

// Value returns the setting's value in a sampler, in the Go type of its [SettingType]; nil if it is not set.
func (s SettingDescription) Value(sampler proto.Message) any {
	if !s.Has(sampler) {
		return nil
	}
	value := s.holder(sampler, false).Get(s.leaf())
	switch s.Type() {
	case SettingCount:
		return int(value.Int())
	case SettingSwitch:
		return value.Bool()
	case SettingNumbers:
		list := make([]float64, value.List().Len())
		for i := range list {
			list[i] = value.List().Get(i).Float()
		}
		return list
	case SettingWord:
		if v := s.leaf().Enum().Values().ByNumber(value.Enum()); v != nil {
			return wordOf(v)
		}
		return strconv.Itoa(int(value.Enum())) // a value of a newer API
	}
	return value.Float()
}

// Set sets the setting to a value of the Go type of its [SettingType]. The error says what is allowed and does not
// contain the setting's name.
func (s SettingDescription) Set(sampler proto.Message, value any) error {
	v, err := s.wire(sampler, value)
	if err != nil {
		return err
	}
	s.holder(sampler, true).Set(s.leaf(), v)
	return nil
}

// SetText sets the setting to the value that text denotes. The numbers of a list are separated by commas.
func (s SettingDescription) SetText(sampler proto.Message, text string) error {
	value, err := s.parse(strings.TrimSpace(text))
	if err != nil {
		return s.refuse()
	}
	return s.Set(sampler, value)
}

// Clear unsets the setting.
func (s SettingDescription) Clear(sampler proto.Message) {
	if m := s.holder(sampler, false); m != nil {
		m.Clear(s.leaf())
	}
}

// Unmet returns the setting that s needs and its allowed words, if sampler has another word there, so that s would have
// no effect. A setting that sampler leaves out has its default.
func (s SettingDescription) Unmet(sampler proto.Message) (needed SettingDescription, words []string) {
	d, _ := SamplerOf(sampler)
	needed, found := d.Setting(s.GetNeeds().GetSetting())
	if !found {
		return needed, nil
	}
	word, given := needed.Value(sampler).(string)
	if !given {
		word = needed.GetDefault()
	}
	for _, allowed := range s.GetNeeds().GetWords() {
		if word == allowed {
			return needed, nil
		}
	}
	return needed, s.GetNeeds().GetWords()
}

func (s SettingDescription) leaf() protoreflect.FieldDescriptor { return s.path[len(s.path)-1] }

// holder returns the message that contains the setting's field; nil if it is absent and create is false.
func (s SettingDescription) holder(sampler proto.Message, create bool) protoreflect.Message {
	m := sampler.ProtoReflect()
	for _, f := range s.path[:len(s.path)-1] {
		switch {
		case create:
			m = m.Mutable(f).Message()
		case !m.Has(f):
			return nil
		default:
			m = m.Get(f).Message()
		}
	}
	return m
}

func (s SettingDescription) parse(text string) (any, error) {
	switch s.Type() {
	case SettingCount:
		return strconv.Atoi(text)
	case SettingSwitch:
		return strconv.ParseBool(text)
	case SettingWord:
		return text, nil
	case SettingNumbers:
		var list []float64
		for part := range strings.SplitSeq(text, ",") {
			v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return strconv.ParseFloat(text, 64)
}

// wire converts a value to the type of the field, if the field's rules allow it.
func (s SettingDescription) wire(sampler proto.Message, value any) (protoreflect.Value, error) {
	none := protoreflect.Value{}
	switch v := value.(type) {
	case int:
		if s.Type() != SettingCount || float64(v) < s.bounds().least || v > math.MaxInt32 {
			return none, s.refuse()
		}
		return protoreflect.ValueOfInt32(int32(v)), nil
	case bool:
		if s.Type() == SettingSwitch {
			return protoreflect.ValueOfBool(v), nil
		}
	case string:
		if s.Type() == SettingWord {
			if word := valueOf(s.leaf().Enum(), v); word != nil {
				return protoreflect.ValueOfEnum(word.Number()), nil
			}
		}
	case float64:
		if s.Type() == SettingNumber && s.bounds().allow(v) {
			return protoreflect.ValueOfFloat64(v), nil
		}
	case []float64:
		if s.Type() == SettingNumbers && decreasing(v) {
			list := s.holder(sampler, true).NewField(s.leaf()).List()
			for _, e := range v {
				list.Append(protoreflect.ValueOfFloat64(e))
			}
			return protoreflect.ValueOfList(list), nil
		}
	}
	return none, s.refuse()
}

func (s SettingDescription) refuse() error { return fmt.Errorf("want %s", s.Allowed()) }

// Allowed describes the allowed values: "at least 1", "above 0 and below 1", "heun, euler or multistep".
func (s SettingDescription) Allowed() string {
	switch s.Type() {
	case SettingCount:
		return fmt.Sprintf("a whole number from %g to %d", s.bounds().least, math.MaxInt32)
	case SettingSwitch:
		return "true or false"
	case SettingWord:
		return alternatives(s.Words())
	case SettingNumbers:
		return "finite numbers above 0, each below the one before, as 10,1,0.1"
	}
	return "a finite number" + s.bounds().text()
}

// alternatives joins words: "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// decreasing reports whether all numbers are finite and positive, each below the one before.
func decreasing(list []float64) bool {
	before := math.Inf(1)
	for _, v := range list {
		if !(v > 0 && v < before) {
			return false
		}
		before = v
	}
	return len(list) > 0
}

// bounds are the limits of a number.
type bounds struct {
	above, least, below float64
}

func (s SettingDescription) bounds() bounds { return boundsOf(s.leaf()) }

// boundsOf reads the rules of protovalidate.
func boundsOf(field protoreflect.FieldDescriptor) bounds {
	b := bounds{above: math.Inf(-1), least: math.Inf(-1), below: math.Inf(1)}
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	switch r := rules.GetType().(type) {
	case *validate.FieldRules_Int32:
		b.least = float64(r.Int32.GetGte())
	case *validate.FieldRules_Double:
		if r.Double.HasGt() {
			b.above = r.Double.GetGt()
		}
		if r.Double.HasGte() {
			b.least = r.Double.GetGte()
		}
		if r.Double.HasLt() {
			b.below = r.Double.GetLt()
		}
	}
	return b
}

func (b bounds) allow(v float64) bool {
	return v > b.above && v >= b.least && v < b.below && !math.IsInf(v, 0)
}

func (b bounds) text() string {
	var parts []string
	if !math.IsInf(b.above, 0) {
		parts = append(parts, fmt.Sprintf("above %g", b.above))
	}
	if !math.IsInf(b.least, 0) {
		parts = append(parts, fmt.Sprintf("at least %g", b.least))
	}
	if !math.IsInf(b.below, 0) {
		parts = append(parts, fmt.Sprintf("below %g", b.below))
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, " and ")
}
