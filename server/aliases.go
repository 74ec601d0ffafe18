package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/server/host"
)

// Aliases are other names for models. Their text form is stable=ring@1,latest=ring.
type Aliases []host.Alias

// UnmarshalText reads the text form. Empty text means no aliases.
func (a *Aliases) UnmarshalText(text []byte) error {
	*a = nil
	for _, part := range strings.FieldsFunc(string(text), func(r rune) bool { return r == ',' }) {
		name, target, found := strings.Cut(strings.TrimSpace(part), "=")
		model, number, versioned := strings.Cut(target, "@")
		version := 0
		var err error
		if versioned {
			version, err = strconv.Atoi(number)
		}
		if !found || err != nil {
			return fmt.Errorf("alias %q: want NAME=MODEL or NAME=MODEL@VERSION", part)
		}
		*a = append(*a, host.Alias{Name: name, Model: model, Version: version})
	}
	return nil
}

// String returns the text form.
func (a Aliases) String() string {
	parts := make([]string, len(a))
	for i, alias := range a {
		parts[i] = alias.Name + "=" + alias.Model
		if alias.Version != 0 {
			parts[i] += "@" + strconv.Itoa(alias.Version)
		}
	}
	return strings.Join(parts, ",")
}

// validate returns an error for invalid names and repeated aliases.
func (a Aliases) validate() error {
	var errs []error
	seen := map[string]bool{}
	for i, alias := range a {
		at := fmt.Sprintf("models.aliases[%d]", i)
		if !models.ValidName(alias.Name) || !models.ValidName(alias.Model) {
			errs = append(errs, fmt.Errorf("%s is %q for %q: want valid names of models", at, alias.Name, alias.Model))
		}
		if alias.Version < 0 || alias.Version > models.MaxVersion {
			errs = append(errs, fmt.Errorf("%s.version is %d: want a version from 1 to %d, or 0 for the newest",
				at, alias.Version, models.MaxVersion))
		}
		if seen[alias.Name] {
			errs = append(errs, fmt.Errorf("%s is %q again: want each alias once", at, alias.Name))
		}
		seen[alias.Name] = true
	}
	return errors.Join(errs...)
}
