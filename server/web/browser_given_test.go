package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/server"
)

// TestPageGiven: the page offers the classes of a model with names, the guidance scale if the model has one, and the
// numbers of a vector. A link has them, they reach the server, and the samples are those of the same request.
func TestPageGiven(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		colours := models.Condition{Classes: 3, Names: []string{"red", "green", "blue"}, Dropped: true}
		means := [][]float32{{4, 4}, {-4, 4}, {0, -4}, {0, 0}}
		place(t, c, "colours", modelstest.File(t, modelstest.GaussianOfClass(means, 2),
			modelstest.Conditional(colours, "colours", 2)))
		sides := models.Condition{Size: 2}
		place(t, c, "sides", modelstest.File(t, modelstest.GaussianOfVector(2, false),
			modelstest.Conditional(sides, "sides", 2)))
	})
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=colours&n=50&seed=3&sampler=annealed&class=1&scale=2"))
	b.waitFor(`document.querySelector("#fingerprint").textContent.length > 3`)
	if got := b.value(`document.querySelector("#classes").innerText.replaceAll(/\s+/g, " ")`); !strings.HasSuffix(got,
		"any red green blue") {
		t.Errorf("classes %q, want any, red, green and blue", got)
	}
	b.picture("given-class")
	want := s.fingerprint(t, "colours", map[string]any{
		"n": 50, "seed": 3, "annealed_langevin": map[string]any{}, "given": []any{map[string]any{"class": 1}},
		"guidance_scale": 2,
	})
	if got := b.value(`document.querySelector("#fingerprint").textContent`); got != want {
		t.Errorf("class and scale: fingerprint %s, want %s", got, want)
	}
	if shown := string(b.shown()); !strings.Contains(shown, `"given": [{"class": 1}], "guidance_scale": 2`) {
		t.Errorf("the page shows %s", shown)
	}
	b.do(chromedp.Navigate("about:blank"),
		chromedp.Navigate(s.url+"/#model=sides&n=50&seed=3&sampler=annealed&vector=1,-2"))
	b.waitFor(`document.querySelector("#fingerprint").textContent.length > 3`)
	want = s.fingerprint(t, "sides", map[string]any{
		"n": 50, "seed": 3, "annealed_langevin": map[string]any{},
		"given": []any{map[string]any{"vector": map[string]any{"values": []float64{1, -2}}}},
	})
	if got := b.value(`document.querySelector("#fingerprint").textContent`); got != want {
		t.Errorf("vector: fingerprint %s, want %s", got, want)
	}
	b.picture("given-vector")
	for expression, want := range map[string]string{
		`document.querySelector("#scale").offsetParent === null`:                                      "true",
		`document.querySelector("#classes").offsetParent === null`:                                    "true",
		`(e => { e.value = "1"; return e.checkValidity() })(document.querySelector("[name=vector]"))`: "false",
		`(e => { e.value = ""; return e.checkValidity() })(document.querySelector("[name=vector]"))`:  "false",
	} {
		if got := b.value(expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
	b.noErrors()
}

// place writes a model's file into the folder of a server.
func place(t *testing.T, c *server.Config, name string, data []byte) {
	t.Helper()
	folder := filepath.Join(c.Models.Dir, name, "1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "model.onnx"), data, 0o644); err != nil {
		t.Fatal(err)
	}
}
