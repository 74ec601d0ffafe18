package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/sample"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server/auth"
)

// modelFolder returns a folder with the models gauss and wide, exact scores of N(0, I) in 2 and 7 dimensions.
func modelFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	addModel(t, folder, "gauss", modelstest.GaussianFile(t, "gauss", 2))
	addModel(t, folder, "wide", modelstest.GaussianFile(t, "wide", 7))
	return folder
}

func addModel(t *testing.T, folder, name string, file []byte) {
	t.Helper()
	path := filepath.Join(folder, name, "1")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "model.onnx"), file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// envBuiltIn decides about the built-in models. A test that needs them sets it to true after [inside].
const envBuiltIn = "LANGEVIN_MODELS_BUILTIN"

// inside is the part of a command line that has it run on a server of its own with the models in a folder, without the
// built-in ones, which take longer to load than most tests.
func inside(t *testing.T, models string) []string {
	t.Helper()
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("LANGEVIN_MODELS_DEFAULT", "gauss")
	t.Setenv(envBuiltIn, "false")
	return []string{"--models-dir", models, "--onnxruntime-library", library, "--workers", "2"}
}

func runAlone(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// serving runs langevin serve until the test ends and returns its address.
func serving(t *testing.T, args []string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log, stderr := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--http-listen", "", "--log-format",
			"json"}, args...), io.Discard, stderr)
		stderr.Close()
	}()
	lines := bufio.NewScanner(log)
	var entry struct{ Msg, Address string }
	for entry.Msg != "serving" {
		if !lines.Scan() {
			t.Fatalf("serve ended with code %d before it served", <-code)
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, log)
	}()
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != cli.ExitOK {
			t.Errorf("serve ended with code %d", c)
		}
		<-drained
	})
	return entry.Address
}

// TestSameBytesEverywhere: a server over the network, the server inside, two runs, and a job in two parts.
func TestSameBytesEverywhere(t *testing.T) {
	flags := inside(t, modelFolder(t))
	address := serving(t, flags)
	draw := func(args ...string) string {
		t.Helper()
		got := runAlone(t, append([]string{"sample", "gauss", "--seed", "7", "--steps-per-level", "5"}, args...)...)
		if got.code != cli.ExitOK || got.stderr != "" {
			t.Fatalf("%v: %+v", args, got)
		}
		return got.stdout
	}
	want := draw("-n", "300", "--server", address)
	if lines := strings.Count(want, "\n"); lines != 300 {
		t.Fatalf("%d lines for 300 chains", lines)
	}
	local := append([]string{"--local"}, flags...)
	for name, got := range map[string]string{
		"again":  draw("-n", "300", "--server", address),
		"inside": draw(append(local, "-n", "300")...),
		"in parts": draw("-n", "100", "--server", address) +
			draw(append(local, "-n", "200", "--first-chain", "100")...),
	} {
		if got != want {
			t.Errorf("%s: other bytes", name)
		}
	}
	if other := draw("-n", "300", "--server", address, "--seed", "8"); other == want {
		t.Error("another seed: the same bytes")
	}
}

// TestEverySampler draws from N(0, I) in two dimensions, given x = 0.5 in the last line: what each sampler and
// condition asks for, a real server understands.
func TestEverySampler(t *testing.T) {
	address := serving(t, inside(t, modelFolder(t)))
	writeFiles(t, map[string][]byte{
		"half.npy": npy("<f4", "(2,)", []float32{0.5, 9}),
		"mask.npy": npy("|b1", "(2,)", []bool{true, false}),
	})
	for _, line := range []string{
		"--steps-per-level 200 --step-lr 0.01",
		"--sampler langevin --sigma 0.1 --steps 200 --step-size 0.1",
		"--sampler flow",
		"--sampler flow --method multistep --flow-steps 20",
		"--sampler pc --times 200",
		"--sampler pc --times 200 --predictor none --corrector annealed_langevin --snr 0.2 --corrector-steps 4",
		"--sampler pc --process vp --times 200 --beta-max 5",
		"--interpolate 2 --steps-per-level 200 --step-lr 0.01",
		"--inpaint half.npy --mask mask.npy --denoise --steps-per-level 200 --step-lr 0.01",
	} {
		args := append([]string{"sample", "gauss", "-n", "300", "--seed", "1", "--server", address, "--json"},
			strings.Fields(line)...)
		got := runAlone(t, args...)
		var report sample.Report
		if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || len(report.Samples) != 300 {
			t.Fatalf("sample %s: %v, %+v", line, err, got)
		}
		inpainted, square := strings.Contains(line, "--inpaint"), 0.0
		for _, x := range report.Samples {
			if inpainted && x[0] != 0.5 {
				t.Fatalf("sample %s: %v", line, x)
			}
			square += float64(x[1]) * float64(x[1]) / 300
		}
		// The mean of 300 squares of N(0, 1) is 1 ± 0.08; the samplers' own errors are of a tenth.
		if math.Abs(square-1) > 0.3 {
			t.Errorf("sample %s: the variance is %.3f, want about 1", line, square)
		}
	}
}

func TestServerTellsBadRequests(t *testing.T) {
	models := modelFolder(t)
	addModel(t, models, "broken", []byte("not a model"))
	address := serving(t, inside(t, models))
	files := t.TempDir()
	values, mask := filepath.Join(files, "x.npy"), filepath.Join(files, "m.npy")
	for path, data := range map[string][]byte{values: npy("<f4", "(2,)", []float32{1, 2}),
		mask: npy("|b1", "(2,)", []bool{true, false})} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"sample gaus":                            "did you mean",
		"sample nothing":                         `model "nothing" not found: there are `,
		"sample gauss@9":                         "version 9",
		"sample broken":                          "sample broken: ",
		"sample Gauss":                           "model is \"Gauss\": want",
		"sample gauss -n 2000000":                "n is 2000000: want 1 to 1000000",
		"sample gauss --steps-per-level 1000000": "steps_per_level is 1000000: want at most",
		"sample gauss --sampler langevin --step-size 1e9 --steps 1000 --out x.csv": "diverged",
		"sample wide --out x.png":                           "samples of shape [7] cannot be drawn",
		"sample broken --out x.gif":                         "sample broken: ",
		"models show nothing":                               "nothing",
		"sample gauss --sampler pc --process vp --times 15": "n is 15: want times above beta_max, 20, so",
		"sample gauss --sampler flow --sigmas 1":            "at least two",
		"sample wide --inpaint " + values + " --mask " + mask: "inpainting.values is 2 elements: " +
			"want one sample, of shape [7]",
	} {
		t.Chdir(t.TempDir())
		got := runAlone(t, append(strings.Fields(line), "--server", address)...)
		if got.code != cli.ExitFailed || got.stdout != "" || !oneLineWith(got.stderr, want) {
			t.Errorf("langevin %s: %+v\nwant code 1 and %q", line, got, want)
		}
		checkFiles(t, ".")
	}
	list := runAlone(t, "models", "ls", "--server", address)
	for _, part := range []string{"broken", "failed", "ready", "(default)"} {
		if !strings.Contains(list.stdout, part) {
			t.Errorf("no %q in %s%s", part, list.stdout, list.stderr)
		}
	}
}

func TestGIFOfFewSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gif")
	args := append([]string{"sample", "gauss", "-n", "3", "--local", "--sigmas", "1", "--steps-per-level", "4", "--out",
		path}, inside(t, modelFolder(t))...)
	if got := runAlone(t, args...); got.code != cli.ExitOK {
		t.Errorf("fewer steps than frames: %+v", got)
	}
	if got := runAlone(t, append(args, "--frames", "40")...); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, "preview.frames is 40: want 2 to 5") {
		t.Errorf("more frames asked for than there are states: %+v", got)
	}
}

func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	flags := strings.Join(inside(t, modelFolder(t)), " ")
	t.Setenv(envBuiltIn, "true")
	config := filepath.Join(t.TempDir(), "langevin.yaml")
	if err := os.WriteFile(config, []byte("listen: :0\nmodels: {dri: x}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		fmt.Sprintf("serve %s --listen %s", flags, taken.Addr()): fmt.Sprintf("listen on %s: the port is in use",
			taken.Addr()),
		"serve --onnxruntime-library /nowhere/lib.so":          "/nowhere/lib.so",
		"sample --local --onnxruntime-library /nowhere/lib.so": "/nowhere/lib.so",
		"demo --onnxruntime-library /nowhere/lib.so":           "/nowhere/lib.so",
		"serve --models-dir /nowhere":                          "models.dir is \"/nowhere\": want an existing folder",
		"serve --listen here":                                  "listen is \"here\": want host:port",
		"serve --device abacus --workers=-1": "device is \"abacus\": " +
			"want cpu, cuda, cuda:N or auto; workers is -1",
		"serve --config " + config:     "models.dri is not a setting",
		"serve --config /nowhere.yaml": "configuration file /nowhere.yaml",
	} {
		got := runAlone(t, strings.Fields(line)...)
		code := cli.ExitUsage // a setting is wrong, wherever it comes from
		if strings.Contains(line, "/lib.so") || strings.Contains(want, "in use") {
			code = cli.ExitFailed
		}
		if got.code != code || got.stdout != "" || !oneLineWith(got.stderr, want) {
			t.Errorf("langevin %s: %+v\nwant code %d and %q", line, got, code, want)
		}
	}
	if got := runAlone(t, "sample", "--models-dir", "x"); got.code != cli.ExitUsage ||
		!oneLineWith(got.stderr, "--models-dir needs --local") {
		t.Errorf("a server's setting for a client: %+v", got)
	}
}

// TestPrintConfig: what is printed is a file that gives the same settings. It names files of secrets and reveals none.
func TestPrintConfig(t *testing.T) {
	token, line := auth.NewToken("alice", auth.ScopeSample)
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LANGEVIN_TOKEN", token)
	t.Setenv("LANGEVIN_AUTH_TOKENS", tokens)
	first := runAlone(t, "serve", "--print-config", "--drain-timeout", "90s", "--log-level", "warn",
		"--limits-max-chains", "7")
	path := filepath.Join(t.TempDir(), "langevin.yaml")
	if err := os.WriteFile(path, []byte(first.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"drain_timeout: 1m30s", "level: WARN", "max_chains: 7"} {
		if !strings.Contains(first.stdout, part) {
			t.Errorf("no %q in %s", part, first.stdout)
		}
	}
	if hash := strings.Fields(line)[2]; !strings.Contains(first.stdout, tokens) ||
		strings.Contains(first.stdout+first.stderr, token) || strings.Contains(first.stdout+first.stderr, hash) {
		t.Errorf("no name of the file of tokens, or a secret in %s", first.stdout)
	}
	t.Setenv("LANGEVIN_CONFIG", path)
	if second := runAlone(t, "serve", "--print-config"); second != first || first.code != cli.ExitOK {
		t.Errorf("printed %+v\nread back %+v", first, second)
	}
}
