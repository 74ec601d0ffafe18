package training

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets returns the names of the built-in configurations, sorted.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // cannot happen: the folder is part of the binary
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), ".yaml")
	}
	slices.Sort(names) // files are in another order: "-" comes before "."
	return names
}

// Preset returns a built-in configuration by name.
func Preset(name string) (Config, error) {
	if !slices.Contains(Presets(), name) {
		return Config{}, fmt.Errorf("preset is %q: want one of %s", name, strings.Join(Presets(), ", "))
	}
	text, err := presets.ReadFile(path.Join("presets", name+".yaml"))
	if err != nil {
		return Config{}, err
	}
	c, err := Parse(text)
	c.Preset = name
	if err != nil {
		return Config{}, fmt.Errorf("preset %s: %w", name, err)
	}
	return c, nil
}
