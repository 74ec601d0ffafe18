package langevinv1

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// SamplerDescription is a kind of sampler as the API describes it: its message with the options of the .proto file.
// Everything that offers samplers to people reads it, so a new kind or setting appears everywhere.
type SamplerDescription struct {
	*SamplerKind                      // the option of the message
	Field        string               // the field in SampleRequest, Started and Model: "annealed_langevin"
	Settings     []SettingDescription // in the order of the message's fields
	message      protoreflect.MessageType
}

// samplerOneof is the name of the oneof that contains a sampler, in every message that has one.
const samplerOneof = "sampler"

// Samplers returns the description of every kind of sampler, in the order of the fields of SampleRequest.
func Samplers() []SamplerDescription {
	request := (&SampleRequest{}).ProtoReflect()
	return samplersOf(request.Descriptor(), func(field protoreflect.FieldDescriptor) protoreflect.MessageType {
		return request.NewField(field).Message().Type()
	})
}

// SamplersIn returns the descriptions of a .proto file that may be newer than this package. request is its
// SampleRequest.
func SamplersIn(request protoreflect.MessageDescriptor) []SamplerDescription {
	return samplersOf(request, func(field protoreflect.FieldDescriptor) protoreflect.MessageType {
		return dynamicpb.NewMessageType(field.Message())
	})
}

func samplersOf(
	request protoreflect.MessageDescriptor, typeOf func(protoreflect.FieldDescriptor) protoreflect.MessageType,
) []SamplerDescription {
	fields := request.Oneofs().ByName(samplerOneof).Fields()
	all := make([]SamplerDescription, fields.Len())
	for i := range all {
		field := fields.Get(i)
		kind, _ := proto.GetExtension(field.Message().Options(), E_SamplerKind).(*SamplerKind)
		all[i] = SamplerDescription{kind, string(field.Name()), settingsOf(field.Message(), nil), typeOf(field)}
	}
	return all
}

// settingsOf returns the settings of a message, including the settings of messages in it that have no option.
func settingsOf(message protoreflect.MessageDescriptor, path []protoreflect.FieldDescriptor) []SettingDescription {
	var all []SettingDescription
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		here := append(slices.Clip(path), field)
		if setting, _ := proto.GetExtension(field.Options(), E_Setting).(*Setting); setting != nil {
			all = append(all, SettingDescription{Setting: setting, path: here})
		} else if field.Message() != nil {
			all = append(all, settingsOf(field.Message(), here)...)
		}
	}
	return all
}

// SamplerByWord returns the kind of sampler with the given command-line word.
func SamplerByWord(word string) (SamplerDescription, bool) {
	return findSampler(func(d SamplerDescription) bool { return d.GetWord() == word })
}

// SamplerByField returns the kind of sampler in the given field of SampleRequest.
func SamplerByField(field string) (SamplerDescription, bool) {
	return findSampler(func(d SamplerDescription) bool { return d.Field == field })
}

// SamplerOf returns the kind of sampler that a message configures.
func SamplerOf(sampler proto.Message) (SamplerDescription, bool) {
	name := sampler.ProtoReflect().Descriptor().FullName()
	return findSampler(func(d SamplerDescription) bool { return d.message.Descriptor().FullName() == name })
}

// ImpliedSampler returns the kind that its settings choose where no sampler is named.
func ImpliedSampler() SamplerDescription { return Samplers()[0] }

func findSampler(is func(SamplerDescription) bool) (SamplerDescription, bool) {
	all := Samplers()
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return SamplerDescription{}, false
}

// New returns an empty message of the kind. Empty settings have their defaults.
func (d SamplerDescription) New() proto.Message { return d.message.New().Interface() }

// Setting returns the setting with the given [SettingDescription.Key].
func (d SamplerDescription) Setting(name string) (SettingDescription, bool) {
	i := slices.IndexFunc(d.Settings, func(s SettingDescription) bool { return s.Key() == name })
	if i < 0 {
		return SettingDescription{}, false
	}
	return d.Settings[i], true
}

// Complete fills in the settings of sampler, a message of the kind, whose defaults are values. Settings whose defaults
// depend on the model stay unset.
func (d SamplerDescription) Complete(sampler proto.Message) {
	for _, s := range d.Settings {
		if s.GetDefault() == "" || s.Has(sampler) {
			continue
		}
		if err := s.SetText(sampler, s.GetDefault()); err != nil {
			panic("the default of " + s.Field() + " in sampler.proto: " + err.Error()) // a test sets every default
		}
	}
}

// SamplerIn returns the sampler in a SampleRequest, Started or Model; nil if it has none.
func SamplerIn(holder proto.Message) proto.Message {
	m := holder.ProtoReflect()
	oneof := m.Descriptor().Oneofs().ByName(samplerOneof)
	if oneof == nil || m.WhichOneof(oneof) == nil {
		return nil
	}
	return m.Get(m.WhichOneof(oneof)).Message().Interface()
}

// SetSampler puts a sampler into a SampleRequest, Started or Model. It reports whether the holder has a field for it.
func SetSampler(holder, sampler proto.Message) bool {
	oneof := holder.ProtoReflect().Descriptor().Oneofs().ByName(samplerOneof)
	if oneof == nil {
		return false
	}
	for i := range oneof.Fields().Len() {
		field := oneof.Fields().Get(i)
		if field.Message() == sampler.ProtoReflect().Descriptor() {
			holder.ProtoReflect().Set(field, protoreflect.ValueOfMessage(sampler.ProtoReflect()))
			return true
		}
	}
	return false
}

// wordOf returns the word of an enum's value: its name without the enum's name, in lower case. The word of the zero
// value is empty.
func wordOf(value protoreflect.EnumValueDescriptor) string {
	if value.Number() == 0 {
		return ""
	}
	enum := value.Parent().(protoreflect.EnumDescriptor)
	prefix := strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(value.Name()), prefix))
}

// valueOf returns the value of an enum with the given word; nil if there is none.
func valueOf(enum protoreflect.EnumDescriptor, word string) protoreflect.EnumValueDescriptor {
	for i := range enum.Values().Len() {
		if v := enum.Values().Get(i); v.Number() != 0 && wordOf(v) == word {
			return v
		}
	}
	return nil
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string { return cmp.Or(texts...) }
