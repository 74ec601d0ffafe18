package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/pictures"
	"github.com/langevin-ml/langevin/server"
)

// TestWatch draws states and result on a terminal: the samples stay what they are, and the cursor comes back.
func TestWatch(t *testing.T) {
	script := fake.Script{Models: []client.Model{ring()}, Sample: points()}
	for _, how := range []pictures.Graphics{pictures.GraphicsBlocks, pictures.GraphicsKitty, pictures.GraphicsITerm,
		pictures.GraphicsSixel} {
		got := langevinOn(t, &cli.Program{TerminalErr: true}, script, "sample", "ring", "-n", "3", "--watch",
			"--graphics", string(how))
		if got.code != cli.ExitOK || got.stdout != "0,-0\n1,-0.33333334\n2,-0.6666667\n" {
			t.Errorf("%s: %+v", how, got)
		}
		mark := map[pictures.Graphics]string{pictures.GraphicsBlocks: "▀", pictures.GraphicsKitty: "\x1b_G",
			pictures.GraphicsITerm: "\x1b]1337;File=", pictures.GraphicsSixel: "\x1bP"}[how]
		if n := strings.Count(got.stderr, mark); n < 2 || !strings.Contains(got.stderr, "6 score evaluations") ||
			!strings.Contains(got.stderr, "\x1b[?25h") {
			t.Errorf("%s: %d pictures in %q", how, n, got.stderr[:min(len(got.stderr), 200)])
		}
	}
	got := langevin(t, script, "sample", "ring", "--watch")
	if got.code != cli.ExitUsage || !oneLineWith(got.stderr, "want a terminal there") {
		t.Errorf("without a terminal: %+v", got)
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
		"--cert c.pem":                        {code: cli.ExitUsage, stderr: "--cert and --key: want both or neither"},
		"--local --tls":                       {code: cli.ExitUsage, stderr: "--local needs no TLS and no token"},
		"--ca " + empty:                       {code: cli.ExitFailed, stderr: "has no certificate in PEM"},
		"--ca " + dir + "/none":               {code: cli.ExitFailed, stderr: "--ca: open"},
		"--token-file " + empty:               {code: cli.ExitFailed, stderr: "is empty"},
		"--cert " + empty + " --key " + empty: {code: cli.ExitFailed, stderr: "--cert and --key: "},
	} {
		got := langevin(t, fake.Script{}, append([]string{"models", "ls"}, strings.Fields(line)...)...)
		if got.code != want.code || !oneLineWith(got.stderr, want.stderr) {
			t.Errorf("%s: %+v, want %q", line, got, want.stderr)
		}
	}
	t.Setenv(server.EnvToken, "s3cret")
	if got := langevin(t, someModels(), "models", "ls"); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, "over plaintext") {
		t.Errorf("token over plaintext: %+v", got)
	}
	if got := langevin(t, someModels(), "models", "ls", "--plaintext-token"); got.code != cli.ExitOK {
		t.Errorf("--plaintext-token: %+v", got)
	}
}

// TestCompletion: a shell is offered the server's models, or the built-in ones where none answers.
func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"models show ":        "ring\teight modes\nwords\n:4\n",
		"sample --sampler ":   strings.Join(everySampler(), "\n") + "\n:4\n",
		"sample --out ":       "csv\nnpy\npng\ngif\n:8\n",
		"sample --guide ":     "ring\teight modes\nwords\n:4\n",
		"train toy-":          "toy-2gauss\ntoy-ring\n",
		"sample --seed ":      ":4\n",
		"serve --log-format ": "text\njson\n:4\n",
	} {
		got := langevin(t, someModels(), append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if got.code != cli.ExitOK || !strings.Contains(got.stdout, want) {
			t.Errorf("%s: %q, want %q", line, got.stdout, want)
		}
	}
	t.Setenv("LANGEVIN_SERVER", "127.0.0.1:1")
	var stdout bytes.Buffer
	p := &cli.Program{Stdout: &stdout, Stderr: &bytes.Buffer{}}
	if execute(t.Context(), p, []string{"__complete", "sample", ""}); !strings.Contains(stdout.String(), "2gauss\t") {
		t.Errorf("no server: %q", stdout.String())
	}
}
