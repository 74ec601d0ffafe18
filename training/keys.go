package training

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// decode overwrites the settings of config, a pointer to a struct, that text mentions. A setting that is null becomes
// absent. The error has every unknown key and every value of a wrong type, one per line, after where(line) for its
// line in the text. The struct may be changed even if there is an error.
func decode(text []byte, config any, where func(line int) string) error {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return errors.New("it is empty: want settings as YAML")
	} else if err != nil {
		return err
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document: want one")
	}
	// The YAML package refuses anchors that contain themselves, and small files that aliases make huge. What follows
	// goes from aliases to what they stand for, as if it were written there.
	if err := plain(document.Decode(new(any))); err != nil {
		return err
	}
	root := reflect.ValueOf(config).Elem()
	check := keyCheck{where: where, known: keyPaths("", root.Type())}
	check.value("", document.Content[0], root)
	if err := check.mistakes.Err(); err != nil {
		return err
	}
	return plain(document.Decode(config))
}

// lineOf says in which line of a file a mistake is.
func lineOf(line int) string { return fmt.Sprintf("line %d: ", line) }

// plain formats the YAML package's list of mistakes as one line.
func plain(err error) error {
	var list *yaml.TypeError
	if errors.As(err, &list) {
		return errors.New(strings.Join(list.Errors, "; "))
	}
	return err
}

// keyPaths lists the settings in a struct, groups included: data, data.name and so on.
func keyPaths(prefix string, of reflect.Type) []string {
	var paths []string
	for i := range of.NumField() {
		key := fieldKey(of.Field(i))
		if key == "" {
			continue
		}
		paths = append(paths, prefix+key)
		if group := indirect(of.Field(i).Type); group.Kind() == reflect.Struct {
			paths = append(paths, keyPaths(prefix+key+".", group)...)
		}
	}
	return paths
}

// fieldKey returns the key of a field in YAML, or the empty string if it has none.
func fieldKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if key == "-" || !f.IsExported() {
		return ""
	}
	return cmp.Or(key, strings.ToLower(f.Name))
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// keyCheck compares a YAML document with a struct of settings.
type keyCheck struct {
	where    func(line int) string
	known    []string // paths of all settings
	mistakes settings.Mistakes
}

func (c *keyCheck) mistake(n *yaml.Node, format string, args ...any) {
	c.mistakes.Join(fmt.Errorf("%s"+format, append([]any{c.where(n.Line)}, args...)...))
}

// value checks the node of the setting at path, whose current value is v.
func (c *keyCheck) value(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch kind := indirect(v.Type()).Kind(); {
	case n.Tag == "!!null":
		v.SetZero() // the YAML package keeps the old value
	case kind == reflect.Struct && n.Kind == yaml.MappingNode:
		c.group(path, n, owned(v))
	case kind == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, element := range n.Content {
			c.value(fmt.Sprintf("%s[%d]", path, i), element, reflect.New(v.Type().Elem()).Elem())
		}
	default:
		if want := misfit(n, v.Type()); want != "" {
			c.mistake(n, "%s is %s: want %s", cmp.Or(path, "the configuration"), written(n), want)
		}
	}
}

// owned returns the struct that v is or points to. A pointer gets a copy of its own, because others may have it too.
func owned(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	own := reflect.New(v.Type().Elem())
	if !v.IsNil() {
		own.Elem().Set(v.Elem())
	}
	v.Set(own)
	return own.Elem()
}

// group checks the keys of a mapping.
func (c *keyCheck) group(path string, n *yaml.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		fields[fieldKey(v.Type().Field(i))] = v.Field(i)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := fields[key.Value]
		switch at := strings.TrimPrefix(path+"."+key.Value, "."); {
		case key.Tag == "!!merge":
			c.merged(path, value, v)
		case !ok || key.Value == "":
			c.unknown(at, key, value)
		default:
			c.value(at, value, field)
		}
	}
}

// merged checks the value of a merge key, <<: a mapping or a list of mappings.
func (c *keyCheck) merged(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		c.value(path, n, v)
		return
	}
	for _, one := range n.Content {
		c.value(path, one, v)
	}
}

// unknown reports a key that no setting has. In a group that does not exist, it names the key in the group if there is
// only one.
func (c *keyCheck) unknown(path string, key, value *yaml.Node) {
	for value.Kind == yaml.MappingNode && len(value.Content) == 2 {
		path, value = path+"."+value.Content[0].Value, value.Content[1]
	}
	hint := ""
	if near := c.near(path); len(near) > 0 {
		hint = ": did you mean " + strings.Join(near, " or ") + "?"
	}
	c.mistake(key, "%s is no setting%s", path, hint)
}

// near lists settings that path may have been meant for: those of its name in any group, or else of a similar path.
func (c *keyCheck) near(path string) []string {
	name := path[strings.LastIndex(path, ".")+1:]
	var same []string
	for _, known := range c.known {
		if strings.HasSuffix(known, "."+name) {
			same = append(same, known)
		}
	}
	near := models.Near(path, c.known)
	if len(near) > 0 && strings.HasSuffix(near[0], "."+name) {
		return near[:1]
	}
	if len(same) > 0 {
		return same
	}
	return near
}

// misfit returns what a setting of type t wants if the node does not fit it, and otherwise the empty string.
func misfit(n *yaml.Node, t reflect.Type) string {
	t = indirect(t)
	err := n.Decode(reflect.New(t).Interface())
	var number float64
	if refused := (*sampling.FieldError)(nil); errors.As(err, &refused) {
		return refused.Want
	}
	// The YAML package truncates a fraction for a whole number.
	whole := t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
	if err == nil && !(whole && n.Decode(&number) == nil && number != math.Trunc(number)) {
		return ""
	}
	switch {
	case t.Kind() >= reflect.Uint && whole:
		return "a whole number of at least 0"
	case whole:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list, as in [1, 2]"
	case t.Kind() == reflect.Struct:
		return "a group of settings"
	}
	return "text"
}

// written returns a node as an error message shows it.
func written(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a group of settings"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case slices.Contains([]string{"!!int", "!!float", "!!bool"}, n.Tag):
		return n.Value
	}
	return fmt.Sprintf("%q", n.Value)
}
