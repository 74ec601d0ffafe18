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
	want := s.fingerprint(t, "colours", map[string]any{
		"n": 50, "seed": 3, "annealed_langevin": map[string]any{}, "given": []any{map[string]any{"class": 1}},
		"guidance_scale": 2,
	})
	wantSides := s.fingerprint(t, "sides", map[string]any{
		"n": 50, "seed": 3, "annealed_langevin": map[string]any{},
		"given": []any{map[string]any{"vector": map[string]any{"values": []float64{1, -2}}}},
	})
	b.size(1280, 860)
	b.do(chromedp.Navigate(s.url + "/#model=colours&n=50&seed=3&sampler=annealed&class=1&scale=2"))
	b.waitFor(`document.querySelector("#fingerprint").textContent.length > 3`)
	if got := b.value(`document.querySelector("#classes").innerText.replaceAll(/\s+/g, " ")`); !strings.HasSuffix(got,
		"any red green blue") {
		t.Errorf("classes %q, want any, red, green and blue", got)
	}
	b.picture("given-class")
	if got := b.value(`document.querySelector("#fingerprint").textContent`); got != want {
		t.Errorf("class and scale: fingerprint %s, want %s", got, want)
	}
	if shown := string(b.shown()); !strings.Contains(shown, `"given": [{"class": 1}], "guidance_scale": 2`) {
		t.Errorf("the page shows %s", shown)
	}
	b.do(chromedp.Navigate("about:blank"),
		chromedp.Navigate(s.url+"/#model=sides&n=50&seed=3&sampler=annealed&vector=1,-2"))
	b.waitFor(`document.querySelector("#fingerprint").textContent.length > 3`)
	if got := b.value(`document.querySelector("#fingerprint").textContent`); got != wantSides {
		t.Errorf("vector: fingerprint %s, want %s", got, wantSides)
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

// TestPageTerms: terms reach the server from the form and from a link, the page says when samples are approximate, and
// the arrows and the density are those of what samples are given.
func TestPageTerms(t *testing.T) {
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
	want := s.fingerprint(t, "colours", map[string]any{
		"n": 50, "seed": 3, "annealed_langevin": map[string]any{}, "given": []any{map[string]any{"class": 1}},
		"terms": []any{
			map[string]any{"given": map[string]any{"class": 2}, "weight": 0.5},
			map[string]any{"model": "sides",
				"given": map[string]any{"vector": map[string]any{"values": []float64{1, -2}}}},
		},
	})
	b.size(1280, 1400)
	b.do(chromedp.Navigate(s.url + "/#model=colours&n=50&seed=3&sampler=annealed&class=1" +
		"&terms=%7Cc2%7C0.5%3Bsides%7Cv1%2C-2%7C"))
	b.waitFor(`document.querySelector("#fingerprint").textContent.length > 3`)
	if got := b.value(`document.querySelector("#fingerprint").textContent`); got != want {
		t.Errorf("terms: fingerprint %s, want %s", got, want)
	}
	if about := b.value(`document.querySelector("#about").textContent`); !strings.Contains(about, "those of the sum") ||
		strings.Contains(about, "approximate") {
		t.Errorf("the page says %q", about)
	}
	b.waitFor(`document.querySelector("#about").textContent.includes("density belongs to colours")`)
	b.picture("terms")
	b.do(chromedp.Evaluate(`(() => {
		document.querySelector("#code").open = true;
		document.querySelector("[data-language=go]").click();
	})()`, nil))
	shown := b.value(`document.querySelector("#snippet").textContent`)
	if want := `Sum: &client.Sum{Terms: []client.Term{{Given: client.Class(2), Weight: new(float64(0.5))}, ` +
		`{Model: "sides", Given: client.Vector{1, -2}}}},`; !strings.Contains(shown, want) {
		t.Errorf("the program is %s\nwant %s", shown, want)
	}
	b.do(chromedp.Evaluate(`(() => {
		for (const remove of [...document.querySelectorAll(".term button")].slice(1)) remove.click();
		document.querySelector("#add-term").click();
		document.querySelector(".term:last-child select").value = "sides";
		document.querySelector(".term:last-child select").dispatchEvent(new Event("input", { bubbles: true }));
		document.querySelector("[name=sampler][value=sde]").click();
	})()`, nil))
	if got := b.value(`document.querySelector("#settings").checkValidity()`); got != "false" {
		t.Error("a term that needs a condition and has none is accepted")
	}
	b.do(chromedp.Evaluate(`(() => {
		const given = document.querySelector(".term:last-child .given");
		given.value = "0,1";
		given.dispatchEvent(new Event("input", { bubbles: true }));
		document.querySelector("#sample").click();
	})()`, nil))
	b.waitFor(`document.querySelector("#about").textContent.includes("only approximate the product")`)
	b.waitFor(`document.body.dataset.state === "done"`)
	if hash := b.value(`location.hash`); !strings.Contains(hash, "terms=%7Cc2%7C0.5%3Bsides%7Cv0%252C1%7C") {
		t.Errorf("the link is %s", hash)
	}
	b.noErrors()
}

// TestPageLandscapeGiven: the arrows and the density behind the chains are those of what the samples are given, for one
// condition after the other, and of the guidance scale and the terms.
func TestPageLandscapeGiven(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		sides := models.Condition{Size: 2, Dropped: true}
		place(t, c, "sides", modelstest.File(t, modelstest.GaussianOfVector(2, true),
			modelstest.Conditional(sides, "sides", 2)))
	})
	b.do(chromedp.Navigate(s.url + "/#model=sides"))
	b.waitFor(`document.querySelector("#vector").offsetParent !== null`)
	var off []float64
	b.do(chromedp.Evaluate(`(async () => {
		const { Landscapes } = await import("/landscape.js");
		const { models } = await import("/api.js");
		const model = (await models()).find((m) => m.name === "sides");
		const all = new Landscapes(model, () => {});
		const off = [];
		for (const [settings, mean, own, terms] of [
			[{ vector: "1,-2" }, [1, -2], 1, []],
			[{ vector: "-1,1", scale: "2" }, [-2, 2], 1, []],
			[{}, [0, 0], 1, []],
			[{ vector: "1,-2", own: "0.5", terms: "|v3,4|2;||-1" }, [1, -2], 0.5, [[[3, 4], 2], [[0, 0], -1]]],
		]) {
			const shown = all.of(settings);
			while (!shown.complete && !shown.note) await new Promise((done) => setTimeout(done, 20));
			const wait = performance.now() + 20000;
			let field = shown.bend(settings);
			shown.follow(settings);
			while (terms.length > 0 && field === shown.field && performance.now() < wait) {
				await new Promise((done) => setTimeout(done, 20));
				field = shown.bend(settings);
			}
			const k = 5; // of the sigmas
			const grid = shown.grid(21, shown.half(field.sigmas[k]));
			let worst = 0;
			for (let i = 0; i < grid.length; i++) {
				const score = (m) => (m[i % 2] - grid[i]) / (1 + field.sigmas[k] ** 2);
				const want = terms.reduce((sum, [m, w]) => sum + w * score(m), own * score(mean));
				worst = Math.max(worst, Math.abs(field.vectors[k][i] - want));
			}
			const { p, half } = shown.density[0] ?? { p: [], half: 0 };
			const top = shown.grid(64, half).slice(2 * p.indexOf(1), 2 * p.indexOf(1) + 2);
			const given = settings.vector?.split(",").map(Number) ?? [0, 0];
			off.push(worst, Math.hypot(top[0] - given[0], top[1] - given[1]) / (half / 32));
		}
		return off;
	})()`, &off, awaited))
	for i, v := range off {
		// The density is flat at its top, and computed to a thousandth.
		if most := []float64{1e-4, 5}[i%2]; !(v <= most) {
			t.Errorf("setting %d: off by %v: want at most 1e-4 of the arrows and 5 cells of the density", i/2, off)
			break
		}
	}
	if len(off) != 8 {
		t.Errorf("compared %v", off)
	}
	b.noErrors()
}

// TestPageHoldsGiven: the picture that is held first is one of a class, for a model that always has a class. A link
// with its name gives the same samples.
func TestPageHoldsGiven(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) {
		means := [][]float32{make([]float32, 24), make([]float32, 24)}
		for i := range means[1] {
			means[1][i] = 1
		}
		place(t, c, "pairs", modelstest.File(t, modelstest.GaussianOfClass(means, 1, 4, 6),
			modelstest.Conditional(models.Condition{Classes: 2}, "pairs", 1, 4, 6)))
	})
	b.do(chromedp.Navigate(s.url + "/#model=pairs&n=4&seed=3&class=1&hold=part"))
	b.waitFor(isDone)
	drawn, link := b.samples(), b.value("location.href")
	if known := b.link().Get("known"); known != "1_0_annealed*class*1" {
		t.Errorf("the held picture is %q", known)
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.waitFor(isDone)
	if again := b.samples(); again != drawn {
		t.Errorf("the link drew %s, before it was %s", again, drawn)
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
