package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/ort"
)

// versionReport is what version --json writes.
type versionReport struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	ONNXRuntime string `json:"onnxruntime"` // the release that results are tested with
}

func newVersionReport() versionReport {
	r := versionReport{
		Version: version, Commit: unknown, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, ONNXRuntime: ort.Version,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				r.Commit = s.Value
			}
		}
	}
	return r
}

func (p *program) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Example: "  langevin version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r := newVersionReport()
			if asJSON {
				return writeJSON(p.stdout, r)
			}
			_, err := fmt.Fprintf(p.stdout, "langevin %s (commit %s, %s, %s), wants ONNX Runtime %s\n",
				r.Version, r.Commit, r.Go, r.Platform, r.ONNXRuntime)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return c
}
