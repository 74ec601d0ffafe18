package ort

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Arguments with which tests start this program again.
const (
	signalsKept    = "signals-kept"
	signalsNotKept = "signals-not-kept"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case ProbeCommand:
			if err := RunProbe(os.Args[2:], os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case signalsKept, signalsNotKept:
			compareSignals(os.Args[1] == signalsKept, os.Args[2])
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

// compareSignals prints whether starting the provider changes what SIGTERM does.
func compareSignals(keep bool, library string) {
	if _, err := Open(library); err != nil {
		fmt.Println(err)
		return
	}
	before := signalHandler(syscall.SIGTERM)
	start := func() error {
		settings, err := sessionOptions(Options{Threads: 1}, Device{})
		if err != nil {
			return err
		}
		defer settings.Destroy()
		return useCUDA(settings, Device{CUDA: true})
	}
	var err error
	if keep {
		err = Device{CUDA: true}.Starting(start)
	} else {
		err = start()
	}
	fmt.Println(err != nil, signalHandler(syscall.SIGTERM) == before)
}

func TestParseDevice(t *testing.T) {
	for text, want := range map[string]Device{"cpu": {}, "cuda": {CUDA: true}, "cuda:0": {CUDA: true},
		"cuda:3": {CUDA: true, Index: 3}} {
		if got, err := ParseDevice(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v: want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "cuda:128", "auto"} {
		if d, err := ParseDevice(text); !errors.Is(err, ErrDeviceUnavailable) {
			t.Errorf("%q is %v, %v", text, d, err)
		}
	}
}

// TestTF32: it is off by default, reaches the provider, and is part of what results depend on.
func TestTF32(t *testing.T) {
	for d, want := range map[Device][2]string{
		{}:                                 {"0", "cpu"},
		{TF32: true}:                       {"1", "cpu"},
		{CUDA: true, Index: 2}:             {"0", "cuda"},
		{CUDA: true, Index: 2, TF32: true}: {"1", "cuda tf32"},
	} {
		if got := [2]string{cudaOptions(d)["use_tf32"], d.kind()}; got != want {
			t.Errorf("%+v: use_tf32 and kind are %q, want %q", d, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	for rows, want := range map[int]int{1: 16, 16: 16, 17: 32, 64: 64, 65: 128, 1000: 1024, 1024: 1024} {
		if got := bucketOf(rows); got != want {
			t.Errorf("%d rows run as %d, want %d", rows, got, want)
		}
	}
	for dim, want := range map[int]int{2: 4096, 784: 1024, 3072: 256, 1 << 20: 16} {
		if got := rowsPerRun(dim, Device{CUDA: true}); got != want {
			t.Errorf("samples of %d run %d at once, want %d", dim, got, want)
		}
	}
}

// fakes makes a folder with a copy of the library and the given files next to it, which are compiled from C.
func fakes(t *testing.T, sources map[string]string) (library string) {
	t.Helper()
	dir := t.TempDir()
	original, _, err := FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	library = filepath.Join(dir, "libonnxruntime.so.1")
	copyFile(t, library, original)
	for name, source := range sources {
		file := filepath.Join(dir, name+".c")
		if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cc", "-shared", "-fPIC", "-w", "-o", filepath.Join(dir, name),
			file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Setenv("LD_LIBRARY_PATH", dir)
	return library
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// Sources of the fakes.
const (
	fakeShared = `void Provider_SetHost(void *host) {}`
	fakeDriver = `
		#include <string.h>
		int cuInit(unsigned flags) { return 0; }
		int cuDriverGetVersion(int *v) { *v = 13010; return 0; }
		int cuDeviceGetCount(int *n) { *n = 1; return 0; }
		int cuDeviceGet(int *d, int i) { *d = i; return 0; }
		int cuDeviceGetName(char *name, int n, int d) { strncpy(name, "Fake GPU", n); return 0; }`
	emptyProvider   = `int nothing;`
	hangingProvider = `#include <unistd.h>
		__attribute__((constructor)) static void hang(void) { for (;;) pause(); }`
	crashingProvider = `__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }`
	seizingProvider  = `#include <signal.h>
		static void handle(int s) {}
		__attribute__((constructor)) static void seize(void) { signal(SIGTERM, handle); }`
)

// TestProbeNamesWhatIsMissing goes through the list of what a GPU needs, on a machine that has none of it. Each probe
// fails at the next item, and this process survives all of them.
func TestProbeNamesWhatIsMissing(t *testing.T) {
	driverless := `int cuInit(unsigned flags) { return 100; }
		int cuDriverGetVersion(int *v) { return 0; } int cuDeviceGetCount(int *n) { return 0; }
		int cuDeviceGet(int *d, int i) { return 0; } int cuDeviceGetName(char *n, int m, int d) { return 0; }`
	for _, tt := range []struct {
		name   string
		fakes  map[string]string
		index  int
		limit  time.Duration
		passed []string
		want   []string
	}{
		{"no provider", nil, 0, 0, nil, []string{"provider library", "libonnxruntime_providers_shared.so is not in",
			"langevin onnxruntime install --device cuda"}},
		{"half a provider", map[string]string{providerShared: fakeShared}, 0, 0, nil,
			[]string{"libonnxruntime_providers_cuda.so is not in"}},
		{"driver without device", map[string]string{providerShared: fakeShared, providerCUDA: emptyProvider,
			"libcuda.so.1": driverless}, 0, 0,
			[]string{"provider library", "dependent libraries"}, []string{"driver and device", "CUDA error 100",
				"install the NVIDIA driver"}},
		{"no such device", map[string]string{providerShared: fakeShared, providerCUDA: emptyProvider,
			"libcuda.so.1": fakeDriver}, 7, 0,
			[]string{"provider library", "dependent libraries"}, []string{"there is no device 7: the driver has 1",
				"cuda:0"}},
		{"empty provider", map[string]string{providerShared: fakeShared, providerCUDA: emptyProvider,
			"libcuda.so.1": fakeDriver}, 0, 0,
			[]string{"provider library", "dependent libraries",
				"driver and device"}, []string{"ONNX Runtime does not start the provider"}},
		{"crashing provider", map[string]string{providerShared: fakeShared, providerCUDA: crashingProvider,
			"libcuda.so.1": fakeDriver}, 0, 0,
			[]string{"provider library", "dependent libraries",
				"driver and device"}, []string{"failed after the check of the driver and device"}},
		{"hanging provider", map[string]string{providerShared: fakeShared, providerCUDA: hangingProvider,
			"libcuda.so.1": fakeDriver}, 0, time.Second,
			[]string{"provider library", "dependent libraries",
				"driver and device"}, []string{"did not end within 1s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			library := fakes(t, tt.fakes)
			limit := cmp.Or(tt.limit, 30*time.Second)
			checks, err := probeWith(t.Context(), limit, Device{CUDA: true, Index: tt.index}, os.Args[0], ProbeCommand,
				library, fmt.Sprint(tt.index))
			if !errors.Is(err, ErrDeviceUnavailable) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error is %v", err)
			}
			for _, part := range append(tt.want, "cuda:"+fmt.Sprint(tt.index)) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: want %q in it", err, part)
				}
			}
			var passed []string
			for _, c := range checks {
				if c.OK {
					passed = append(passed, c.Name)
				}
			}
			if !slices.Equal(passed, tt.passed) {
				t.Errorf("passed are %q, want %q", passed, tt.passed)
			}
		})
	}
}

// TestProbeFollowsLinks: the provider is in the folder of the library, not of a link to it.
func TestProbeFollowsLinks(t *testing.T) {
	library := fakes(t, map[string]string{providerShared: fakeShared, providerCUDA: emptyProvider})
	link := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.Symlink(library, link); err != nil {
		t.Fatal(err)
	}
	checks, err := probeWith(t.Context(), 30*time.Second, Device{CUDA: true}, os.Args[0], ProbeCommand, link, "0")
	if len(checks) == 0 || !checks[0].OK || checks[0].Name != "provider library" {
		t.Errorf("checks are %+v, %v", checks, err)
	}
}

// TestMissingDependency: the provider is linked to a CUDA that is missing.
func TestMissingDependency(t *testing.T) {
	library := fakes(t, map[string]string{providerShared: fakeShared, "libcudart.so.13": emptyProvider})
	dir := filepath.Dir(library)
	source := filepath.Join(dir, "provider.c")
	if err := os.WriteFile(source, []byte(emptyProvider), 0o644); err != nil {
		t.Fatal(err)
	}
	provider := filepath.Join(dir, providerCUDA)
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-Wl,--no-as-needed", "-o", provider, source,
		filepath.Join(dir, "libcudart.so.13")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The dependency is linked by path. Replace the name that the provider needs by one that no machine has.
	data, err := os.ReadFile(provider)
	if err != nil {
		t.Fatal(err)
	}
	needed := filepath.Join(dir, "libcudart.so.13")
	gone := "libcudart.so.13" + strings.Repeat("\x00", len(needed)-len("libcudart.so.13"))
	if err := errors.Join(os.WriteFile(provider, []byte(strings.Replace(string(data), needed, gone, 1)), 0o755),
		os.Remove(needed)); err != nil {
		t.Fatal(err)
	}
	_, err = probeWith(t.Context(), 30*time.Second, Device{CUDA: true}, os.Args[0], ProbeCommand, library, "0")
	for _, part := range []string{"dependent libraries", "the loader does not find libcudart.so.13",
		"CUDA 13 and cuDNN 9"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v: want %q in it", err, part)
		}
	}
}

// TestSignalsSurviveTheProvider starts a provider that replaces the action of SIGTERM, as CUDA's does.
func TestSignalsSurviveTheProvider(t *testing.T) {
	library := fakes(t, map[string]string{providerShared: fakeShared, providerCUDA: seizingProvider})
	for mode, want := range map[string]string{signalsKept: "true true\n", signalsNotKept: "true false\n"} {
		out, err := exec.Command(os.Args[0], mode, library).Output()
		if err != nil || string(out) != want {
			t.Errorf("%s: provider failed and handler is the same: %q (%v), want %q", mode, out, err, want)
		}
	}
}

func TestCPUNeedsNoProbe(t *testing.T) {
	if checks, err := ProbeDevice(t.Context(), "/nowhere", Device{}); err != nil || len(checks) != 0 {
		t.Errorf("%v, %v", checks, err)
	}
}
