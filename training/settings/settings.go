// Package settings looks up the words in a group of settings, and collects the mistakes in the group.
//
// A group such as loss is a struct with YAML tags, whose key name chooses a kind. A [Table] has a row for each kind.
package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Mistakes collects the mistakes in a group of settings.
type Mistakes []error

// Require adds a mistake unless ok.
func (m *Mistakes) Require(ok bool, format string, args ...any) {
	if !ok {
		m.Join(fmt.Errorf(format, args...))
	}
}

// Join adds err unless it is nil.
func (m *Mistakes) Join(err error) {
	if err != nil {
		*m = append(*m, err)
	}
}

// Err returns all mistakes, one per line, or nil if there are none.
func (m Mistakes) Err() error { return errors.Join(m...) }

// Row is a word of the settings and its meaning.
type Row[K any] struct {
	Name string
	Kind K
}

// Table has the kinds of one group of settings.
type Table[K any] []Row[K]

// Names returns the words of all rows, in order.
func (t Table[K]) Names() []string {
	names := make([]string, len(t))
	for i, row := range t {
		names[i] = row.Name
	}
	return names
}

// Find returns the kind called name; ok is false if no row has it.
func (t Table[K]) Find(name string) (kind K, ok bool) {
	for _, row := range t {
		if row.Name == name {
			return row.Kind, true
		}
	}
	return kind, false
}

// Known is Find for validation: a name without a row is added as a mistake of the group.
func (t Table[K]) Known(m *Mistakes, group, name string) (kind K, ok bool) {
	kind, ok = t.Find(name)
	m.Require(ok, "%s.name is %q: want one of %q", group, name, t.Names())
	return kind, ok
}

// Keyed is a kind that has only some keys of its group.
type Keyed interface {
	// Keys lists the kind's keys, except name.
	Keys() []string
}

// Foreign adds a mistake for each key that config, a struct of the group's settings, sets although the kind called name
// does not have it. who names the kind in the message.
func Foreign[K Keyed](t Table[K], m *Mistakes, group, name, who string, config any) {
	own, _ := t.Find(name)
	fields := reflect.ValueOf(config)
	for i := range fields.NumField() {
		key, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("yaml"), ",")
		if key == "name" || fields.Field(i).IsZero() || slices.Contains(own.Keys(), key) {
			continue
		}
		var with []string
		for _, row := range t {
			if slices.Contains(row.Kind.Keys(), key) {
				with = append(with, row.Name)
			}
		}
		value := reflect.Indirect(fields.Field(i)).Interface()
		m.Require(false, "%s.%s is %v: %s has none, want it with %s only",
			group, key, value, who, strings.Join(with, ", "))
	}
}

// Finite reports whether v is neither infinite nor NaN.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Positive reports whether v is finite and above 0.
func Positive(v float64) bool { return v > 0 && Finite(v) }
