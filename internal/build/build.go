// Package build tells which build of the program this is.
package build

import (
	"runtime"
	"runtime/debug"

	"github.com/langevin-ml/langevin/ort"
)

// Commit is the source that the model's manifest names; empty if the build does not say.
func Commit(version string) string {
	switch built := Of(version); {
	case built.Commit != unknown:
		return built.Commit
	case built.Version != unknown:
		return built.Version
	}
	return ""
}

// unknown is the version or the commit that nothing tells.
const unknown = "unknown"

// Info is what version --json writes.
type Info struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	ONNXRuntime string `json:"onnxruntime"` // the release that results are tested with
}

// Of returns what is known of this build. set is the version that the build has set, or empty.
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

// from returns the version and the commit of a build, each of them unknown if nothing tells it. The version that
// the build set comes first. Without one it is the module's, which go install takes from the tag or the commit that it
// was given, and go build from the checkout. Only a build from a checkout has a commit.
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
