package models

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// MaxVersion is the largest version of a model: the API carries versions as int32.
const MaxVersion = math.MaxInt32

// shelf is one place with models.
type shelf struct {
	origin Origin
	files  fs.FS
}

// scan reads only names. It finds the versions in the layout, and everything that does not fit the layout.
func (r *Repository) scan() (map[string]map[int]location, []Problem) {
	places := map[string]map[int]location{}
	var problems []Problem
	for _, s := range r.shelves {
		look := s.look()
		for _, p := range look.places {
			if places[p.name] == nil {
				places[p.name] = map[int]location{}
			}
			if _, won := places[p.name][p.version]; !won {
				places[p.name][p.version] = p
			}
		}
		problems = append(problems, look.problems...)
	}
	return places, problems
}

// Foreign returns what is ignored because nothing suggests that it is meant to be a model, as paths below the models'
// folder. Files of the program itself are not among them. These are files that do not end in .onnx, and folders whose
// names models or versions cannot have, unless they have model files where a model would have them.
// Empty folders are among them: a training creates the folder of its model before it has a file for it.
func (r *Repository) Foreign() []string {
	var all []string
	for _, s := range r.shelves {
		if s.origin == OriginDirectory {
			all = append(all, s.look().foreign...)
		}
	}
	return all
}

// look is the contents of a shelf, by the names of files and folders alone.
type look struct {
	shelf
	places   []location
	problems []Problem
	foreign  []string
}

func (s shelf) look() *look {
	l := &look{shelf: s}
	names, err := s.folder(".")
	if err != nil {
		l.report("", ".", "%w", err)
	}
	for _, name := range names {
		l.model(name)
	}
	return l
}

func (l *look) report(name, at, format string, args ...any) {
	err := fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
	l.problems = append(l.problems, Problem{Name: name, Origin: l.origin, Path: at, Err: err})
}

func (l *look) pass(at string) { l.foreign = append(l.foreign, at) }

// model classifies one entry of the models' folder: a model, something that is meant to be one, or something foreign.
func (l *look) model(name string) {
	entries, err := l.folder(name)
	switch file := l.isFile(name); {
	case file && isModelFile(name):
		stem := strings.TrimSuffix(name, path.Ext(name))
		l.report("", name, "a file: want it as %s/1/%s", stem, FileName)
	case file, !ValidName(name) && !l.hasVersions(name, entries):
		l.pass(name)
	case !ValidName(name):
		l.report("", name, "name %q: want a folder named %s", name, namePattern)
	case err != nil:
		l.report(name, name, "want a folder of versions: %w", err)
	case len(entries) == 0:
		l.pass(name)
	default:
		l.versions(name, entries)
	}
}

// versions classifies the entries of a model's folder.
func (l *look) versions(name string, entries []string) {
	known, empty := len(l.places)+len(l.problems), 0
	for _, v := range entries {
		at := path.Join(name, v)
		number, err := strconv.Atoi(v)
		switch {
		case l.isEmpty(at):
			l.pass(at)
			empty++
		case err == nil && number > 0 && number <= MaxVersion && strconv.Itoa(number) == v:
			l.places = append(l.places, location{name, number, l.shelf})
		case l.isFile(at) && isModelFile(v):
			l.report(name, at, "a file: want it as %s/1/%s", name, FileName)
		case isNumber(v) || l.hasModelFile(at):
			l.report(name, at, "version %q: want a folder named 1, 2, 3... up to %d", v, MaxVersion)
		default:
			l.pass(at)
		}
	}
	if len(l.places)+len(l.problems) == known && empty < len(entries) {
		l.report(name, name, "no versions: want %s/1/%s", name, FileName)
	}
}

func isModelFile(name string) bool { return strings.EqualFold(path.Ext(name), path.Ext(FileName)) }

// isNumber reports whether a name consists of digits.
func isNumber(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }

// hasVersions reports whether a folder with the given entries looks like a model's folder: a number in it has a model
// file.
func (s shelf) hasVersions(name string, entries []string) bool {
	return slices.ContainsFunc(entries,
		func(v string) bool { return isNumber(v) && s.hasModelFile(path.Join(name, v)) })
}

// hasModelFile reports whether a folder has a model file with any name.
func (s shelf) hasModelFile(at string) bool {
	names, err := s.folder(at)
	return err == nil && slices.ContainsFunc(names, isModelFile)
}

// isFile reports whether an entry is not a folder. For a link its target decides.
func (s shelf) isFile(at string) bool {
	info, err := fs.Stat(s.files, at)
	return err == nil && !info.IsDir()
}

// isEmpty reports whether a folder has no names but those that start with a dot.
func (s shelf) isEmpty(at string) bool {
	names, err := s.folder(at)
	return err == nil && len(names) == 0
}

// folder returns the names in a folder, without those that start with a dot. Its error does not name the folder.
func (s shelf) folder(name string) ([]string, error) {
	entries, err := fs.ReadDir(s.files, name)
	if err != nil {
		return nil, withoutPath(err)
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
