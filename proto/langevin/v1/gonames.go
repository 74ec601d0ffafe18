package langevinv1

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// GoName returns the name of the sampler's type in the Go client: "AnnealedLangevin".
func (d SamplerDescription) GoName() string { return string(d.message.Descriptor().Name()) }

// GoName returns the name of the setting's field in the Go client: "StepLR".
func (s SettingDescription) GoName() string { return GoSpelling(s.Key()) }

// IsGoPointer reports whether the setting's field in the Go client is a pointer, nil for the default.
func (s SettingDescription) IsGoPointer() bool { return IsGoPointer(s.leaf()) }

// IsGoPointer reports whether the Go client has a pointer for a field of a sampler, because the zero value, which
// otherwise means the default, is one of the values: switches, and numbers that may be 0.
func IsGoPointer(field protoreflect.FieldDescriptor) bool {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return true
	case protoreflect.DoubleKind:
		return !field.IsList() && boundsOf(field).allow(0)
	}
	return false
}

// GoSpelling returns a name of the API in Go's spelling: "StepLR" for "step_lr".
func GoSpelling(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		switch part {
		case "lr", "snr", "sde", "vp", "ve":
			parts[i] = strings.ToUpper(part)
		default:
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// GoConstant returns the name of an enum's value in the Go client: "PredictorEulerMaruyama".
func GoConstant(value protoreflect.EnumValueDescriptor) string {
	option, _ := proto.GetExtension(value.Options(), E_EnumWord).(*EnumWord)
	return firstOf(option.GetGo(), string(value.Parent().Name())+GoSpelling(wordOf(value)))
}
