package langevin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestImageTag: documents name the image by the tag that the chart takes, its appVersion, with -cuda for a GPU.
func TestImageTag(t *testing.T) {
	chart, err := os.ReadFile("deploy/helm/langevin/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tag := regexp.MustCompile(`(?m)^appVersion: (\S+)$`).FindSubmatch(chart)
	if tag == nil {
		t.Fatal("the chart has no appVersion")
	}
	named := regexp.MustCompile(`(?:langevin:|image\.tag=|make image VERSION=)(v\d[\w.-]*)`)
	for _, page := range []string{
		"docs/install.md", "docs/batch.md", "docs/kubernetes.md", "deploy/helm/langevin/README.md",
	} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all := named.FindAllSubmatch(text, -1)
		if len(all) < 2 {
			t.Errorf("%s: %d names of the image", page, len(all))
		}
		for _, match := range all {
			version := bytes.TrimSuffix(match[1], []byte("-cuda"))
			if !bytes.Equal(version, tag[1]) && !bytes.Contains(match[1], []byte("-g")) {
				t.Errorf("%s has %s, want %s", page, match[0], tag[1])
			}
		}
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
		place[name] = schemaOf(v)
	}
	return config
}

// schemaOf describes the values of a setting in the YAML file.
func schemaOf(v server.Variable) map[string]any {
	schema := map[string]any{"description": v.Help, "type": v.Values.Type}
	switch v.Values.Type {
	case "text":
		schema["type"] = "string"
	case "list":
		schema["type"] = []any{"string", "array"}
	case "duration":
		schema["type"], schema["pattern"] = "string", duration
		if v.Values.Least > 0 {
			pattern := atLeast(time.Duration(v.Values.Least))
			if v.Values.Zero {
				pattern += "|^[^1-9]*$"
			}
			schema["allOf"] = []any{map[string]any{"pattern": pattern}}
		}
		return schema
	}
	if v.Values.Zero {
		schema["anyOf"] = []any{map[string]any{"const": 0}, map[string]any{"minimum": v.Values.Least}}
	} else if !math.IsInf(v.Values.Least, -1) {
		schema["minimum"] = v.Values.Least
	}
	if !math.IsInf(v.Values.Most, 1) {
		schema["maximum"] = v.Values.Most
	}
	if v.Values.Pattern != "" {
		schema["pattern"] = v.Values.Pattern
	}
	return schema
}

// duration is a regular expression of the durations that Go reads, from 0 on.
const duration = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

// atLeast returns a regular expression of durations in which one number with its unit is enough. A regular expression
// cannot add, so it refuses what is enough only in all, as 0.5s500ms, and some fractions, as 0.01m: never too little.
func atLeast(least time.Duration) string {
	var enough []string
	for _, unit := range []struct {
		name string
		time.Duration
	}{
		{"ns", time.Nanosecond}, {"[uµμ]s", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second},
		{"m", time.Minute}, {"h", time.Hour},
	} {
		places, times := 0, math.Log10(float64(least)/float64(unit.Duration))
		if times > 0 {
			places = int(math.Ceil(times))
		}
		enough = append(enough, fmt.Sprintf(`[0-9]*[1-9][0-9]{%d,}(\.[0-9]*)?%s`, places, unit.name))
		if fraction := int(math.Floor(-times)); fraction > 0 {
			enough = append(enough, fmt.Sprintf(`[0-9]*\.0{0,%d}[1-9][0-9]*%s`, fraction-1, unit.name))
		}
	}
	return `(^|[+a-zµμ])(` + strings.Join(enough, "|") + `)([0-9.]|$)`
}

// combined lists the settings whose values are also refused for other reasons: other settings, or missing files.
var combined = []string{
	"models.dir", "models.builtin", "models.watch", "models.source", "models.poll", "models.cache", "onnxruntime.tf32",
	"admin.listen",
}

// TestChartAgrees: the chart refuses a value of a setting alone if the server does.
func TestChartAgrees(t *testing.T) {
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "LANGEVIN_") {
			t.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
	for i, more := 0, true; more; i++ {
		given := make(map[string]any)
		for _, v := range server.Variables() {
			if all := tried(v); i < len(all) && !slices.Contains(setByChart, v.Setting) {
				given[v.Setting] = all[i]
			}
		}
		more = len(given) > 0
		refused := refusals(t, given)
		for _, v := range server.Variables() {
			value, there := given[v.Setting]
			takes := there && allows(schemaOf(v), value)
			if there && takes == refused[v.Setting] && !(takes && slices.Contains(combined, v.Setting)) {
				t.Errorf("%s: %v: the chart takes it: %v; the server: %v", v.Setting, value, takes, !takes)
			}
		}
	}
}

// refusals returns the settings that a server refuses. It reports values of another type first, and then only those.
func refusals(t *testing.T, given map[string]any) map[string]bool {
	t.Helper()
	file, left, refused := filepath.Join(t.TempDir(), "langevin.yaml"), maps.Clone(given), make(map[string]bool)
	for range 2 {
		text := make(map[string]any)
		for key, value := range left {
			place := text
			if section, name, ok := strings.Cut(key, "."); ok {
				if text[section] == nil {
					text[section] = make(map[string]any)
				}
				place, key = text[section].(map[string]any), name
			}
			place[key] = value
		}
		encoded, err := json.Marshal(text)
		if err == nil {
			err = os.WriteFile(file, encoded, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err = server.Load(nil, file); err == nil {
			break
		}
		for line := range strings.Lines(err.Error()) {
			key, _, _ := strings.Cut(strings.TrimPrefix(line, "configuration: "), " ")
			refused[strings.TrimSuffix(key, ":")] = true
			delete(left, strings.TrimSuffix(key, ":"))
		}
	}
	return refused
}

// tried returns values of a setting's type, some of them wrong.
func tried(v server.Variable) []any {
	switch v.Values.Type {
	case "": // a variable of commands and clients
		return nil
	case "boolean":
		return []any{true, false}
	case "duration":
		return []any{"", "0s", "0.0s", "1h", "1h30m", "1.5s", "+2s", "-5m", "20minutes", "s", "1", "500ms", "999ms",
			"1000ms", "1500ms", "00999ms", "999us", "1000us", "0.0001s", "0.001s", "999999ns", "1000000000ns",
			"0.00001m", "0.5h", "1ms0s", "0h0m0.9s", "0h1s", "0.9s", "1s"}
	case "integer", "number":
		all := []any{-1.0, 0.0, 0.5, 1.0, 2.0, 5e3}
		for _, bound := range []float64{v.Values.Least, v.Values.Most} {
			if !math.IsInf(bound, 0) {
				all = append(all, bound-1, bound, bound+1)
			}
		}
		return all
	}
	if v.Values.Pattern == "" {
		return nil
	}
	return []any{"", "text", "json", "xml", "cpu", "cuda", "cuda:1", "cuda:128", "auto", "ring", "Ring", "info",
		"Warn+1", "loud", "localhost:9090", ":9090", "[::1]:1", "::1:1", "localhost", "oci://a.b/c:d", "ftp://a"}
}

// allows reports whether a value is right by those words of a schema that schemaOf writes.
func allows(schema map[string]any, value any) bool {
	for word, bound := range schema {
		ok := true
		switch word {
		case "type":
			number, numeric := value.(float64)
			ok = bound != "integer" || numeric && number == math.Trunc(number)
		case "minimum":
			ok = value.(float64) >= bound.(float64)
		case "maximum":
			ok = value.(float64) <= bound.(float64)
		case "const":
			ok = value == float64(bound.(int))
		case "pattern":
			ok = regexp.MustCompile(bound.(string)).MatchString(value.(string))
		case "allOf":
			ok = !slices.ContainsFunc(bound.([]any), func(s any) bool { return !allows(s.(map[string]any), value) })
		case "anyOf":
			ok = slices.ContainsFunc(bound.([]any), func(s any) bool { return allows(s.(map[string]any), value) })
		}
		if !ok {
			return false
		}
	}
	return true
}
