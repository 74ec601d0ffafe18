package build

import (
	"runtime/debug"
	"testing"
)

func TestBuiltFrom(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "7e3a8eb"}}
	for name, c := range map[string]struct {
		setVersion, setCommit string
		module                string
		settings              []debug.BuildSetting
		version, commit       string
	}{
		"make build":                {"v0.1.0-3-g7e3a8eb", "", "(devel)", nil, "v0.1.0-3-g7e3a8eb", unknown},
		"make build, with revision": {"v0.1.0", "", "v0.1.0+dirty", revision, "v0.1.0", "7e3a8eb"},
		"make build in a worktree":  {"v0.1.0", "7e3a8eb", "(devel)", nil, "v0.1.0", "7e3a8eb"},
		"go install of a tag":       {"", "", "v0.1.0", nil, "v0.1.0", unknown},
		"go build in a checkout":    {"", "", "v0.1.1-0.7e3a8eb", revision, "v0.1.1-0.7e3a8eb", "7e3a8eb"},
		"go run":                    {"", "", "(devel)", nil, unknown, unknown},
		"no build information":      {"", "", "", nil, unknown, unknown},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.module}, Settings: c.settings}
		if version, commit := from(c.setVersion, c.setCommit, info); version != c.version || commit != c.commit {
			t.Errorf("%s: version %q of commit %q, want %q of %q", name, version, commit, c.version, c.commit)
		}
	}
}
