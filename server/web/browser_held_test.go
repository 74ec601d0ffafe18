package web_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/server"
)

// fingerprint computes the page's fingerprint, FNV-1a, of the samples with which the server answers a request.
func (s *site) fingerprint(t *testing.T, model string, request any) string {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	hash := fnv.New32a()
	if err := binary.Write(hash, binary.LittleEndian, s.elements(t, model, string(body))); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%08x", hash.Sum32())
}

// elements returns the elements of all samples with which the server answers a request.
func (s *site) elements(t *testing.T, model, body string) []float32 {
	t.Helper()
	status, answer := s.post(t, "/v1/models/"+model+":sample", body)
	if status != 200 {
		t.Fatalf("%s: %d %s", body, status, answer)
	}
	var flat []float32
	var add func(v any)
	add = func(v any) {
		if rows, ok := v.([]any); ok {
			for _, row := range rows {
				add(row)
			}
			return
		}
		flat = append(flat, float32(v.(float64)))
	}
	add(decode[struct{ Samples any }](t, answer).Samples)
	return flat
}

// link returns the settings in the page's address.
func (b browser) link() url.Values {
	b.t.Helper()
	_, fragment, _ := strings.Cut(b.value("location.href"), "#")
	values, err := url.ParseQuery(fragment)
	if err != nil {
		b.t.Fatal(err)
	}
	return values
}

// samples presses the button and returns the fingerprint of the result.
func (b browser) samples() string {
	b.t.Helper()
	b.do(chromedp.Evaluate("document.body.dataset.state = ''; document.querySelector('#sample').click()", nil))
	b.waitFor(isDone)
	return b.value("document.body.dataset.fingerprint")
}

// drag moves the mouse over an element, between two points given as fractions of its width and height.
func (b browser) drag(selector string, fromX, fromY, toX, toY float64) {
	b.t.Helper()
	b.do(chromedp.ScrollIntoView(selector))
	var at []float64
	b.do(chromedp.Evaluate(fmt.Sprintf("(({left, top, width, height}) => [left, top, width, height])"+
		"(document.querySelector(%q).getBoundingClientRect())", selector), &at))
	mouse := func(kind input.MouseType, x, y float64) chromedp.Action {
		return input.DispatchMouseEvent(kind, at[0]+x*at[2],
			at[1]+y*at[3]).WithButton(input.Left).WithButtons(1).WithClickCount(1)
	}
	b.do(mouse(input.MousePressed, fromX, fromY), mouse(input.MouseMoved, (fromX+toX)/2, (fromY+toY)/2),
		mouse(input.MouseMoved, toX, toY), mouse(input.MouseReleased, toX, toY))
}

// shown returns the request in the page's line for curl.
func (b browser) shown() json.RawMessage {
	b.t.Helper()
	_, request, _ := strings.Cut(b.value("document.querySelector('#snippet').textContent"), "-d '")
	return json.RawMessage(strings.TrimSuffix(request, "'"))
}

// awaited makes Evaluate wait for a promise.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

func (b browser) choose(selector string) {
	b.t.Helper()
	b.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).closest('details').open = true; "+
		"document.querySelector(%q).click()", selector, selector), nil))
}

func (b browser) noErrors() {
	b.t.Helper()
	if len(*b.errors) > 0 {
		b.t.Errorf("errors of the page: %v", *b.errors)
	}
}

// unpackMask reads the mask of a link.
func unpackMask(t *testing.T, text string, pixels int) []bool {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) != (pixels+7)/8 {
		t.Fatalf("mask %q: %d bytes, %v", text, len(data), err)
	}
	mask := make([]bool, pixels)
	for i := range mask {
		mask[i] = data[i/8]>>(i%8)&1 == 1
	}
	return mask
}

// TestPageHoldsPictures: the part under the brush is drawn again, and the rest comes from the sample that the link
// names.
func TestPageHoldsPictures(t *testing.T) {
	const width, height = 6, 4
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=tiles&n=9&seed=3"))
	b.waitFor(isDone)
	free := b.value("document.body.dataset.fingerprint")
	b.choose("[name=hold][value=part]")
	b.choose("[data-part=none]")
	b.waitFor("document.querySelector('#held-picture .what').textContent === 'Sample 0 of seed 1'")
	b.do(chromedp.SetValue("[name=brush]", "1"))
	b.drag("#held-picture canvas", 0.5/width, 1.5/height, 3.5/width, 1.5/height)
	b.drag(".stage canvas", 0.5, 0.5, 0.5, 0.5) // the tile in the middle
	b.waitFor("document.querySelector('#held-picture .what').textContent === 'Sample 4 of seed 3'")
	got := b.samples()
	b.picture("held")
	link := b.link()
	mask := unpackMask(t, link.Get("mask"), width*height)
	for p, known := range mask {
		if anew := p/width == 1 && p%width < 4; known == anew {
			t.Errorf("pixel %d, %d: known is %v", p%width, p/width, known)
		}
	}
	if link.Get("known") != "3_4" {
		t.Errorf("the link holds %q, want sample 4 of seed 3", link.Get("known"))
	}
	values := s.elements(t, "tiles", `{"seed": 3, "first_chain": 4}`)
	want := s.fingerprint(t, "tiles",
		map[string]any{"n": 9, "seed": 3, "inpainting": map[string]any{"values": values, "mask": mask}})
	if got != want || got == free {
		t.Errorf("the page drew %s, the server %s; with nothing held %s", got, want, free)
	}
	b.do(chromedp.Evaluate("URL.createObjectURL = (file) => (file.text().then((text) => (window.saved = text)), '#'); "+
		"document.querySelector('#code').open = true; document.querySelector('#save').click()", nil))
	b.waitFor("window.saved")
	if saved := s.fingerprint(t, "tiles", json.RawMessage(b.value("window.saved"))); saved != got {
		t.Errorf("the page drew %s, its request.json draws %s", got, saved)
	}
	b.do(chromedp.SetValue("[name=refresh]", "step"),
		chromedp.Evaluate("document.querySelector('[name=refresh]').dispatchEvent(new Event('input', {bubbles: true}))",
			nil))
	again := b.samples()
	address := b.value("location.href")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(address))
	b.waitFor(isDone)
	if shared := b.value("document.body.dataset.fingerprint"); shared != again || again == got {
		t.Errorf("with noise at every step: %s, from the link %s, with noise at every level %s", again, shared, got)
	}
	b.noErrors()
}

// TestPageUploads holds a picture from a file, which a link leaves out.
func TestPageUploads(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	picture := image.NewGray(image.Rect(0, 0, 6, 4))
	picture.SetGray(2, 1, color.Gray{255})
	var data bytes.Buffer
	file := filepath.Join(t.TempDir(), "one.png")
	if err := png.Encode(&data, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(s.url + "/#model=tiles&n=4&seed=3&hold=part"))
	b.waitFor(isDone)
	b.do(chromedp.SetUploadFiles("#upload", []string{file}))
	b.waitFor("document.querySelector('#held-picture .what').textContent.startsWith('one.png')")
	got := b.samples()
	m := decode[struct{ Low, High float32 }](t,
		func() string { _, text := s.get(t, "/v1/models/tiles"); return text }())
	values, mask := make([]float32, 24), make([]bool, 24)
	for i := range values {
		values[i], mask[i] = m.Low, i < 12
	}
	values[8] = m.High
	want := s.fingerprint(t, "tiles",
		map[string]any{"n": 4, "seed": 3, "inpainting": map[string]any{"values": values, "mask": mask}})
	if got != want {
		t.Errorf("the page drew %s, the server %s", got, want)
	}
	if link := b.link(); link.Has("hold") || link.Has("mask") || link.Has("known") {
		t.Errorf("the link has %v, which gives other samples", link)
	}
	b.noErrors()
}

// TestPageHoldsTheGrey colours pictures of three channels.
func TestPageHoldsTheGrey(t *testing.T) {
	const pixels = 24
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		path := filepath.Join(c.Models.Dir, "photos", "1", "model.onnx")
		data := modelstest.File(t, modelstest.Gaussian(3, 4, 6), modelstest.Manifest("photos", 3, 4, 6))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	})
	b.do(chromedp.Navigate(s.url + "/#model=photos&n=4&seed=3&hold=grey&known=7_2_flow*steps*20"))
	b.waitFor(isDone)
	known := s.elements(t, "photos", `{"seed": 7, "first_chain": 2, "probability_flow": {"steps": 20}}`)
	grey := make([]float64, pixels)
	for p := range grey {
		grey[p] = (float64(known[p]) + float64(known[p+pixels]) + float64(known[p+2*pixels])) / 3
	}
	got := b.value("document.body.dataset.fingerprint")
	want := s.fingerprint(t, "photos", map[string]any{"n": 4, "seed": 3, "colourisation": map[string]any{"grey": grey}})
	if got != want {
		t.Errorf("the page drew %s, the server %s", got, want)
	}
	b.noErrors()
}

// TestPageHoldsALine holds points on a line that the mouse drags.
func TestPageHoldsALine(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=ring&n=300&seed=3"))
	b.waitFor(isPlayed)
	b.choose("[name=hold][value=x]")
	b.drag(".stage canvas", 0.5, 0.5, 0.7, 0.4)
	got := b.samples()
	b.waitFor(isPlayed)
	b.picture("line")
	at := b.link().Get("at")
	values := json.RawMessage("[" + at + ", 0]")
	request := map[string]any{"n": 300, "seed": 3, "inpainting": map[string]any{"values": values,
		"mask": []bool{true, false}}}
	if want := s.fingerprint(t, "ring", request); got != want || !(decode[float64](t, at) > 1) {
		t.Errorf("held at %s the page drew %s, the server %s", at, got, want)
	}
	b.do(chromedp.Evaluate("const r = document.querySelector('[name=refresh]'); r.value = 'step'; "+
		"r.dispatchEvent(new Event('input', {bubbles: true}))", nil))
	got = b.samples()
	if shown := s.fingerprint(t, "ring", b.shown()); shown != got {
		t.Errorf("with noise at every step the page drew %s, what it shows for curl draws %s", got, shown)
	}
	b.noErrors()
}

// TestPageConditionalDensity compares the density on a line with that of a Gaussian of covariance [2 1.2; 1.2 1], where
// it is known: mean 0.6 x and variance 0.28 at x, mean 1.2 y and variance 0.56 at y, and a larger variance where x or y
// has noise.
func TestPageConditionalDensity(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.visit(s.url)
	const moments = `(async () => {
		const {Landscape} = await import("/landscape.js");
		const l = new Landscape({low: -8, high: 8, sigmas: [1, 0.1]}, () => {});
		const [half, points] = [8, l.grid(l.cells, 8)];
		const log = Float64Array.from({length: l.cells ** 2}, (_, k) => {
			const [x, y] = points.subarray(2 * k, 2 * k + 2);
			return -(x * x - 2.4 * x * y + 2 * y * y) / 1.12;
		});
		const p = l.conditional({half, log}, AXIS, 1.5, SIGMA);
		let [sum, mean, square] = [0, 0, 0];
		p.forEach((v, k) => {
			const u = points[2 * k];
			sum += v * 2 * half / l.cells;
			mean += u * v * 2 * half / l.cells;
			square += u * u * v * 2 * half / l.cells;
		});
		return [sum, mean, square - mean * mean];
	})()`
	for _, tt := range []struct{ axis, sigma, mean, variance float64 }{
		{0, 0, 0.9, 0.28}, {1, 0, 1.8, 0.56}, {0, 0.5, 0.9, 0.28 + 0.36*0.25}, {1, 0.5, 1.8, 0.56 + 1.44*0.25},
	} {
		var got [3]float64
		expression := strings.NewReplacer("AXIS", fmt.Sprint(tt.axis), "SIGMA", fmt.Sprint(tt.sigma)).Replace(moments)
		b.do(chromedp.Evaluate(expression, &got, awaited))
		for i, want := range []float64{1, tt.mean, tt.variance} {
			if math.Abs(got[i]-want) > 0.02 {
				t.Errorf("axis %g, sigma %g: integral, mean and variance %v, want 1, %g, %g", tt.axis, tt.sigma, got,
					tt.mean, tt.variance)
				break
			}
		}
	}
	b.noErrors()
}

// TestPageGuides: a second model changes the samples, and an error of the server is shown at its setting.
func TestPageGuides(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) { c.Models.Default = "ring" })
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=ring&n=50&seed=3&guide=2gauss&rule=mix&weight=1e39"))
	b.waitFor("document.body.dataset.state === 'failed'")
	said := b.value("document.querySelector('#problem-weight').textContent")
	if !strings.HasPrefix(said, "guidance.weight is ") {
		t.Errorf("at the weight stands %q", said)
	}
	if on := b.value("document.activeElement.name"); on != "weight" {
		t.Errorf("the focus is on %q, want the weight", on)
	}
	b.picture("refused")
	b.do(chromedp.Evaluate("const w = document.querySelector('[name=weight]'); w.value = 0.5; "+
		"w.dispatchEvent(new Event('input', {bubbles: true}))", nil))
	if left := b.value("document.querySelectorAll('.problem, [aria-invalid]').length"); left != "0" {
		t.Errorf("after another weight was given, %s marks are left", left)
	}
	got := b.samples()
	guidance := map[string]any{"model": "2gauss", "rule": "mix", "weight": 0.5}
	if want := s.fingerprint(t, "ring", map[string]any{"n": 50, "seed": 3, "guidance": guidance}); got != want {
		t.Errorf("the page drew %s, the server %s", got, want)
	}
	b.do(chromedp.Evaluate("document.querySelector('[name=columns]').value = 10", nil))
	got = b.samples()
	request := map[string]any{"n": 50, "seed": 3, "guidance": guidance, "interpolation": map[string]any{"columns": 10}}
	if want := s.fingerprint(t, "ring", request); got != want {
		t.Errorf("in rows of 10 the page drew %s, the server %s", got, want)
	}
	if shown := s.fingerprint(t, "ring", b.shown()); shown != got {
		t.Errorf("the page drew %s, what it shows for curl draws %s", got, shown)
	}
	b.noErrors()
}

// TestPageBendsTheField: the arrows show the score that chains under a guide follow.
func TestPageBendsTheField(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.visit(s.url)
	var got []float64
	b.do(chromedp.Evaluate(`(async () => {
		const {Landscape} = await import("/landscape.js");
		const l = new Landscape({low: -8, high: 8, sigmas: [1, 0.1]}, {}, () => {});
		l.field = {vectors: [[1, 2]]};
		l.guides.set('{"model":"g"}', [[10, 30]]);
		return [{}, {guide: "g"}, {guide: "g", weight: "2"}, {guide: "g", rule: "mix", weight: "0.5"}, {guide: "other"},
			{own: "3", terms: "g||-0.1;g||"}].flatMap((s) => l.bend(s).vectors[0]);
	})()`, &got, awaited))
	if want := []float64{1, 2, 11, 32, 21, 62, 5.5, 16, 1, 2, 12, 33}; !slices.Equal(got, want) {
		t.Errorf("the field without a guide, with s + g, s + 2g, (s + g) / 2, an unknown guide and 3s + 0.9g is %v, "+
			"want %v", got, want)
	}
	b.noErrors()
}

// TestPageShowsGo: the Go code that the page shows compiles.
func TestPageShowsGo(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	source := "package main\n\nimport (\n\"context\"\n\"fmt\"\n\"log\"\n\n" +
		"\"github.com/langevin-ml/langevin/client\"\n)\n\nfunc main() {}\n"
	for i, settings := range []string{
		"model=ring&n=5&seed=3&steps_per_level=9&step_lr=0.1&consistent=false&sigmas=8,2,0.5&hold=x&at=2.5" +
			"&refresh=step&guide=2gauss&rule=mix&weight=0.5&columns=5",
		"model=ring&n=5&sampler=langevin&sigma=1&denoise=false&seed=18446744073709551615&hold=y&at=-1",
		"model=ring&n=5&sampler=pc&times=20&corrector=annealed_langevin&snr=0.2" +
			"&predictor=euler_maruyama&seed=1&guide=2gauss",
		"model=tiles&n=2&seed=3&sampler=flow&steps=5&method=multistep&hold=part",
		"model=ring&n=5&seed=3&own=0.5&terms=2gauss%7C%7C0.5%3B%7C%7C-0.2",
		"model=ring&n=5&seed=3&measure=matrix&row=1,-0.5&observed=2&noise_std=0.3&posterior=particles&particles=8",
		"model=tiles&n=2&seed=3&measure=pool&factor=2&noise_std=0.3&posterior=ddrm",
		"model=tiles&n=2&seed=3&measure=blur&blur_std=0.3&noise_std=0.3&posterior=snips",
		"model=tiles&n=2&seed=3&measure=mask&noise_std=0.3&posterior=langevin",
	} {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#"+settings))
		b.waitFor(isDone)
		b.do(chromedp.Evaluate("document.querySelector('[data-language=go]').click()", nil))
		code := b.value("document.querySelector('#snippet').textContent")
		source += fmt.Sprintf("\nfunc _%d(ctx context.Context, known, observed, kernel []float32, mask, seen []bool) "+
			"{\n%s\n}\n", i, code)
	}
	file, overlay := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "overlay.json")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "shown",
		"main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, []byte(source), 0o644),
		os.WriteFile(overlay, replaced, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "-overlay", overlay,
		"./shown").CombinedOutput(); err != nil {
		t.Errorf("%v: %s in%s", err, out, source)
	}
	b.noErrors()
}
