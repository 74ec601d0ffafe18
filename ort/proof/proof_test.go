package proof

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute-onnx/support/protos"
	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
)

// TestMain lets this program be its own child, as the main of langevin does.
func TestMain(m *testing.M) {
	if Child() {
		os.Exit(RunChild())
	}
	goleak.VerifyTestMain(m)
}

// small are limits that no hostile model stays within, and with which it is refused soon.
func small() Limits { return Limits{Memory: 1 << 30, Time: time.Second} }

func newProver(t *testing.T, rules models.Rules, limits Limits) *Prover {
	t.Helper()
	runtime, err := ort.OpenFound("")
	if err != nil {
		t.Fatal(err)
	}
	return New(runtime, rules, limits, "")
}

// TestHostileModels proves every hostile model twice: with the rules of a server without settings, which refuse it by
// its operators, and with rules that allow them.
func TestHostileModels(t *testing.T) {
	var children sync.WaitGroup
	for _, c := range modelstest.Hostile() {
		children.Go(func() { testHostile(t, c) })
	}
	children.Wait()
}

func testHostile(t *testing.T, c modelstest.HostileCase) {
	file := modelstest.File(t, c.Model(), c.Manifest)
	if len(c.Allow) > 0 {
		_, want := models.Decode(file, c.Manifest)
		_, err := newProver(t, models.Rules{}, small()).Prove(t.Context(), file, c.Manifest)
		if want == nil || err == nil || err.Error() != want.Error() {
			t.Errorf("%s: by the list: %v: want %v", c.Name, err, want)
		}
	}
	_, err := newProver(t, models.Rules{Operators: c.Allow}, small()).Prove(t.Context(), file, c.Manifest)
	clock := "it did not finish within " + small().Clock().String() // on a machine with much other work
	if !errors.Is(err, models.ErrInvalid) || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), c.Refusal) && !strings.Contains(err.Error(), clock) {
		t.Errorf("%s: in a child: %v: want one line with %q", c.Name, err, c.Refusal)
	}
}

// TestVerdictsAreKept: the second proof of a file starts no child.
func TestVerdictsAreKept(t *testing.T) {
	m := modelstest.Manifest("mixed", 2)
	file := modelstest.File(t, modelstest.Dependent(false, 2)[0].Model, m)
	p := newProver(t, models.Rules{}, Limits{})
	_, first := p.Prove(t.Context(), file, m)
	asChild(t)
	_, second := p.Prove(t.Context(), file, m)
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("first %v, then %v", first, second)
	}
}

// TestVerdictsOutliveAProver: another prover with the same rules and limits starts no child for a file that passed,
// and one with other rules or limits does. A folder that others may write to is not believed.
func TestVerdictsOutliveAProver(t *testing.T) {
	m := modelstest.Manifest("gauss", 2)
	sound := modelstest.GaussianFile(t, "gauss", 2)
	mixed := modelstest.File(t, modelstest.Dependent(false, 2)[0].Model, m)
	folder := filepath.Join(t.TempDir(), "proofs")
	prover := func(rules models.Rules, limits Limits) *Prover {
		return New(newProver(t, rules, limits).runtime, rules, limits, folder)
	}
	first := prover(models.Rules{}, Limits{})
	grain, err := first.Prove(t.Context(), sound, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Prove(t.Context(), mixed, m); !errors.Is(err, models.ErrInvalid) {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(folder); len(files) != 1 || err != nil {
		t.Errorf("%d files are in the folder: %v: want the verdict on the sound file", len(files), err)
	}
	asChild(t)
	if again, err := prover(models.Rules{}, Limits{}).Prove(t.Context(), sound, m); err != nil || again != grain {
		t.Errorf("a grain of %d, %v: want %d", again, err, grain)
	}
	for _, other := range []*Prover{
		prover(models.Rules{Operators: []string{"Loop"}}, Limits{}), prover(models.Rules{}, small()),
	} {
		if _, err := other.Prove(t.Context(), sound, m); err == nil {
			t.Error("the verdict of a prover with other rules or limits was taken over")
		}
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := prover(models.Rules{}, Limits{}).Prove(t.Context(), sound, m); err == nil {
		t.Error("a verdict from a folder that everybody may write to was believed")
	}
}

// TestSoundModels: a proof finds the grain that a trial in this process finds, and the trial is skipped.
func TestSoundModels(t *testing.T) {
	p := newProver(t, models.Rules{}, Limits{})
	for name, c := range map[string]struct {
		model *protos.ModelProto
		shape []int
	}{
		"points":     {modelstest.MLP("SiLU", 1), []int{2}},
		"images":     {modelstest.EmbeddedConv("Elu", 8, 1), []int{1, 8, 8}},
		"no weights": {modelstest.Gaussian(3), []int{3}},
	} {
		m := modelstest.Manifest("sound", c.shape...)
		file := modelstest.File(t, c.model, m)
		proved, err := p.Load(t.Context(), file, m, ort.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tried, err := p.runtime.Load(t.Context(), file, m, ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if proved.Grain() != tried.Grain() {
			t.Errorf("%s: the proof found a grain of %d, the trial %d", name, proved.Grain(), tried.Grain())
		}
		if err := errors.Join(proved.Close(), tried.Close()); err != nil {
			t.Error(err)
		}
	}
	if len(p.verdicts) != 3 {
		t.Errorf("%d verdicts were kept: want 3", len(p.verdicts))
	}
}

// TestProofCanBeStopped: a proof ends with its context, and the child with it. Nothing is learned about the file.
func TestProofCanBeStopped(t *testing.T) {
	var loop modelstest.HostileCase
	for _, c := range modelstest.Hostile() {
		if c.Name == "loop without end" {
			loop = c
		}
	}
	p := newProver(t, models.Rules{Operators: loop.Allow}, Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := p.Prove(ctx, modelstest.File(t, loop.Model(), loop.Manifest), loop.Manifest)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, models.ErrInvalid) || len(p.verdicts) > 0 {
		t.Errorf("%v with %d verdicts", err, len(p.verdicts))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// TestSlowMachine: a proof that only the clock ends has no lasting verdict.
func TestSlowMachine(t *testing.T) {
	p := newProver(t, models.Rules{}, Limits{Time: time.Millisecond})
	m := modelstest.Manifest("gauss", 2)
	_, err := p.Prove(t.Context(), modelstest.GaussianFile(t, "gauss", 2), m)
	if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "it did not finish within 4ms") ||
		len(p.verdicts) > 0 {
		t.Errorf("%v with %d verdicts", err, len(p.verdicts))
	}
}

// TestChildKeepsNoSecrets: a child has the variables that the system's loader needs, and no others.
func TestChildKeepsNoSecrets(t *testing.T) {
	t.Setenv("LANGEVIN_AUTH_TOKENS", "secret")
	t.Setenv("LD_LIBRARY_PATH", "/libraries")
	env := environment()
	if text := strings.Join(env, " "); strings.Contains(text, "secret") || !strings.Contains(text, "/libraries") {
		t.Errorf("the environment is %q", env)
	}
}

// TestProofWithinAProof: a program whose main does not know children must not start more and more of them.
func TestProofWithinAProof(t *testing.T) {
	asChild(t)
	p := newProver(t, models.Rules{}, Limits{})
	m := modelstest.Manifest("gauss", 2)
	_, err := p.Prove(t.Context(), modelstest.GaussianFile(t, "gauss", 2), m)
	if err == nil || errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "its main does not call") {
		t.Errorf("got %v", err)
	}
}

// TestMutations proves files with a few changed bytes. Each has a verdict, and this process goes on.
func TestMutations(t *testing.T) {
	const count = 40
	m := modelstest.Manifest("mutant", 2)
	sound := modelstest.File(t, modelstest.MLP("SiLU", 1), m)
	p := newProver(t, models.Rules{}, small())
	rng := rand.New(rand.NewPCG(17, 0))
	var children sync.WaitGroup
	for range count {
		mutant := mutate(sound, rng)
		children.Go(func() {
			if _, err := p.Prove(t.Context(), mutant, m); err != nil && !errors.Is(err, models.ErrInvalid) {
				t.Errorf("no verdict: %v", err)
			}
		})
	}
	children.Wait()
}

// mutate changes, removes or repeats a few bytes, most of them not within weights.
func mutate(sound []byte, rng *rand.Rand) []byte {
	mutant := slices.Clone(sound)
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(mutant))
		if rng.IntN(4) > 0 { // nodes and names are at the start, the manifest at the end
			at = rng.IntN(2000)
		}
		switch rng.IntN(3) {
		case 0:
			mutant[at] ^= 1 << rng.IntN(8)
		case 1:
			mutant = slices.Delete(mutant, at, at+1)
		case 2:
			mutant = slices.Insert(mutant, at, mutant[at])
		}
	}
	return mutant
}

// FuzzModelFile proves any bytes. A child may end in any way; this process may not.
func FuzzModelFile(f *testing.F) {
	m := modelstest.Manifest("fuzzed", 2)
	f.Add(modelstest.GaussianFile(f, "fuzzed", 2))
	f.Add(modelstest.File(f, modelstest.MLP("Elu", 1), m))
	runtime, err := ort.OpenFound("")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p := New(runtime, models.Rules{}, small(), "")
		if _, err := p.Prove(t.Context(), file, m); err != nil && !errors.Is(err, models.ErrInvalid) {
			t.Errorf("no verdict: %v", err)
		}
	})
}

// asChild lets this process look like a child, which starts no others.
func asChild(t *testing.T) {
	t.Helper()
	was := os.Args
	os.Args = []string{was[0], Command}
	t.Cleanup(func() { os.Args = was })
}

// children returns the processes whose parent is this one.
func children(t *testing.T) (numbers []string) {
	t.Helper()
	lists, _ := filepath.Glob("/proc/self/task/*/children") // fails only for a bad pattern
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err == nil {
			numbers = append(numbers, strings.Fields(string(text))...)
		}
	}
	return numbers
}
