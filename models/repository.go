package models

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	// FileName is the name of a model file in the folder of its version.
	FileName = "model.onnx"

	// DigestFileName is the name of a file next to the model file with its SHA-256, in the format of sha256sum. If it
	// exists, a model file with another digest is refused.
	DigestFileName = "model.sha256"

	maxDigestBytes = 1 << 12
)

// Origin says where a model file was found.
type Origin string

const (
	OriginEmbedded  Origin = "embedded"  // the zoo in the program
	OriginDirectory Origin = "directory" // the folder that the operator named
)

// Entry describes one valid version of a model.
type Entry struct {
	Name     string
	Version  int // positive; the largest is the newest
	Manifest Manifest
	Digest   string // SHA-256 of the file's bytes, in hexadecimal
	Bytes    int64  // size of the file
	Origin   Origin
}

// File is a model file in memory.
type File struct {
	Entry
	Graph []byte // the bytes of the .onnx file
}

// Problem is something in a repository that cannot be served.
type Problem struct {
	Name    string // of the model, empty if the path gives none
	Version int    // 0 if the path gives none
	Origin  Origin
	Path    string // below the origin: ring/1/model.onnx
	Err     error  // wraps [ErrInvalid]
}

func (p Problem) String() string { return fmt.Sprintf("%s (%s): %v", p.Path, p.Origin, p.Err) }

// Repository finds models in an embedded file system and in a folder. It caches nothing: every call reads the files. It
// is safe for concurrent use.
type Repository struct {
	shelves []shelf // the first that has a version is used
	root    *os.Root
	rules   Rules
}

// NewRepository returns the repository of the models in zoo, unless it is nil, and, unless dir is empty, in the folder
// dir. Both have the layout NAME/VERSION/model.onnx with VERSION 1, 2, 3... If both have a version of a model, the
// folder's is used. Symbolic links cannot lead out of dir. Names that start with a dot are ignored, and so is
// everything that [Repository.Foreign] returns. Files that break the rules are problems.
func NewRepository(zoo fs.FS, dir string, rules Rules) (*Repository, error) {
	r := &Repository{rules: rules}
	if dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("open models folder: %w", err)
		}
		r.root = root
		r.shelves = append(r.shelves, shelf{OriginDirectory, root.FS()})
	}
	if zoo != nil {
		r.shelves = append(r.shelves, shelf{OriginEmbedded, zoo})
	}
	return r, nil
}

// Close closes the folder. The embedded models stay readable.
func (r *Repository) Close() error {
	if r.root == nil {
		return nil
	}
	return r.root.Close()
}

// List reads every file. It returns the valid versions, by name and then from the oldest to the newest, and the
// problems of the others.
func (r *Repository) List() ([]Entry, []Problem) {
	places, problems := r.scan()
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(places)) {
		for _, version := range slices.Sorted(maps.Keys(places[name])) {
			p := places[name][version]
			file, err := p.read(r.rules)
			if err != nil {
				problems = append(problems, p.problem(err))
				continue
			}
			entries = append(entries, file.Entry)
		}
	}
	return entries, problems
}

// Open reads one version of a model; version 0 is the newest valid one. The error is a [NotFoundError] if the name or
// the version does not exist. It wraps [ErrInvalid] if the version exists but cannot be used.
func (r *Repository) Open(name string, version int) (File, error) {
	places, _ := r.scan()
	versions := places[name]
	if p, ok := versions[version]; ok {
		return p.read(r.rules)
	}
	if len(versions) == 0 || version != 0 {
		return File{}, NotFound(name, version, slices.Collect(maps.Keys(places)), slices.Sorted(maps.Keys(versions)))
	}
	var newest error
	for _, version := range slices.Backward(slices.Sorted(maps.Keys(versions))) {
		file, err := versions[version].read(r.rules)
		if err == nil {
			return file, nil
		}
		newest = cmp.Or(newest, err)
	}
	return File{}, newest
}

// location is where a version of a model should be.
type location struct {
	name    string
	version int
	shelf   shelf
}

func (p location) path() string { return path.Join(p.name, strconv.Itoa(p.version), FileName) }

func (p location) problem(err error) Problem {
	return Problem{Name: p.name, Version: p.version, Origin: p.shelf.origin, Path: p.path(), Err: err}
}

// read returns the file if it is valid. Its errors name the path and wrap ErrInvalid.
func (p location) read(rules Rules) (File, error) {
	file, err := p.load(rules)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, ErrInvalid):
		return File{}, fmt.Errorf("read %s: %w", p.path(), err)
	default:
		return File{}, fmt.Errorf("read %s: %w: %w", p.path(), ErrInvalid, err)
	}
}

func (p location) load(rules Rules) (File, error) {
	graph, err := readCapped(p.shelf.files, p.path(), rules.maxFileBytes())
	if err != nil {
		return File{}, err
	}
	digest, err := p.digest(graph)
	if err != nil {
		return File{}, err
	}
	manifest, err := Read(graph)
	if err != nil {
		return File{}, err
	}
	if manifest.Name != p.name {
		return File{}, fmt.Errorf("the manifest names it %q: want the folder's name %q", manifest.Name, p.name)
	}
	if _, err := rules.Decode(graph, manifest); err != nil {
		return File{}, err
	}
	return File{Graph: graph, Entry: Entry{
		Name:     p.name,
		Version:  p.version,
		Manifest: manifest,
		Digest:   digest,
		Bytes:    int64(len(graph)),
		Origin:   p.shelf.origin,
	}}, nil
}

// digest returns the SHA-256 of a model file. It returns an error if a file next to the model has another digest.
func (p location) digest(graph []byte) (string, error) {
	sum := sha256.Sum256(graph)
	found := hex.EncodeToString(sum[:])
	name := path.Join(path.Dir(p.path()), DigestFileName)
	text, err := readCapped(p.shelf.files, name, maxDigestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", DigestFileName, err)
	}
	wanted, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !strings.EqualFold(wanted, found) {
		return "", fmt.Errorf("%s is %q: the file's SHA-256 is %s", DigestFileName, wanted, found)
	}
	return found, nil
}
