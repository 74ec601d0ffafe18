package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/server"
)

// pets is a table whose network sees four numbers of N(0, 1).
func pets() models.Manifest {
	m := modelstest.Manifest("pets", 4)
	m.Format, m.Columns = models.FormatColumns, models.Columns{
		{Name: "kind", Kind: models.ColumnCategory, Words: []string{"cat, tame", "dog"}},
		{Name: "height", Kind: models.ColumnNumber, Mean: 170, Std: 10, Low: 140, High: 200, Unit: "cm"},
		{Name: "age", Kind: models.ColumnInteger, Mean: 8, Std: 3, High: 20},
		{Name: "legs", Kind: models.ColumnConstant, Values: []float64{4}},
	}
	return m
}

// TestPageTable: the samples of a table are rows under the names of its columns, in words and units, and the file that
// the page saves is the CSV with which the server answers the same request.
func TestPageTable(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		place(t, c, "pets", modelstest.File(t, modelstest.Gaussian(4), pets()))
	})
	want := s.csv(t, "pets", `{"n": 150, "seed": 3, "annealed_langevin": {}}`)
	b.size(1280, 1500)
	b.theme("light")
	b.visit(s.url + "/#model=ring")
	if hidden := b.value(`document.querySelector("#rows").offsetParent === null`); hidden != "true" {
		t.Error("rows are shown before the first run")
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=pets&n=150&seed=3&sampler=annealed"))
	b.waitFor(isPlayed)
	b.picture("table")
	const texts = `.map((c) => c.textContent).join("|")`
	for expression, want := range map[string]string{
		`[...document.querySelectorAll("#rows th")]` + texts:                             "kind|height (cm)|age|legs",
		`document.querySelectorAll("#rows tbody tr").length`:                             "100",
		`document.querySelector("#rows-title").textContent`:                              "The first 100 of 150 rows",
		`document.querySelector("#about").textContent.includes("height across, age up")`: "true",
		`[...document.querySelectorAll("#hold, .plane")].every((e) => e.hidden)`:         "true",
	} {
		if got := b.value(expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
	b.do(chromedp.Evaluate(`(() => {
		const make = URL.createObjectURL;
		URL.createObjectURL = (blob) => { blob.text().then((text) => (window.saved = text)); return make(blob); };
		document.querySelector("#save-rows").click();
	})()`, nil))
	b.waitFor("window.saved !== undefined")
	if got := b.value("window.saved"); got != want {
		t.Errorf("saved %q..., want %q...", got[:min(200, len(got))], want[:200])
	}
	first := strings.Split(want, "\n")[1]
	row := b.value(`[...document.querySelectorAll("#rows tbody tr:first-child td")]` + texts)
	if kind, _, _ := strings.Cut(row, "|"); !strings.Contains(first, kind) || strings.Count(row, "|") != 3 {
		t.Errorf("the first row is %s, want that of %s", row, first)
	}
	b.do(chromedp.Evaluate(`document.querySelector("#model").value = "gauss";
		document.querySelector("#model").dispatchEvent(new Event("input", { bubbles: true }))`, nil))
	b.waitFor(`document.querySelector("#rows").offsetParent === null`)
	b.texts(t)
	b.noErrors()
}

// texts: a number is written as the shortest that is the same float32.
func (b browser) texts(t *testing.T) {
	t.Helper()
	b.do(chromedp.Evaluate(`import("/table.js").then(({ textOf }) => {
		const values = [0.1, -0, 16777216, 3.1415927, 1e-10, 4.3];
		window.texts = JSON.stringify(values.map((v) => textOf({}, Math.fround(v))));
	})`, nil))
	b.waitFor("window.texts !== undefined")
	var texts []string
	if err := json.Unmarshal([]byte(b.value("window.texts")), &texts); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(texts, " "); got != "0.1 0 16777216 3.1415927 1e-10 4.3" {
		t.Errorf("texts %s", got)
	}
}

// csv returns the server's answer to a request as CSV.
func (s *site) csv(t *testing.T, model, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/models/"+model+":sample",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/csv")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", response.Status, text, err)
	}
	return string(text)
}
