package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// described returns the OpenAPI document that a server serves, which is valid.
func described(t *testing.T, s *site) *openapi3.T {
	t.Helper()
	status, text := s.get(t, "/openapi.json")
	document, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if status != http.StatusOK || err != nil {
		t.Fatalf("/openapi.json: %d, %v", status, err)
	}
	if err := document.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("/openapi.json is not OpenAPI: %v", err)
	}
	return document
}

// trial is a request for an operation, and what comes back.
type trial struct {
	path, body string
	status     int
	headers    []string
}

// trials has requests for every operation of the document.
func trials() map[string][]trial {
	const points = `{"x": [[1, 0], [0.5, 2]]}`
	tries := map[string][]trial{
		"listModels": {
			{path: "/v1/models"}, {path: "/v1/models?page_size=1&timeout=5s"},
			{path: "/v1/models?page_token=no", status: 400},
		},
		"getModel": {
			{path: "/v1/models/gauss"}, {path: "/v1/models/tiles"}, {path: "/v1/models/none", status: 404},
		},
		"getModelVersion": {{path: "/v1/models/gauss/versions/1"}, {path: "/v1/models/gauss/versions/9", status: 404}},
		"listSamplers":    {{path: "/v1/samplers"}},
		"health":          {{path: "/healthz"}},
		"openapi":         {{path: "/openapi.json"}},
		"sample": {
			{path: "/v1/models/gauss:sample", body: `{"n": 3, "seed": "18446744073709551615"}`},
			{path: "/v1/models/gauss:sample", body: `{"format": "raw", "langevin": {"steps": 5, "sigma": 1}}`},
			{path: "/v1/models/tiles:sample", body: `{"n": 2, "format": "png"}`},
			{path: "/v1/models/tiles:sample", body: `{}`, headers: []string{"Accept", "image/png"}},
			{path: "/v1/models/gauss:sample", headers: []string{"Accept", "application/x-ndjson"},
				body: `{"n": 2, "preview": {"frames": 3, "chains": 1, "kind": "denoised"}}`},
			{path: "/v1/models/gauss:sample", body: `{}`, headers: []string{"Accept", "text/event-stream"}},
			{path: "/v1/models/gauss:sample", body: `{}`, headers: []string{"Accept", "text/csv"}},
			{path: "/v1/models/gauss:sample", body: `{"n": 0}`, status: 400},
			{path: "/v1/models/gauss:sample", body: `{"x": 1}`, status: 400},
			{path: "/v1/models/none:sample", body: `{}`, status: 404},
		},
		"score": {
			{path: "/v1/models/gauss:score", body: `{"x": [[1, 0], [0.5, 2]], "sigma": [1], "format": "floats"}`},
			{path: "/v1/models/gauss:score", body: `{"x": {"shape": [1, 2], "data": "AACAPwAAAAA="}, "sigma": [1]}`},
			{path: "/v1/models/gauss:score", body: points, status: 400},
		},
		"encode":     {{path: "/v1/models/gauss:encode", body: `{"x": [[1, 0]], "flow": {"rtol": 0.001}}`}},
		"decode":     {{path: "/v1/models/gauss:decode", body: `{"latent": [[1, 0]], "denoise": true}`}},
		"likelihood": {{path: "/v1/models/gauss:likelihood", body: points}},
		"detect": {
			{path: "/v1/models/tiles:detect", body: `{"x": [[` + strings.Repeat("9,", 23) + `9]]}`},
		},
	}
	for _, verb := range []string{"sample", "score", "encode", "decode", "likelihood", "detect"} {
		first := tries[verb][0]
		first.path = strings.Replace(first.path, ":", "/versions/1:", 1)
		tries[verb+"Version"] = []trial{first}
	}
	return tries
}

// TestOpenAPI: every operation of the document answers, and its requests and answers are what the document says, errors
// too. An operation without a trial fails the test.
func TestOpenAPI(t *testing.T) {
	s := open(t, nil)
	document := described(t, s)
	all := trials()
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			tries := all[operation.OperationID]
			if delete(all, operation.OperationID); len(tries) == 0 {
				t.Errorf("%s %s: no trial of %s", method, path, operation.OperationID)
			}
			checkStyle(t, document, path, operation)
			for _, try := range tries {
				checkTrial(t, s, &routers.Route{
					Spec: document, Path: path, PathItem: item, Method: method, Operation: operation}, try)
			}
		}
	}
	for id := range all {
		t.Errorf("no operation is called %s, or two are", id)
	}
	for _, path := range []string{"/v1/openapi.json", "/openapi", "/openapi.yaml"} {
		if status, _ := s.get(t, path); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// checkStyle checks what generators of clients and readers need beyond a valid document.
func checkStyle(t *testing.T, document *openapi3.T, path string, o *openapi3.Operation) {
	t.Helper()
	if o.Summary == "" || len(o.Tags) != 1 || document.Tags.Get(o.Tags[0]) == nil || o.Responses.Default() == nil ||
		o.Responses.Value("200") == nil {
		t.Errorf("%s: %+v lacks a summary, one tag of the document, or the answers 200 and default", path, o)
	}
	for _, p := range o.Parameters {
		if p.Value.Description == "" || p.Value.In == "path" && !strings.Contains(path, "{"+p.Value.Name+"}") {
			t.Errorf("%s: parameter %s is not described, or not in the path", path, p.Value.Name)
		}
	}
}

// checkTrial makes a request and compares it and its answer with the document.
func checkTrial(t *testing.T, s *site, route *routers.Route, try trial) {
	t.Helper()
	if try.status == 0 {
		try.status = http.StatusOK
	}
	headers := try.headers
	if try.body != "" {
		headers = append([]string{"Content-Type", "application/json"}, headers...)
	}
	resp := s.do(t.Context(), t, route.Method, try.path, try.body, headers...)
	text := read(t, resp)
	if resp.StatusCode != try.status {
		t.Errorf("%s %s: status %d, want %d: %.300s", try.path, try.body, resp.StatusCode, try.status, text)
		return
	}
	request, err := http.NewRequestWithContext(t.Context(), route.Method, s.url+try.path, strings.NewReader(try.body))
	if err != nil {
		t.Fatal(err)
	}
	if try.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	asked := &openapi3filter.RequestValidationInput{Request: request, Route: route, PathParams: target(try.path),
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(t.Context(), asked); (err == nil) != (try.status == http.StatusOK) &&
		try.status != http.StatusNotFound && !strings.Contains(try.path, "page_token") {
		t.Errorf("%s %s: the document allows the request: %v; its status is %d", try.path, try.body, err, try.status)
	}
	media := resp.Header.Get("Content-Type")
	if route.Operation.Responses.Value("200").Value.Content.Get(media) == nil {
		t.Errorf("%s %s: the document has no answer of type %s", try.path, try.body, media)
	}
	switch media {
	case "application/json":
		answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: resp.StatusCode,
			Header: resp.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}}
		answer.SetBodyBytes([]byte(text))
		if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
			t.Errorf("%s %s: the answer is not as described: %v", try.path, try.body, err)
		}
	case "application/x-ndjson":
		checkEvents(t, route.Spec, text)
	}
}

// target returns the model and the version of a path.
func target(path string) map[string]string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' || c == ':' })
	of := map[string]string{}
	if len(parts) > 2 {
		of["name"] = parts[2]
	}
	if len(parts) > 4 {
		of["version"] = parts[4]
	}
	return of
}

// checkEvents compares each event of a stream with the document.
func checkEvents(t *testing.T, document *openapi3.T, text string) {
	t.Helper()
	event := document.Components.Schemas["SampleResponse"].Value
	for line := range strings.Lines(text) {
		var value any
		if err := json.Unmarshal([]byte(line), &value); err != nil {
			t.Fatal(err)
		}
		if err := event.VisitJSON(value, openapi3.MultiErrors()); err != nil {
			t.Errorf("event %.200s is not as described: %v", line, err)
		}
	}
}
