package web_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/langevin-ml/langevin/server"
)

// The tests in a browser play whole runs, which takes a minute, so they run only on request (make test-web).
var (
	inBrowser   = flag.Bool("browser", false, "test the page in Chromium")
	screenshots = flag.String("screenshots", "", "folder for pictures of the page")
)

// browser is a page in headless Chromium without access to the network.
type browser struct {
	t      *testing.T
	ctx    context.Context
	errors *[]string
}

// inChromium opens a browser. It skips the test unless -browser asks for it, and fails it without Chromium.
func inChromium(t *testing.T) browser {
	t.Helper()
	if !*inBrowser {
		t.Skip("make test-web tests the page in a browser")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium on the PATH: install it (Debian: apt-get install chromium) to test the page")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	allocator, closeAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(closeAllocator)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := browser{t, ctx, new([]string)}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			*b.errors = append(*b.errors, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				*b.errors = append(*b.errors, fmt.Sprint(e.Args))
			}
		}
	})
	return b
}

func (b browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page's errors: %v", err, *b.errors)
	}
}

func (b browser) value(expression string) string {
	b.t.Helper()
	var v any
	b.do(chromedp.Evaluate(expression, &v))
	return fmt.Sprint(v)
}

// waitFor waits until a JavaScript expression is true.
func (b browser) waitFor(expression string) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx,
		chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(30*time.Second))); err != nil {
		b.t.Fatalf("wait for %s: %v; state %s, status %q, errors %v", expression, err,
			b.value("document.body.dataset.state"), b.value("document.querySelector('#status').textContent"), *b.errors)
	}
}

// picture saves a picture of the window.
func (b browser) picture(name string) {
	b.t.Helper()
	b.keep(name, chromedp.CaptureScreenshot)
}

// pictureOf saves a picture of one whole element, even if it is larger than the window.
func (b browser) pictureOf(name, selector string) {
	b.t.Helper()
	b.keep(name, func(data *[]byte) chromedp.Action { return chromedp.Screenshot(selector, data) })
}

func (b browser) keep(name string, capture func(*[]byte) chromedp.Action) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	var data []byte
	b.do(capture(&data))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// size sets the size of the window. pixels is the number of pixels for each CSS pixel.
func (b browser) size(width, height int64) {
	b.do(chromedp.EmulateViewport(width, height))
}

// visit opens a page and waits until it shows its models.
func (b browser) visit(url string) {
	b.do(chromedp.Navigate(url))
	b.waitFor(ready)
}

func (b browser) theme(name string) {
	b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme",
		Value: name}}))
}

const (
	isDone    = "document.body.dataset.state === 'done'"
	isPlayed  = isDone + " && document.querySelector('#play').getAttribute('aria-label') === 'Play'"
	hasFrames = "Number(document.querySelector('#scrub').value) > 2"
	ready     = "document.querySelector('#model').value !== ''"
)

// TestPage presses the sample button, sees frames, and gets the same points from a link as from the button.
func TestPage(t *testing.T) {
	b := inChromium(t)
	s := open(t, func(c *server.Config) { c.Models.Default = "ring" })
	b.size(1280, 860)
	b.theme("light")
	b.visit(s.url)
	if got := b.value("document.querySelector('#model').value"); got != "ring" {
		t.Errorf("the model is %s, want the server's default, ring", got)
	}
	b.do(chromedp.Click("#sample"))
	b.waitFor(hasFrames)
	b.waitFor("Number(document.querySelector('#scrub').value) > 150")
	b.picture("running")
	b.waitFor(isPlayed)
	b.picture("finished")
	first := b.value("document.body.dataset.fingerprint")
	if !strings.HasPrefix(b.value("document.querySelector('#step').textContent"), "5,000 / 5,000") {
		t.Errorf("at the end the step is %s", b.value("document.querySelector('#step').textContent"))
	}
	link := b.value("location.href")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.waitFor(isDone)
	if again := b.value("document.body.dataset.fingerprint"); again != first || len(again) != 8 {
		t.Errorf("the link %s gave the samples %s, the button %s", link, again, first)
	}
	b.scrubs()
	b.theme("dark")
	b.do(chromedp.Evaluate("scrollTo(0, 0)", nil), chromedp.Sleep(3*time.Second))
	b.picture("dark")
	b.noErrors()
}

// scrubs moves along the timeline by keyboard, and back.
func (b browser) scrubs() {
	b.t.Helper()
	b.do(chromedp.Evaluate("document.activeElement.blur()", nil), chromedp.KeyEvent("\u0020")) // space: pause or play
	b.do(chromedp.Evaluate("const s = document.querySelector('#scrub'); s.value = 40; "+
		"s.dispatchEvent(new Event('input'))", nil))
	b.waitFor("document.querySelector('#scrub').value === '40'")
	before := b.value("document.querySelector('#step').textContent")
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.waitFor("document.querySelector('#scrub').value === '41'")
	if after := b.value("document.querySelector('#step').textContent"); after == before {
		b.t.Errorf("one frame on, the step is still %s", after)
	}
}

// TestPageStops: the stop button frees the chains on the server, also chains with a held part.
func TestPageStops(t *testing.T) {
	for _, held := range []string{"", "&hold=x&at=1"} {
		stops(t, held)
	}
}

func stops(t *testing.T, held string) {
	t.Helper()
	b := inChromium(t)
	s := open(t, func(c *server.Config) { c.Limits.MaxOpenChains = 2000 })
	b.do(chromedp.Navigate(s.url + "/#model=gauss&sampler=langevin&n=2000&steps=100000&seed=1" + held))
	b.waitFor("document.querySelector('#stop').disabled === false")
	const one = `{"n": 1, "langevin": {"steps": 1}}`
	await(t, "the server to be full", func() bool {
		status, _ := s.post(t, "/v1/models/gauss:sample", one)
		return status == 429
	})
	b.do(chromedp.Click("#stop"))
	b.waitFor("document.body.dataset.state === 'stopped'")
	await(t, "room", func() bool {
		status, _ := s.post(t, "/v1/models/gauss:sample", one)
		return status == 200
	})
}

// TestPageCompares plain Langevin with annealed Langevin, and draws pictures of an image model.
func TestPageCompares(t *testing.T) {
	b := inChromium(t)
	s := open(t, nil)
	b.size(1280, 860)
	b.theme("light")
	b.do(chromedp.Navigate(s.url + "/#model=2gauss&n=400&seed=3&compare=1"))
	b.waitFor(isDone)
	b.do(chromedp.Evaluate("const m = document.querySelector('#scrub'); m.value = 150; "+
		"m.dispatchEvent(new Event('input'))", nil), chromedp.Sleep(3*time.Second))
	b.picture("compare-middle")
	b.do(chromedp.Evaluate("document.querySelector('#play').click()", nil))
	b.waitFor(isPlayed)
	b.picture("compare")
	prints := strings.Fields(b.value("document.body.dataset.fingerprint"))
	if len(prints) != 2 || prints[0] == prints[1] {
		t.Errorf("fingerprints %v, want two that differ", prints)
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=tiles&n=16&seed=3"))
	b.waitFor(isPlayed)
	b.picture("images")
	b.size(390, 844)
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"/#model=ring&n=400&seed=3"))
	b.waitFor(isPlayed)
	b.picture("phone")
	if wide := b.value("document.documentElement.scrollWidth"); wide != "390" {
		t.Errorf("on a phone the page is %s pixels wide", wide)
	}
	b.noErrors()
}
