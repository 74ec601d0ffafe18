package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/internal/cli"
	modelcommands "github.com/langevin-ml/langevin/internal/models"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// TestImport takes a network with names of its own that wants the index of a level, and compares what comes out with
// the exact score: at the levels, and between them at the level that is nearest by ratio.
func TestImport(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "theirs.onnx")
	if err := os.WriteFile(path, modelstest.Bytes(t, modelstest.Foreign(10, 1, 0.1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "models")
	got := runAlone(t, "models", "import", path, "--name", "theirs", "--range=-3,3", "--out", out, "--json")
	var report modelcommands.ImportReport
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if report.Levels != 3 || report.Scale < 0.2 || report.Scale > 5 || len(report.Warnings) > 0 {
		t.Errorf("report is %+v", report)
	}
	data, err := os.ReadFile(report.Path)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := models.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	session := openModel(t, data, manifest)
	sigma, nearest := []float32{10, 1, 0.1, 100, 0.001, 3.1, 3.2}, []float32{10, 1, 0.1, 10, 0.1, 1, 10}
	x, score := make([]float32, 2*len(sigma)), make([]float32, 2*len(sigma))
	for i := range x {
		x[i] = float32(i) - 3
	}
	if err := session.Score(t.Context(), score, x, sigma); err != nil {
		t.Fatal(err)
	}
	for i, s := range score {
		if want := -x[i] / (1 + nearest[i/2]*nearest[i/2]); s-want > 1e-6 || want-s > 1e-6 {
			t.Errorf("score of %g at sigma %g is %g, want %g", x[i], sigma[i/2], s, want)
		}
	}
	if got := runAlone(t, "models", "check", report.Path, path); got.code != cli.ExitFailed ||
		!strings.Contains(got.stdout, "ok    "+report.Path) ||
		!strings.Contains(got.stdout, "FAIL  "+path) {
		t.Errorf("check: %+v", got)
	}
	again := []string{"models", "import", path, "--name", "theirs", "--range=-3,3", "--out", out}
	if got := runAlone(t, again...); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, report.Path+" exists: --overwrite replaces it, another --version or --name keeps it") {
		t.Errorf("import again: %+v", got)
	}
	if got := runAlone(t, append(again, "--overwrite")...); got.code != cli.ExitOK {
		t.Errorf("import --overwrite: %+v", got)
	}
	moved := filepath.Join(out, "others", "1", models.FileName)
	if err := errors.Join(os.MkdirAll(filepath.Dir(moved), 0o755), os.WriteFile(moved, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	if got := runAlone(t, "models", "check", moved); got.code != cli.ExitFailed ||
		!strings.Contains(got.stdout, `the manifest names it "theirs": want the folder's name "others"`) {
		t.Errorf("check in the folder of another model: %+v", got)
	}
}

// TestImportOfSteps imports a network of DDPM that takes integer steps, and reads what the model says of its origin.
func TestImportOfSteps(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "ddpm.onnx")
	sigmas, product := make([]float64, 1000), 1.0
	for k := range sigmas {
		product *= 1 - (0.0001*float64(999-k)+0.02*float64(k))/999
		sigmas[k] = math.Sqrt((1 - product) / product)
	}
	network := modelstest.OfProcess(models.Foreign{
		Process: models.Process{Kind: models.ProcessVP}, Takes: models.Level{Kind: models.LevelStep},
		Computes: models.ComputesV,
	}, true, sigmas, 1, 4, 4)
	if err := os.WriteFile(path, modelstest.Bytes(t, network), 0o644); err != nil {
		t.Fatal(err)
	}
	out := modelFolder(t)
	got := runAlone(t, "models", "import", path, "--name", "ddpm", "--process", "vp", "--betas", "0.0001:0.02",
		"--time", "steps:1000", "--output", "v", "--range=-1,1", "--sampler", "sde", "--sde-steps", "9", "--eta", "0",
		"--out", out, "--json")
	var report modelcommands.ImportReport
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	// Near the smallest sigma, steps are farther apart than the ratio 1.1 of the schedule, so levels are fewer.
	if most := 1 + math.Ceil(math.Log(sigmas[999]/sigmas[0])/math.Log(1.1)); len(report.Warnings) > 0 ||
		report.Levels < 90 || float64(report.Levels) > most {
		t.Errorf("report is %+v", report)
	}
	data, err := os.ReadFile(report.Path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	const about = "imported network: v of process vp, betas 0.0001:0.02, takes steps:1000"
	if m.Description != about || math.Abs(m.Prior.Std-sigmas[999]) > 1e-9 {
		t.Errorf("description is %q, prior %+v", m.Description, m.Prior)
	}
	if s := m.Sampler; s.Kind != models.SamplerReverseSDE || *s.ReverseSDE != (models.ReverseSDE{Steps: 9, Eta: 0}) {
		t.Errorf("sampler is %+v", s)
	}
	shown := runAlone(t, append([]string{"models", "show", "ddpm", "--local"}, inside(t, out)...)...)
	if shown.code != cli.ExitOK || !strings.Contains(shown.stdout, about) {
		t.Errorf("show: %+v", shown)
	}
}

func TestImportTellsWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.onnx")
	if err := os.WriteFile(path, modelstest.Bytes(t, modelstest.Foreign(10, 1, 0.1)), 0o644); err != nil {
		t.Fatal(err)
	}
	alphas := filepath.Join(t.TempDir(), "alphas.txt")
	if err := os.WriteFile(alphas, []byte("0.9, 0.5\n0"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.ExitUsage, "--name"},
		{[]string{"--name", "NO"}, cli.ExitFailed, `name is "NO"`},
		{[]string{"--name", "a", "--sigmas", "1:2"}, cli.ExitUsage, "first:last:levels"},
		{[]string{"--name", "a", "--sigmas", "1,2"}, cli.ExitUsage, "--sigmas"},
		{[]string{"--name", "a", "--sigmas", "1:0.1:2000000000"}, cli.ExitUsage, "want at most 65536 levels"},
		{[]string{"--name", "a", "--sigmas", "1e300:1:3"}, cli.ExitUsage, "--sigmas goes from 1e+300 to 1: want 3.4"},
		{[]string{"--name", "a", "--sigmas", "10:0.1:3", "--step-lr", "1e35"}, cli.ExitUsage,
			"--step-lr is 1e+35: want 1.2e-38 to 3.4e+34"},
		{[]string{"--name", "a", "--range", "3"}, cli.ExitUsage, "--range"},
		{[]string{"--name", "a", "--output", "energy"}, cli.ExitUsage,
			`--output is "energy": want score, noise or denoised for --process ve`},
		{[]string{"--name", "a", "--output", "edm", "--process", "flow"}, cli.ExitUsage,
			`--output is "edm": want v, minus_v, noise, denoised or score for --process flow`},
		{[]string{"--name", "a", "--process", "heat"}, cli.ExitUsage,
			`--process is "heat": want ve, vp, vp_scaled, sub_vp, cosine, flow or edm`},
		{[]string{"--name", "a", "--process", "vp", "--betas", "20"}, cli.ExitUsage, `--betas is "20": want the first`},
		{[]string{"--name", "a", "--process", "vp", "--betas", "20:0.1"}, cli.ExitUsage, "--betas is 20:0.1: want two"},
		{[]string{"--name", "a", "--process", "vp", "--betas", "0:0"}, cli.ExitUsage, `--betas is "0:0": want two`},
		{[]string{"--name", "a", "--process", "vp", "--betas", "0.0001:0.02"}, cli.ExitUsage,
			"--betas is 0.0001:0.02, which are betas of steps: want --time steps:N"},
		{[]string{"--name", "a", "--process", "vp_scaled", "--betas", "0.1:20", "--time", "steps:10"}, cli.ExitUsage,
			"--betas is 0.1:20: want the betas of the first and the last step, below 1"},
		{[]string{"--name", "a", "--betas", "0.1:20"}, cli.ExitUsage,
			"--betas is for --process vp or vp_scaled or sub_vp, and the process is ve"},
		{[]string{"--name", "a", "--process", "cosine", "--cosine-offset", "1"}, cli.ExitUsage,
			"--cosine-offset is 1: want at least 0 and below 1"},
		{[]string{"--name", "a", "--process", "edm", "--data-std", "-1"}, cli.ExitUsage, "--data-std is -1: want"},
		{[]string{"--name", "a", "--process", "edm", "--data-std", "0"}, cli.ExitUsage, "--data-std is 0: want"},
		{[]string{"--name", "a", "--time", "now"}, cli.ExitUsage, `--time is "now": want label, sigma, log_sigma`},
		{[]string{"--name", "a", "--time", "continuous:1:1"}, cli.ExitUsage, `--time is "continuous:1:1": want`},
		{[]string{"--name", "a", "--time", "log_sigma:x"}, cli.ExitUsage, `--time is "log_sigma:x": want`},
		{[]string{"--name", "a", "--time", "steps", "--process", "vp"}, cli.ExitUsage, `--time is "steps": want`},
		{[]string{"--name", "a", "--time", "steps:1", "--process", "vp"}, cli.ExitUsage, "--time has 1 steps: want 2"},
		{[]string{"--name", "a", "--process", "vp", "--alphas-cumprod", alphas, "--betas", "0.1:20"}, cli.ExitUsage,
			"--betas and --alphas-cumprod are both given"},
		{[]string{"--name", "a", "--process", "vp", "--alphas-cumprod", path}, cli.ExitFailed,
			"theirs.onnx: want numbers, one for each step"},
		{[]string{"--name", "a", "--process", "vp", "--alphas-cumprod", path + "x"}, cli.ExitFailed,
			"theirs.onnxx: no such file"},
		{[]string{"--name", "a", "--process", "vp", "--alphas-cumprod", alphas}, cli.ExitUsage,
			"--alphas-cumprod has 0 for step 2: want above 0 and below 0.5, that of the step before"},
		{[]string{"--name", "a", "--process", "vp", "--alphas-cumprod", alphas, "--time", "steps:4"}, cli.ExitUsage,
			"--alphas-cumprod has 3 numbers: want --time steps:3"},
		{[]string{"--name", "a", "--process", "cosine", "--alphas-cumprod", alphas}, cli.ExitUsage,
			"--alphas-cumprod is for --process vp, and the process is cosine"},
		{[]string{"--name", "a", "--time", "steps:10", "--process", "vp"}, cli.ExitUsage,
			"--betas is 0.1:20: the last of 10 steps would have the beta 2: want below 1"},
		{[]string{"--name", "a", "--time", "steps:5000", "--process", "vp", "--betas", "0.1:2000"}, cli.ExitUsage,
			"--betas is 0.1:2000: no float32 holds the sigma of the last step"},
		{[]string{"--name", "a", "--time", "continuous", "--process", "vp", "--betas", "0.1:2000"}, cli.ExitUsage,
			"--betas is 0.1:2000: no float32 holds the sigma of time 1"},
		{[]string{"--name", "a", "--time", "steps:10"}, cli.ExitUsage,
			`--time is "steps": want sigma, label, log_sigma or continuous for --process ve`},
		{[]string{"--name", "a", "--process", "vp"}, cli.ExitFailed,
			"labels: type is INT64, an index: say of how many steps with --time, as steps:1000"},
		{[]string{"--name", "a", "--process", "vp_scaled"}, cli.ExitFailed, "labels: type is INT64, an index: say of"},
		{[]string{"--name", "a", "--process", "vp", "--time", "continuous"}, cli.ExitFailed,
			"labels: type is INT64, an index: want FLOAT for --time continuous"},
		{[]string{"--name", "a", "--process", "vp", "--time", "steps:1000", "--sigmas", "200:0.01:9"}, cli.ExitFailed,
			"--sigmas goes from 200 to 0.01: want 157.407 to 0.0100005, the noise of process vp"},
		{[]string{"--name", "a", "--process", "vp", "--time", "steps:1000", "--step-lr", "0"}, cli.ExitUsage,
			"--step-lr is 0"},
		{[]string{"--name", "a", "--shape", "3"}, cli.ExitFailed, "samples: shape is [N 2]: want [N 3]"},
		{[]string{"--name", "a", "--sampler", "pc"}, cli.ExitUsage, `--sampler is "pc": want annealed or sde`},
		{[]string{"--name", "a", "--eta", "1"}, cli.ExitUsage, "--eta is for the reverse SDE: want --sampler sde"},
		{[]string{"--name", "a", "--sampler", "sde", "--sde-steps", "1"}, cli.ExitFailed,
			"sampler reverse_sde.steps is 1: want 2"},
		{[]string{"--name", "a", "--sampler", "sde", "--eta=-1"}, cli.ExitFailed,
			"sampler reverse_sde.eta is -1: want"},
		{[]string{"--name", "a", "--sigmas", "10:0.1:9"}, cli.ExitFailed, "the network knows the labels of 3 levels"},
	} {
		got := runAlone(t, append([]string{"models", "import", path, "--out", t.TempDir()}, tt.args...)...)
		if got.code != tt.code || !oneLineWith(got.stderr, tt.want) {
			t.Errorf("%v: %+v, want %q", tt.args, got, tt.want)
		}
	}
	// The exact score taken for noise is off by a factor of sigma.
	got := runAlone(t, "models", "import", path, "--name", "a", "--output", "noise", "--out", t.TempDir())
	if got.code != cli.ExitOK || !strings.Contains(got.stderr, "warning") {
		t.Errorf("score taken for noise: %+v", got)
	}
}

// TestImportOfConditions imports networks that take a class as an integer or as a row of zeros with a 1, or a vector
// with or without a flag, and compares what comes out with the exact scores.
func TestImportOfConditions(t *testing.T) {
	folder := t.TempDir()
	means := [][]float32{{1, 2}, {-3, 0}, {0, 0}}
	short := modelstest.GaussianOfVector(2, false)
	for name, tt := range map[string]struct {
		model *protos.ModelProto
		flags []string
		rows  [][]float32 // conditions, and the mean that each has
		means [][]float32
	}{
		"classes": {modelstest.GaussianOfClass(means, 2), []string{"--classes", "2", "--condition-dropped"},
			[][]float32{{0}, {1}, {2}}, means},
		"rows": {modelstest.GaussianOfRow(means[:2]), []string{"--classes", "2", "--condition-dropped"},
			[][]float32{{0}, {1}, {2}}, means},
		"vector": {modelstest.GaussianOfVector(2, true), []string{"--condition-vector", "2", "--condition-dropped"},
			[][]float32{{1, 2, 1}, {0, 0, 0}}, [][]float32{{1, 2}, {0, 0}}},
		"vector without a flag": {short, []string{"--condition-vector", "2", "--condition-dropped"},
			[][]float32{{1, 2, 1}, {0, 0, 0}}, [][]float32{{1, 2}, {0, 0}}},
		"vector that is always there": {short, []string{"--condition-vector", "2"},
			[][]float32{{1, 2}}, [][]float32{{1, 2}}},
	} {
		path := filepath.Join(folder, "theirs.onnx")
		for _, v := range tt.model.Graph.Input {
			if v.Name == models.InputC {
				v.Name = "y"
			}
		}
		for _, node := range tt.model.Graph.Node {
			for i, in := range node.Input {
				if in == models.InputC {
					node.Input[i] = "y"
				}
			}
		}
		if err := os.WriteFile(path, modelstest.Bytes(t, tt.model), 0o644); err != nil {
			t.Fatal(err)
		}
		got := runAlone(t, append([]string{"models", "import", path, "--name", "theirs", "--sigmas", "10,1,0.1",
			"--out", folder, "--overwrite", "--json"}, tt.flags...)...)
		var report modelcommands.ImportReport
		if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitOK {
			t.Fatalf("%s: %v: %+v", name, err, got)
		}
		data, err := os.ReadFile(report.Path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := models.Read(data)
		if err != nil || m.Condition == nil || m.Condition.String() != report.Condition.String() {
			t.Fatalf("%s: %v, condition %v, reported as %v", name, err, m.Condition, report.Condition)
		}
		model := openModel(t, data, m).Model().(sampling.Conditional)
		for i, row := range tt.rows {
			x, sigma, score := []float32{4, 5}, []float32{2}, make([]float32, 2)
			if err := model.ScoreGiven(t.Context(), score, x, sigma, row); err != nil {
				t.Fatal(err)
			}
			for j, s := range score {
				if want := (tt.means[i][j] - x[j]) / 5; math.Abs(float64(s-want)) > 1e-6 {
					t.Errorf("%s given %v: score %v: want %g at %d", name, row, score, want, j)
				}
			}
		}
	}
	got := runAlone(t, "models", "import", filepath.Join(folder, "theirs.onnx"), "--name", "a", "--condition-dropped")
	if got.code != cli.ExitUsage || !oneLineWith(got.stderr, "want --classes or --condition-vector with them") {
		t.Errorf("dropped without a condition: %+v", got)
	}
}

// TestDependentRowsAreServedNowhere gives a network that takes the first row's sigma for all rows to everything that
// opens models.
func TestDependentRowsAreServedNowhere(t *testing.T) {
	folder := modelFolder(t)
	mixed := modelstest.Dependent(false, 2)[0].Model
	addModel(t, folder, "mixed", modelstest.File(t, mixed, modelstest.Manifest("mixed", 2)))
	path := filepath.Join(folder, "mixed", "1", models.FileName)
	const want = "a row's output must depend on that row alone"
	for _, args := range [][]string{
		{"models", "import", path, "--name", "again", "--sigmas", "10,1,0.1", "--out", t.TempDir()},
		{"models", "check", path},
		append([]string{"sample", "mixed", "-n", "1", "--local", "--out", folder + "/x.csv"}, inside(t, folder)...),
	} {
		got := runAlone(t, args...)
		if got.code == cli.ExitOK || !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("%v: %+v: want %q", args[:2], got, want)
		}
	}
}

// TestHostileFilesAreServedNowhere gives models that would end or hang the process to everything that opens models,
// once with the rules that refuse their operators and once with rules that allow them.
func TestHostileFilesAreServedNowhere(t *testing.T) {
	folder := modelFolder(t)
	wanted := []string{"divisor made from sigma", "loop without end", "tensor of 16 GiB", "half a million nodes"}
	for _, c := range modelstest.Hostile() {
		if !slices.Contains(wanted, c.Name) {
			continue
		}
		addModel(t, folder, c.Manifest.Name, modelstest.File(t, c.Model(), c.Manifest))
		path := filepath.Join(folder, c.Manifest.Name, "1", models.FileName)
		strict := []string{"--proof-memory", "1073741824", "--proof-time", "1s"}
		loose := append(strict, "--allow-operators", strings.Join(append(c.Allow, "Mod"), ","))
		for _, tt := range []struct {
			args   []string
			refuse string
		}{
			{append([]string{"models", "check", path}, strict...), "invalid model"},
			{append([]string{"models", "check", path}, loose...), c.Refusal},
			{append([]string{"models", "import", path, "--name", "again", "--sigmas", "10,1,0.1", "--overwrite",
				"--out", t.TempDir()}, loose...), c.Refusal},
			{append([]string{"sample", c.Manifest.Name, "-n", "1", "--local", "--out", folder + "/x.csv"},
				inside(t, folder)...), "invalid model"},
		} {
			got := runAlone(t, tt.args...)
			if said := got.stdout + got.stderr; got.code == cli.ExitOK || !strings.Contains(said, tt.refuse) &&
				!strings.Contains(said, "it did not finish within") {
				t.Errorf("%s: %v: %+v: want %q", c.Name, tt.args[:2], got, tt.refuse)
			}
		}
	}
}

// TestImportOfDoubles imports the Gaussian in float64, whose scores are then the exact ones rounded to float32.
func TestImportOfDoubles(t *testing.T) {
	model := modelstest.Gaussian(2)
	double := int32(protos.TensorProto_DOUBLE)
	for _, value := range append(model.Graph.Input, model.Graph.Output...) {
		value.GetType().GetTensorType().ElemType = double
	}
	one := model.Graph.Initializer[0]
	one.DataType, one.FloatData, one.DoubleData = double, nil, []float64{1}
	m, err := models.Adopt(model, models.Foreign{}, modelstest.Manifest("double"))
	if err != nil {
		t.Fatal(err)
	}
	session := openModel(t, modelstest.Bytes(t, model), m)
	x, sigma, score := []float32{1, -2, 3, 0.1}, []float32{0.3, 7}, make([]float32, 4)
	if err := session.Score(t.Context(), score, x, sigma); err != nil {
		t.Fatal(err)
	}
	for i, got := range score {
		s := float64(sigma[i/2])
		if want := float32(-float64(x[i]) / (1 + s*s)); got != want {
			t.Errorf("score of %g at sigma %g is %g: want %g", x[i], s, got, want)
		}
	}
}

// TestImportReadsWeightsBeside imports a network whose weights lie in a file beside it, which check refuses to read.
func TestImportReadsWeightsBeside(t *testing.T) {
	folder := t.TempDir()
	whole, split := modelstest.Foreign(10, 1, 0.1), modelstest.Foreign(10, 1, 0.1)
	var data []byte
	for _, tensor := range split.Graph.Initializer {
		if len(tensor.FloatData) == 0 {
			continue
		}
		tensor.DataLocation = protos.TensorProto_EXTERNAL
		tensor.ExternalData = []*protos.StringStringEntryProto{
			{Key: "location", Value: "theirs.onnx.data"}, {Key: "offset", Value: strconv.Itoa(len(data))},
		}
		for _, v := range tensor.FloatData {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		tensor.FloatData = nil
	}
	path, beside := filepath.Join(folder, "theirs.onnx"), filepath.Join(folder, "theirs.onnx.data")
	err := errors.Join(os.WriteFile(path, modelstest.Bytes(t, split), 0o644), os.WriteFile(beside, data, 0o644),
		os.WriteFile(filepath.Join(folder, "whole.onnx"), modelstest.Bytes(t, whole), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	var reports [2]modelcommands.ImportReport
	for i, name := range []string{"theirs.onnx", "whole.onnx"} {
		out := filepath.Join(folder, "out", name)
		got := runAlone(t, "models", "import", filepath.Join(folder, name), "--name", "a", "--out", out, "--json")
		if err := json.Unmarshal([]byte(got.stdout), &reports[i]); err != nil || got.code != cli.ExitOK {
			t.Fatalf("%s: %v: %+v", name, err, got)
		}
	}
	if reports[0].Scale != reports[1].Scale || reports[0].Levels != 3 {
		t.Errorf("with weights beside it %+v, in one file %+v", reports[0], reports[1])
	}
	if err := models.Attach(split, modelstest.Manifest("theirs", 2)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, modelstest.Bytes(t, split), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := runAlone(t, "models", "check", path); got.code != cli.ExitFailed {
		t.Errorf("check of a file with weights beside it: %+v", got)
	}
	if err := os.Remove(beside); err != nil {
		t.Fatal(err)
	}
	got := runAlone(t, "models", "import", path, "--name", "a", "--out", folder)
	const want = `it is stored in "theirs.onnx.data" beside the model: no such file`
	if got.code != cli.ExitFailed || !oneLineWith(got.stderr, want) {
		t.Errorf("without the file: %+v", got)
	}
}

// openModel loads a model until the test ends.
func openModel(t *testing.T, file []byte, m models.Manifest) *ort.Session {
	t.Helper()
	engine, err := ort.OpenFound("")
	if err != nil {
		t.Fatal(err)
	}
	session, err := engine.Load(t.Context(), file, m, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}
