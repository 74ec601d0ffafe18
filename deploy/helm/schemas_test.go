package helm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	objects "k8s.io/apimachinery/pkg/runtime/serializer/json"
	decode "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// definitions lists the modules with the definitions of kinds that are not Kubernetes' own, and their files.
func definitions() map[string][]string {
	return map[string][]string{
		"github.com/kedacore/keda/v2@v2.21.0": {"config/crd/bases/keda.sh_scaledobjects.yaml"},
		"github.com/prometheus-operator/prometheus-operator@v0.85.0": {
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
		},
		"sigs.k8s.io/gateway-api@v1.6.3": {
			"config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
			"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
		},
	}
}

// schemas checks objects: Kubernetes' kinds by its types, in strict mode, and other kinds by their definitions, closed.
type schemas struct {
	own    runtime.Decoder
	custom map[string]*jsonschema.Schema // by version and kind
}

func readSchemas(t *testing.T) *schemas {
	t.Helper()
	options := objects.SerializerOptions{Strict: true}
	known := scheme.Scheme
	own := objects.NewSerializerWithOptions(objects.DefaultMetaFactory, known, known, options)
	s := &schemas{own: own, custom: make(map[string]*jsonschema.Schema)}
	for module, files := range definitions() {
		for _, file := range files {
			if err := s.define(module, file); err != nil {
				t.Fatalf("%s: %s: %v", module, file, err)
			}
		}
	}
	return s
}

// moduleFolder returns the folder of a module that this one does not import. Go checks its digest.
func moduleFolder(module string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download: %w: %s", err, out)
	}
	var found struct{ Dir string }
	err = json.Unmarshal(out, &found)
	return found.Dir, err
}

// define reads the definition of a kind.
func (s *schemas) define(module, file string) error {
	folder, err := moduleFolder(module)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return err
	}
	var definition struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return err
	}
	for _, v := range definition.Spec.Versions {
		name := fmt.Sprintf("%s/%s/%s", definition.Spec.Group, v.Name, definition.Spec.Names.Kind)
		compiler := jsonschema.NewCompiler()
		shut(v.Schema.OpenAPIV3Schema)
		if err := compiler.AddResource(name, v.Schema.OpenAPIV3Schema); err != nil {
			return err
		}
		if s.custom[name], err = compiler.Compile(name); err != nil {
			return err
		}
	}
	return nil
}

// shut makes a schema refuse what it does not list, as the API server does in strict mode. What Kubernetes itself
// describes stays open.
func shut(schema map[string]any) {
	properties, ok := schema["properties"].(map[string]any)
	if open, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool); ok && !open {
		schema["additionalProperties"] = false
	}
	for name, p := range properties {
		if inner, ok := p.(map[string]any); ok && name != "metadata" {
			shut(inner)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[key].(map[string]any); ok {
			shut(inner)
		}
	}
}

// check fails the test for each object of a file that Kubernetes would refuse.
func (s *schemas) check(t *testing.T, name, text string) {
	t.Helper()
	documents := decode.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = s.validate(document)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

func (s *schemas) validate(document []byte) error {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil || bytes.Equal(text, []byte("null")) {
		return err
	}
	var kind metav1.TypeMeta
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	if schema, ok := s.custom[kind.APIVersion+"/"+kind.Kind]; ok {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(value)
	}
	_, _, err = s.own.Decode(text, nil, nil)
	return err
}

// TestSchemasRefuse: misspelt fields, wrong types and unknown kinds do not pass.
func TestSchemasRefuse(t *testing.T) {
	s := readSchemas(t)
	const prometheus = "{apiVersion: monitoring.coreos.com/v1, kind: "
	for _, c := range []struct{ text, want string }{
		{"{apiVersion: v1, kind: Service, spec: {portz: []}}", `unknown field "spec.portz"`},
		{"{apiVersion: v1, kind: Service, spec: {ports: 3}}", "cannot unmarshal number"},
		{"{apiVersion: v1, kind: Service, metadata: {name: a, name: b}}", "already set"},
		{"{apiVersion: v2, kind: Service}", "no kind"},
		{"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, spec: {}}", "missing properties"},
		{prometheus + "ServiceMonitor, spec: {selector: {}, endpoints: [{prt: a}]}}", "'prt' not allowed"},
		{prometheus + "PrometheusRule, spec: {groups: [{name: a, rules: [{for: 5 minutes}]}]}}", "not match pattern"},
		{"{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, spec: {hostname: a}}", "'hostname' not allowed"},
	} {
		if err := s.validate([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}
