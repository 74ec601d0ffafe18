package main

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/loadtest"
)

const briefly = " --duration 50ms --warmup 10ms "

func TestBenchCommand(t *testing.T) {
	got := langevin(t, fake.Script{Sample: points()},
		strings.Fields("bench --model ring --clients 2 --chains 3 --steps-per-level 5 --json"+briefly)...)
	var r loadtest.Report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("%+v: %v", got, err)
	}
	if r.Model != "ring" || r.Chains != 3 || r.Clients != 2 || r.Completed == 0 || r.PerSecond.Samples == 0 ||
		r.Compared == 0 {
		t.Errorf("%+v", r)
	}
	got = langevin(t, fake.Script{Sample: points()}, strings.Fields("bench --rate 500"+briefly)...)
	for _, want := range []string{"open loop of 500 requests a second", "latency", "first event", "completed",
		"0 differ"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%+v\nwant %q in it", got, want)
		}
	}
}

func TestBenchFindsResultsThatDiffer(t *testing.T) {
	var calls atomic.Int64
	fickle := fake.Samples([]int{1}, func(uint64) []float32 { return []float32{float32(calls.Add(1))} })
	got := langevin(t, fake.Script{Sample: fickle}, strings.Fields("bench --seeds 1"+briefly)...)
	if got.code != cli.ExitFailed || !oneLineWith(got.stderr, "differ from another of the same seed") {
		t.Errorf("%+v", got)
	}
}

func TestBenchUsage(t *testing.T) {
	for line, want := range map[string]string{
		"--clients 2 --rate 3": "--clients and --rate: want one of them",
		"--clients 0":          "--clients is 0: want a whole number from 1",
		"--rate=-1":            "--rate is -1: want a finite number above 0",
		"--cancel 1.5":         "--cancel is 1.5: want a share from 0 to 1",
		"--cancel NaN":         "--cancel is NaN: want a share from 0 to 1",
		"--duration 0s":        "--duration is 0s: want more than 0s",
		"--warmup=-1s":         "--warmup is -1s: want 0s or more",
		"--model ring@x":       "model is ring@x: want a name",
		"ring":                 `"ring" is one argument too many: want none`,
	} {
		got := langevin(t, fake.Script{}, append([]string{"bench"}, strings.Fields(line)...)...)
		if got.code != cli.ExitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("bench %s: %+v\nwant code 2 and %q", line, got, want)
		}
	}
}

// The whole of it on the real engine: equal seeds give equal bits, in whatever company.
func TestBenchLocal(t *testing.T) {
	args := append([]string{"bench", "--local", "--clients", "8", "--chains", "5", "--cancel", "0.2", "--json"},
		inside(t, modelFolder(t))...)
	got := runAlone(t, append(args, strings.Fields("--duration 300ms --warmup 0s")...)...)
	var r loadtest.Report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%+v: %v", got, err)
	}
	if r.Model != "gauss" || r.Compared < 10 || r.Differing != 0 || len(r.Errors) != 0 {
		t.Errorf("%+v", r)
	}
}
