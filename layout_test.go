package langevin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/langevin-ml/langevin"

// apiRules is the package of the generated options with which proto states its rules. It needs only protobuf.
const apiRules = "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go"

// A rule says what one folder and its subfolders may import: ours by folder, others by module. The standard library is
// always allowed. If several rules match a package, the most specific one applies.
type rule struct {
	ours   []string
	others []string // nil: any
}

var none = []string{}

var rules = map[string]rule{
	"sampling":        {ours: none, others: none},
	"sampling/linear": {ours: []string{"sampling"}, others: none},
	"sampling/detect": {ours: none, others: none},
	"models":          {ours: []string{"models", "sampling"}},
	"ort":             {ours: []string{"models", "sampling", "internal/checksums", "internal/processors"}},
	"ort/proof":       {ours: []string{"ort", "models", "internal/processors"}},
	"proto":           {ours: none, others: []string{"google.golang.org/grpc", "google.golang.org/protobuf", apiRules}},
	"client": {ours: []string{"client", "proto"}, others: []string{"google.golang.org/grpc",
		"google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc"}},
	"server": {ours: []string{"ort", "server", "proto", "models", "sampling", "internal/build",
		"internal/loopback", "internal/memory", "internal/modelstore", "internal/phrase", "internal/processors"}},
	"server/auth": {ours: []string{"server/auth"}},
	"server/rpc": {ours: []string{"server/rpc", "server/auth", "server/host", "server/batch", "proto", "models",
		"sampling"}},
	"server/oip":     {ours: []string{"server/oip", "server/auth", "server/rpc", "proto", "models", "sampling"}},
	"server/metrics": {ours: none},
	"server/host":    {ours: []string{"server/host", "models"}},
	"server/batch":   {ours: []string{"server/batch", "sampling"}},
	"server/web":     {ours: []string{"server/web", "server/oip/inference", "proto"}},

	"training": {ours: []string{"ort", "training", "models", "sampling", "internal/memory", "internal/phrase",
		"internal/processors", "internal/wholefile"}},
	"training/settings":  {ours: none, others: none},
	"training/pool":      {ours: none, others: none},
	"training/data":      {ours: []string{"training/data", "training/settings", "models", "sampling"}},
	"training/nn":        {ours: []string{"training/settings", "models/onnxgraph", "sampling"}},
	"training/loss":      {ours: []string{"training/settings", "sampling"}},
	"training/optimizer": {ours: []string{"training/settings"}},
	"training/compile":   {ours: []string{"models"}},
	"training/learner": {ours: []string{"training/compile", "training/nn", "training/optimizer", "training/pool",
		"ort"}},
	"training/eval":   {ours: []string{"training/data", "models", "sampling"}},
	"training/figure": {ours: []string{"sampling"}},
	"training/study": {ours: []string{"training", "training/data", "training/figure", "ort", "models", "sampling",
		"internal/wholefile"}},
	"training/proposal": {ours: []string{"training", "training/data", "training/loss", "training/nn",
		"training/optimizer", "models", "sampling"}},
	"training/paper": {ours: []string{
		"training", "training/data", "training/eval", "training/figure", "models", "sampling", "internal/processors",
		"internal/wholefile"}},

	"cmd": {ours: []string{"cmd", "internal", "ort", "server"}},

	// What commands share.
	"internal/alloctest":   {ours: none, others: none},
	"internal/phrase":      {ours: none, others: none},
	"internal/filelock":    {ours: none, others: none},
	"internal/memory":      {ours: none},
	"internal/processors":  {ours: none},
	"internal/tarballtest": {ours: none, others: none},
	"internal/torchtest":   {ours: none, others: none},
	"internal/wholefile":   {ours: []string{"internal/filelock"}, others: none},
	"internal/loopback":    {ours: none, others: none},
	"internal/checksums":   {ours: none, others: none},
	"internal/pinned":      {ours: []string{"internal/checksums", "internal/filelock"}, others: none},
	"internal/datasets":    {ours: []string{"internal/datasets", "internal/pinned"}, others: none},
	"internal/onnxruntime": {ours: []string{"internal/checksums", "internal/pinned"}, others: none},
	"internal/build":       {ours: []string{"ort"}, others: none},
	"internal/loadtest":    {ours: []string{"client"}},
	"internal/datafile":    {ours: []string{"client", "proto", "training/data"}},
	"internal/cli":         {ours: []string{"internal/phrase", "client", "ort", "sampling"}},
	"internal/classifier":  {ours: []string{"internal/cli", "internal/datafile", "ort", "training/eval"}},
	"internal/modelstore":  {ours: []string{"internal/wholefile", "models"}},
	"internal/parts":       {ours: []string{"internal/datafile", "internal/phrase", "internal/wholefile", "client"}},
	"internal/pictures": {ours: []string{"internal/datafile", "internal/phrase", "client", "proto",
		"training/figure"}},
	"internal/remote": {ours: []string{"internal/cli", "internal/loopback", "internal/phrase", "client", "server"}},
	"internal/drawing": {ours: []string{
		"internal/cli", "internal/datafile", "internal/phrase", "client", "proto", "sampling/linear", "training/data"}},
	"internal/trainrun": {ours: []string{"internal/cli", "internal/phrase", "models", "ort", "training"}},

	// Commands.
	"internal/about": {ours: []string{"internal/build", "internal/cli", "internal/remote", "client", "models",
		"training"}},
	"internal/bench": {ours: []string{
		"internal/cli", "internal/drawing", "internal/loadtest", "internal/phrase", "internal/remote", "client"}},
	"internal/detector": {ours: []string{
		"internal/cli", "internal/datafile", "internal/phrase", "internal/trainrun", "internal/wholefile", "client",
		"models", "ort", "sampling", "training"}},
	"internal/demo": {ours: []string{
		"internal/cli", "internal/drawing", "internal/phrase", "internal/pictures", "internal/remote",
		"internal/wholefile",
		"client", "sampling"}},
	"internal/compare": {ours: []string{
		"internal/cli", "internal/datafile", "internal/phrase", "client", "training/data"}},
	"internal/doctor": {ours: []string{"internal/build", "internal/cli", "internal/remote", "ort", "server"}},
	"internal/eval": {ours: []string{
		"internal/classifier", "internal/cli", "internal/datafile", "internal/drawing", "internal/parts",
		"internal/phrase", "internal/remote", "internal/trainrun", "internal/wholefile", "client", "models", "ort",
		"sampling",
		"training"}},
	"internal/datasets/fetch":    {ours: []string{"internal/datasets", "internal/pinned"}, others: none},
	"internal/onnxruntime/fetch": {ours: []string{"internal/onnxruntime"}, others: none},
	"internal/impute": {ours: []string{
		"internal/cli", "internal/datafile", "internal/drawing", "internal/phrase", "internal/remote",
		"internal/wholefile", "client"}},
	"internal/installer": {ours: []string{"internal/cli", "internal/onnxruntime", "ort"}},
	"internal/join": {ours: []string{
		"internal/cli", "internal/datafile", "internal/parts", "internal/phrase", "internal/wholefile"}},
	"internal/latents": {ours: []string{
		"internal/cli", "internal/datafile", "internal/drawing", "internal/phrase", "internal/remote",
		"internal/wholefile", "client", "models", "training/data"}},
	"internal/measure": {ours: []string{
		"internal/cli", "internal/datafile", "internal/drawing", "internal/phrase", "internal/wholefile", "client",
		"sampling"}},
	"internal/models": {ours: []string{
		"internal/cli", "internal/drawing", "internal/modelstore", "internal/phrase", "internal/remote",
		"internal/wholefile", "client", "models", "ort", "sampling"}},
	"internal/reproduce": {ours: []string{
		"internal/classifier", "internal/cli", "internal/phrase", "internal/trainrun", "internal/wholefile", "models",
		"ort",
		"sampling", "training"}},
	"internal/sample": {ours: []string{
		"internal/cli", "internal/datafile", "internal/drawing", "internal/parts", "internal/phrase",
		"internal/pictures", "internal/remote",
		"internal/wholefile", "client", "proto", "training/data"}},
	"internal/serve": {ours: []string{"internal/cli", "internal/remote", "server"}},
	"internal/token": {ours: []string{"internal/cli", "server/auth"}},
	"internal/train": {ours: []string{
		"internal/build", "internal/cli", "internal/datafile", "internal/filelock", "internal/phrase",
		"internal/trainrun", "internal/wholefile", "models", "ort", "sampling", "training"}},

	"models/onnxgraph": {ours: none},

	// What tests attack a server with.
	"robustness":          {ours: []string{"proto"}},
	"robustness/testmain": {ours: []string{"internal/cli", "ort", "server"}},
	"robustness/proxy":    {ours: none, others: none},
	"robustness/process":  {ours: none, others: none},

	"docs/apidoc": {ours: []string{"proto"}, others: []string{"google.golang.org/protobuf", apiRules}},

	"bench/networks":  {ours: []string{"training", "models", "sampling"}},
	"bench/detect":    {ours: []string{"models", "ort", "sampling", "training/data"}},
	"bench/posterior": {ours: []string{"models", "ort", "sampling"}},
	"bench/trainer":   {ours: []string{"ort", "training", "models", "sampling", "internal/processors"}},
	"bench/compare":   {ours: []string{"ort", "server", "client", "models", "sampling", "internal/processors"}},
}

// commands is the packages with the commands of langevin. None of them imports another: only main brings them together.
var commands = []string{
	"internal/about", "internal/bench", "internal/compare", "internal/demo", "internal/detector", "internal/doctor",
	"internal/eval",
	"internal/impute", "internal/installer", "internal/join", "internal/latents", "internal/measure", "internal/models",
	"internal/reproduce",
	"internal/sample", "internal/serve", "internal/token", "internal/train",
}

// onlyIn lists modules that only a few folders may import, so that they hide them from the others. If it lists no
// folder, only tests may import the module.
var onlyIn = map[string][]string{
	"buf.build/go/protovalidate":             nil,
	"github.com/getkin/kin-openapi":          nil,
	"github.com/google/go-containerregistry": nil,
	"github.com/johannesboyne/gofakes3":      nil,
	"github.com/minio/minio-go/v7":           {"internal/modelstore"},
	"oras.land/oras-go/v2":                   {"internal/modelstore"},
	"github.com/yalue/onnxruntime_go":        {"ort"},
	"github.com/prometheus/client_golang":    {"server/metrics"},
	"github.com/KimMachineGun/automemlimit":  {"internal/memory"},
	"go.uber.org/automaxprocs":               {"internal/processors"},
	"golang.org/x/image":                     {"internal/pictures", "training/data", "training/figure"},
}

// goPackage is the answer of `go list` for a package, without its tests.
type goPackage struct {
	ImportPath string
	Standard   bool
	CgoFiles   []string
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

func TestPackages(t *testing.T) {
	packages := listPackages(t)
	own := ours(packages)
	t.Run("imports point one way", func(t *testing.T) { testImports(t, own, packages) })
	t.Run("what is linked", func(t *testing.T) { testLinked(t, own, packages) })
	t.Run("names", func(t *testing.T) { testNames(t, own) })
}

func testImports(t *testing.T, own, packages map[string]goPackage) {
	for folder, p := range own {
		name, r, found := ruleOf(folder)
		if !found {
			t.Errorf("%s has no rule: say in this test what it may import", folder)
			continue
		}
		if withinAny(folder, []string{"training", "internal"}) && name != folder {
			t.Errorf("%s has no rule: add one for its imports to this test", folder)
		}
		for _, path := range p.Imports {
			if imported := packages[path]; !allowed(r, imported) {
				t.Errorf("%s imports %s, which %s may not", folder, path, name)
			} else if homes, ok := onlyIn[modulePath(imported)]; ok && !withinAny(folder, homes) {
				t.Errorf("%s imports %s, which only %v may", folder, path, homes)
			} else if command := strings.TrimPrefix(path, module+"/"); slices.Contains(commands, command) &&
				folder != "cmd/langevin" {
				t.Errorf("%s imports the command package %s, which only main may", folder, path)
			}
		}
	}
}

// testLinked checks all packages that a package links, not only the ones that it imports directly.
func testLinked(t *testing.T, own, packages map[string]goPackage) {
	for folder, p := range own {
		links := func(prefix string) bool {
			return slices.ContainsFunc(p.Deps, func(path string) bool { return within(path, module+"/"+prefix) })
		}
		if links("server") && links("training") && !withinAny(folder, []string{"cmd", "internal"}) {
			t.Errorf("%s links both server and training, which only commands may", folder)
		}
		for _, path := range p.Deps {
			dep := packages[path]
			if within(folder, "sampling") && !dep.Standard && modulePath(dep) != module {
				t.Errorf("%s links %s: sampling is pure Go without dependencies", folder, path)
			}
			if within(folder, "client") && !dep.Standard && len(dep.CgoFiles) > 0 {
				t.Errorf("%s links %s, which needs a C compiler: client is pure Go", folder, path)
			}
			if within(folder, "client") && !dep.Standard && !slices.Contains(linkedByClient(), modulePath(dep)) {
				t.Errorf("%s links %s: a client's users get gRPC and protobuf and nothing else", folder, path)
			}
		}
	}
}

// linkedByClient returns the modules that the client links into a program: gRPC's own, and the rules of the API, which
// the generated code imports.
func linkedByClient() []string {
	return []string{
		module, apiRules, "google.golang.org/grpc", "google.golang.org/protobuf",
		"google.golang.org/genproto/googleapis/rpc",
		"golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
	}
}

func testNames(t *testing.T, own map[string]goPackage) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "manager", "managers", "types", "misc", "base"}
	for folder := range own {
		if name := path.Base(folder); slices.Contains(banned, name) {
			t.Errorf("package %s: name it after its content, not %q", folder, name)
		}
	}
}

// TestSourceFiles checks two rules: a file has at most 600 lines, and no code runs on import.
func TestSourceFiles(t *testing.T) {
	const most = 600
	generated := regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	registers := regexp.MustCompile(`(?m)^func init\(\)`)
	for name, source := range sources(t) {
		if generated.Match(source) {
			continue
		}
		if lines := bytes.Count(source, []byte("\n")); lines > most {
			t.Errorf("%s has %d lines: split it by subject, %d are allowed", name, lines, most)
		}
		if registers.Match(source) {
			t.Errorf("%s has an init function: let main call it by name", name)
		}
	}
}

// TestRulesRefuse: each of these imports violates a rule.
func TestRulesRefuse(t *testing.T) {
	for _, c := range []struct{ folder, imported, module string }{
		{"sampling", module + "/models", module},
		{"sampling", "gonum.org/v1/gonum/mat", "gonum.org/v1/gonum"},
		{"models", module + "/ort", module},
		{"proto/langevin/v1", module + "/models", module},
		{"client", module + "/sampling", module},
		{"client/fake", module + "/server/rpc", module},
		{"client", "github.com/spf13/viper", "github.com/spf13/viper"},
		{"server", module + "/training/nn", module},
		{"server/batch", module + "/server/host", module},
		{"server/batch", module + "/ort", module},
		{"client", module + "/ort", module},
		{"server/host", module + "/server/batch", module},
		{"training", module + "/client", module},
		{"training/nn", module + "/training/compile", module},
		{"training/nn", module + "/ort", module},
		{"training/loss", module + "/training/nn", module},
		{"training/learner", module + "/training/data", module},
		{"training/compile", module + "/training/nn", module},
		{"training/paper", module + "/ort", module},
		{"cmd/langevin", module + "/client", module},
		{"internal/cli", module + "/internal/remote", module},
		{"internal/drawing", module + "/server", module},
		{"internal/phrase", module + "/internal/cli", module},
		{"internal/wholefile", module + "/internal/cli", module},
		{"internal/sample", module + "/internal/eval", module},
		{"internal/eval", module + "/internal/train", module},
		{"training/pool", "golang.org/x/sync", "golang.org/x/sync"},
	} {
		_, r, found := ruleOf(c.folder)
		p := goPackage{ImportPath: c.imported, Module: &struct{ Path string }{c.module}}
		if !found || allowed(r, p) {
			t.Errorf("%s may import %s", c.folder, c.imported)
		}
	}
}

// ruleOf returns the most specific rule for a folder, and its name.
func ruleOf(folder string) (name string, r rule, found bool) {
	for name := folder; name != "."; name = path.Dir(name) {
		if r, found := rules[name]; found {
			return name, r, true
		}
	}
	return "", rule{}, false
}

func allowed(r rule, p goPackage) bool {
	if p.Standard {
		return true
	}
	if modulePath(p) == module {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		return slices.ContainsFunc(r.ours, func(prefix string) bool { return within(folder, prefix) })
	}
	return r.others == nil || slices.Contains(r.others, modulePath(p))
}

func modulePath(p goPackage) string {
	if p.Module == nil {
		return ""
	}
	return p.Module.Path
}

// within reports whether path is prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func withinAny(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return within(path, prefix) })
}

// ours returns the packages of this module, by folder. It leaves out the root, which has only tests.
func ours(packages map[string]goPackage) map[string]goPackage {
	own := maps.Clone(packages)
	maps.DeleteFunc(own, func(path string, p goPackage) bool { return modulePath(p) != module || path == module })
	byFolder := make(map[string]goPackage, len(own))
	for path, p := range own {
		byFolder[strings.TrimPrefix(path, module+"/")] = p
	}
	return byFolder
}

// listPackages asks the go command for our packages and their dependencies. It also reads the sources, so that `go
// test` knows that this test depends on them, and does not use a cached result.
func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	if len(sources(t)) == 0 {
		t.Fatal("no source files")
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-json=ImportPath,Standard,CgoFiles,Imports,Deps,Module", "./...")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	packages := make(map[string]goPackage)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		packages[p.ImportPath] = p
	}
	packages["C"] = goPackage{ImportPath: "C", Standard: true} // cgo's pseudo-package, which go list leaves out
	return packages
}

// sources returns every Go file of this module, by its path from the root.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (entry.Name()[0] == '.' || name == "out" || name == "tools"):
			return fs.SkipDir
		case filepath.Ext(name) != ".go":
			return nil
		}
		source, err := os.ReadFile(name)
		files[filepath.ToSlash(name)] = source
		return err
	})
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return files
}
