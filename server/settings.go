package server

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

const envPrefix = "LANGEVIN"

// setting is one field of Config.
type setting struct {
	key   string // limits.max_chains
	help  string
	value reflect.Value // the default
}

// flag returns the name of the setting's command-line flag.
func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }
func (s setting) env() string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// text returns the default as the command line shows it.
func (s setting) text() string { return strings.ToLower(fmt.Sprint(s.value.Interface())) }

// settings returns all fields of Config. Each has a key, a flag and an environment variable, so none can be forgotten.
func settings(v reflect.Value, prefix string) []setting {
	var all []setting
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("mapstructure")
		if name == "-" {
			continue
		}
		key := prefix + name
		if help, leaf := field.Tag.Lookup("help"); leaf {
			all = append(all, setting{key, help, v.Field(i)})
			continue
		}
		all = append(all, settings(v.Field(i), key+".")...)
	}
	return all
}

func defaultSettings() []setting { return settings(reflect.ValueOf(Default()), "") }

// Flags registers a flag for every setting, with its default and help.
func Flags(fs *pflag.FlagSet) {
	for _, s := range defaultSettings() {
		help := fmt.Sprintf("%s (%s)", s.help, s.env())
		switch v := s.value.Interface().(type) {
		case string:
			fs.String(s.flag(), v, help)
		case bool:
			fs.Bool(s.flag(), v, help)
		case int:
			fs.Int(s.flag(), v, help)
		case int64:
			fs.Int64(s.flag(), v, help)
		case float64:
			fs.Float64(s.flag(), v, help)
		case time.Duration:
			fs.Duration(s.flag(), v, help)
		default:
			fs.String(s.flag(), s.text(), help)
		}
	}
}

// Load reads the configuration from the defaults, then the YAML file unless its name is empty, then the environment
// (LANGEVIN_*), then the flags that were set. Unknown keys and variables and values out of range are errors, which are
// all reported at once. flags may be nil.
func Load(flags *pflag.FlagSet, file string) (Config, error) {
	v := viper.New()
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	for _, s := range defaultSettings() {
		v.SetDefault(s.key, s.value.Interface())
		if err := errors.Join(v.BindEnv(s.key), bindFlag(v, flags, s)); err != nil {
			return Config{}, fmt.Errorf("configuration: %s: %w", s.key, err)
		}
	}
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return Config{}, fmt.Errorf("configuration file %s: %w", file, err)
		}
	}
	decode := viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(), textHook, exactHook))
	if err := errors.Join(unknownKeys(v), unknownVariables(os.Environ()), unreadable(v, decode)); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	var c Config
	if err := v.UnmarshalExact(&c, decode); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

func bindFlag(v *viper.Viper, flags *pflag.FlagSet, s setting) error {
	if flags == nil {
		return nil
	}
	flag := flags.Lookup(s.flag())
	if flag == nil {
		return nil
	}
	return v.BindPFlag(s.key, flag)
}

// textHook decodes text into types that implement encoding.TextUnmarshaler, such as slog.Level.
func textHook(from, to reflect.Type, data any) (any, error) {
	text, ok := data.(string)
	if !ok {
		return data, nil
	}
	out := reflect.New(to)
	decoder, ok := out.Interface().(encoding.TextUnmarshaler)
	if !ok {
		return data, nil
	}
	if err := decoder.UnmarshalText([]byte(text)); err != nil {
		return nil, err
	}
	return out.Elem().Interface(), nil
}

// exactHook refuses values of the file that would become another one without a word: a fraction where a whole number
// belongs (a quota of 0.5 would become 0, which means no bound), a bare number for a duration (30 would be 30 ns), true
// or nothing for a number, and a number or nothing for true or false.
func exactHook(from, to reflect.Value) (any, error) {
	isNumber := func(v reflect.Value) bool { return v.CanInt() || v.CanUint() || v.CanFloat() }
	isBool := func(v reflect.Value) bool { return v.Kind() == reflect.Bool }
	_, given := from.Interface().(time.Duration)
	_, wanted := to.Interface().(time.Duration)
	switch {
	case from.CanFloat() && to.CanInt() &&
		(from.Float() != math.Trunc(from.Float()) || math.Abs(from.Float()) >= 1<<63):
		return nil, fmt.Errorf("%v is not a whole number", from.Float())
	case wanted && !given && isNumber(from) && !from.IsZero():
		return nil, fmt.Errorf("%v has no unit", from.Interface())
	case isBool(from) && isNumber(to), isNumber(from) && isBool(to):
		return nil, fmt.Errorf("%v has another type", from.Interface())
	case from.Kind() == reflect.String && from.Len() == 0 && (isNumber(to) || isBool(to)):
		return nil, errors.New("it is empty")
	}
	return from.Interface(), nil
}

// unreadable reports values that do not have the type of their setting.
func unreadable(v *viper.Viper, decode viper.DecoderConfigOption) error {
	var errs []error
	for _, s := range defaultSettings() {
		if err := v.UnmarshalKey(s.key, reflect.New(s.value.Type()).Interface(), decode); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q: want %s", s.key, fmt.Sprint(v.Get(s.key)), s.wants()))
		}
	}
	return errors.Join(errs...)
}

// wants says which values a setting takes.
func (s setting) wants() string {
	if _, ok := s.value.Interface().(slog.Level); ok {
		return s.help
	}
	if _, ok := s.value.Interface().(time.Duration); !ok && s.value.CanInt() {
		return "a whole number"
	}
	return fmt.Sprintf("a value like %v", s.value.Interface())
}

// unknownKeys reports keys of the file that are not settings.
func unknownKeys(v *viper.Viper) error {
	known, groups := map[string]bool{}, map[string]string{}
	for _, s := range defaultSettings() {
		known[s.key] = true
		if group, _, below := strings.Cut(s.key, "."); below && groups[group] == "" {
			groups[group] = s.key
		}
	}
	var errs []error
	for _, key := range slices.Sorted(slices.Values(v.AllKeys())) {
		switch first := groups[key]; {
		case known[key]:
		case first != "":
			errs = append(errs, fmt.Errorf("%s is %q: want settings below it, such as %s", key, fmt.Sprint(v.Get(key)),
				first))
		default:
			errs = append(errs, fmt.Errorf("%s is not a setting", key))
		}
	}
	return errors.Join(errs...)
}
