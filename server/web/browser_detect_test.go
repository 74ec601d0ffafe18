package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/server"
)

// compared is true when the page shows how unlike the training data a sample is.
const compared = "!document.querySelector('#detection .result').hidden"

// found is what a Detect call says of one row.
type found struct {
	PValue    []float64 `json:"p_value"`
	Distance  []float64
	Deviation []float64
}

// detects returns the server's answer for a row.
func (s *site) detects(t *testing.T, model string, x []float64) found {
	t.Helper()
	row, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	status, text := s.post(t, "/v1/models/"+model+":detect", fmt.Sprintf(`{"x": [%s], "deviations": true}`, row))
	if status != 200 {
		t.Fatalf("status %d: %s", status, text)
	}
	return decode[found](t, text)
}

// showsFound compares what the page shows with the server's answer.
func (b browser) showsFound(what string, want found) {
	b.t.Helper()
	text := func(selector string) string {
		return b.value("document.querySelector('#detection " + selector + "').textContent")
	}
	number := func(selector string) float64 {
		first, _, _ := strings.Cut(text(selector), ",")
		v, err := strconv.ParseFloat(first, 64)
		if err != nil {
			b.t.Errorf("%s: %s shows %q", what, selector, first)
		}
		return v
	}
	p, distance := want.PValue[0], want.Distance[0]
	if got := number(".p-value"); math.Abs(got-p) > 0.01*p {
		b.t.Errorf("%s: the page shows the p-value %g, the server says %g", what, got, p)
	}
	if got := number(".distance"); math.Abs(got-distance) > 0.01*distance {
		b.t.Errorf("%s: the page shows the distance %g, the server says %g", what, got, distance)
	}
	if alarm := strings.HasPrefix(text(".verdict"), "Alarm"); alarm != (p <= 0.01) {
		b.t.Errorf("%s: with the p-value %g the page says %q", what, p, text(".verdict"))
	}
	bars := "[...document.querySelectorAll('#detection .bar')]"
	var heights []float64
	b.do(chromedp.Evaluate(bars+".map((bar) => Number(bar.getAttribute('height')))", &heights))
	top := 4.0
	for _, z := range want.Deviation {
		top = max(top, math.Abs(z))
	}
	if len(heights) != len(want.Deviation) || len(heights) == 0 {
		b.t.Fatalf("%s: %d bars for %d levels", what, len(heights), len(want.Deviation))
	}
	for i, z := range want.Deviation {
		if math.Abs(heights[i]-60*math.Abs(z)/top) > 0.1 {
			b.t.Errorf("%s: bar %d is %g high, want %g of %g standard deviations", what, i, heights[i], z, top)
		}
	}
}

// TestPageDetects compares a drawing, a file and a row of a table with the training data.
func TestPageDetects(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		m := pets()
		m.Detector = modelstest.WithDetector(t, modelstest.Manifest("pets", 4)).Detector // of what the network sees
		m.Format = m.WantFormat()
		place(t, c, "pets", modelstest.File(t, modelstest.Gaussian(4), m))
	})
	b.size(1280, 1400)
	b.theme("light")
	b.visit(s.url + "/#model=gauss")
	if shown := b.value("document.querySelector('#detection').hidden"); shown != "true" {
		t.Error("a model without a detector has the panel")
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=tiles"))
	b.waitFor("document.querySelector('#model').value === 'tiles'")
	b.do(chromedp.Evaluate("document.querySelector('#detection').open = true; "+
		"document.querySelector('#detection .blank').click()", nil))
	b.waitFor(compared)
	black := make([]float64, 24)
	for i := range black {
		black[i] = -3
	}
	b.showsFound("a blank picture", s.detects(t, "tiles", black))
	b.do(chromedp.Evaluate("document.querySelector('#detection .result').hidden = true", nil))
	file := filepath.Join(t.TempDir(), "grey.png")
	grey := image.NewGray(image.Rect(0, 0, 6, 4))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(127 + i%2*51)
	}
	var data bytes.Buffer
	if err := errors.Join(png.Encode(&data, grey), os.WriteFile(file, data.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	x := make([]float64, 24)
	for i := range x {
		x[i] = -3 + 6*float64(grey.Pix[i])/255
	}
	b.do(chromedp.SetUploadFiles("#detection [type=file]", []string{file}))
	b.waitFor(compared)
	b.showsFound("a file", s.detects(t, "tiles", x))
	b.pictureOf("detect", "#detection")
	b.comparesRows(s)
	b.noErrors()
}

// comparesRows pastes rows of a table.
func (b browser) comparesRows(s *site) {
	b.t.Helper()
	b.do(chromedp.Evaluate(`document.querySelector("#model").value = "pets";
		document.querySelector("#model").dispatchEvent(new Event("input", { bubbles: true }))`, nil))
	b.waitFor("document.querySelector('#detection .easel').hidden")
	paste := func(row string) {
		b.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
			const panel = document.querySelector("#detection");
			panel.open = true;
			panel.querySelector(".result").hidden = true;
			panel.querySelector(".refusal").textContent = "";
			panel.querySelector("[name=detect_row]").value = %q;
			panel.querySelector(".check").click();
		})()`, row), nil))
	}
	for row, x := range map[string][]float64{
		`"cat, tame",171,8,4`: {0, 171, 8, 4},
		"dog\t199.5\t20\t4":   {1, 199.5, 20, 4},
	} {
		paste(row)
		b.waitFor(compared)
		b.showsFound(row, s.detects(b.t, "pets", x))
	}
	b.picture("detect-row")
	for row, want := range map[string]string{
		"dog,170,8":       "The row has 3 values: want 4.",
		"wolf,170,8,4":    "kind is wolf: want cat, tame, dog.",
		"dog,tall,8,4":    "height is tall: want a number.",
		"dog,170,,4":      "age is empty: want a number.",
		"dog,1000000,8,4": "",
	} {
		paste(row)
		b.waitFor(compared + " || document.querySelector('#detection .refusal').textContent !== ''")
		if got := b.value("document.querySelector('#detection .refusal').textContent"); want != "" && got != want {
			b.t.Errorf("%q: the page says %q, want %q", row, got, want)
		}
	}
}
