package settings

import (
	"slices"
	"strings"
	"testing"
)

type group struct {
	Name  string   `yaml:"name"`
	Width int      `yaml:"width,omitempty"`
	Depth *float64 `yaml:"depth,omitempty"`
	Same  bool     `yaml:"same"`
}

type keys []string

func (k keys) Keys() []string { return k }

func TestTable(t *testing.T) {
	table := Table[keys]{{"wide", keys{"width", "same"}}, {"deep", keys{"depth"}}, {"both", keys{"width", "depth"}}}
	if names := table.Names(); !slices.Equal(names, []string{"wide", "deep", "both"}) {
		t.Errorf("names %q", names)
	}
	var bad Mistakes
	if _, ok := table.Known(&bad, "net", "long"); ok || bad.Err() == nil ||
		bad.Err().Error() != `net.name is "long": want one of ["wide" "deep" "both"]` {
		t.Errorf("unknown: %v", bad.Err())
	}
	depth := 2.5
	for _, c := range []struct {
		config group
		want   string
	}{
		{group{Name: "wide", Width: 1, Same: true}, ""},
		{group{Name: "both", Width: 1, Depth: &depth}, ""},
		{group{Name: "wide", Width: 1, Depth: &depth},
			"net.depth is 2.5: network wide has none, want it with deep, both only"},
		{group{Name: "deep", Width: 1, Same: true},
			"net.width is 1: network deep has none, want it with wide, both only\n" +
				"net.same is true: network deep has none, want it with wide only"},
	} {
		var bad Mistakes
		if k, ok := table.Known(&bad, "net", c.config.Name); !ok || len(k) == 0 {
			t.Errorf("%s is not known", c.config.Name)
		}
		Foreign(table, &bad, "net", c.config.Name, "network "+c.config.Name, c.config)
		var text []string
		for _, err := range bad {
			text = append(text, err.Error())
		}
		if got := strings.Join(text, "\n"); got != c.want {
			t.Errorf("%+v: %q, want %q", c.config, got, c.want)
		}
	}
}
