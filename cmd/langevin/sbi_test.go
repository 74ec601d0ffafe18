package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/langevin-ml/langevin/internal/cli"
)

var (
	sbi       = flag.String("sbi", "", "Python with the package sbi, for posteriors to train and import")
	sbiFolder = flag.String("sbi-folder", "", "folder for the posteriors; those that are there are not trained again")
)

// posteriorTask is a task of testdata/posteriors.py.
type posteriorTask struct {
	Name         string
	Observations [][]float64
}

// TestSBI imports networks of sbi and compares their denoised parameters with those that sbi computes. Samples of the
// trained ones, given observations, are compared with exact samples of the posterior by the two-sample test of sbi. The
// mean accuracy over observations is at most 0.6 with the default sampler, and at most 0.02 above that of samples which
// sbi draws itself.
func TestSBI(t *testing.T) {
	if *sbi == "" {
		t.Skip("trains for minutes: make test-sbi")
	}
	folder := exported(t)
	for _, c := range readJSON[[]torchCase](t, folder, "cases.json") {
		t.Run(c.Name, func(t *testing.T) { c.compare(t, folder) })
	}
	samplers := map[string][]string{
		"default": nil, "annealed": {"--sampler", "annealed"},
	}
	for _, task := range readJSON[[]posteriorTask](t, folder, "tasks.json") {
		for i, x := range task.Observations {
			for name, sampler := range samplers {
				drawPosterior(t, folder, task.Name, name, i, x, sampler)
			}
		}
	}
	var accuracies map[string]float64
	if err := json.Unmarshal([]byte(posteriors(t, "judge", folder)), &accuracies); err != nil {
		t.Fatal(err)
	}
	byRun := map[string][]float64{}
	for file, accuracy := range accuracies {
		run := file[:strings.LastIndex(file, "-")]
		byRun[run] = append(byRun[run], accuracy)
	}
	means := map[string]float64{}
	for run, found := range byRun {
		mean, deviation := stat.MeanStdDev(found, nil)
		t.Logf("%s: accuracy %.3f ± %.3f over observations %.3f", run, mean,
			deviation/math.Sqrt(float64(len(found))), found)
		means[run] = mean
	}
	if len(means) != 6 {
		t.Errorf("judged %v, want two tasks with two samplers and that of sbi", means)
	}
	for _, task := range []string{"gaussian_linear", "two_moons"} {
		if mean := means[task+"-default"]; !(mean <= 0.6 && mean <= means[task+"-sbi"]+0.02) {
			t.Errorf("%s: the two-sample test has accuracy %.3f, and %.3f for sbi: want at most 0.6, and 0.02 more",
				task, mean, means[task+"-sbi"])
		}
	}
}

// exported returns a folder with networks, cases.json and tasks.json.
func exported(t *testing.T) (folder string) {
	t.Helper()
	if folder = *sbiFolder; folder == "" {
		folder = t.TempDir()
	}
	if _, err := os.Stat(filepath.Join(folder, "tasks.json")); err == nil {
		return folder // it is written last
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Log(posteriors(t, "export", folder))
	return folder
}

// posteriors runs testdata/posteriors.py and returns its output.
func posteriors(t *testing.T, task, folder string) string {
	t.Helper()
	script, err := filepath.Abs("testdata/posteriors.py")
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), *sbi, script, task, folder)
	run.Dir = folder // sbi writes logs
	var errors bytes.Buffer
	run.Stderr = &errors
	out, err := run.Output()
	if err != nil {
		t.Fatalf("posteriors.py %s: %v\n%s", task, err, &errors)
	}
	return string(out)
}

func readJSON[T any](t *testing.T, folder, name string) (value T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err == nil {
		err = json.Unmarshal(data, &value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// drawPosterior samples a model given an observation into FOLDER/MODEL-SAMPLER-OBSERVATION.npy.
func drawPosterior(t *testing.T, folder, model, sampler string, observation int, x []float64, flags []string) {
	t.Helper()
	numbers := make([]string, len(x))
	for i, v := range x {
		numbers[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	out := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.npy", model, sampler, observation))
	args := []string{"sample", model, "--local", "--models-dir", folder, "--given-vector=" + strings.Join(numbers, ","),
		"-n", "2200", "--seed", strconv.Itoa(100 + observation), "--out", out}
	if got := runAlone(t, append(args, flags...)...); got.code != cli.ExitOK {
		t.Fatalf("%s: %+v", out, got)
	}
}
