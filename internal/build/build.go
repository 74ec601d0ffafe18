// Package build identifies this build of the program.
package build

import (
	"runtime"
	"runtime/debug"

	"github.com/langevin-ml/langevin/ort"
)

// unknown stands for a version or a commit that is not known.
const unknown = "unknown"

// Info describes a build, as version --json writes it.
type Info struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	ONNXRuntime string `json:"onnxruntime"` // the release that results are tested with
}

// Of returns what is known of this build. set is the version that the linker has set, or "".
func Of(set string) Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	built, commit := from(set, info)
	return Info{
		Version: built, Commit: commit, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, ONNXRuntime: ort.Version,
	}
}

// from returns the version and the commit of a build, each [unknown] if the build does not say. The version that the
// linker set comes first. Without one it is the module's, which go install takes from the tag or the commit that it was
// given, and go build from the checkout. Only a build from a checkout has a commit.
func from(set string, info *debug.BuildInfo) (version, commit string) {
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

// Commit returns the source that the manifest of a trained model names: the commit or else the version, or "" if
// neither is known.
func Commit(version string) string {
	switch built := Of(version); {
	case built.Commit != unknown:
		return built.Commit
	case built.Version != unknown:
		return built.Version
	}
	return ""
}
