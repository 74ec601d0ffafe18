package host

import (
	"errors"
	"fmt"

	"github.com/langevin-ml/langevin/models"
)

// Alias is another name for a model. Clients can keep asking for "stable" while its meaning changes.
type Alias struct {
	Name    string
	Model   string
	Version int // 0 for the newest
}

// resolve returns the model and version that a name and version mean. An alias of one version has no other version.
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

// Resolve replaces an alias by the model and version that it means.
func (h *Host[T]) Resolve(name string, version int) (string, int) {
	return resolve(h.options.Aliases, name, version)
}

// Missing returns the error for a model, by its name or an alias, that is not among the given ones: that of
// [models.Find], or that an alias of one version has no other.
func (h *Host[T]) Missing(entries []models.Entry, problems []models.Problem, name string, version int) error {
	for _, a := range h.options.Aliases {
		if a.Name == name && a.Version != 0 && version != 0 && version != a.Version {
			return models.NotFound(name, version, nil, []int{a.Version})
		}
	}
	name, version = h.Resolve(name, version)
	_, err := models.Find(entries, problems, name, version)
	return err
}

// Aliases returns the aliases of a version of a model. newest says whether version 0 means this version.
func (h *Host[T]) Aliases(entry models.Entry, newest bool) []string {
	var names []string
	for _, a := range h.options.Aliases {
		if a.Model == entry.Name && (a.Version == entry.Version || a.Version == 0 && newest) {
			names = append(names, a.Name)
		}
	}
	return names
}

// checkAliases returns an error for an alias that points to no model or has the name of a model.
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
