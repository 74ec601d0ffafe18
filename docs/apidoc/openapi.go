package main

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// openAPI is the document of the plain JSON face of a server, in OpenAPI 3.0, which every generator of clients reads.
// No generator for gRPC makes it: their documents have protobuf's JSON, with durations such as "3s" and enums such as
// TENSOR_FORMAT_PNG, and take paths from options that the API would have to import.
type openAPI struct {
	OpenAPI    string              `json:"openapi"`
	Info       info                `json:"info"`
	Servers    []map[string]string `json:"servers"`
	Security   []map[string][]any  `json:"security"`
	Tags       []tag               `json:"tags"`
	Paths      ordered[pathItem]   `json:"paths"`
	Components components          `json:"components"`
}

type info struct {
	Title       string            `json:"title"`
	Version     string            `json:"version"`
	Description string            `json:"description"`
	License     map[string]string `json:"license"`
}

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

type components struct {
	Schemas         ordered[*schema]             `json:"schemas"`
	Responses       map[string]answer            `json:"responses"`
	SecuritySchemes map[string]map[string]string `json:"securitySchemes"`
}

type pathItem struct {
	Get  *operation `json:"get,omitempty"`
	Post *operation `json:"post,omitempty"`
}

type operation struct {
	OperationID string          `json:"operationId"`
	Summary     string          `json:"summary"`
	Description string          `json:"description,omitempty"`
	Tags        []string        `json:"tags"`
	Security    []any           `json:"security,omitempty"`
	Parameters  []parameter     `json:"parameters,omitempty"`
	RequestBody *requestBody    `json:"requestBody,omitempty"`
	Responses   ordered[answer] `json:"responses"`
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required,omitempty"`
	Schema      *schema `json:"schema"`
}

type requestBody struct {
	Content ordered[media] `json:"content"`
}

type answer struct {
	Ref         string          `json:"$ref,omitempty"`
	Description string          `json:"description,omitempty"`
	Headers     ordered[header] `json:"headers,omitempty"`
	Content     ordered[media]  `json:"content,omitempty"`
}

type header struct {
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type media struct {
	Schema *schema `json:"schema"`
}

// member is a name and its value in an [ordered] object.
type member[V any] struct {
	name  string
	value V
}

// ordered is a JSON object whose members keep their order.
type ordered[V any] []member[V]

func (o ordered[V]) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// writeOpenAPI writes openapi.json.
func writeOpenAPI(plugin *protogen.Plugin, files []*protogen.File) error {
	a := newAPI(files)
	text, err := json.MarshalIndent(a.document(), "", " ")
	if err != nil {
		return err
	}
	plugin.NewGeneratedFile("openapi.json", "").P(string(text))
	return nil
}

// api is what the document is made from.
type api struct {
	messages map[string]*protogen.Message // by name
	methods  map[string]*protogen.Method
	enums    map[protoreflect.FullName]*protogen.Enum
	asked    map[string]bool // names of the messages within requests
	answered map[string]bool // names of the messages within answers
}

func newAPI(files []*protogen.File) *api {
	a := &api{
		messages: map[string]*protogen.Message{}, methods: map[string]*protogen.Method{},
		enums: map[protoreflect.FullName]*protogen.Enum{}, asked: map[string]bool{}, answered: map[string]bool{},
	}
	messages, enums := members(files)
	for _, m := range messages {
		a.messages[name(m.Desc)] = m
	}
	for _, e := range enums {
		a.enums[e.Desc.FullName()] = e
	}
	for _, f := range files {
		for _, s := range f.Services {
			for _, m := range s.Methods {
				a.methods[m.GoName] = m
			}
		}
	}
	for _, v := range verbs() {
		a.reach(a.methods[v.method].Input, a.asked)
		a.reach(a.methods[v.method].Output, a.answered)
	}
	a.reach(a.messages["ListModelsResponse"], a.answered)
	return a
}

// reach adds the names of a message and of all messages in it.
func (a *api) reach(m *protogen.Message, names map[string]bool) {
	if names[name(m.Desc)] || m.Desc.ParentFile().Package() == "google.protobuf" {
		return
	}
	names[name(m.Desc)] = true
	for _, f := range m.Fields {
		if f.Message != nil {
			a.reach(f.Message, names)
		}
	}
}

func (a *api) document() openAPI {
	return openAPI{
		OpenAPI: "3.0.3",
		Info: info{
			Title: "Langevin", Version: "v1", Description: introduction,
			License: map[string]string{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		Servers:  []map[string]string{{"url": "/"}},
		Security: []map[string][]any{{}, {"token": {}}},
		Tags: []tag{
			{"sampling", summary(a.service("SamplingService"))}, {"models", summary(a.service("ModelService"))},
			{"server", "What the server is and whether it serves."},
		},
		Paths: a.paths(),
		Components: components{
			Schemas:   a.schemas(),
			Responses: map[string]answer{"Problem": {Description: problemText, Content: jsonOf(ref("Problem"))}},
			SecuritySchemes: map[string]map[string]string{"token": {
				"type": "http", "scheme": "bearer", "description": "Needed if the server requires tokens.",
			}},
		},
	}
}

func (a *api) service(name string) string {
	for _, m := range a.methods {
		if m.Parent.GoName == name {
			return string(m.Parent.Comments.Leading)
		}
	}
	return ""
}

// summary returns the first sentence of a comment.
func summary(comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

// paragraphs returns a comment with a line for each paragraph.
func paragraphs(comment string) string {
	var all []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(comment), "\n\n") {
		all = append(all, strings.Join(strings.Fields(paragraph), " "))
	}
	return strings.Join(all, "\n\n")
}

// paragraphsOf is [paragraphs] of a comment of protoc, whose lines begin with a space.
func paragraphsOf(c protogen.Comments) string {
	lines := strings.Split(string(c), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return paragraphs(strings.Join(lines, "\n"))
}

func jsonOf(s *schema) ordered[media] { return ordered[media]{{"application/json", media{s}}} }

func sortedNames[V any](of map[string]V) []string {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
