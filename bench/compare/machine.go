package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// describe says what is measured and on which machine, one fact per line.
func (b *bench) describe() []string {
	return append([]string{machine(), source("ONNX Runtime " + b.runtime.Version())}, facts(b.peers...)...)
}

func machine() string {
	return fmt.Sprintf("%s, %d cores, %s/%s, kernel %s", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		firstLine("/proc/sys/kernel/osrelease"))
}

// source describes the build that is measured and the library that it runs on.
func source(library string) string {
	return fmt.Sprintf("Langevin at commit %s, %s, %s", commit(), runtime.Version(), library)
}

// facts returns the descriptions that peers give of themselves.
func facts(peers ...*peer) []string {
	var all []string
	for _, p := range peers {
		if a, err := p.ask(command{"do": "describe"}); err == nil {
			all = append(all, a.Text)
		}
	}
	return all
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	vectors := "without AVX-512"
	if strings.Contains(fields["flags"], "avx512f") {
		vectors = "with AVX-512"
	}
	return fmt.Sprintf("%s (family %s, model %s, %s)",
		fields["model name"], fields["cpu family"], fields["model"], vectors)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
