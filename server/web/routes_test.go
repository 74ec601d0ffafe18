package web

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRoutesAreDescribed: the OpenAPI document has every path that its introduction does not leave out.
func TestRoutesAreDescribed(t *testing.T) {
	leftOut := map[string]bool{"/": true, "/v1/": true} // the page and its files; what has no other path
	// /v2 is the Open Inference Protocol, which has a document of its own.
	text, err := embedded.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for pattern := range (&rest{}).routes(&page{}) {
		path := strings.Replace(pattern, "versions/{target}", "versions/{version}", 1)
		path = strings.Replace(path, "{target}", "{name}", 1)
		if document.Paths[path] == nil && !leftOut[path] && !strings.HasPrefix(path, "/v2") {
			t.Errorf("%s is not in openapi.json: add it to docs/apidoc", path)
		}
	}
	for name := range document.Paths {
		path, verb, found := strings.Cut(name, ":")
		if _, known := verbOf(verb); found && (!known || document.Paths[path] == nil) {
			t.Errorf("openapi.json has %s, and the server does not", name)
		}
	}
}
