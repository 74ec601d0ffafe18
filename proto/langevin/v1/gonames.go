package langevinv1

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// GoName is the name of the sampler's type in the Go client: "AnnealedLangevin".
func (d SamplerDescription) GoName() string { return string(d.message.Descriptor().Name()) }

// GoName is the name of the setting's field in the Go client: "StepLR".
func (s SettingDescription) GoName() string { return GoSpelling(s.Key()) }

// GoSpelling writes a name of the API as Go does: "StepLR" for "step_lr".
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

// GoConstant is the name of an enum's value in the Go client: "PredictorEulerMaruyama".
func GoConstant(value protoreflect.EnumValueDescriptor) string {
	option, _ := proto.GetExtension(value.Options(), E_EnumWord).(*EnumWord)
	return firstOf(option.GetGo(), string(value.Parent().Name())+GoSpelling(wordOf(value)))
}
