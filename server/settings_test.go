package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// clearEnv hides the machine's own LANGEVIN_* variables from a test.
func clearEnv(t *testing.T) {
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "LANGEVIN_") {
			t.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "langevin.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadDefaults(t *testing.T) {
	clearEnv(t)
	for name, fs := range map[string]*pflag.FlagSet{"no flags": nil, "flags not set": flags(t)} {
		if c, err := Load(fs, ""); err != nil || !reflect.DeepEqual(c, Default()) {
			t.Errorf("%s: %+v, %v, want the defaults", name, c, err)
		}
	}
}

// TestLoadPrecedence sets one key in each source: a flag overrides the environment, which overrides the file.
func TestLoadPrecedence(t *testing.T) {
	clearEnv(t)
	file := writeFile(t, "listen: :1\nworkers: 1\nlimits:\n  max_chains: 1\nlog:\n  level: warn\ndrain_timeout: 1m\n")
	t.Setenv("LANGEVIN_WORKERS", "2")
	t.Setenv("LANGEVIN_LIMITS_MAX_CHAINS", "2")
	c, err := Load(flags(t, "--limits-max-chains=3"), file)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Workers, want.Limits.MaxChains, want.Log.Level, want.Drain =
		":1", 2, 3, slog.LevelWarn, time.Minute
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

// TestEverySettingEverywhere: each setting can be set by its environment variable alone and by its flag alone.
func TestEverySettingEverywhere(t *testing.T) {
	clearEnv(t)
	other := map[string]string{
		"listen": "localhost:1234", "http.listen": "localhost:1235", "http.origins": "https://example.com",
		"models.dir": t.TempDir(), "models.source": "file:///models", "models.default": "other", "device": "cuda",
		"auth.allow_plaintext": "true", "onnxruntime.tf32": "true",
		"admin.listen": "localhost:1236", "admin.allow_remote": "true",
		"models.aliases": "stable=ring@1,latest=ring", "models.watch": "true",
		"models.allow_operators": "Mod,com.microsoft.Gelu", "models.proof_memory": "1073741824",
		"models.keep_proofs": "false",
		"models.builtin":     "false", "metrics.listen": "localhost:1237", "limits.memory": "1073741824",
		"tracing.endpoint": "localhost:4317", "tracing.insecure": "true", "tracing.sample_ratio": "0.5",
		"drain_timeout": "5s", "log.level": "debug", "log.format": "json", "grpc.reflection": "false",
		"limits.max_open_bytes": "1048576", "limits.max_header_bytes": "1048576", "http.max_body_bytes": "1048576",
		"grpc.max_receive_bytes": "1048576", "grpc.max_send_bytes": "1048576",
	}
	pem := writeFile(t, "")
	needs := map[string][]string{"tls.cert": {"tls.key"}, "tls.key": {"tls.cert"},
		"tls.client_ca": {"tls.cert",
			"tls.key"}, "auth.tokens": nil, "models.watch": {"models.dir"}, "models.builtin": {"models.dir"},
		"models.poll": {"models.source"}, "models.cache": {"models.source"},
		"onnxruntime.tf32": {"device"}}
	for _, s := range defaultSettings() {
		value := other[s.key]
		needed, isFile := needs[s.key]
		switch s.value.Interface().(type) {
		case time.Duration:
			value = "7s"
		case string:
			if isFile {
				value = pem
			}
		}
		if value == "" {
			value = "7"
		}
		check := func(place string, c Config, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s from the %s: %v", s.key, place, err)
				return
			}
			for _, got := range settings(reflect.ValueOf(c), "") {
				text := strings.ToLower(fmt.Sprint(got.value.Interface()))
				if got.key == s.key && text != strings.ToLower(value) {
					t.Errorf("%s from the %s is %s, want %s", s.key, place, text, value)
				}
			}
		}
		all := []string{"--" + s.flag() + "=" + value}
		for _, key := range needed {
			all = append(all, "--"+setting{key: key}.flag()+"="+cmp.Or(other[key], pem))
		}
		c, err := Load(flags(t, all...), "")
		check("flag", c, err)
		t.Run(s.key, func(t *testing.T) {
			t.Setenv(s.env(), value)
			for _, key := range needed {
				t.Setenv(setting{key: key}.env(), cmp.Or(other[key], pem))
			}
			c, err := Load(nil, "")
			check("environment", c, err)
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	clearEnv(t)
	tests := []struct {
		name, file, env, says string
	}{
		{"unknown key", "lisen: :1\n", "", "lisen is not a setting"},
		{"unknown nested key", "limits:\n  max_chain: 1\n", "", "limits.max_chain is not a setting"},
		{"unknown variable", "", "LANGEVIN_LISEN=:1", "the environment sets LANGEVIN_LISEN, which is not a setting"},
		{"wrong type", "workers: many\n", "", `workers is "many": want a whole number`},
		{"fraction in the file", "quota: {calls_per_second: 0.5}\n", "",
			`quota.calls_per_second is "0.5": want a whole number`},
		{"fraction in the environment", "", "LANGEVIN_QUOTA_CALLS_PER_SECOND=0.5",
			`quota.calls_per_second is "0.5": want a whole number`},
		{"fraction of a nanosecond", "drain_timeout: 0.5\n", "", `drain_timeout is "0.5": want a value like 30s`},
		{"a duration without a unit", "drain_timeout: 30\n", "", `drain_timeout is "30": want a value like 30s`},
		{"a large duration without a unit", "limits: {max_wait: 60000000000}\n", "",
			`limits.max_wait is "60000000000": want a value like`},
		{"a duration in the environment without a unit", "", "LANGEVIN_DRAIN_TIMEOUT=30",
			`drain_timeout is "30": want a value like 30s`},
		{"true for a number", "workers: true\n", "", `workers is "true": want a whole number`},
		{"nothing for a number", "limits: {max_chains: ''}\n", "", `limits.max_chains is "": want a whole number`},
		{"a number for true", "models: {builtin: 2}\n", "", `models.builtin is "2": want a value like true`},
		{"a list for a group", "limits: [1]\n", "", `limits is "[1]": want settings below it, such as limits.`},
		{"bad YAML", "listen: [\n", "", "langevin.yaml"},
		{"bad address", "listen: 50051\n", "", `listen is "50051": want host:port`},
		{"unknown device", "device: tpu\n", "", `device is "tpu": want cpu, cuda, cuda:N or auto`},
		{"TF32 on a CPU", "onnxruntime: {tf32: true}\n", "",
			`onnxruntime.tf32 is true: want device to be cuda, cuda:N or auto`},
		{"no folder", "models:\n  dir: /does/not/exist\n", "",
			`models.dir is "/does/not/exist": want an existing folder`},
		{"bad limit", "", "LANGEVIN_LIMITS_MAX_CHAINS=0", "limits.max_chains is 0: want 1 to"},
		{"messages that hold nothing", "grpc: {max_receive_bytes: 1}\n", "",
			"grpc.max_receive_bytes is 1: want 4096 to"},
		{"answers that hold nothing", "grpc: {max_send_bytes: 1}\n", "", "grpc.max_send_bytes is 1: want 524288 to"},
		{"metadata that hold nothing", "limits: {max_header_bytes: 1}\n", "",
			"limits.max_header_bytes is 1: want 4096 to"},
		{"bodies that hold nothing", "http: {max_body_bytes: 1}\n", "", "http.max_body_bytes is 1: want 4096 to"},
		{"memory for no call", "limits: {max_open_bytes: 1}\n", "", "limits.max_open_bytes is 1: want 65536 or more"},
		{"bad level", "log:\n  level: loud\n", "", "loud"},
		{"no key", "tls:\n  cert: langevin.yaml\n", "", `tls.key is "": want a file if tls.cert names one`},
		{"open tokens", "listen: :1\n", "LANGEVIN_AUTH_TOKENS=load_test.go",
			`tls.cert and tls.key too, so that tokens do not cross the network of :1 in the clear`},
		{"bad socket", "listen: unix://relative\n", "", `listen is "unix://relative": want host:port`},
		{"bad keepalive", "grpc:\n  keepalive_time: 1ms\n", "", "grpc.keepalive_time is 1ms: want 1s or more"},
		{"bad operator", "models: {allow_operators: [mod]}\n", "",
			`models.allow_operators is "mod": want ONNX's names`},
		{"too little memory", "models: {proof_memory: 1000}\n", "",
			"models.proof_memory is 1000: want 268435456 or more"},
		{"too little time", "models: {proof_time: 1ms}\n", "", "models.proof_time is 1ms: want 1s or more"},
		{"too large files", "models: {max_file_bytes: 9999999999}\n", "",
			"models.max_file_bytes is 9999999999: want 1 to 2147483647"},
		{"bad duration", "drain_timeout: -1s\n", "", "drain_timeout is -1s: want 0s or more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if name, value, ok := strings.Cut(test.env, "="); ok {
				t.Setenv(name, value)
			}
			file := ""
			if test.file != "" {
				file = writeFile(t, test.file)
			}
			if _, err := Load(nil, file); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
	file := writeFile(t, "workers: -1\nlog:\n  format: xml\n")
	if _, err := Load(nil, file); err == nil || !strings.Contains(err.Error(), "workers") ||
		!strings.Contains(err.Error(), "log.format") {
		t.Errorf("two mistakes: %v, want both named", err)
	}
	if _, err := Load(nil, filepath.Join(t.TempDir(), "absent.yaml")); err == nil ||
		!strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("absent file: %v, want it named", err)
	}
}

// TestLogLevel: a level that is not there is refused by the ones that are.
func TestLogLevel(t *testing.T) {
	clearEnv(t)
	const want = `log.level is "foo": want debug, info, warn or error`
	if _, err := Load(nil, writeFile(t, "log: {level: foo}\n")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// FuzzLoad: every file gives a valid configuration, or an error about the configuration.
func FuzzLoad(f *testing.F) {
	f.Add("listen: :1\nworkers: 1\nlimits:\n  max_chains: 1\nlog:\n  level: warn\ndrain_timeout: 1m\n")
	f.Add("tls: {cert: /dev/null, key: /dev/null}\nauth:\n  tokens: [a]\n")
	f.Add("models:\n  aliases:\n  - {name: stable, model: ring, version: 1}\nquota: 3\n")
	f.Add("listen: [\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(nil, writeFile(t, text))
		if err == nil {
			err = c.Validate()
		} else if !strings.HasPrefix(err.Error(), "configuration") {
			t.Errorf("%q gives %v", text, err)
			return
		}
		if c.Listen != "" && err != nil {
			t.Errorf("%q was accepted and is not valid: %v", text, err)
		}
	})
}

// TestForeignVariables: the variables that Kubernetes sets for a Service called langevin are accepted, and so are the
// variables that commands and clients read.
func TestForeignVariables(t *testing.T) {
	clearEnv(t)
	for _, name := range []string{
		"LANGEVIN_SERVICE_HOST", "LANGEVIN_SERVICE_PORT", "LANGEVIN_SERVICE_PORT_GRPC", "LANGEVIN_PORT",
		"LANGEVIN_PORT_50051_TCP", "LANGEVIN_PORT_50051_TCP_ADDR", "LANGEVIN_GPU_SERVICE_HOST",
	} {
		t.Setenv(name, "tcp://10.0.0.1:50051")
	}
	for _, v := range Variables() {
		if v.Setting == "" {
			t.Setenv(v.Name, "x")
		}
	}
	if _, err := Load(nil, ""); err != nil {
		t.Error(err)
	}
}
