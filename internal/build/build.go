// Package build identifies this build of the program.
package build

import (
	"cmp"
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

// Of returns what is known of this build. The arguments are the version and the commit that the linker has set, or "".
func Of(setVersion, setCommit string) Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	built, commit := from(setVersion, setCommit, info)
	return Info{
		Version: built, Commit: commit, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, ONNXRuntime: ort.Version,
	}
}

// from returns the version and the commit of a build, each [unknown] if the build does not say. What the linker set
// comes first. Else the version is the module's, which go install takes from the tag or the commit that it was given,
// and go build from the checkout. Only a build from a checkout has a commit, and go build finds none in a worktree of
// git.
func from(setVersion, setCommit string, info *debug.BuildInfo) (version, commit string) {
	version = cmp.Or(setVersion, info.Main.Version)
	if version == "" || version == "(devel)" {
		version = unknown
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, cmp.Or(setCommit, commit, unknown)
}

// Commit returns the source that the manifest of a trained model names: the commit or else the version, or "" if
// neither is known.
func Commit(setVersion, setCommit string) string {
	switch built := Of(setVersion, setCommit); {
	case built.Commit != unknown:
		return built.Commit
	case built.Version != unknown:
		return built.Version
	}
	return ""
}
