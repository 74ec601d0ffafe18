package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
	"github.com/langevin-ml/langevin/server/batch"
)

// Diagnose checks whether a server with the configuration c could serve on this machine. It looks, in the order in
// which serving needs them, at the library, the device and the models, and times the default model. A check that failed
// says how to mend it, if that is known. What depends on it is left out.
func Diagnose(ctx context.Context, c Config) []ort.Check {
	var d diagnosis
	runtime, library := d.library(c.ONNXRuntime.Library)
	if runtime == nil {
		return d.checks
	}
	device, usable := d.device(ctx, c.Device, library)
	if _, err := c.mirror(ctx, slog.New(slog.DiscardHandler)); err != nil {
		d.fail("models", err, "")
		return d.checks
	}
	repository, err := c.repository()
	if err != nil {
		d.fail("models", err, "give models.dir a folder that can be read")
		return d.checks
	}
	defer repository.Close()
	d.models(repository)
	if usable {
		d.selfTest(ctx, c.prover(runtime), device, repository, c.Models.Default)
	}
	return d.checks
}

// A diagnosis collects checks.
type diagnosis struct{ checks []ort.Check }

func (d *diagnosis) pass(name, detail string) {
	d.checks = append(d.checks, ort.Check{Name: name, OK: true, Detail: detail})
}

// fail adds a check that failed. fix may be empty.
func (d *diagnosis) fail(name string, err error, fix string) {
	d.checks = append(d.checks, ort.Check{Name: name, Detail: err.Error(), Fix: fix})
}

// library opens ONNX Runtime; the runtime is nil if it cannot.
func (d *diagnosis) library(explicit string) (runtime *ort.Runtime, path string) {
	path, searched, err := ort.FindLibrary(explicit)
	if err == nil {
		runtime, err = ort.Open(path)
	}
	if err != nil {
		d.fail("library", err, mendLibrary(explicit, path))
		return nil, ""
	}
	d.pass("library", fmt.Sprintf("%s, found after looking in %s", path, phrase.Plural(len(searched), "place")))
	version := ort.Check{
		Name: "version", OK: true, Detail: fmt.Sprintf("%s, tested with %s", runtime.Version(), ort.Version),
	}
	if runtime.Version() != ort.Version {
		version.Fix = "results may differ in their last bits from those of " + ort.Version
	}
	d.checks = append(d.checks, version)
	d.pass("providers", strings.Join(runtime.Providers(), ", "))
	return runtime, path
}

// mendLibrary says how to get a library if the one at path, or none if that is empty, cannot be opened. The program
// that installs one writes to the user's cache folder, and does not change a library elsewhere.
func mendLibrary(explicit, path string) string {
	const install = "run \"langevin onnxruntime install\""
	cache, err := ort.CacheFolder()
	switch named := cmp.Or(explicit, os.Getenv(ort.EnvLibrary)); {
	case named != "":
		return install + ", and name its library or none instead of " + named
	case path != "" && (err != nil || !strings.HasPrefix(path, cache)):
		return "remove " + path + ", and " + install
	}
	return install
}

// device returns the device that the setting names, and whether it can be used. A missing GPU is no fault if the
// setting is auto.
func (d *diagnosis) device(ctx context.Context, setting, library string) (name string, usable bool) {
	device, err := ort.FindDevice(ctx, library, setting)
	if device.Fallback != nil {
		d.pass("device", fmt.Sprintf("auto takes the CPU: %v", device.Fallback))
		return device.String(), true
	}
	d.checks = append(d.checks, device.Checks...)
	if err != nil {
		if n := len(device.Checks); n == 0 || device.Checks[n-1].OK {
			d.fail("device", err, "")
		}
		return "", false
	}
	d.pass("device", device.String())
	return device.String(), true
}

func (d *diagnosis) models(repository *models.Repository) {
	entries, problems := repository.List()
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s@%d", e.Name, e.Version))
	}
	for _, p := range problems {
		d.fail("model "+p.Path, p.Err, "remove it, or put a sound file in its place")
	}
	d.checks = append(d.checks, ort.Check{Name: "models", OK: len(entries) > 0, Detail: strings.Join(names, ", ")})
}

// selfTest loads a model and times its network.
func (d *diagnosis) selfTest(
	ctx context.Context, prover *proof.Prover, device string, repository *models.Repository, name string,
) {
	const check = "self-test"
	file, err := repository.Open(name, 0)
	if err != nil {
		d.fail(check, err, "name a default model that is there with models.default")
		return
	}
	text, err := timed(ctx, prover, device, file)
	if err != nil {
		d.fail(check, err, "")
		return
	}
	d.pass(check, text)
}

// timed tells how long a model takes to prove and load and to evaluate given numbers of chains.
func timed(ctx context.Context, prover *proof.Prover, device string, file models.File) (text string, err error) {
	start := time.Now()
	session, err := prover.Load(ctx, file.Graph, file.Manifest, ort.Options{Device: device})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	text = fmt.Sprintf("%s loads in %s on %s", file.Name, time.Since(start).Round(100*time.Microsecond), device)
	for _, rows := range []int{1, 16, 256} {
		took, err := batch.Fastest(ctx, session.Model(), file.Manifest.Dim(), rows, float32(file.Manifest.Sigmas[0]))
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("; %s: %s a step", phrase.Plural(rows, "chain"), took.Round(100*time.Nanosecond))
	}
	return text, nil
}
