package onnxruntime

import (
	_ "embed"
	"fmt"
	"path"
	"runtime"
	"strconv"

	"github.com/langevin-ml/langevin/internal/pinned"
)

//go:embed onnxruntime.lock
var locked string

// Lock has the values of onnxruntime.lock by their keys.
type Lock map[string]string

// Pinned returns the lock of this version of Langevin.
func Pinned() Lock { return pinned.Parse(locked) }

// Version returns the version of the library.
func (l Lock) Version() string { return l["version"] }

// Platform is an operating system and a processor, as Go names them: linux-amd64.
type Platform string

// Here returns the platform of this program.
func Here() Platform { return Platform(runtime.GOOS + "-" + runtime.GOARCH) }

// of returns the value of a key of a platform.
func (l Lock) of(p Platform, key string) string { return l[string(p)+"."+key] }

// library returns the name of the library's file on a platform, or an error if none is pinned.
func (l Lock) library(p Platform, cuda bool) (string, error) {
	switch {
	case cuda && l.of(p, "gpu.wheel") != "":
		return "libonnxruntime.so." + l.Version(), nil
	case cuda:
		return "", fmt.Errorf("there is no build with CUDA for %s", p)
	case l.of(p, "library") != "":
		return l.of(p, "library"), nil
	}
	return "", fmt.Errorf("no pinned library for %s: build ONNX Runtime %s for it, and set "+
		"LANGEVIN_ONNXRUNTIME_LIBRARY to its path", p, l.Version())
}

// file is a file of the lock that is downloaded, with the library in it.
type file struct {
	what   string // in messages
	name   string // as it is downloaded
	sha256 string
	bytes  string
	member string // the library in it; empty for all libraries
	url    string
}

// pack returns the npm package, archive the release archive, and wheel the Python wheel with the CUDA provider.
func (l Lock) pack(p Platform) file {
	name := l["npm.package"]
	return file{what: fmt.Sprintf("npm package %s@%s", name, l.Version()),
		name: fmt.Sprintf("%s-%s.tgz", name, l.Version()), sha256: l["npm.sha256"], bytes: l["npm.bytes"],
		member: l.of(p, "npm.member")}
}

func (l Lock) archive(p Platform) file {
	url := l.of(p, "archive.url")
	return file{what: url, name: path.Base(url), url: url, sha256: l.of(p, "archive.sha256"),
		bytes: l.of(p, "archive.bytes"), member: l.of(p, "archive.member")}
}

func (l Lock) wheel(p Platform) file {
	name := l.of(p, "gpu.wheel")
	return file{what: name, name: name, sha256: l.of(p, "gpu.sha256"), bytes: l.of(p, "gpu.bytes")}
}

// size returns the number of bytes of a file; 0 if the lock does not say.
func (f file) size() int64 {
	n, err := strconv.ParseInt(f.bytes, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// megabytes returns the size of a file for messages.
func (f file) megabytes() string {
	if f.size() == 0 {
		return "of unknown size"
	}
	return fmt.Sprintf("%.0f MB", float64(f.size())/1e6)
}
