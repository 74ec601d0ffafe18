package ort

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ProbeCommand is the first argument with which [ProbeDevice] starts the running program again. The program's main then
// calls [RunProbe] with the other arguments and exits.
const ProbeCommand = "device-probe"

// probeTime is the longest time for a probe. The first start of a GPU can take about ten seconds.
const probeTime = time.Minute

// ProbeDevice checks in a child process whether a device can be used with the ONNX Runtime library at path. A provider
// that hangs or crashes ends only the child. It returns the checks. The error names the first thing that is missing and
// how to get it, and wraps [ErrDeviceUnavailable]. The CPU always passes.
func ProbeDevice(ctx context.Context, path string, d Device) ([]Check, error) {
	if !d.CUDA {
		return nil, nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", d, err)
	}
	return probeWith(ctx, probeTime, d, program, ProbeCommand, path, strconv.Itoa(d.Index))
}

// Found is the device that a setting means on a machine.
type Found struct {
	Device
	Checks   []Check // of the requested device
	Fallback error   // why DeviceAuto is the CPU; nil otherwise
}

// FindDevice finds the device of a setting, with [ProbeDevice] and the library at path. A setting is a text that
// [ParseDevice] accepts, or DeviceAuto. If a named device cannot be used, the error wraps [ErrDeviceUnavailable].
// DeviceAuto then falls back to the CPU.
func FindDevice(ctx context.Context, path, setting string) (Found, error) {
	auto := setting == DeviceAuto
	d := Device{CUDA: true}
	if !auto {
		var err error
		if d, err = ParseDevice(setting); err != nil {
			return Found{}, fmt.Errorf("%w: device is %q: want %s, %s, %s:N or %s", ErrDeviceUnavailable, setting,
				DeviceCPU, DeviceCUDA, DeviceCUDA, DeviceAuto)
		}
	}
	checks, err := ProbeDevice(ctx, path, d)
	if auto && err != nil && ctx.Err() == nil {
		return Found{Checks: checks, Fallback: err}, nil
	}
	return Found{Device: d, Checks: checks}, err
}

func probeWith(ctx context.Context, limit time.Duration, d Device, program string, args ...string) ([]Check, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	child := exec.CommandContext(ctx, program, args...)
	child.WaitDelay = time.Second
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, ended := child.Output()
	checks, complete := readChecks(out)
	for _, c := range checks {
		if !c.OK {
			return checks, fmt.Errorf("%w: %s: %s: %s%s", ErrDeviceUnavailable, d, c.Name, c.Detail, andThen(c.Fix))
		}
	}
	switch {
	case complete && ended == nil:
		return checks, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		ended = fmt.Errorf("it did not end within %v", limit)
	case ctx.Err() != nil:
		return checks, fmt.Errorf("probe %s: %w", d, context.Cause(ctx))
	case ended == nil:
		ended = errors.New("it ended early")
	}
	after := "at the start"
	if n := len(checks); n > 0 {
		after = "after the check of the " + checks[n-1].Name
	}
	return checks, fmt.Errorf("%w: %s: the process that tried it failed %s: %w%s", ErrDeviceUnavailable, d, after,
		ended, andThen(lastLine(stderr.String())))
}

func andThen(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}

// probeEnd is the last line of a complete probe.
const probeEnd = "end"

// RunProbe is the child's side of [ProbeDevice]. It writes one line for each check.
func RunProbe(args []string, w io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("%s: %d arguments: want the library and the index of the device", ProbeCommand, len(args))
	}
	index, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("%s: index of the device: %w", ProbeCommand, err)
	}
	lines := json.NewEncoder(w)
	var broken error
	checkCUDA(args[0], index, func(c Check) { broken = errors.Join(broken, lines.Encode(c)) })
	_, err = fmt.Fprintln(w, probeEnd)
	return errors.Join(broken, err)
}

// ExitAfterProbe runs the probe for which [ProbeDevice] started this process, and ends it. In other processes it does
// nothing. A program that calls ProbeDevice has to call it first in its main.
func ExitAfterProbe() {
	if len(os.Args) < 2 || os.Args[1] != ProbeCommand {
		return
	}
	if err := RunProbe(os.Args[2:], os.Stdout); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// readChecks reads the output of a probe, as far as it goes.
func readChecks(out []byte) (checks []Check, complete bool) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var c Check
		switch {
		case lines.Text() == probeEnd:
			return checks, true
		case json.Unmarshal(lines.Bytes(), &c) == nil:
			checks = append(checks, c)
		}
	}
	return checks, false
}
