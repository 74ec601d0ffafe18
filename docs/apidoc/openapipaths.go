package main

const introduction = `Samples from score networks, drawn by annealed Langevin dynamics and other samplers.

A sample is a pure function of (model digest, sampler settings, seed, chain index). Bodies and answers have
the fields of the .proto files, with short forms: an enum is the end of its name in lower case, a duration is
a number of seconds, and a tensor is an array of rows. Unsigned numbers above 2^53 are strings, and so are NaN
and the infinities. Lists, texts and messages that are empty are left out.

Not described here: the calls in the protocols Connect, gRPC-Web and gRPC below /langevin.v1.* and
/inference.GRPCInferenceService, whose description is the .proto files; the Open Inference Protocol below /v2,
which has its own; the files of the page, which only browsers read; and the listeners for administration and
metrics, which have other ports.`

const problemText = "What is wrong. The status is that of the code in google/rpc/code.proto."

// verb is an operation on a model, /v1/models/NAME:VERB.
type verb struct{ name, method string }

func verbs() []verb {
	return []verb{{"sample", "Sample"}, {"score", "Score"}, {"encode", "Encode"}, {"decode", "Decode"},
		{"likelihood", "LogLikelihood"}, {"detect", "Detect"}}
}

// paths describes every path. For an operation on a model there are two: for the newest version, and for a given one.
func (a *api) paths() ordered[pathItem] {
	all := ordered[pathItem]{
		{"/v1/models", pathItem{Get: a.listModels()}},
		{"/v1/models/{name}", pathItem{Get: a.getModel("getModel", newest())}},
		{"/v1/models/{name}/versions/{version}", pathItem{Get: a.getModel("getModelVersion", version())}},
	}
	for _, v := range verbs() {
		all = append(all,
			member[pathItem]{"/v1/models/{name}:" + v.name, pathItem{Post: a.act(v, v.name, newest())}},
			member[pathItem]{"/v1/models/{name}/versions/{version}:" + v.name,
				pathItem{Post: a.act(v, v.name+"Version", version())}})
	}
	return append(all,
		member[pathItem]{"/v1/samplers", pathItem{Get: open(operation{
			OperationID: "listSamplers", Summary: "Every kind of sampler with its settings.",
			Tags:      []string{"sampling"},
			Responses: answers("The samplers.", jsonOf(ref("Samplers")), "400"),
		})}},
		member[pathItem]{"/healthz", pathItem{Get: open(operation{
			OperationID: "health", Summary: "Whether the server accepts calls.", Tags: []string{"server"},
			Responses: answers("It does.", jsonOf(ref("Health")), "503"),
		})}},
		member[pathItem]{"/openapi.json", pathItem{Get: open(operation{
			OperationID: "openapi", Summary: "This document.", Tags: []string{"server"},
			Responses: answers("The document.", jsonOf(&schema{Type: "object"}), "400"),
		})}})
}

// open is an operation that needs no token on any server.
func open(o operation) *operation {
	o.Security = []any{map[string]any{}}
	return &o
}

// answers describes the answer with status 200, and the statuses of errors, of which default stands for the others.
func answers(description string, content ordered[media], errors ...string) ordered[answer] {
	all := ordered[answer]{{"200", answer{Description: description, Content: content}}}
	for _, status := range append(errors, "default") {
		all = append(all, member[answer]{status, answer{Ref: "#/components/responses/Problem"}})
	}
	return all
}

func newest() []parameter {
	return []parameter{{
		Name: "name", In: "path", Required: true, Description: "The model's name, or an alias.",
		Schema: &schema{Type: "string", Pattern: "^[a-z0-9][a-z0-9_.-]{0,63}$"},
	}}
}

func version() []parameter {
	return append(newest(), parameter{
		Name: "version", In: "path", Required: true, Description: "The model's version.",
		Schema: &schema{Type: "integer", Format: "int32", Minimum: new(1.0)},
	})
}

func timeout() parameter {
	return parameter{
		Name: "timeout", In: "query", Description: "The deadline of the call, at least 1ms, such as 10s or 1m30s.",
		Schema: &schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`},
	}
}

func (a *api) listModels() *operation {
	o := a.operation("listModels", "ListModels", []parameter{timeout()})
	for _, f := range a.messages["ListModelsRequest"].Fields {
		s := a.field(f)
		description := s.Description
		s.Description = ""
		o.Parameters = append(o.Parameters, parameter{
			Name: string(f.Desc.Name()), In: "query", Description: description, Schema: s,
		})
	}
	o.Responses = answers("A page of models.", jsonOf(ref("ListModelsResponse")), "400")
	return o
}

func (a *api) getModel(id string, target []parameter) *operation {
	o := a.operation(id, "GetModel", append(target, timeout()))
	o.Responses = answers("The model.", jsonOf(ref("Model")), "400", "404")
	return o
}

func (a *api) act(v verb, id string, target []parameter) *operation {
	method := a.methods[v.method]
	o := a.operation(id, v.method, append(target, timeout()))
	o.RequestBody = &requestBody{Content: jsonOf(ref(name(method.Input.Desc)))}
	content := jsonOf(ref(name(method.Output.Desc)))
	if v.method == "Sample" {
		content = sampleForms()
	}
	o.Responses = answers("The result.", content, "400", "404")
	if v.method == "Sample" {
		o.Responses[0].value.Headers = append(ordered[header]{{"X-Approximate", header{
			"The approximate of the started event, true or false, if the answer is image/png or text/csv.",
			&schema{Type: "boolean"},
		}}}, weightHeaders()...)
	}
	return o
}

// weightHeaders describes what says with a PNG file or a CSV file whether the weights of particles collapsed.
func weightHeaders() ordered[header] {
	one := func(name, description string, s *schema) member[header] {
		return member[header]{name, header{
			description + " With particles, if the answer is image/png; a trailer if it is text/csv.", s,
		}}
	}
	return ordered[header]{
		one("X-Effective-Size", "The least effective size of all chains.", &schema{Type: "number"}),
		one("X-Log-Evidence", "The natural logarithm of the estimate of the measured values' density.",
			&schema{Type: "number"}),
		one("X-Collapsed", "How many chains have an effective size below measurement.least_effective_size.",
			&schema{Type: "integer"}),
	}
}

// operation describes a call of the API.
func (a *api) operation(id, method string, parameters []parameter) *operation {
	m := a.methods[method]
	group := "sampling"
	if m.Parent.GoName == "ModelService" {
		group = "models"
	}
	return &operation{
		OperationID: id, Summary: summary(string(m.Comments.Leading)), Description: paragraphsOf(m.Comments.Leading),
		Tags: []string{group}, Parameters: parameters,
	}
}

func text(description string) *schema { return &schema{Type: "string", Description: description} }

// sampleForms describes the forms of the answer to a Sample call, which the header Accept chooses.
func sampleForms() ordered[media] {
	form := func(name, description string) member[media] { return member[media]{name, media{text(description)}} }
	picture := &schema{Type: "string", Format: "binary", Description: "One sample of a model of images."}
	return ordered[media]{
		{"application/json", media{ref("SampleResult")}},
		form("application/x-ndjson", "One event a line, each a SampleResponse. If the call fails after the first, the "+
			"last is a Problem."),
		form("text/event-stream", "The same events as server-sent events. The name of an event is the field of "+
			"SampleResponse that it sets, or error."),
		form("text/csv", "One chain a line, its elements separated by commas."),
		{"image/png", media{picture}},
	}
}
