package main

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// writer writes the generated file.
type writer struct{ *protogen.GeneratedFile }

func (w writer) sampler(k sampler) {
	w.P()
	w.comment(string(k.message.Comments.Leading), k)
	w.P("type ", k.message.GoIdent.GoName, " struct {")
	for _, s := range k.settings {
		w.comment(strings.TrimSuffix(string(s.field.Comments.Leading), "\n"), k)
		if langevinv1.IsGoPointer(s.field.Desc) {
			w.P("// Nil means the default.")
		}
		w.P(s.goName(), " ", goType(s))
	}
	w.P("}")
	w.toWire(k)
	w.fromWire(k)
}

// toWire writes the method that returns the message.
func (w writer) toWire(k sampler) {
	name := k.message.GoIdent.GoName
	w.P()
	w.P("func (s ", name, ") wire() (", w.QualifiedGoIdent(protoCore.Ident("Message")), ", error) {")
	w.P("m := &", api.Ident(name), "{}")
	for _, s := range k.settings {
		if s.parent != nil && s.field == s.parent.Message.Fields[0] {
			w.P("m.", s.parent.GoName, " = &", api.Ident(s.parent.Message.GoIdent.GoName), "{}")
		}
	}
	w.P("var c conversion")
	for _, s := range k.settings {
		w.P("m.", s.path(), " = ", w.wireValue(k, s))
	}
	w.P("return m, c.err")
	w.P("}")
}

// wireValue returns an expression for a field of the message. In it s is the sampler and c the conversion.
func (w writer) wireValue(k sampler, s setting) string {
	value := "s." + s.goName()
	switch {
	case s.field.Desc.IsList() || langevinv1.IsGoPointer(s.field.Desc):
		return value
	case s.field.Enum != nil:
		return fmt.Sprintf("choose[%s](&c, %q, %s(), %s)",
			w.QualifiedGoIdent(s.field.Enum.GoIdent), s.wireName(k), wordsName(s.field.Enum), value)
	case s.field.Desc.Kind() == protoreflect.Int32Kind:
		return fmt.Sprintf("c.count(%q, %s)", s.wireName(k), value)
	}
	return "optional(" + value + ")"
}

// fromWire writes the function that reads the message.
func (w writer) fromWire(k sampler) {
	name := k.message.GoIdent.GoName
	w.P()
	w.P("func read", name, "(m *", api.Ident(name), ") ", name, " {")
	w.P("return ", name, "{")
	for _, s := range k.settings {
		w.P(s.goName(), ": ", readValue(s), ",")
	}
	w.P("}")
	w.P("}")
}

func readValue(s setting) string {
	get := "m.Get" + s.field.GoName + "()"
	holder := "m"
	if s.parent != nil {
		holder = "m.Get" + s.parent.GoName + "()"
		get = holder + ".Get" + s.field.GoName + "()"
	}
	switch {
	case langevinv1.IsGoPointer(s.field.Desc):
		return holder + "." + s.field.GoName
	case s.field.Enum != nil:
		return fmt.Sprintf("word(%s(), %s)", wordsName(s.field.Enum), get)
	case s.field.Desc.Kind() == protoreflect.Int32Kind:
		return "int(" + get + ")"
	}
	return get
}

// reader writes the function that reads any sampler.
func (w writer) reader(kinds []sampler) {
	w.P()
	w.P("// readSampler reads the message of a sampler; nil if this client does not know it.")
	w.P("func readSampler(m ", protoCore.Ident("Message"), ") Sampler {")
	w.P("switch m := m.(type) {")
	for _, k := range kinds {
		name := k.message.GoIdent.GoName
		w.P("case *", api.Ident(name), ":")
		w.P("return read", name, "(m)")
	}
	w.P("}")
	w.P("return nil")
	w.P("}")
}

func (w writer) enum(e *protogen.Enum) {
	name := e.GoIdent.GoName
	w.P()
	w.comment(string(e.Comments.Leading), sampler{})
	w.P("type ", name, " string")
	w.P()
	w.P("// The values of [", name, "].")
	w.P("const (")
	for _, v := range e.Values[1:] {
		w.comment(string(v.Comments.Leading), sampler{})
		w.P(langevinv1.GoConstant(v.Desc), " ", name, " = ", fmt.Sprintf("%q", word(e, v)))
	}
	w.P(")")
	w.P()
	w.P("// ", wordsName(e), " returns the words of [", name, "], each at the index of its value on the wire.")
	w.P("func ", wordsName(e), "() []", name, " {")
	names := []string{`""`}
	for _, v := range e.Values[1:] {
		names = append(names, langevinv1.GoConstant(v.Desc))
	}
	w.P("return []", name, "{", strings.Join(names, ", "), "}")
	w.P("}")
}

func wordsName(e *protogen.Enum) string {
	return strings.ToLower(e.GoIdent.GoName[:1]) + e.GoIdent.GoName[1:] + "Words"
}

// word returns the name of an enum's value outside the API.
func word(e *protogen.Enum, v *protogen.EnumValue) string {
	prefix := strings.TrimSuffix(string(e.Values[0].Desc.Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(v.Desc.Name()), prefix))
}

func goType(s setting) string {
	switch {
	case s.field.Desc.IsList():
		return "[]float64"
	case s.field.Desc.Kind() == protoreflect.BoolKind:
		return "*bool"
	case s.field.Enum != nil:
		return s.field.Enum.GoIdent.GoName
	case s.field.Desc.Kind() == protoreflect.Int32Kind:
		return "int"
	case langevinv1.IsGoPointer(s.field.Desc):
		return "*float64"
	}
	return "float64"
}

// comment writes a comment of the .proto file in Go's terms: with Go's names, and with zero for a field that is left
// out.
func (w writer) comment(text string, k sampler) {
	for _, s := range k.settings {
		if name := string(s.field.Desc.Name()); strings.Contains(name, "_") {
			text = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(text, s.goName())
		}
	}
	text = strings.ReplaceAll(text, "A field that is left out has", "A field that is zero means")
	for line := range strings.Lines(text) {
		w.P("//", strings.TrimRight(line, "\n"))
	}
}
