package helm

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	kubernetesyaml "sigs.k8s.io/yaml"
)

// TestRefusals: wrong values are refused with a message that names them and says what is wrong.
func TestRefusals(t *testing.T) {
	c := load(t)
	for values, want := range map[string][]string{
		"{replica: 3}":                       {"additional properties 'replica' not allowed"},
		"{server: {replicas: two}}":          {"'/server/replicas'", "got string, want integer"},
		"{server: {replicas: -1}}":           {"'/server/replicas'", "minimum: got -1, want 0"},
		"{config: {limits: {max_chain: 5}}}": {"'/config/limits'", "'max_chain' not allowed"},
		"{config: {listen: ':1'}}":           {"'/config'", "'listen' not allowed"},
		"{config: {models: {watch: 1}}}":     {"'/config/models/watch'", "want boolean"},
		"{models: {source: {claim: {name: a}, image: {reference: b}}}}": {
			"'/models/source'", "maxProperties: got 2, want 1"},
		"{models: {source: {claim: {}}}}":          {"'/models/source/claim'", "missing property 'name'"},
		"{models: {source: {s3: a}}}":              {"'/models/source'", "'s3' not allowed"},
		"{image: {digest: latest}}":                {"'/image/digest'", "does not match pattern"},
		"{autoscaling: {by: vpa}}":                 {"'/autoscaling/by'", "'none', 'hpa', 'keda'"},
		"{autoscaling: {by: hpa, cpuPercent: 0}}":  {"cpuPercent and autoscaling.queueRows are both 0"},
		"{autoscaling: {by: keda, queueRows: 10}}": {"autoscaling.keda.serverAddress is empty: want the URL"},
		"{job: {enabled: true}}":                   {"'/job/output/claim'", "minLength: got 0, want 1"},
		"{job: {seed: 9007199254740993}}":          {"'/job/seed'", "maximum"},
		"{job: {seed: -1}}":                        {"'/job/seed'", "minimum"},
		"{grpcRoute: {enabled: true}}":             {"'/grpcRoute/parentRefs'", "minItems: got 0, want 1"},
		"{server: {http: false}, ingress: {enabled: true}}": {
			"ingress.enabled is true and server.http is false"},
		"{server: {http: false}, httpRoute: {enabled: true, parentRefs: [{name: a}]}}": {
			"httpRoute.enabled is true and server.http is false"},
		"{config: {models: {dir: /a}}, models: {source: {claim: {name: a}}}}": {
			"config.models.dir and models.source are both set"},
	} {
		given := make(map[string]any)
		if err := kubernetesyaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatalf("%s: %v", values, err)
		}
		_, err := render(c, given)
		for _, words := range want {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %q", values, err, words)
			}
		}
	}
}

// TestConfigRolls: a change of the settings changes the pods, so that they are replaced, and the name of the job.
func TestConfigRolls(t *testing.T) {
	c := load(t)
	values := func(level string) map[string]any {
		return map[string]any{
			"config": map[string]any{"log": map[string]any{"level": level}},
			"job":    map[string]any{"enabled": true, "output": map[string]any{"claim": "out"}},
		}
	}
	one, err := render(c, values("info"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := render(c, values("debug"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"langevin/templates/deployment.yaml", "langevin/templates/job.yaml"} {
		if one[name] == "" || one[name] == other[name] {
			t.Errorf("%s is the same with other settings", name)
		}
	}
}

// value is a row of the table of values.
type value struct{ key, text, description string }

// rows returns a row for each value: its default from values.yaml and its description from the schema. It fails on a
// value that one of the two lacks.
func rows(node *yaml.Node, schema map[string]any, prefix string) ([]value, error) {
	properties, _ := schema["properties"].(map[string]any)
	if schema["description"] != nil || node.Kind != yaml.MappingNode {
		description, ok := schema["description"].(string)
		if !ok {
			return nil, fmt.Errorf("%s has no description in the schema", prefix)
		}
		text, err := inline(node)
		return []value{{prefix, text, description}}, err
	}
	var all []value
	given := make(map[string]bool)
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		given[name] = true
		inner, ok := properties[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s.%s of values.yaml is not in the schema", prefix, name)
		}
		more, err := rows(node.Content[i+1], inner, strings.TrimPrefix(prefix+"."+name, "."))
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	for name := range properties {
		if !given[name] && name != "global" {
			return nil, fmt.Errorf("%s.%s of the schema has no default in values.yaml", prefix, name)
		}
	}
	return all, nil
}

// inline returns a value as JSON, in one line.
func inline(node *yaml.Node) (string, error) {
	var v any
	if err := node.Decode(&v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// TestValuesTable: the README lists every value with its default and its meaning.
func TestValuesTable(t *testing.T) {
	const page = folder + "/README.md"
	readme, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(readme), "| value |")
	if !found {
		t.Fatalf("%s has no table", page)
	}
	c := load(t)
	var schema map[string]any
	if err := json.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(folder + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var defaults yaml.Node
	if err := yaml.Unmarshal(text, &defaults); err != nil {
		t.Fatal(err)
	}
	all, err := rows(defaults.Content[0], schema, "")
	if err != nil {
		t.Fatal(err)
	}
	table := "| value | default | meaning |\n|---|---|---|\n"
	for _, v := range all {
		table += fmt.Sprintf("| `%s` | `%s` | %s |\n", v.key, v.text, strings.ReplaceAll(v.description, "|", `\|`))
	}
	golden(t, page, []byte(head+table))
}
