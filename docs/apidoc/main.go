// Command apidoc is a plugin of protoc and buf. It writes the reference of an API, docs/api.md, and the page of its
// samplers, docs/samplers.md, from the comments and options of its .proto files. With the option openapi it writes
// instead the OpenAPI document of the HTTP face, openapi.json.
package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	var flags flag.FlagSet
	json := flags.Bool("openapi", false, "write openapi.json instead")
	protogen.Options{ParamFunc: flags.Set}.Run(func(plugin *protogen.Plugin) error {
		plugin.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
		files := ours(plugin.Files)
		if len(files) > 0 && *json {
			return writeOpenAPI(plugin, files)
		}
		if len(files) > 0 {
			d := document{plugin.NewGeneratedFile("api.md", "")}
			d.write(files)
			document{plugin.NewGeneratedFile("samplers.md", "")}.samplers(files)
		}
		return nil
	})
}

// ours removes the foreign protocols that are generated with our API.
func ours(files []*protogen.File) []*protogen.File {
	return slices.DeleteFunc(slices.Clone(files), func(f *protogen.File) bool {
		return !f.Generate || !strings.HasPrefix(string(f.Desc.Package()), "langevin.")
	})
}

// document is a page of Markdown.
type document struct {
	out *protogen.GeneratedFile
}

func (d document) write(files []*protogen.File) {
	d.out.P("<!-- Generated from the .proto files by docs/apidoc. DO NOT EDIT: run make generate. -->")
	d.out.P("# API reference")
	d.out.P()
	d.out.P("This page lists the services, and then the messages and enums by name. An `optional` field ",
		"distinguishes an absent value from zero. JSON over HTTP uses the same names. ",
		"[Operations](operations.md#http) describes how JSON writes the values.")
	d.out.P()
	d.out.P("The .proto files also contain the rules, as options of [protovalidate](https://protovalidate.com). ",
		"So a client in any language can check a request before it sends it. An absent `optional` field violates ",
		"no rule. If a request violates a rule, the server refuses it with INVALID\\_ARGUMENT and names the field. ",
		"The server also checks its own limits and the requirements of the model.")
	for _, f := range files {
		for _, s := range f.Services {
			d.service(s)
		}
	}
	messages, enums := members(files)
	for _, m := range messages {
		d.message(m)
	}
	for _, e := range enums {
		d.enum(e)
	}
}

// members returns all messages and enums of some files, sorted by name.
func members(files []*protogen.File) (messages []*protogen.Message, enums []*protogen.Enum) {
	for _, f := range files {
		messages = append(messages, f.Messages...)
		enums = append(enums, f.Enums...)
	}
	slices.SortFunc(messages, func(a, b *protogen.Message) int { return strings.Compare(name(a.Desc), name(b.Desc)) })
	slices.SortFunc(enums, func(a, b *protogen.Enum) int { return strings.Compare(name(a.Desc), name(b.Desc)) })
	return messages, enums
}

func (d document) service(s *protogen.Service) {
	d.out.P()
	d.out.P("## ", s.Desc.FullName())
	d.text(s.Comments.Leading)
	for _, m := range s.Methods {
		d.out.P()
		d.out.P("### ", name(s.Desc), ".", m.GoName)
		d.out.P()
		answer := link(m.Output.Desc)
		if m.Desc.IsStreamingServer() {
			answer = "a stream of " + answer
		}
		d.out.P("Request: ", link(m.Input.Desc), ". Response: ", answer, ".")
		d.text(m.Comments.Leading)
	}
}

func (d document) message(m *protogen.Message) {
	d.out.P()
	d.out.P("## ", name(m.Desc))
	d.text(m.Comments.Leading)
	if rules := messageRules(m); len(rules) > 0 {
		d.out.P()
		d.out.P("Rules: ", escaped(strings.Join(rules, "; ")), ".")
	}
	if len(m.Fields) == 0 {
		return
	}
	d.out.P()
	if slices.ContainsFunc(m.Fields, func(f *protogen.Field) bool { return fieldRules(f) != "" }) {
		d.out.P("| field | type | rules | |")
		d.out.P("|---|---|---|---|")
		for _, f := range m.Fields {
			d.out.P("| `", f.Desc.Name(), "` | ", typeOf(f), " | ", fieldRules(f), " | ", cell(f.Comments), " |")
		}
		return
	}
	d.out.P("| field | type | |")
	d.out.P("|---|---|---|")
	for _, f := range m.Fields {
		d.out.P("| `", f.Desc.Name(), "` | ", typeOf(f), " | ", cell(f.Comments), " |")
	}
}

func (d document) enum(e *protogen.Enum) {
	d.out.P()
	d.out.P("## ", name(e.Desc))
	d.text(e.Comments.Leading)
	d.out.P()
	d.out.P("| value | |")
	d.out.P("|---|---|")
	for _, v := range e.Values {
		d.out.P("| `", v.Desc.Name(), "` | ", cell(v.Comments), " |")
	}
}

// text writes a comment as paragraphs.
func (d document) text(c protogen.Comments) {
	if c == "" {
		return
	}
	d.out.P()
	for line := range strings.Lines(string(c)) {
		d.out.P(escaped(strings.TrimSpace(line)))
	}
}

// cell returns a comment as one line.
func cell(c protogen.CommentSet) string {
	text := string(c.Leading)
	if text == "" {
		text = string(c.Trailing)
	}
	return strings.ReplaceAll(escaped(strings.Join(strings.Fields(text), " ")), "|", `\|`)
}

// escaped escapes characters that Markdown would take for emphasis or HTML.
func escaped(text string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`).Replace(text)
}

func typeOf(f *protogen.Field) string {
	text := "`" + f.Desc.Kind().String() + "`"
	switch {
	case f.Desc.IsMap():
		text = fmt.Sprintf("map of `%s` to `%s`", f.Desc.MapKey().Kind(), f.Desc.MapValue().Kind())
	case f.Message != nil:
		text = link(f.Message.Desc)
	case f.Enum != nil:
		text = link(f.Enum.Desc)
	}
	switch {
	case f.Desc.IsMap():
	case f.Desc.IsList():
		text = "list of " + text
	case f.Desc.HasOptionalKeyword():
		text = "optional " + text
	case f.Oneof != nil:
		text += ", one of `" + string(f.Oneof.Desc.Name()) + "`"
	}
	return text
}

// link names a message or an enum. If it is ours, it links to its section of the page.
func link(d protoreflect.Descriptor) string {
	if d.ParentFile().Package() == "google.protobuf" {
		return "`" + string(d.FullName()) + "`"
	}
	return fmt.Sprintf("[%s](#%s)", name(d), strings.ToLower(name(d)))
}

func name(d protoreflect.Descriptor) string { return string(d.Name()) }
