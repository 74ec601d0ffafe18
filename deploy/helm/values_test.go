package helm

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
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

		// Values that another one would make the chart ignore.
		"{tls: {clientCA: {secretName: ca}}}": {`tls.clientCA.secretName is "ca" and tls.secretName is empty`},
		"{serviceAccount: {annotations: {a: b}}}": {
			"serviceAccount.annotations are set and serviceAccount.create is false"},
		"{models: {path: a}}": {`models.path is "a" and models.source is empty`},
		"{gpu: {enabled: true}, config: {device: cpu}}": {
			`gpu.enabled is true and config.device is "cpu"`},
		"{server: {enabled: false}, networkPolicy: {enabled: true}}": {
			"networkPolicy.enabled is true and server.enabled is false"},
		"{server: {enabled: false}, tls: {secretName: a}}": {"tls.secretName is a and server.enabled is false"},
		"{server: {enabled: false}, autoscaling: {by: hpa}}": {
			"autoscaling.by is hpa and server.enabled is false"},
		"{autoscaling: {queueRows: 5}}": {
			"autoscaling.queueRows is set and autoscaling.by is none"},
		"{autoscaling: {behavior: {scaleDown: {}}}}": {
			"autoscaling.behavior is set and autoscaling.by"},
		"{autoscaling: {by: hpa, keda: {serverAddress: 'http://a'}}}": {
			"autoscaling.keda.serverAddress is set"},
		"{autoscaling: {by: keda, keda: {authenticationRef: {name: a}}}}": {
			"autoscaling.keda.authenticationRef is set"},
		"{config: {models: {source: 's3://a/b'}}, networkPolicy: {enabled: true}}": {
			`config.models.source is "s3://a/b" and networkPolicy.egress is empty`},
		"{config: {tracing: {endpoint: 'a:1'}}, networkPolicy: {enabled: true}}": {
			`config.tracing.endpoint is "a:1" and networkPolicy.egress is empty`},

		// Values with which nothing starts.
		"{config: {models: {dir: /a}}, models: {source: {claim: {name: a}}}}": {
			`config.models.dir is "/a" and models.source is set too: want one`},
		"{config: {models: {source: 'oci://a.b/c:d'}}, models: {source: {claim: {name: a}}}}": {
			`config.models.source is "oci://a.b/c:d" and models.source is set too: want one`},
		"{config: {models: {source: 'gs://a/b', dir: /c}}}": {
			`config.models.dir is "/c" and config.models.source is "gs://a/b": want one`},
		"{config: {models: {builtin: false}}}": {
			"config.models.builtin is false and there are no other models"},
		"{config: {models: {watch: true}}}": {"config.models.watch is true and there is no folder to watch"},
		"{config: {models: {poll: 1m}}}": {
			`config.models.poll is "1m" and config.models.source is empty`},
		"{config: {models: {cache: /tmp/a}}}": {
			`config.models.cache is "/tmp/a" and config.models.source is empty`},
		"{config: {onnxruntime: {tf32: true}}}": {
			`config.onnxruntime.tf32 is true and the device is "cpu"`},
		"{config: {admin: {listen: ':9090'}}}": {`config.admin.listen is ":9090": want a loopback address`},
		"{auth: {tokens: {secretName: t}}}":    {`auth.tokens.secretName is "t" and tls.secretName is empty`},
		"{autoscaling: {by: hpa, minReplicas: 20}}": {
			"autoscaling.minReplicas is 20 and autoscaling.maxReplicas is 10"},
		"{autoscaling: {by: hpa}, server: {resources: {requests: {cpu: null}, limits: {cpu: null}}}}": {
			"autoscaling.cpuPercent is 80 and server.resources has no cpu"},
		"{job: {enabled: true, chains: 2, output: {claim: a}}}": {"job.chains is 2 and job.shards is 4"},
		"{config: {workers: -1}}": {
			"'/config/workers'", "minimum: got -1, want 0"},
		"{config: {quota: {calls_per_second: -1}}}": {
			"'/config/quota/calls_per_second'", "minimum"},
		"{config: {quota: {calls_per_second: 0.5}}}": {
			"'/config/quota/calls_per_second'", "want integer"},
		"{config: {log: {format: xml}}}": {
			"'/config/log/format'", "does not match pattern"},
		"{config: {grpc: {max_connection_age: -5m}}}": {
			"'/config/grpc/max_connection_age'", "pattern"},
		"{config: {limits: {max_wait: 20minutes}}}": {
			"'/config/limits/max_wait'", "does not match pattern"},
		"{config: {limits: {max_wait: 0s}}}": {
			"'/config/limits/max_wait'", "does not match pattern"},
		"{config: {limits: {memory: 5}}}":    {"'/config/limits/memory'", "minimum: got 5"},
		"{job: {args: ['--shard=0/2']}}":     {"'/job/args/0'", "'not' failed"},
		"{job: {args: ['-n5']}}":             {"'/job/args/0'", "'not' failed"},
		"{job: {output: {path: ../../etc}}}": {"'/job/output/path'", "'not' failed"},
		"{models: {path: ../../x}}":          {"'/models/path'", "'not' failed"},
		"{server: {resources: {limits: {cpu: abc}}}}": {
			"'/server/resources/limits/cpu'", "does not match pattern"},
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

// TestRegistryExample: docs/kubernetes.md shows the set of values registry, which TestRenderings renders.
func TestRegistryExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	shown := make(map[string]any)
	if err := kubernetesyaml.UnmarshalStrict([]byte(example), &shown); err != nil {
		t.Fatal(err)
	}
	if want := cases(t)["registry"]; !reflect.DeepEqual(shown, want) {
		t.Errorf("the page shows %v, want %v", shown, want)
	}
}

// TestRecreate: the strategy Recreate has no rollingUpdate, which Kubernetes would refuse.
func TestRecreate(t *testing.T) {
	values := map[string]any{"server": map[string]any{"strategy": map[string]any{"type": "Recreate"}}}
	files, err := render(load(t), values)
	if err != nil {
		t.Fatal(err)
	}
	if text := files["langevin/templates/deployment.yaml"]; !strings.Contains(text, "type: Recreate") ||
		strings.Contains(text, "rollingUpdate") {
		t.Errorf("want Recreate alone:\n%.600s", text)
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
