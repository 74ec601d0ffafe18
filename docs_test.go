package langevin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models/modelstest"
)

// runDocuments lists the documents whose commands are run: every block fenced as `sh`, in order, in one folder that
// looks like a checkout. Words after `sh` are options. `background` starts a server and leaves it running. `fails`
// expects a failure. `slow` is only for make test-docs, which also runs trainings at full length. Other words name the
// needs of the commands.
var runDocuments = []string{
	"tutorial.md", "data.md", "quality.md", "operations.md", "model-file.md", "security.md", "import.md", "oip.md",
	"batch.md", "measurements.md", "detect.md",
}

// needs lists programs that not every machine has. The key is the word of a block. The probe is a command that succeeds
// if the program is there. The folders are searched in addition to PATH.
var needs = map[string]struct {
	probe   string
	folders []string
}{
	"python3":  {"python3 --version", nil},
	"grpcio":   {"python3 -c 'import grpc_tools'", []string{"bench/.venv/bin"}}, // by make bench
	"torch":    {"python3 -c 'import torch'", []string{"/usr/bin"}},
	"triton":   {"python3 -c 'import tritonclient.grpc'", []string{"bench/triton/.venv/bin"}}, // by make test-triton
	"kserve":   {"python3 -c 'import kserve'", []string{"bench/triton/.venv/bin"}},
	"parallel": {"parallel --version | grep GNU", nil},
	"grpcurl":  {".tools/grpcurl -version", nil}, // by make tools
}

var slowDocs = flag.Bool("docs-slow", false, "run the commands of docs as they are, long trainings too")

// fenced is one block of a document.
type fenced struct {
	line  int
	words []string
	text  string
}

func (f fenced) is(word string) bool { return slices.Contains(f.words, word) }

func fencedBlocks(text string) []fenced {
	var blocks []fenced
	var open *fenced
	number := 0
	for line := range strings.Lines(text) {
		number++
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &fenced{line: number, words: strings.Fields(fence)}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return blocks
}

// TestDocs runs the commands of the documents.
func TestDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts servers")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the documents call the server with curl, and there is no curl")
	}
	binary := filepath.Join(t.TempDir(), "langevin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/langevin")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range runDocuments {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("docs", name))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorkplace(t, binary)
			if name == "import.md" {
				w.standIn("out/two.onnx")
			}
			ran := 0
			for _, block := range fencedBlocks(string(text)) {
				if len(block.words) > 0 && block.words[0] == "sh" && w.runnable(block) {
					ran++
					w.run(block)
				}
			}
			if ran == 0 {
				t.Error("no commands: fence those to run as sh")
			}
		})
	}
}

// workplace is a folder that looks like a checkout with a built program. Its ports replace the ports in the text.
type workplace struct {
	t     *testing.T
	dir   string
	ports map[string]string
	path  string // a folder to search before PATH
}

func newWorkplace(t *testing.T, binary string) *workplace {
	t.Helper()
	w := &workplace{t: t, dir: t.TempDir(), ports: make(map[string]string)}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"bin", "out", "try", ".git"}, e.Name()) {
			if err := os.Symlink(filepath.Join(here, e.Name()), filepath.Join(w.dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(w.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(w.dir, "bin", "langevin")); err != nil {
		t.Fatal(err)
	}
	return w
}

// standIn writes a network in PyTorch's form to a path at which a document trains one. Only make test-docs trains it.
func (w *workplace) standIn(path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, modelstest.Bytes(w.t, modelstest.Foreign(8, 4, 2, 1, 0.5, 0.1)), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// runnable reports whether a block can run now, on this machine, and logs why if it cannot.
func (w *workplace) runnable(block fenced) bool {
	w.t.Helper()
	if block.is("slow") && !*slowDocs {
		w.t.Logf("line %d: left to make test-docs", block.line)
		return false
	}
	for word, need := range needs {
		if block.is(word) && !w.found(need.probe, need.folders) {
			w.t.Logf("line %d: skipped, because %q fails", block.line, need.probe)
			return false
		}
	}
	return true
}

// found looks for a program, and adds its folder to the path of later commands.
func (w *workplace) found(probe string, folders []string) bool {
	before := w.path
	for _, folder := range append([]string{""}, folders...) {
		if folder != "" && !filepath.IsAbs(folder) {
			folder = filepath.Join(w.dir, folder)
		}
		w.path = folder
		if w.command(w.t.Context(), probe).Run() == nil {
			return true
		}
	}
	w.path = before
	return false
}

// port returns the free port that replaces a port in the text.
func (w *workplace) port(written string) string {
	if w.ports[written] == "" {
		lis, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			w.t.Fatal(err)
		}
		defer lis.Close()
		_, w.ports[written], _ = net.SplitHostPort(lis.Addr().String())
	}
	return w.ports[written]
}

var (
	writtenPort = regexp.MustCompile(`localhost:(\d{4,5})`)
	iterations  = regexp.MustCompile(`training\.iterations=\d+`)
	ownData     = regexp.MustCompile(`langevin train \S+\.(csv|npy)`)
	particles   = regexp.MustCompile(`-n \d+ --particles \d+`)
)

func (w *workplace) command(ctx context.Context, text string) *exec.Cmd {
	text = writtenPort.ReplaceAllStringFunc(text, func(s string) string {
		return "localhost:" + w.port(strings.TrimPrefix(s, "localhost:"))
	})
	if !*slowDocs {
		text = ownData.ReplaceAllString(text, "$0 --set training.iterations=100")
		text = particles.ReplaceAllString(text, "-n 2 --particles 2 --sde-steps 10")
		text = iterations.ReplaceAllString(text, "training.iterations=100 --set training.eval_rows=5000 --samples 64")
	}
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
	c.Dir = w.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Env = append(os.Environ(), "LANGEVIN_LISTEN=localhost:"+w.port("50051"),
		"LANGEVIN_HTTP_LISTEN=localhost:"+w.port("8080"), "LANGEVIN_SERVER=localhost:"+w.port("50051"))
	if w.path != "" {
		c.Env = append(c.Env, "PATH="+w.path+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	return c
}

func (w *workplace) run(block fenced) {
	w.t.Helper()
	if block.is("background") {
		w.start(block)
		return
	}
	limit := time.Minute
	if *slowDocs {
		limit = 20 * time.Minute
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	out, err := w.command(ctx, block.text).CombinedOutput()
	if failed := err != nil; failed != block.is("fails") || ctx.Err() != nil {
		w.t.Fatalf("line %d: %v\n%s\n%s", block.line, err, block.text, out)
	}
}

// start runs a server until the test ends.
func (w *workplace) start(block fenced) {
	w.t.Helper()
	c := w.command(context.Background(), block.text)
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	w.t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM) // it may have ended by itself
		<-ended
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			w.t.Fatalf("line %d: the server ended: %v\n%s\n%s", block.line, err, block.text, log.String())
		default:
		}
		if w.healthy() {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("line %d: not healthy after 30 s:\n%s", block.line, block.text)
		}
	}
}

// healthy asks the server over HTTP and over HTTPS.
func (w *workplace) healthy() bool {
	strangers := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for _, scheme := range []string{"http", "https"} {
		resp, err := strangers.Get(fmt.Sprintf("%s://localhost:%s/healthz", scheme, w.port("8080")))
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return true
		}
	}
	return false
}

// rootDocuments lists the documents outside of docs whose links are checked.
var rootDocuments = []string{
	"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASE.md", "SECURITY.md", ".github/pull_request_template.md",
}

// TestDocsLinks: every link from one document to another has a target.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)\s]*)?\)`)
	documents, err := filepath.Glob("docs/*.md")
	if err != nil || len(documents) == 0 {
		t.Fatalf("%v: no documents", err)
	}
	for _, name := range append(documents, rootDocuments...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), match[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, match[1])
			}
		}
	}
}
