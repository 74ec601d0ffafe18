package helm

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// series has the labels of each series of a server, by its name.
type series map[string][]string

// readSeries reads the list that the tests of the metrics write.
func readSeries(t *testing.T) series {
	t.Helper()
	text, err := os.ReadFile("../../server/metrics/testdata/series.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := make(series)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		var names []string
		if len(words) == 3 {
			names = strings.Split(words[2], ",")
		}
		if words[1] != "histogram" {
			all[words[0]] = names
			continue
		}
		all[words[0]+"_bucket"] = append(slices.Clone(names), "le")
		all[words[0]+"_sum"], all[words[0]+"_count"] = names, names
	}
	return all
}

// check fails the test if an expression asks for a series or a label that no server has. Prometheus adds some labels.
func (s series) check(t *testing.T, where, expression string) {
	t.Helper()
	plain := strings.NewReplacer("$__rate_interval", "5m").Replace(expression)
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(plain)
	if err != nil {
		t.Errorf("%s: %s: %v", where, expression, err)
		return
	}
	known := []string{"namespace", "service", "pod", "instance"}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			own, exists := s[selector.Name]
			if !exists {
				t.Errorf("%s: no server has the series %s", where, selector.Name)
			}
			known = append(known, own...)
			s.matchers(t, where, selector, append(own, "namespace", "service", "pod"))
		}
		return nil
	})
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if sum, ok := node.(*parser.AggregateExpr); ok {
			for _, label := range sum.Grouping {
				if !slices.Contains(known, label) {
					t.Errorf("%s: no series of %s has the label %s", where, expression, label)
				}
			}
		}
		return nil
	})
}

func (s series) matchers(t *testing.T, where string, selector *parser.VectorSelector, known []string) {
	t.Helper()
	for _, m := range selector.LabelMatchers {
		if m.Name != labels.MetricName && !slices.Contains(known, m.Name) {
			t.Errorf("%s: %s has no label %s", where, selector.Name, m.Name)
		}
	}
}

// TestDashboard: everything that the dashboard asks for exists, and it shows every series of ours.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(folder + "/dashboards/langevin.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if got := published(t); got != string(text) {
		t.Errorf("the chart publishes another dashboard, of %d bytes", len(got))
	}
	all, asked := readSeries(t), 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			asked++
			all.check(t, p.Title, target.Expr)
		}
	}
	if asked < 20 {
		t.Errorf("%d expressions: is the dashboard's form another one?", asked)
	}
	for _, v := range board.Templating.List {
		if inner, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			selector, label, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
			all.check(t, "variable "+v.Name, "sum by ("+label+") ("+selector+")")
		}
	}
	for name := range all {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !strings.Contains(string(text), base) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// published returns the dashboard that the chart gives to Grafana.
func published(t *testing.T) string {
	t.Helper()
	files, err := render(load(t), map[string]any{
		"metrics": map[string]any{"dashboard": map[string]any{"enabled": true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(files[path.Join(folder, "templates", "dashboard.yaml")]), &m); err != nil {
		t.Fatal(err)
	}
	return m.Data["langevin.json"]
}

// TestAlerts: everything that alerts and the autoscaler ask for exists.
func TestAlerts(t *testing.T) {
	all := readSeries(t)
	files, err := render(load(t), cases(t)["everything"])
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
	}
	var scaler struct {
		Spec struct {
			Triggers []struct {
				Type     string
				Metadata struct{ Query string }
			}
		}
	}
	read := func(name string, into any) {
		if err := yaml.Unmarshal([]byte(files[path.Join(folder, "templates", name)]), into); err != nil {
			t.Fatal(err)
		}
	}
	read("rules.yaml", &rules)
	read("autoscaling.yaml", &scaler)
	asked, plain := 0, rulesFile(t)
	for _, group := range rules.Spec.Groups {
		for _, rule := range group.Rules {
			asked++
			all.check(t, rule.Alert, rule.Expr)
			all.check(t, rule.Alert, plain[rule.Alert])
			own := `{namespace="lab",service="sampler-headless"`
			if strings.Count(rule.Expr, own) != strings.Count(rule.Expr, "langevin_") {
				t.Errorf("%s: %s asks for series of others", rule.Alert, rule.Expr)
			}
		}
	}
	for _, trigger := range scaler.Spec.Triggers {
		if trigger.Type == "prometheus" {
			asked++
			all.check(t, "the ScaledObject", trigger.Metadata.Query)
		}
	}
	if asked != len(plain)+1 {
		t.Errorf("%d expressions: are the renderings of another form?", asked)
	}
}

// rulesFile returns the expressions of the file of alerts, which Prometheus reads, by the names of the alerts. Its
// thresholds are those of values.yaml.
func rulesFile(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(folder + "/rules/langevin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, group := range parsed.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Expr
		}
	}
	values := load(t).Values["metrics"].(map[string]any)["rules"].(map[string]any)
	for alert, value := range map[string]string{
		"LangevinFails": "errorRatio", "LangevinRefuses": "refusedRatio", "LangevinQueueIsLong": "queueWaitSeconds",
	} {
		if threshold := fmt.Sprintf("> %v", values[value]); !strings.HasSuffix(all[alert], threshold) {
			t.Errorf("%s is %s, want %s as in values.yaml", alert, all[alert], threshold)
		}
	}
	return all
}
