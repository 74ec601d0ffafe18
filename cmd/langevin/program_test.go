package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/sample"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// outcome is what a run of the program left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// langevin runs the program as a pipe would, with a fake server at --server.
func langevin(t *testing.T, script fake.Script, args ...string) outcome {
	t.Helper()
	return langevinOn(t, &cli.Program{}, script, args...)
}

// langevinOn runs a program whose surroundings the test has set.
func langevinOn(t *testing.T, p *cli.Program, script fake.Script, args ...string) outcome {
	t.Helper()
	server := fake.New(script)
	defer server.Close()
	t.Setenv("LANGEVIN_SERVER", "passthrough:///fake")
	var stdout, stderr bytes.Buffer
	p.Stdout, p.Stderr = &stdout, &stderr
	p.Connect = []client.Option{client.WithDialOptions(grpc.WithContextDialer(server.Dial))}
	code := execute(t.Context(), p, args)
	return outcome{code, stdout.String(), stderr.String()}
}

// points answers chain i with (i, -i/3).
func points() fake.SampleFunc {
	return fake.Samples([]int{2},
		func(chain uint64) []float32 { return []float32{float32(chain), -float32(chain) / 3} })
}

// ring is a fake model whose samples are points in [-10, 10].
func ring() client.Model {
	return client.Model{
		Name: "ring", Version: 2, State: client.ModelReady, Default: true, Description: "eight modes", Digest: "d2",
		Shape: []int{2}, Sigmas: []float64{10, 1, 0.1}, Low: -10, High: 10, Device: "cpu", Training: `{"seed": 3}`,
		Sampler: client.AnnealedLangevin{Sigmas: []float64{10, 1, 0.1}, StepsPerLevel: 100, StepLR: 0.01,
			Denoise: new(true)},
	}
}

// TestUsage: every mistake in the command line ends in one line that names it, and exit code 2.
func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"smaple":                 `no command is called "smaple": did you mean sample?`,
		"xyzzy":                  `no command is called "xyzzy"`,
		"completion ksh":         `no command is called "ksh"`,
		"models lss":             `no command is called "lss": did you mean ls?`,
		"models ls ring":         `"ring" is one argument too many: want none (see langevin models ls --help)`,
		"version now":            `"now" is one argument too many: want none`,
		"sample ring more":       `"more" is one argument too many: want [MODEL]`,
		"encode ring x.csv more": `"more" is one argument too many: want [MODEL [FILE]]`,
		"serve a b":              `"b" is one argument too many: want [MODELS-DIR]`,
		"train a b":              `"b" is one argument too many: want FILE | FOLDER | PRESET`,
		"compare a":              "only 1 argument: want FILE OTHER",
		"join":                   "no argument is given: want FILE...",
		"models push a":          "only 1 argument: want FILE.onnx|FOLDER... REFERENCE",

		"completion bash x": `"x" is one argument too many: want none`,
		"sample --wrong":    "unknown flag: --wrong",
		"sample -n":         "flag needs an argument: 'n' in -n",
		"sample -n 0":       "-n is 0: want a whole number from 1 to 2147483647",
		"sample -n=-3":      "-n is -3: want a whole number from 1 to 2147483647",
		"sample -n 1e3":     "-n is 1e3: want a whole number from 1 to 2147483647",
		"sample -n 3000000000": "-n is 3000000000: " +
			"want a whole number from 1 to 2147483647",
		"sample --seed -1": "--seed is -1: " +
			"want a whole number from 0 to 18446744073709551615",
		"sample --seed abc": "--seed is abc: " +
			"want a whole number from 0 to 18446744073709551615",
		"sample --seed 18446744073709551616": "--seed is 18446744073709551616: " +
			"want a whole number from 0 to 18446744073709551615",
		"sample --first-chain -1": "--first-chain is -1: " +
			"want a whole number from 0 to 18446744073709551615",
		"train x --serve localhost:1234":      `"localhost:1234" is one argument too many: want --serve=localhost:1234`,
		"train toy-ring --runner anneal":      "--runner is anneal: want it with --config",
		"sample --step-lr NaN":                "--step-lr is NaN: want a finite number above 0",
		"sample --guide a --guide-weight NaN": "--guide-weight is NaN: want a finite number",
		"sample --guide a --guide-rule times": "--guide-rule is times: want add or mix",
		"sample --class 1,,2":                 "--class is 1,,2: want classes between the commas",
		"sample --class=":                     `--class is "": want a class, an index or a name`,
		"sample --class 2 --class 3":          "--class is 3: want it once: several classes are a list, as 0,1,cat",
		"sample --class \"a":                  `--class is "a: want a second quote after a name`,
		"sample --given-vector=":              `--given-vector is "": want finite numbers as 0.1,0.2`,
		"sample --term=":                      `--term is "": want a model, or class=, vector= or weight=`,
		"bench --class=":                      `--class is "": want a class`,
		"likelihood --class=":                 `--class is "": want a class`,
		"sample --class 9..0":                 "--class is 9..0: want a range as 0..9",
		"sample --class 1 --given-vector 1":   "--class and --given-vector: want one of them",
		"sample --given-vector 1,x":           "--given-vector is 1,x: want finite numbers as 0.1,0.2",
		"sample --given-vector 1e300":         "--given-vector is 1e300: want finite numbers",
		"sample --guidance-scale x":           "--guidance-scale is x: want a finite number",
		"sample --own-weight inf":             "--own-weight is inf: want a finite number",
		"sample --term a,b":                   "--term is a,b: want a model, or none, and then class=",
		"sample --term a=x":                   "--term is a=x: weight is \"x\": want a finite number",
		"sample --term a=1,weight=2":          "--term is a=1,weight=2: want weight once",
		"sample --term class=":                "--term is class=: want a class after class=",
		"sample --term class=1,vector=2":      "--term is class=1,vector=2: want a class or a vector",
		"sample --term vector=1:":             "--term is vector=1:: want finite numbers as 0.1:0.2",
		"sample --term a@0":                   "--term is a@0: model is a@0: want a name",
		"sample --guide-weight 2":             "--guide-weight and --guide-rule need --guide",
		"sample --guide a@b":                  "model is a@b: want a name",
		"sample --colourise a --inpaint b":    "--colourise and --inpaint: want one of them",
		"sample ring --resume s":              "--resume takes the model from s: leave out ring",
		"sample --resume s --seed 1":          "--resume takes what to draw from s: leave out --seed",
		"sample --resume s --sampler flow":    "--resume takes what to draw from s: leave out --sampler",
		"sample --resume s --guide a":         "--resume takes what to draw from s: leave out --guide",
		"sample --save-state s --out x.gif":   "--save-state does not go with a .gif",
		"sample --step-lr 0":                  "--step-lr is 0: want a finite number above 0",
		"sample --step-size=-1":               "--step-size is -1: want a finite number above 0",
		"sample --sigma inf":                  "--sigma is inf: want a finite number above 0",
		"sample --sigmas 1,2": "--sigmas is 1,2: " +
			"want finite numbers above 0, each below the one before, as 10,1,0.1",
		"sample --sigmas 3,,1": "--sigmas is 3,,1: " +
			"want finite numbers above 0, each below the one before",
		"sample --steps-per-level 0": "--steps-per-level is 0: " +
			"want a whole number from 1 to 2147483647",
		"sample --steps 0":       "--steps is 0: want a whole number from 1 to 2147483647",
		"sample --denoise=maybe": "--denoise is maybe: want true or false",
		"sample --frames 1":      "--frames is 1: want a whole number from 2 to 2147483647",
		"sample --timeout 5":     "--timeout is 5: want a duration such as 30s or 2m",
		"sample --stall-timeout 500ms": "--stall-timeout is 500ms: " +
			"want 1s or more, or less than 0 for none",
		"sample --local --stall-timeout 5s": "--stall-timeout is for --server, not --local",
		"sample --sampler euler":            "--sampler is euler: want " + phrase.Alternatives(everySampler()),
		"sample --steps 5":                  "--steps needs --sampler langevin",
		"sample --sampler langevin --sigmas 2,1": "--sigmas is for --sampler " +
			phrase.Alternatives(samplersWith("sigmas")) + ", not langevin",
		"sample --rho 3":                    "--rho needs --sampler " + phrase.Alternatives(samplersWith("rho")),
		"sample --flow-steps 3 --eta 1":     "--flow-steps needs --sampler flow",
		"sample --sampler flow --step-lr 1": "--step-lr is for --sampler annealed, not flow",
		"sample --sampler pc --sigmas 2,1": "--sigmas is for --sampler " +
			phrase.Alternatives(samplersWith("sigmas")) + ", not pc",
		"sample --sampler flow --flow-steps 2 --sigmas 2,1": "--flow-steps and --sigmas: want one of them",
		"sample --sampler flow --method rk4":                "--method is rk4: want euler, heun or multistep",
		"sample --sampler pc --process v":                   "--process is v: want ve, vp or sub_vp",
		"sample --sampler pc --process vp --sigma-max 3":    "--sigma-max needs --process ve",
		"sample --sampler pc --beta-min 3":                  "--beta-min needs --process vp or sub_vp",
		"sample --sampler pc --snr 0.1":                     "--snr needs --corrector langevin or annealed_langevin",
		"sample --sampler pc --corrector none --corrector-steps 2": "--corrector-steps needs --corrector langevin or " +
			"annealed_langevin",
		"sample --sampler pc --snr 1": "--snr is 1: " +
			"want a finite number above 0 and below 1",
		"sample --sampler pc --times 1": "--times is 1: " +
			"want a whole number from 2 to 2147483647",
		"bench --snr 0.1": "--snr needs --corrector langevin or annealed_langevin",
		"sample --interpolate 1": "--interpolate is 1: " +
			"want a whole number from 2 to 2147483647",
		"sample --mask m.npy":                                 "--mask needs --inpaint",
		"sample --inpaint x.npy":                              "--inpaint needs --mask",
		"sample --refresh step":                               "--refresh needs --inpaint",
		"sample --inpaint x.npy --mask m.npy --refresh never": "--refresh is never: want level or step",
		"sample --out ring": "--out is ring: " +
			"want a name that ends in .csv, .npy, .png or .gif",
		"sample --out ring.jpeg": "--out is ring.jpeg: " +
			"want a name that ends in .csv, .npy, .png or .gif",
		"sample ring@new": "model is ring@new: " +
			"want a name, or a name and a version as ring@2",
		"sample ring@0": "model is ring@0: " +
			"want a name, or a name and a version as ring@2",
		"sample ring@4294967297": "model is ring@4294967297: want a version of at most 2147483647",
		"score ring --in x.csv --sigma 1e39": "--sigma is 1e39: " +
			"want a number from 1.4e-45 to 3.4e+38, which float32 can hold",
		"score ring --in x.csv --sigma 1e-50": "--sigma is 1e-50: want a number from 1.4e-45",
		"models show @1": "model is @1: " +
			"want a name, or a name and a version as ring@2",
		"sample --server a:1 --local": "--server and --local: want one of them",
	} {
		got := langevin(t, fake.Script{}, strings.Fields(line)...)
		if got.code != cli.ExitUsage || got.stdout != "" || !oneLineWith(got.stderr, want) ||
			!strings.Contains(got.stderr, "--help)") {
			t.Errorf("langevin %s: %+v\nwant code 2 and %q", line, got, want)
		}
	}
}

// oneLineWith reports whether text is one line of ours that has the given part.
func oneLineWith(text, part string) bool {
	return strings.HasPrefix(text, "langevin: ") && strings.Count(text, "\n") == 1 && strings.Contains(text, part)
}

func TestHelp(t *testing.T) {
	p := &cli.Program{}
	root := root(p)
	for _, line := range []string{"", "--help", "help sample", "models", "models ls --help", "completion bash"} {
		got := langevin(t, fake.Script{}, strings.Fields(line)...)
		if got.code != cli.ExitOK || got.stdout == "" || got.stderr != "" {
			t.Errorf("langevin %s: code %d, %d bytes, stderr %q", line, got.code, len(got.stdout), got.stderr)
		}
	}
	for _, c := range root.Commands() {
		if c.Short == "" || c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s: want help with an example", c.Name())
		}
	}
}

// TestGroupedHelp: no flag is lost between the groups.
func TestGroupedHelp(t *testing.T) {
	got := langevin(t, fake.Script{}, "sample", "--help")
	p := &cli.Program{}
	sample.Command(p).Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(got.stdout, "--"+f.Name+" ") {
			t.Errorf("help does not tell --%s", f.Name)
		}
	})
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := fake.New(fake.Script{Sample: func(ctx context.Context, _ client.SampleRequest,
		emit func(client.Event) error) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}})
	defer server.Close()
	var stdout, stderr bytes.Buffer
	p := &cli.Program{Stdout: &stdout, Stderr: &stderr, TerminalErr: true}
	p.Connect = []client.Option{client.WithDialOptions(grpc.WithContextDialer(server.Dial))}
	code := execute(ctx, p, []string{"sample", "ring", "--server", "passthrough:///fake"})
	if code != cli.ExitInterrupted || !strings.HasSuffix(stderr.String(), "langevin: interrupted\n") {
		t.Errorf("code %d, stderr %q", code, stderr.String())
	}
}

func TestVersion(t *testing.T) {
	if got := langevin(t, fake.Script{}, "version"); got.code != cli.ExitOK ||
		!strings.HasPrefix(got.stdout, "langevin ") {
		t.Errorf("version: %+v", got)
	}
}

// everySampler returns the words of the samplers that the API describes.
func everySampler() []string {
	var words []string
	for _, d := range langevinv1.Samplers() {
		words = append(words, d.GetWord())
	}
	return words
}

// samplersWith returns the words of the samplers that have a setting.
func samplersWith(key string) []string {
	return slices.DeleteFunc(everySampler(), func(word string) bool {
		d, _ := langevinv1.SamplerByWord(word)
		_, found := d.Setting(key)
		return !found
	})
}
