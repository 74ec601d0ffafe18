package web_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// shownAs returns a possible value of a setting in the spelling of the page's form.
func shownAs(s langevinv1.SettingDescription) string {
	switch s.Type() {
	case langevinv1.SettingCount:
		return "3"
	case langevinv1.SettingNumber:
		return "0.5"
	case langevinv1.SettingNumbers:
		return "4,2,0.5"
	case langevinv1.SettingSwitch:
		return "false"
	}
	return s.Words()[len(s.Words())-1]
}

// TestPageOffersSettings: every setting of every sampler can be set on the page and in a link, and reaches the server.
func TestPageOffersSettings(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	for _, d := range langevinv1.Samplers() {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=gauss&n=3&sampler="+d.GetWord()))
		b.waitFor(ready)
		b.do(chromedp.Evaluate("document.querySelector('[name=seed]').value = 1", nil))
		b.do(chromedp.Evaluate("document.querySelector('#more').open = true", nil))
		b.pictureOf("settings-"+d.GetWord(), "#settings")
		for _, setting := range d.Settings {
			b.offers(d, setting)
		}
	}
	b.noErrors()
}

// offers sets one setting, and the setting that it needs. The request that the page shows must have both.
func (b browser) offers(d langevinv1.SamplerDescription, s langevinv1.SettingDescription) {
	b.t.Helper()
	want := d.New()
	if needed, found := d.Setting(s.GetNeeds().GetSetting()); found {
		none := slices.IndexFunc(needed.Words(), func(word string) bool {
			return !slices.Contains(s.GetNeeds().GetWords(), word)
		})
		b.give(needed, want, needed.Words()[none])
		if b.value(fmt.Sprintf("document.querySelector('[name=%s]').disabled", s.Key())) != "true" {
			b.t.Errorf("%s.%s can be given though %s is %v", d.GetWord(), s.Key(), needed.Key(), needed.Value(want))
		}
		b.give(needed, want, s.GetNeeds().GetWords()[0])
	}
	b.give(s, want, shownAs(s))
	var request langevinv1.SampleRequest
	var asked string
	b.do(chromedp.Evaluate(`(async () => {
		const {requestOf} = await import("/samplers.js");
		const {readForm} = await import("/settings.js");
		return JSON.stringify(requestOf(readForm(document.querySelector("#settings"))));
	})()`, &asked, awaited))
	if err := protojson.Unmarshal([]byte(asked), &request); err != nil {
		b.t.Fatalf("%s.%s: the page asks for %s: %v", d.GetWord(), s.Key(), asked, err)
	}
	if got := langevinv1.SamplerIn(&request); !proto.Equal(got, want) {
		b.t.Errorf("%s.%s: the page asks for %v: want %v", d.GetWord(), s.Key(), got, want)
	}
	shown := string(b.shown())
	if !strings.Contains(shown, fmt.Sprintf("%q: {", d.Field)) || strings.Contains(shown, "null") {
		b.t.Errorf("%s.%s: the page shows %s", d.GetWord(), s.Key(), shown)
	}
	b.do(chromedp.Evaluate(`for (const e of document.querySelectorAll(".knobs input, .knobs select")) e.value = ""`,
		nil))
}

// give sets a setting in the form and in a message.
func (b browser) give(s langevinv1.SettingDescription, sampler proto.Message, text string) {
	b.t.Helper()
	if err := s.SetText(sampler, text); err != nil {
		b.t.Fatalf("%s = %s: %v", s.Key(), text, err)
	}
	b.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const e = document.querySelector('.knobs [name=%s]');
		e.value = %q;
		e.dispatchEvent(new Event('input', {bubbles: true}));
	})()`, s.Key(), text), nil))
	if got := b.value(fmt.Sprintf("document.querySelector('.knobs [name=%s]').value", s.Key())); got != text {
		b.t.Errorf("%s takes %q and not %q", s.Key(), got, text)
	}
}

// TestPageSettings: a link has the settings by their keys, and unknown contents of a link do no harm. An error of the
// server is shown at its setting, even if that is out of sight.
func TestPageSettings(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	const link = "/#model=gauss&n=50&seed=3&sampler=pc&times=20&corrector=annealed_langevin&snr=0.3&sigma_max=6" +
		"&denoise=false"
	b.do(chromedp.Navigate(s.url + link))
	b.waitFor(isDone)
	request := map[string]any{"n": 50, "seed": 3, "predictor_corrector": map[string]any{
		"n": 20, "corrector": "annealed_langevin", "snr": 0.3, "sde": map[string]any{"sigma_max": 6}, "denoise": false,
	}}
	got := b.value("document.body.dataset.fingerprint")
	if want := s.fingerprint(t, "gauss", request); got != want {
		t.Errorf("the page drew %s, the server %s", got, want)
	}
	if shown := s.fingerprint(t, "gauss", b.shown()); shown != got {
		t.Errorf("the page drew %s, what it shows for curl draws %s", got, shown)
	}
	b.pictureOf("settings-set", "#settings")
	own := b.link()
	want, _ := url.ParseQuery(strings.TrimPrefix(link, "/#"))
	for key := range want {
		if own.Get(key) != want.Get(key) {
			t.Errorf("the link has %s=%s: want %s", key, own.Get(key), want.Get(key))
		}
	}
	b.do(chromedp.Evaluate("document.querySelector('#more').open = false", nil))
	b.give(setting(t, "pc", "sigma_max"), &langevinv1.PredictorCorrector{}, "0.001")
	b.do(chromedp.Evaluate("document.querySelector('#sample').click()", nil))
	b.waitFor("document.body.dataset.state === 'failed'")
	if said := b.value("document.querySelector('.problem')?.textContent"); !strings.Contains(said, "sigma_max") {
		t.Errorf("at the refused setting stands %q; status %q", said,
			b.value("document.querySelector('#status').textContent"))
	}
	b.pictureOf("settings-refused", "#settings")
	b.size(390, 844)
	b.do(chromedp.Evaluate("document.querySelector('#more').scrollIntoView()", nil))
	b.picture("settings-phone")
	if wide := b.value("document.documentElement.scrollWidth"); wide != "390" {
		t.Errorf("on a phone the page with a refused setting is %s pixels wide", wide)
	}
	b.size(1280, 860)
	for _, old := range []string{
		"sampler=pc&steps=20&eps=1", "sampler=toString&n=5&item=3&length=4",
		"sampler=pc&corrector=other&times=many&denoise=2",
		"compare=1&sampler=flow&steps=9",
	} {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=gauss&seed=1&"+old))
		b.waitFor(isDone)
	}
	b.noErrors()
}

func setting(t *testing.T, word, key string) langevinv1.SettingDescription {
	t.Helper()
	d, _ := langevinv1.SamplerByWord(word)
	s, found := d.Setting(key)
	if !found {
		t.Fatalf("%s has no setting %s", word, key)
	}
	return s
}

// TestPageDefaultSampler: the page offers the default sampler of each model, and draws its samples.
func TestPageDefaultSampler(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) { c.Models.Default = "mnist" })
	b.size(1280, 900)
	b.theme("dark")
	b.visit(s.url)
	const chosen = "document.querySelector('[name=sampler]:checked').value"
	if got := b.value(chosen); got != "sde" {
		t.Errorf("the sampler of mnist is %s, want sde", got)
	}
	b.do(chromedp.Evaluate(`const model = document.querySelector('#model');
		model.value = 'ring'; model.dispatchEvent(new Event('input', {bubbles: true}))`, nil))
	if got := b.value(chosen); got != "annealed" {
		t.Errorf("the sampler of ring is %s, want annealed", got)
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=mnist&n=64&seed=1"))
	b.waitFor(isPlayed)
	b.do(chromedp.Evaluate(`const scrub = document.querySelector('#scrub');
		scrub.value = 27; scrub.dispatchEvent(new Event('input', {bubbles: true}))`, nil), chromedp.Sleep(time.Second))
	b.picture("digits")
	if got, want := b.value("document.body.dataset.fingerprint"), s.fingerprint(t, "mnist",
		map[string]any{"n": 64, "seed": 1}); got != want {
		t.Errorf("the page drew %s, the server %s", got, want)
	}
	b.noErrors()
}
