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
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	built, commit := builtFrom(version, info)
	return versionReport{
		Version: built, Commit: commit, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, ONNXRuntime: ort.Version,
	}
}

// builtFrom returns the version and the commit of a build, each of them unknown if nothing tells it. The version that
// the build set comes first. Without one it is the module's, which go install takes from the tag or the commit that it
// was given, and go build from the checkout. Only a build from a checkout has a commit.
func builtFrom(set string, info *debug.BuildInfo) (version, commit string) {
	version, commit = set, unknown
	if version == "" {
		version = info.Main.Version
	}
	if version == "" || version == "(devel)" {
		version = unknown
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, commit
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
