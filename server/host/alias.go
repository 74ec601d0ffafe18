package host

import (
	"errors"
	"fmt"

	"github.com/langevin-ml/langevin/models"
)

// Alias is another name of a model, so that clients can go on asking for "stable" while what it means changes.
type Alias struct {
	Name    string
	Model   string
	Version int // 0 follows the newest
}

// resolve returns what a name and version mean. An alias of one version has no other.
func resolve(aliases []Alias, name string, version int) (string, int) {
	for _, a := range aliases {
		switch {
		case a.Name != name:
		case version == 0:
			return a.Model, a.Version
		case a.Version == 0 || a.Version == version:
			return a.Model, version
		}
	}
	return name, version
}

// Resolve replaces an alias by what it stands for.
func (h *Host[T]) Resolve(name string, version int) (string, int) {
	return resolve(h.aliases, name, version)
}

// Aliases returns the names that stand for a version of a model. newest says that it is what version 0 means.
func (h *Host[T]) Aliases(entry models.Entry, newest bool) []string {
	var names []string
	for _, a := range h.aliases {
		if a.Model == entry.Name && (a.Version == entry.Version || a.Version == 0 && newest) {
			names = append(names, a.Name)
		}
	}
	return names
}

// checkAliases wants every alias to lead somewhere, and none to hide a model.
func checkAliases(aliases []Alias, entries []models.Entry, problems []models.Problem) error {
	for _, a := range aliases {
		if _, err := models.Find(entries, problems, a.Model, a.Version); errors.Is(err, models.ErrNotFound) {
			return fmt.Errorf("alias %s: %w", a.Name, err)
		}
		for _, e := range entries {
			if e.Name == a.Name {
				return fmt.Errorf("alias %s is also the name of a model: choose another", a.Name)
			}
		}
	}
	return nil
}
