package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// The column has the index of each class, also where the command line has names.
func TestClassColumn(t *testing.T) {
	model := ring()
	model.Version = 1 // of the fake samples
	model.Condition = &client.ModelCondition{Classes: 3, Names: []string{"cat", "dog", "emu"}}
	script := fake.Script{Models: []client.Model{model}, Sample: points()}
	file := filepath.Join(t.TempDir(), "x.csv")
	for line, want := range map[string]string{
		"-n 3 --class emu,0":                 "2,0,-0\n0,1,-0.33333334\n2,2,-0.6666667\n",
		"-n 2 --class dog":                   "1,0,-0\n1,1,-0.33333334\n",
		"-n 2 --first-chain 1 --class 0,2":   "2,1,-0.33333334\n0,2,-0.6666667\n",
		"-n 2 --class 1 --out " + file:       "1,0,-0\n1,1,-0.33333334\n",
		"-n 1 --class 1 --seed 3 --term dog": "1,0,-0\n",
	} {
		got := langevin(t, script, append([]string{"sample", "ring", "--class-column"}, strings.Fields(line)...)...)
		text := got.stdout
		if strings.Contains(line, file) {
			read, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = string(read)
		}
		if text != want || got.code != cli.ExitOK {
			t.Errorf("%s: %+v\n%swant\n%s", line, got, text, want)
		}
	}
	for line, want := range map[string]string{
		"":                        "--class-column needs --class",
		"--class 1 --out x.npy":   "--class-column is for CSV: want an --out that ends in .csv, or none",
		"--class 1 --json":        "--class-column is for CSV",
		"--given-vector 1":        "--class-column needs --class",
		"--class 1 --out out.PNG": "--class-column is for CSV",
	} {
		got := langevin(t, script, append([]string{"sample", "ring", "--class-column"}, strings.Fields(line)...)...)
		if got.code != cli.ExitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("%s: %+v, want one line that says %q", line, got, want)
		}
	}
}
