// Package helm has the tests of the chart: what it renders, what it refuses, and what its dashboard and its alerts ask
// for. It is a module of its own, so that nobody else links Helm.
package helm

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	folder     = "langevin"
	kubernetes = "v1.37.2" // whose schemas the renderings follow
)

var update = flag.Bool("update", false, "write the renderings, and the table of the chart's README")

// load reads the chart. Nobody changes it.
func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render returns the files that the chart renders with values on top of its own, as helm install does: the schema is
// checked first.
func render(c *chart.Chart, values map[string]any) (map[string]string, error) {
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, err
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	release := common.ReleaseOptions{Name: "demo", Namespace: "lab", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, capabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	for name, text := range files {
		if strings.TrimSpace(text) == "" || strings.HasSuffix(name, ".tpl") {
			delete(files, name)
		}
	}
	return files, err
}

// cases returns the sets of values in testdata, by name.
func cases(t *testing.T) map[string]map[string]any {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sets of values: %v", err)
	}
	all := make(map[string]map[string]any)
	for _, p := range paths {
		values := make(map[string]any)
		text, err := os.ReadFile(p)
		if err == nil {
			err = yaml.UnmarshalStrict(text, &values)
		}
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		all[strings.TrimSuffix(filepath.Base(p), ".values.yaml")] = values
	}
	return all
}

// objectsOf returns all objects of a rendering as one text.
func objectsOf(files map[string]string) []byte {
	var all bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) == ".yaml" {
			fmt.Fprintf(&all, "---\n# Source: %s\n%s\n", name, strings.Trim(files[name], "\n"))
		}
	}
	return all.Bytes()
}

// TestRenderings: each set of values renders to the files beside it, whose objects Kubernetes would accept.
func TestRenderings(t *testing.T) {
	c, schemas := load(t), readSchemas(t)
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			files, err := render(c, values)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range slices.Sorted(maps.Keys(files)) {
				if path.Ext(name) == ".yaml" {
					schemas.check(t, name, files[name])
				}
			}
			golden(t, "testdata/"+name+".rendered.yaml", objectsOf(files))
			golden(t, "testdata/"+name+".notes.txt", []byte(files[folder+"/templates/NOTES.txt"]))
		})
	}
}

// golden compares a text with a file, or writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what the chart renders at %s: if that is right, run make test-chart UPDATE=-update",
			name, difference(want, got))
	}
}

// difference returns the first line in which two texts differ.
func difference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d, %q where the file has %q", i+1, b[i], a[i])
		}
	}
	return fmt.Sprintf("the end, line %d", min(len(a), len(b)))
}
