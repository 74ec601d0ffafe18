package main

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/server"
)

func TestFindGraphics(t *testing.T) {
	for _, tt := range []struct {
		environment map[string]string
		want        graphics
	}{
		{nil, graphicsBlocks},
		{map[string]string{"TERM": "xterm-256color"}, graphicsBlocks},
		{map[string]string{"TERM": "xterm-kitty"}, graphicsKitty},
		{map[string]string{"TERM_PROGRAM": "ghostty"}, graphicsKitty},
		{map[string]string{"TERM_PROGRAM": "iTerm.app"}, graphicsITerm},
		{map[string]string{"TERM": "foot"}, graphicsSixel},
		{map[string]string{"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, graphicsBlocks},
		{map[string]string{"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, graphicsBlocks},
	} {
		if got := findGraphics(func(name string) string { return tt.environment[name] }); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.environment, got, tt.want)
		}
	}
}

// TestScatter: a point is where it should be, and what lies outside the model's range widens the view.
func TestScatter(t *testing.T) {
	m := client.Model{Low: -10, High: 10}
	bright := func(x ...float32) []image.Point {
		picture := scatter(client.Batch{X: x, Shape: []int{2}, N: len(x) / 2}, m, image.Pt(20, 20))
		var all []image.Point
		for y := range 20 {
			for x := range 20 {
				if picture.At(x, y) != background() {
					all = append(all, image.Pt(x, y))
				}
			}
		}
		return all
	}
	if diff := cmp.Diff([]image.Point{{15, 9}}, bright(5.5, 0.5)); diff != "" {
		t.Errorf("in view (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]image.Point{{19, 9}}, bright(50, 1, 0, -100)); diff != "" {
		t.Errorf("noise (-want +got):\n%s", diff)
	}
}

// TestWatch draws states and result on a terminal: the samples stay what they are, and the cursor comes back.
func TestWatch(t *testing.T) {
	script := fake.Script{Models: []client.Model{ring()}, Sample: points()}
	for _, how := range []graphics{graphicsBlocks, graphicsKitty, graphicsITerm, graphicsSixel} {
		got := langevinOn(t, &program{terminalErr: true}, script, "sample", "ring", "-n", "3", "--watch", "--graphics", string(how))
		if got.code != exitOK || got.stdout != "0,-0\n1,-0.33333334\n2,-0.6666667\n" {
			t.Errorf("%s: %+v", how, got)
		}
		mark := map[graphics]string{graphicsBlocks: "▀", graphicsKitty: "\x1b_G", graphicsITerm: "\x1b]1337;File=", graphicsSixel: "\x1bP"}[how]
		if n := strings.Count(got.stderr, mark); n < 2 || !strings.Contains(got.stderr, "6 score evaluations") || !strings.Contains(got.stderr, "\x1b[?25h") {
			t.Errorf("%s: %d pictures in %q", how, n, got.stderr[:min(len(got.stderr), 200)])
		}
	}
	got := langevin(t, script, "sample", "ring", "--watch")
	if got.code != exitUsage || !oneLineWith(got.stderr, "want a terminal there") {
		t.Errorf("without a terminal: %+v", got)
	}
}

func TestBlocks(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 2, 2))
	picture.SetRGBA(0, 0, mix(background(), background(), 0))
	var out bytes.Buffer
	if err := writeBlocks(&out, picture, true); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[38;2;13;14;22;48;2;0;0;0m▀\x1b[38;2;0;0;0;48;2;0;0;0m▀\x1b[m\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAccess: mistakes about certificates and tokens are told before any call, and a token travels on this machine only
// unless told otherwise.
func TestAccess(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]outcome{
		"--cert c.pem":                        {code: exitUsage, stderr: "--cert and --key: want both or neither"},
		"--local --tls":                       {code: exitUsage, stderr: "--local needs no TLS and no token"},
		"--ca " + empty:                       {code: exitFailed, stderr: "has no certificate in PEM"},
		"--ca " + dir + "/none":               {code: exitFailed, stderr: "--ca: open"},
		"--token-file " + empty:               {code: exitFailed, stderr: "is empty"},
		"--cert " + empty + " --key " + empty: {code: exitFailed, stderr: "--cert and --key: "},
	} {
		got := langevin(t, fake.Script{}, append([]string{"models", "ls"}, strings.Fields(line)...)...)
		if got.code != want.code || !oneLineWith(got.stderr, want.stderr) {
			t.Errorf("%s: %+v, want %q", line, got, want.stderr)
		}
	}
	t.Setenv(server.EnvToken, "s3cret")
	if got := langevin(t, someModels(), "models", "ls"); got.code != exitFailed || !oneLineWith(got.stderr, "over plaintext") {
		t.Errorf("token over plaintext: %+v", got)
	}
	if got := langevin(t, someModels(), "models", "ls", "--plaintext-token"); got.code != exitOK {
		t.Errorf("--plaintext-token: %+v", got)
	}
	for target, want := range map[string]bool{"localhost:1": true, "127.0.0.1:1,[::1]:2": true, "localhost:1,far:2": false, "dns:///localhost:1": false} {
		if onThisMachine(target) != want {
			t.Errorf("%s is on this machine: %t", target, !want)
		}
	}
}

// TestCompletion: a shell is offered the server's models, or the built-in ones where none answers.
func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"models show ":      "ring\teight modes\nwords\n:4\n",
		"sample --sampler ": "annealed\nlangevin\npc\nflow\n:4\n",
		"sample --out ":     "csv\nnpy\npng\ngif\n:8\n",
		"sample --guide ":   "ring\teight modes\nwords\n:4\n",
		"train toy-":        "toy-2gauss\ntoy-ring\n",
		"sample --seed ":    ":4\n",
	} {
		got := langevin(t, someModels(), append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if got.code != exitOK || !strings.Contains(got.stdout, want) {
			t.Errorf("%s: %q, want %q", line, got.stdout, want)
		}
	}
	t.Setenv("LANGEVIN_SERVER", "127.0.0.1:1")
	var stdout bytes.Buffer
	p := &program{stdout: &stdout, stderr: &bytes.Buffer{}}
	if p.run(t.Context(), []string{"__complete", "sample", ""}); !strings.Contains(stdout.String(), "2gauss\t") {
		t.Errorf("no server: %q", stdout.String())
	}
}
