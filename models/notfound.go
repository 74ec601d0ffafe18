package models

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound is the error that a [NotFoundError] is.
var ErrNotFound = errors.New("model not found")

// NotFoundError says that a repository does not have a model, or not the requested version of it.
type NotFoundError struct {
	Name     string
	Version  int      // 0 for the newest
	Near     []string // at most 3 similar names of models, the nearest first
	Names    []string // the names of all models, in alphabetical order
	Versions []int    // the versions that the model has, oldest first
}

// Is reports whether target is [ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

func (e *NotFoundError) Error() string {
	switch {
	case len(e.Versions) > 0:
		return fmt.Sprintf("model %q has no version %d: want one of %v", e.Name, e.Version, e.Versions)
	case len(e.Near) > 0:
		return fmt.Sprintf("model %q not found: did you mean %s?", e.Name, alternatives(e.Near))
	default:
		return fmt.Sprintf("model %q not found: there are %s", e.Name, listed(e.Names))
	}
}

// listed returns at most twenty names, and how many more there are.
func listed(names []string) string {
	const most = 20
	if len(names) == 0 {
		return "none"
	}
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(", %d more", more)
	}
	return text
}

// alternatives returns `"a", "b" or "c"`.
func alternatives(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return oneOf(quoted)
}

// oneOf lists words, of which there is at least one: a, b or c.
func oneOf[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	last := len(texts) - 1
	if last == 0 {
		return texts[0]
	}
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}

// Find returns the entry with a name and version, as [Repository.Open] does. Version 0 is the newest. If there is none,
// it returns the reason from problems why the version cannot be served, or a [NotFoundError].
func Find(entries []Entry, problems []Problem, name string, version int) (Entry, error) {
	var found Entry
	var names []string
	var versions []int
	for _, e := range entries {
		names = append(names, e.Name)
		if e.Name != name {
			continue
		}
		versions = append(versions, e.Version)
		if e.Version == version || version == 0 && e.Version > found.Version {
			found = e
		}
	}
	if found.Name != "" {
		return found, nil
	}
	var broken Problem
	for _, p := range problems {
		if p.Name == name && p.Version > broken.Version && (version == 0 || p.Version == version) {
			broken = p
		}
	}
	if broken.Err != nil {
		return Entry{}, broken.Err
	}
	slices.Sort(versions)
	return Entry{}, NotFound(name, version, names, versions)
}

const maxNear = 3

// NotFound returns the error for a name and version, with similar names. names has the names of all models, and
// versions the named model's versions, the oldest first.
func NotFound(name string, version int, names []string, versions []int) *NotFoundError {
	e := &NotFoundError{Name: name, Version: version, Versions: versions}
	if len(versions) > 0 {
		return e
	}
	e.Near, e.Names = Near(name, names), slices.Compact(slices.Sorted(slices.Values(names)))
	return e
}

// Near returns at most 3 of the candidates that name may have been meant for, the nearest first.
func Near(name string, candidates []string) []string {
	var near []string
	for _, candidate := range slices.Compact(slices.Sorted(slices.Values(candidates))) {
		if isNear(name, candidate) {
			near = append(near, candidate)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return distance(name, a) - distance(name, b) })
	return near[:min(len(near), maxNear)]
}

// maxSlips allows two swapped letters, or any two mistakes.
const maxSlips = 2

// isNear reports whether two names differ only by few mistakes, by letter case, or because one is cut short.
func isNear(name, candidate string) bool {
	if name == "" || len(name) > len(candidate)+maxSlips {
		return false // and for a name of a megabyte the distance would take long
	}
	name, candidate = strings.ToLower(name), strings.ToLower(candidate)
	return strings.HasPrefix(candidate, name) || distance(name, candidate) <= min(maxSlips, len(name)-1)
}

// distance returns the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
