package langevin_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/server"
)

// chartSchema refuses wrong values of the Helm chart. make generate writes the part that describes config.
const chartSchema = "deploy/helm/langevin/values.schema.json"

// setByChart lists the settings that the chart sets itself, so that its values must not.
var setByChart = []string{
	"listen", "http.listen", "metrics.listen", "tls.cert", "tls.key", "tls.client_ca", "auth.tokens", "drain_delay",
	"drain_timeout",
}

// TestChartSettings: the chart's config has the settings of the server, and no others.
func TestChartSettings(t *testing.T) {
	text, err := os.ReadFile(chartSchema)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	schema["properties"].(map[string]any)["config"] = configSchema()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(text, want.Bytes()) {
		return
	}
	if !*updateSettings {
		t.Fatalf("%s differs from the server's settings, or its form from Go's: run make generate", chartSchema)
	}
	if err := os.WriteFile(chartSchema, want.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// closed returns the schema of an object that has these properties alone.
func closed(description string) (object, properties map[string]any) {
	properties = make(map[string]any)
	return map[string]any{
		"type": "object", "additionalProperties": false, "description": description, "properties": properties,
	}, properties
}

// configSchema describes the settings that a user may give to the chart.
func configSchema() map[string]any {
	config, top := closed("settings of the server, as in its YAML file; docs/settings.md lists them")
	for _, v := range server.Variables() {
		if v.Setting == "" || slices.Contains(setByChart, v.Setting) {
			continue
		}
		place, name := top, v.Setting
		if section, rest, ok := strings.Cut(v.Setting, "."); ok {
			name = rest
			if top[section] == nil {
				top[section], _ = closed("the settings " + section + ".*")
			}
			place = top[section].(map[string]any)["properties"].(map[string]any)
		}
		place[name] = map[string]any{"type": typeOf(v), "description": v.Help}
	}
	return config
}

// typeOf returns the type of a setting in the YAML file, by its default.
func typeOf(v server.Variable) any {
	if v.Setting == "models.aliases" {
		return []any{"string", "array"}
	}
	if _, err := strconv.ParseFloat(v.Default, 64); err == nil {
		return "number"
	}
	if v.Default == "true" || v.Default == "false" {
		return "boolean"
	}
	return "string"
}
