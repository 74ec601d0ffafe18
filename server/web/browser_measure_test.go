package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/sampling/linear"
	"github.com/langevin-ml/langevin/server"
)

// atTheEnd is true when the last frame of a finished run is shown.
const atTheEnd = isDone + " && ((s) => s.max > 1 && s.value === s.max)(document.querySelector('#scrub'))"

// saved returns the request that the page saves as a file.
func (b browser) saved() json.RawMessage {
	b.t.Helper()
	b.do(chromedp.Evaluate("window.saved = ''; "+
		"URL.createObjectURL = (file) => (file.text().then((text) => (window.saved = text)), '#'); "+
		"document.querySelector('#code').open = true; document.querySelector('#save').click()", nil))
	b.waitFor("window.saved")
	return json.RawMessage(b.value("window.saved"))
}

// set writes a value into an element of the form, as a user does.
func (b browser) set(name, value string) {
	b.t.Helper()
	b.do(chromedp.Evaluate(fmt.Sprintf("(() => { const e = document.querySelector('[name=%s]'); e.value = %q; "+
		"e.dispatchEvent(new Event('input', {bubbles: true})); })()", name, value), nil))
}

// pixels returns the grey of every pixel of a canvas.
func (b browser) pixels(selector string) []float64 {
	b.t.Helper()
	var grey []float64
	b.do(chromedp.Evaluate(fmt.Sprintf("(() => { const c = document.querySelector(%q); const {data} = "+
		"c.getContext('2d').getImageData(0, 0, c.width, c.height); "+
		"return [...data].filter((_, i) => i %% 4 === 0); })()", selector), &grey))
	return grey
}

// photos adds a model of pictures with three channels.
func photos(t *testing.T) func(*server.Config) {
	return func(c *server.Config) {
		path := filepath.Join(c.Models.Dir, "photos", "1", "model.onnx")
		data := modelstest.File(t, modelstest.Gaussian(3, 4, 6), modelstest.Manifest("photos", 3, 4, 6))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPageOperators: the page measures pictures as the server's operators do, with noise of the given size.
func TestPageOperators(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.visit(s.url)
	shape := linear.Shape{Channels: 3, Height: 4, Width: 6}
	x, seen := make([]float64, shape.Dim()), make([]bool, 24)
	for i := range x {
		x[i] = math.Sin(float64(3*i + 1))
	}
	for p := range seen {
		seen[p] = p%5 < 2
	}
	kernel := linear.Kernel{Height: 3, Width: 3}
	total := 0.0
	for k := range 9 {
		kernel.Values = append(kernel.Values, math.Exp(-float64((k/3-1)*(k/3-1)+(k%3-1)*(k%3-1))/(2*0.3*0.3)))
		total += kernel.Values[k]
	}
	for k := range kernel.Values {
		kernel.Values[k] /= total
	}
	mask := append(append(append([]bool{}, seen...), seen...), seen...)
	for settings, build := range map[string]func() (*linear.Operator, error){
		`{measure: "pool", factor: "2"}`:     func() (*linear.Operator, error) { return linear.Pool(shape, 2) },
		`{measure: "blur", blur_std: "0.3"}`: func() (*linear.Operator, error) { return linear.Blur(shape, kernel) },
		`{measure: "grey"}`:                  func() (*linear.Operator, error) { return linear.Grey(shape) },
		`{measure: "mask"}`:                  func() (*linear.Operator, error) { return linear.Mask(mask) },
	} {
		op, err := build()
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, op.Size())
		op.Apply(want, x)
		given, err := json.Marshal([]any{x, seen})
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		b.do(chromedp.Evaluate(fmt.Sprintf(`(async () => {
			const {measureOf} = await import("/measured.js");
			const [x, seen] = %s;
			return [...measureOf(%s, Float32Array.from(x), [3, 4, 6], seen)];
		})()`, given, settings), &got, awaited))
		if !near(got, want, 1e-5) {
			t.Errorf("%s measures %v, the server's operator %v", settings, got, want)
		}
	}
	var z []float64
	b.do(chromedp.Evaluate(`import("/measured.js").then(({normal}) => [...normal(20000)])`, &z, awaited))
	var mean, square, fourth float64
	for _, v := range z {
		mean, square, fourth = mean+v/20000, square+v*v/20000, fourth+v*v*v*v/20000
	}
	if math.Abs(mean) > 0.03 || math.Abs(square-1) > 0.04 || math.Abs(fourth-3) > 0.3 {
		t.Errorf("moments 1, 2 and 4 of the noise are %g, %g and %g, want 0, 1 and 3", mean, square, fourth)
	}
	b.noErrors()
}

func near(got, want []float64, within float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= within) {
			return false
		}
	}
	return true
}

// TestPageMeasuresPictures: samples, mean, spread and figures are those of the server's answer to the same request, and
// a link and the saved request give the same samples.
func TestPageMeasuresPictures(t *testing.T) {
	const dim, n = 24, 9
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	link := s.url + "/#model=tiles&n=9&seed=3&measure=pool&factor=2&noise_std=0.25&posterior=particles" +
		"&particles=2&whole=5_2"
	b.do(chromedp.Navigate(link))
	b.waitFor(atTheEnd)
	got, request := b.value("document.body.dataset.fingerprint"), b.saved()
	if saved := s.fingerprint(t, "tiles", request); saved != got {
		t.Errorf("the page drew %s, its request.json draws %s", got, saved)
	}
	m := decode[struct {
		Measurement struct {
			Pool      struct{ Factor int }
			Values    []float64
			NoiseStd  float64 `json:"noise_std"`
			Particles struct{ Count int }
		}
	}](t, string(request)).Measurement
	if m.Pool.Factor != 2 || m.NoiseStd != 0.25 || m.Particles.Count != 2 || len(m.Values) != 6 {
		t.Errorf("the page asked for %+v", m)
	}
	known := s.elements(t, "tiles", `{"seed": 5, "first_chain": 2}`)
	for k, y := range m.Values {
		at := k/3*12 + k%3*2
		exact := float64(known[at]+known[at+1]+known[at+6]+known[at+7]) / 4
		if z := (y - exact) / 0.25; math.Abs(z) > 4 || z == 0 {
			t.Errorf("value %d is %g: %g standard deviations of the noise from %g", k, y, z, exact)
		}
	}
	b.comparesMoments(s.elements(t, "tiles", string(request)), dim, n)
	status, answer := s.post(t, "/v1/models/tiles:sample", string(request))
	done := decode[struct {
		EffectiveSize float64 `json:"effective_size"`
		LogEvidence   float64 `json:"log_evidence"`
		Collapsed     int
	}](t, answer)
	if status != 200 || done.Collapsed == 0 {
		t.Fatalf("status %d, %d chains collapsed: the test needs some", status, done.Collapsed)
	}
	evidence := b.value("document.querySelector('#evidence').textContent")
	shown := decode[float64](t, strings.Replace(evidence, "−", "-", 1))
	if math.Abs(shown-done.LogEvidence) > 0.01*math.Abs(done.LogEvidence) {
		t.Errorf("the page shows the log evidence %g, the server says %g", shown, done.LogEvidence)
	}
	size := b.value("document.querySelector('#effective').textContent")
	if want := strings.TrimRight(fmt.Sprintf("%.3g", done.EffectiveSize), "0") + " of 2"; size != want {
		t.Errorf("the page shows the effective size %q, want %q", size, want)
	}
	warning := b.value("document.querySelector('#warning').textContent")
	if want := fmt.Sprintf("%d of 9 chains collapsed", done.Collapsed); !strings.HasPrefix(warning, want) {
		t.Errorf("the page warns %q, want %q", warning, want)
	}
	b.picture("measured")
	b.theme("dark")
	b.picture("measured-dark")
	b.theme("light")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.waitFor(isDone)
	if shared := b.value("document.body.dataset.fingerprint"); shared != got {
		t.Errorf("the page drew %s, the link draws %s", got, shared)
	}
	b.set("posterior", "")
	b.set("factor", "1") // 24 values, for which the server chooses DDRM
	b.samples()
	b.waitFor(atTheEnd)
	warning = b.value("document.querySelector('#warning').textContent")
	method := b.value("document.querySelector('#posterior-method').textContent")
	if !strings.HasPrefix(warning, "DDRM only approximates") || method != "DDRM, the server's choice" {
		t.Errorf("with %q the page warns %q", method, warning)
	}
	b.set("measure", "")
	b.samples()
	b.waitFor(atTheEnd)
	if left := b.value("document.querySelector('#warning').textContent + " +
		"document.querySelector('#posterior').hidden"); left != "true" {
		t.Errorf("without a measurement the page shows %s", left)
	}
	b.noErrors()
}

// comparesMoments compares the pictures of mean and spread with those of samples.
func (b browser) comparesMoments(x []float32, dim, n int) {
	b.t.Helper()
	mean, deviation, top := make([]float64, dim), make([]float64, dim), 0.0
	for i := range dim {
		for k := range n {
			mean[i] += float64(x[k*dim+i]) / float64(n)
		}
		for k := range n {
			deviation[i] += math.Pow(float64(x[k*dim+i])-mean[i], 2) / float64(n-1)
		}
		deviation[i] = math.Sqrt(deviation[i])
		top = max(top, deviation[i])
	}
	for i := range dim {
		mean[i] = min(max((mean[i]+3)/6, 0), 1) * 255 // -3 to 3 is the range of tiles
		deviation[i] *= 255 / top
	}
	if got := b.pixels("#posterior .mean canvas"); !near(got, mean, 1) {
		b.t.Errorf("the picture of the mean is %v, want %v", got, mean)
	}
	if got := b.pixels("#posterior .deviation canvas"); !near(got, deviation, 1) {
		b.t.Errorf("the picture of the spread is %v, want %v", got, deviation)
	}
}

// TestPageMeasuresWhatIsDrawn: with a file, a drawing, a mask and grey, the server is asked about the values that they
// have.
func TestPageMeasuresWhatIsDrawn(t *testing.T) {
	b := inChromium(t)
	s := open(t, photos(t))
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=tiles&n=4&seed=3&measure=pool&factor=2&noise_std=0&posterior=ddrm"))
	b.waitFor(isDone)
	file := filepath.Join(t.TempDir(), "seen.png")
	picture := image.NewGray(image.Rect(0, 0, 3, 2))
	picture.SetGray(2, 1, color.Gray{255})
	var data bytes.Buffer
	if err := errors.Join(png.Encode(&data, picture), os.WriteFile(file, data.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	asks := func(what, model string, measurement map[string]any) {
		t.Helper()
		request := map[string]any{"n": 4, "seed": 3}
		maps.Copy(request, map[string]any{"measurement": measurement})
		if got, want := b.samples(), s.fingerprint(t, model, request); got != want {
			t.Errorf("%s: the page drew %s, the server %s; it asked for %s", what, got, want, b.saved())
		}
	}
	pool := map[string]any{"factor": 2}
	b.do(chromedp.SetUploadFiles("#observe", []string{file}))
	b.waitFor("document.querySelector('#measurement .what').textContent.startsWith('seen.png, as it was observed')")
	asks("observed file", "tiles", map[string]any{"pool": pool, "ddrm": map[string]any{},
		"values": []float64{-3, -3, -3, -3, -3, 3}})
	if link := b.link(); link.Has("measure") || link.Has("whole") {
		t.Errorf("the link has %v, which gives other samples", link)
	}

	b.do(chromedp.Click("#measurement .blank"), chromedp.SetValue("[name=pen]", "1"))
	b.drag("#measured-picture canvas", 0.5/6, 0.5/4, 1.5/6, 0.5/4)
	asks("drawing", "tiles", map[string]any{"pool": pool, "ddrm": map[string]any{},
		"values": []float64{0, -3, -3, -3, -3, -3}})

	b.set("measure", "mask")
	b.choose("#measurement [data-part=none]")
	b.drag("#measured-picture canvas", 0.5/6, 1.5/4, 5.5/6, 1.5/4)
	seen, values := make([]bool, 24), []float64{3, 3}
	for p := range seen {
		if seen[p] = p/6 != 1; seen[p] && p > 1 {
			values = append(values, -3)
		}
	}
	asks("mask", "tiles", map[string]any{"mask": map[string]any{"seen": seen}, "ddrm": map[string]any{},
		"values": values})
	b.waitFor(atTheEnd)
	b.picture("measured-mask")

	b.do(chromedp.Navigate("about:blank"),
		chromedp.Navigate(s.url+"/#model=photos&n=4&seed=3&measure=grey&noise_std=0&whole=7_2_flow*steps*20"))
	b.waitFor(isDone)
	known := s.elements(t, "photos", `{"seed": 7, "first_chain": 2, "probability_flow": {"steps": 20}}`)
	grey := make([]float32, 24)
	for p := range grey {
		grey[p] = float32((float64(known[p]) + float64(known[p+24]) + float64(known[p+48])) / 3)
	}
	asks("grey", "photos", map[string]any{"grey": map[string]any{}, "values": grey})
	b.noErrors()
}

// TestPageMeasuresPoints: a weighted sum of coordinates, the request as curl makes it, and mistakes, shown where they
// were made.
func TestPageMeasuresPoints(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url +
		"/#model=ring&n=200&seed=3&measure=matrix&row=1,0.5&observed=2&noise_std=0.4"))
	b.waitFor(atTheEnd)
	b.picture("measured-line")
	got := b.value("document.body.dataset.fingerprint")
	request := map[string]any{"n": 200, "seed": 3, "measurement": map[string]any{
		"matrix": map[string]any{"rows": [][]float64{{1, 0.5}}}, "values": []float64{2}, "noise_std": 0.4}}
	want, shown := s.fingerprint(t, "ring", request), s.fingerprint(t, "ring", b.shown())
	if got != want || got != shown {
		t.Errorf("the page drew %s, the server %s, what it shows for curl %s", got, want, shown)
	}
	for _, mistake := range []struct{ name, value, right, want string }{
		{"noise_std", "-1", "0.4", "measurement.noise_std is -1"},
		{"particles", "1", "8", "measurement.particles.count is 1"},
		{"row", "0, 0", "1, 0", "measurement.matrix.rows is all 0"},
		{"own", "2", "", "measurement is set together with own_weight"},
	} {
		b.set("posterior", "particles")
		b.set(mistake.name, mistake.value)
		b.do(chromedp.Evaluate("document.body.dataset.state = ''; document.querySelector('#sample').click()", nil))
		b.waitFor("document.body.dataset.state === 'failed'")
		at := mistake.name
		if at == "own" {
			at = "measure"
		}
		if said := b.value("document.querySelector('#problem-" + at + "')?.textContent"); !strings.HasPrefix(said,
			mistake.want) {
			t.Errorf("at %s stands %q, want %q", at, said, mistake.want)
		}
		b.picture("measured-wrong-" + mistake.name)
		b.set(mistake.name, mistake.right)
		b.set("measure", "matrix")
	}
	b.samples()
	b.noErrors()
}
