package main

import (
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// schema is a type of OpenAPI 3.0.
type schema struct {
	Ref                  string           `json:"$ref,omitempty"`
	AllOf                []*schema        `json:"allOf,omitempty"`
	OneOf                []*schema        `json:"oneOf,omitempty"`
	AnyOf                []*schema        `json:"anyOf,omitempty"` // an empty list is rows and pictures
	Type                 string           `json:"type,omitempty"`
	Format               string           `json:"format,omitempty"`
	Description          string           `json:"description,omitempty"`
	Enum                 []string         `json:"enum,omitempty"`
	Pattern              string           `json:"pattern,omitempty"`
	Minimum              *float64         `json:"minimum,omitempty"`
	ExclusiveMinimum     bool             `json:"exclusiveMinimum,omitempty"`
	Maximum              *float64         `json:"maximum,omitempty"`
	Items                *schema          `json:"items,omitempty"`
	MinItems             int              `json:"minItems,omitempty"`
	MaxItems             int              `json:"maxItems,omitempty"`
	UniqueItems          bool             `json:"uniqueItems,omitempty"`
	Required             []string         `json:"required,omitempty"`
	Properties           ordered[*schema] `json:"properties,omitempty"`
	AdditionalProperties *bool            `json:"additionalProperties,omitempty"`
}

func ref(name string) *schema { return &schema{Ref: "#/components/schemas/" + name} }

// schemas describes the messages within requests and answers, and what the HTTP face adds to them.
func (a *api) schemas() ordered[*schema] {
	own := handmade()
	for name := range own {
		a.answered[name] = true
	}
	both := map[string]bool{}
	for _, of := range []map[string]bool{a.asked, a.answered} {
		for name := range of {
			both[name] = true
		}
	}
	var all ordered[*schema]
	for _, name := range sortedNames(both) {
		s := own[name]
		if s == nil {
			s = a.message(a.messages[name])
		}
		all = append(all, member[*schema]{name, s})
	}
	return all
}

// message describes a message as an object. The server refuses names that it does not know, so a message that is only
// in requests is closed. It writes every number and every bool, so these are required in a message that is only in
// answers.
func (a *api) message(m *protogen.Message) *schema {
	s := &schema{Type: "object", Description: a.about(m)}
	asked, answered := a.asked[name(m.Desc)], a.answered[name(m.Desc)]
	if !answered {
		s.AdditionalProperties = new(false)
	}
	for _, f := range m.Fields {
		if a.inPath(m, f) {
			continue
		}
		key := string(f.Desc.Name())
		s.Properties = append(s.Properties, member[*schema]{key, a.field(f)})
		if asked && a.needed(f) || !asked && alwaysWritten(f) {
			s.Required = append(s.Required, key)
		}
	}
	return s
}

// needed reports whether the rules of a field refuse the zero value that stands for an absent one.
func (a *api) needed(f *protogen.Field) bool {
	rules := rulesOf(f)
	switch {
	case rules.GetRequired():
		return true
	case f.Desc.HasPresence() || rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE:
		return false
	case f.Desc.IsList():
		return rules.GetRepeated().GetMinItems() > 0
	}
	s := a.value(f, rules)
	return s.Pattern != "" || s.Minimum != nil && (*s.Minimum > 0 || *s.Minimum == 0 && s.ExclusiveMinimum)
}

// inPath reports whether a field of a request is given by the path.
func (a *api) inPath(m *protogen.Message, f *protogen.Field) bool {
	return slices.ContainsFunc(verbs(), func(v verb) bool { return a.methods[v.method].Input == m }) &&
		(f.Desc.Name() == "model" || f.Desc.Name() == "version")
}

// alwaysWritten reports whether answers have a field that has its zero value, as the server's appendJSON does.
func alwaysWritten(f *protogen.Field) bool {
	switch f.Desc.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind, protoreflect.MessageKind:
		return false
	}
	return !f.Desc.HasPresence() && !f.Desc.IsList()
}

// about returns the comment of a message, with its rules over several fields.
func (a *api) about(m *protogen.Message) string {
	all := []string{paragraphsOf(m.Comments.Leading)}
	for _, o := range m.Oneofs {
		if o.Desc.IsSynthetic() {
			continue
		}
		var names []string
		for _, f := range o.Fields {
			names = append(names, string(f.Desc.Name()))
		}
		all = append(all, "At most one of "+strings.Join(names, ", ")+". "+paragraphsOf(o.Comments.Leading))
	}
	for _, rule := range messageRules(m) {
		all = append(all, "Rule: "+rule+".")
	}
	return strings.TrimSpace(strings.Join(all, "\n\n"))
}

// field describes a field with its comment and its rules.
func (a *api) field(f *protogen.Field) *schema {
	rules := rulesOf(f)
	s := a.value(f, rules)
	if f.Desc.IsList() {
		list := rules.GetRepeated()
		s = &schema{Type: "array", Items: a.value(f, list.GetItems()), MinItems: int(list.GetMinItems()),
			MaxItems: int(list.GetMaxItems()), UniqueItems: list.GetUnique()}
	}
	comment := paragraphsOf(f.Comments.Leading)
	if s.Ref != "" && comment != "" {
		s = &schema{AllOf: []*schema{s}}
	}
	s.Description = comment
	return s
}

func rulesOf(f *protogen.Field) *validate.FieldRules {
	rules, _ := proto.GetExtension(f.Desc.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// value describes one value of a field.
func (a *api) value(f *protogen.Field, rules *validate.FieldRules) *schema {
	switch f.Desc.Kind() {
	case protoreflect.MessageKind:
		if f.Message.Desc.FullName() == "google.protobuf.Duration" {
			return &schema{Type: "number", Format: "double"}
		}
		return ref(name(f.Message.Desc))
	case protoreflect.EnumKind:
		return words(f.Enum)
	case protoreflect.BoolKind:
		return &schema{Type: "boolean"}
	case protoreflect.BytesKind:
		return &schema{Type: "string", Format: "byte"}
	case protoreflect.StringKind:
		return &schema{Type: "string", Pattern: pattern(rules)}
	case protoreflect.Uint64Kind:
		return &schema{OneOf: []*schema{{Type: "integer", Format: "int64", Minimum: new(0.0)},
			{Type: "string", Pattern: "^[0-9]+$"}}}
	}
	return number(f.Desc.Kind(), rules)
}

// pattern returns the rule for a text. Some texts may also be empty.
func pattern(rules *validate.FieldRules) string {
	p := rules.GetString().GetPattern()
	if p != "" && rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE {
		return "^$|" + p
	}
	return p
}

// words describes an enum: the ends of the names of its values, in lower case, without the one for no choice.
func words(e *protogen.Enum) *schema {
	s := &schema{Type: "string"}
	prefix := commonPrefix(e)
	for _, v := range e.Values {
		if v.Desc.Number() != 0 {
			s.Enum = append(s.Enum, strings.ToLower(strings.TrimPrefix(string(v.Desc.Name()), prefix)))
		}
	}
	return s
}

// commonPrefix returns what the names of all values begin with: TENSOR_FORMAT_ for TensorFormat.
func commonPrefix(e *protogen.Enum) string {
	return strings.TrimSuffix(string(e.Values[0].Desc.Name()), "UNSPECIFIED")
}

// number describes a number with its bounds, which protovalidate has as fields gt, gte, lt and lte of one message for
// each type of number.
func number(kind protoreflect.Kind, rules *validate.FieldRules) *schema {
	s := &schema{Type: "number", Format: kind.String()}
	if strings.HasPrefix(kind.String(), "int") {
		s.Type = "integer"
	}
	r := rules.ProtoReflect()
	typed := r.Descriptor().Fields().ByName(protoreflect.Name(kind.String()))
	if !r.IsValid() || !r.Has(typed) {
		return s
	}
	bounds := r.Get(typed).Message()
	bounds.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f.Name() {
		case "gt":
			s.Minimum, s.ExclusiveMinimum = toFloat(v), true
		case "gte":
			s.Minimum = toFloat(v)
		case "lte":
			s.Maximum = toFloat(v)
		}
		return true
	})
	return s
}

func toFloat(v protoreflect.Value) *float64 {
	switch n := v.Interface().(type) {
	case float64:
		return &n
	case float32:
		return new(float64(n))
	case int64:
		return new(float64(n))
	case int32:
		return new(float64(n))
	}
	return nil
}

// handmade describes what the HTTP face writes in another form than messages, or adds to them.
func handmade() map[string]*schema {
	of := func(properties ...member[*schema]) *schema {
		return &schema{Type: "object", Properties: properties, AdditionalProperties: new(false)}
	}
	property := func(name string, s *schema) member[*schema] { return member[*schema]{name, s} }
	list := func(s *schema) *schema { return &schema{Type: "array", Items: s} }
	number, flag := &schema{Type: "number"}, &schema{Type: "boolean"}
	texts := &schema{Type: "object"}
	violation := of(property("field", text("Its name in the API, such as langevin.steps.")),
		property("description", text("What it is and what is allowed.")))
	problem := of(
		property("code", text("The gRPC code, such as INVALID_ARGUMENT.")), property("message", text("For people.")),
		property("reason", text("For programs, such as QUEUE_FULL; left out if there is none.")),
		property("facts", texts), property("violations", list(violation)),
		property("retry_after", &schema{Type: "number", Description: "Seconds after which to try again."}),
		property("request_id", text("The name of the request in the server's log.")))
	problem.Required = []string{"code", "message"}
	envelope := of(property("error", problem))
	envelope.Required = []string{"error"}
	bytes := of(property("shape", list(&schema{Type: "integer", Format: "int64"})),
		property("data", &schema{Type: "string", Format: "byte", Description: "Little-endian float32."}))
	bytes.Required, bytes.Description = []string{"shape", "data"}, "Numbers as bytes."
	word := of(property("word", text("")), property("value", text("")), property("go", text("")))
	setting := of(property("key", text("")), property("field", text("")), property("flag", text("")),
		property("go", text("")), property("go_pointer", flag), property("label", text("")), property("help", text("")),
		property("type", text("")), property("allowed", text("")), property("least", number),
		property("words", list(word)), property("default", text("")), property("model_default", text("")),
		property("needs", of(property("setting", text("")), property("words", list(text(""))))),
		property("excludes", text("")), property("usual", flag))
	sampler := of(property("word", text("")), property("title", text("")), property("summary", text("")),
		property("use", text("")), property("source", text("")), property("field", text("")), property("go", text("")),
		property("settings", list(setting)))
	return map[string]*schema{
		"Rows": nested(),
		"Tensor": {
			Description: "Rows of numbers; or bytes, if the format is raw; or PNG pictures, one for each row, if the " +
				"format is png.",
			AnyOf: []*schema{ref("Rows"), ref("Bytes"), list(&schema{Type: "string", Format: "byte"})},
		},
		"Bytes": bytes,
		"SampleResult": {
			AllOf: []*schema{ref("Started"), {
				Type: "object", Required: []string{"samples", "nfe", "elapsed"},
				Properties: ordered[*schema]{
					property("samples", &schema{AnyOf: []*schema{ref("Tensor"), list(ref("Bytes"))},
						Description: "One row for each chain; a list of one tensor if the format is raw."}),
					property("nfe", &schema{Type: "integer", Format: "int64",
						Description: "Score evaluations spent, summed over all chains."}),
					property("elapsed", &schema{Type: "number", Format: "double", Description: "Seconds."}),
					property("effective_size", &schema{Type: "number", Format: "double",
						Description: "With particles: the least effective size of all chains."}),
					property("log_evidence", &schema{Type: "number", Format: "double",
						Description: "With particles: the logarithm of the estimated density of the measured values."}),
					property("collapsed", &schema{Type: "integer", Format: "int64",
						Description: "With particles: how many chains collapsed. A warning, if above 0."}),
				},
			}},
		},
		"Problem":  envelope,
		"Health":   of(property("status", &schema{Type: "string", Enum: []string{"serving"}})),
		"Samplers": of(property("samplers", list(sampler))),
	}
}

// nested describes arrays of numbers, one within the other for each axis. Types that contain themselves would say it in
// one line, and generators of TypeScript do not make them.
func nested() *schema {
	const axes = 5 // of images, and one more
	all := &schema{Description: "Nested arrays of numbers: one level for each axis, the rows outside."}
	inner := &schema{Type: "number", Format: "float"}
	for range axes {
		inner = &schema{Type: "array", Items: inner}
		all.AnyOf = append(all.AnyOf, inner)
	}
	return all
}
