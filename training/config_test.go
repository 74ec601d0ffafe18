package training

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/training/nn"
)

func preset(t *testing.T, name string) Config {
	t.Helper()
	c, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func set(t *testing.T, c *Config, assignments ...string) {
	t.Helper()
	for _, a := range assignments {
		if err := c.Set(a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPresets(t *testing.T) {
	want := map[string]struct {
		first, last float64
		levels      int
		shape       []int
		parameters  int // without the tables of classes
	}{
		"toy-2gauss":                {20, 0.2, 50, []int{2}, 17_282},
		"toy-ring":                  {20, 0.2, 50, []int{2}, 17_282},
		"toy-ring-class":            {20, 0.2, 50, []int{2}, 17_282},
		"mnist-class":               {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"fashion-class":             {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"toy-ring-consistency":      {20, 0.2, 50, []int{2}, 17_282},
		"mnist-consistency":         {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"mnist-class-consistency":   {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"fashion-class-consistency": {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"toy-ssm":                   {1, 1, 1, []int{2}, 17_154},
		"mnist":                     {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"mnist-small":               {10, 0.01, 90, []int{1, 28, 28}, 558_948},
		"fashion":                   {50, 0.01, 90, []int{1, 28, 28}, 1_233_796},
		"fashion-small":             {10, 0.01, 90, []int{1, 28, 28}, 558_948},
		"anneal-mnist":              {1, 0.01, 10, []int{1, 28, 28}, 7_638_657},
		"baseline-mnist":            {0.01, 0.01, 1, []int{1, 28, 28}, 7_443_393},
		"anneal-cifar10":            {1, 0.01, 10, []int{3, 32, 32}, 30_117_635},
		"anneal-celeba":             {1, 0.01, 10, []int{3, 32, 32}, 30_117_635},
		"baseline-cifar10":          {0.01, 0.01, 1, []int{3, 32, 32}, 29_727_107},
		"baseline-celeba":           {0.01, 0.01, 1, []int{3, 32, 32}, 29_727_107},
		"scorenet":                  {0.01, 0.01, 1, []int{3, 32, 32}, 1_379_651},
		"ncsnv2-cifar10":            {50, 0.01, 232, []int{3, 32, 32}, 29_694_083},
		"ncsnv2-celeba":             {90, 0.01, 500, []int{3, 64, 64}, 29_694_083},
		"ncsnv2-church":             {140, 0.01, 788, []int{3, 96, 96}, 83_445_379},
		"ncsnv2-bedroom":            {190, 0.01, 1086, []int{3, 128, 128}, 83_445_379},
		"ncsnv2-tower":              {190, 0.01, 1086, []int{3, 128, 128}, 83_445_379},
		"ncsnv2-ffhq":               {348, 0.01, 2311, []int{3, 256, 256}, 94_132_611},
		"ncsnpp-cifar10":            {50, 0.01, 1000, []int{3, 32, 32}, 62_758_787},
		"ddpmpp-cifar10":            {152.17, 0.0105, 1000, []int{3, 32, 32}, 61_804_419},
		"ddpmpp-cifar10-subvp":      {152.17, 0.00011, 1000, []int{3, 32, 32}, 61_804_419},
		"ncsnpp-mnist":              {50, 0.01, 90, []int{1, 28, 28}, 1_282_305},
		"ddpmpp-mnist":              {152.17, 0.0105, 100, []int{1, 28, 28}, 1_259_393},
	}
	if got, names := Presets(), slices.Sorted(maps.Keys(want)); !slices.Equal(got, names) {
		t.Fatalf("presets %q, want %q", got, names)
	}
	for name, want := range want {
		c := preset(t, name)
		if c.Preset != name {
			t.Errorf("preset %s calls itself %q", name, c.Preset)
		}
		schedule := mustSchedule(t, c)
		if first, last, levels := schedule.Sigma(0), schedule.Last(), schedule.Levels(); first != want.first ||
			last != want.last || levels != want.levels {
			t.Errorf("preset %s: %d levels from %g to %g, want %d from %g to %g",
				name, levels, first, last, want.levels, want.first, want.last)
		}
		g, err := c.Network.Build(want.shape, schedule.Sigmas())
		if err != nil {
			t.Errorf("preset %s: %v", name, err)
		} else if got := g.NumParams(); got != want.parameters {
			t.Errorf("preset %s: %d parameters, want %d", name, got, want.parameters)
		}
	}
	if _, err := Preset("toy"); err == nil ||
		!strings.Contains(err.Error(), `preset is "toy": want one of anneal-celeba, anneal-cifar10, anneal-mnist, `) {
		t.Errorf("unknown preset: error %v, want one that lists the known", err)
	}
}

// TestDiscreteForms: with the settings in docs/networks.md, NCSN++ and DDPM++ have their discrete forms and the
// authors' numbers of parameters.
func TestDiscreteForms(t *testing.T) {
	for name, c := range map[string]struct {
		settings   []string
		parameters int
	}{
		"ncsnpp-cifar10": {[]string{"network.discrete=true", "network.fourier_scale=null",
			"loss={name: dsm, process: null, power: 2}"}, 62_693_251},
		"ddpmpp-cifar10": {[]string{"network.discrete=true", "loss={name: ddpm, process: null}"}, 61_804_419},
	} {
		config, err := preset(t, name).With(c.settings...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g, err := config.Network.Build([]int{3, 32, 32}, mustSchedule(t, config).Sigmas())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := g.NumParams(); got != c.parameters {
			t.Errorf("%s: %d parameters, want %d", name, got, c.parameters)
		}
	}
}

// TestPresetsAreComplete: a preset has every setting, so no default is hidden.
func TestPresetsAreComplete(t *testing.T) {
	for _, name := range Presets() {
		text, err := os.ReadFile(filepath.Join("presets", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys(reflect.TypeFor[Config]()) {
			if !strings.Contains(string(text), key+":") {
				t.Errorf("preset %s does not mention %s", name, key)
			}
		}
	}
}

// keys returns the YAML keys of a struct and of the structs in it. It leaves out the keys that only some datasets,
// networks and priors have.
func keys(of reflect.Type) []string {
	var all []string
	for i := range of.NumField() {
		field := of.Field(i)
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "-" || key == "" || options == "omitempty" {
			continue
		}
		all = append(all, key)
		if field.Type.Kind() == reflect.Struct {
			all = append(all, keys(field.Type)...)
		}
	}
	return all
}

func TestSet(t *testing.T) {
	c := preset(t, "toy-ring")
	want := c
	set(t, &c, "data.std=0.5", "data.weights=[3, 1]", "training.iterations=7", "network.activation=softplus",
		"sampler.denoise=true", "name=mine", "prior.low=-9")
	want.Data.Std, want.Data.Weights = 0.5, []float64{3, 1}
	want.Training.Iterations, want.Network.Activation, want.Sampler.Denoise = 7, "softplus", true
	want.Name, want.Prior.Low = "mine", -9
	if !reflect.DeepEqual(c, want) {
		t.Errorf("configuration is\n%+v, want\n%+v", c, want)
	}
	set(t, &c, "data.weights=[1, 2, 3]")
	if want := []float64{1, 2, 3}; !slices.Equal(c.Data.Weights, want) {
		t.Errorf("weights are %v, want %v: a list is replaced, not merged", c.Data.Weights, want)
	}
	if original := preset(t, "toy-ring"); original.Data.Std != 1 || original.Data.Weights != nil {
		t.Error("Set changed the preset itself")
	}
}

func TestSetRefuses(t *testing.T) {
	for assignment, want := range map[string]string{
		"":                            "want key=value",
		"data.std":                    "want key=value",
		"=1":                          "want key=value",
		"data.std=":                   "want key=value",
		"data.sdt=1":                  "data.sdt is no setting: did you mean data.side or data.std?",
		"data.nam=csv":                "data.nam is no setting: did you mean data.name?",
		"trainng.iterations=1":        "trainng.iterations is no setting: did you mean training.iterations?",
		"std=1":                       "std is no setting: did you mean data.std or network.std or prior.std?",
		"wings=2":                     "wings is no setting",
		"data.std.x=1":                "data.std is a group of settings: want a number",
		"data=1":                      "data is 1: want a group of settings",
		"data=[1]":                    "data is a list: want a group of settings",
		"data.std=wide":               `data.std is "wide": want a number`,
		"data.std=[1]":                "data.std is a list: want a number",
		"training.iterations=abc":     `training.iterations is "abc": want a whole number`,
		"sampler.denoise=2":           "sampler.denoise is 2: want true or false",
		"name=[a]":                    "name is a list: want text",
		"loss.process=vx":             `loss.process is "vx": want `,
		"data.weights=1":              "data.weights is 1: want a list, as in [1, 2]",
		"data.means=[[1, 2], [1, x]]": `data.means[1][1] is "x": want a number`,
		"seed=1.5":                    "seed is 1.5: want a whole number of at least 0",
		"data.std={":                  `data.std is "{": want one value in YAML`,
		"description=a: b: c":         `description is "a: b: c": want one value in YAML`,
		"training.iterations=1.5":     "training.iterations is 1.5: want a whole number",
		"seed=-1":                     "seed is -1: want a whole number of at least 0",
		"preset=other":                "preset is no setting",
		"data.weights=[1, 2, three]":  `data.weights[2] is "three": want a number`,
		"data.std=1\n---\ndata: null": "on one line",
	} {
		c := preset(t, "toy-ring")
		before := c
		err := c.Set(assignment)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n!") ||
			strings.Contains(err.Error(), "line ") {
			t.Errorf("Set(%q): error %v, want one line that says %q", assignment, err, want)
		}
		if !reflect.DeepEqual(c, before) {
			t.Errorf("Set(%q) failed and changed the configuration", assignment)
		}
	}
}

// TestSetNull: null makes a setting absent, of any type.
func TestSetNull(t *testing.T) {
	c := preset(t, "mnist-small")
	set(t, &c, "data.dequantization=null", "data.dir=~", "training.iterations=null", "sampler.denoise=null",
		"range=null")
	if c.Data.Dequantize != "" || c.Data.Dir != "" || c.Training.Iterations != 0 || c.Sampler.Denoise ||
		c.Range.High != 0 || c.Data.Name == "" {
		t.Errorf("configuration is %+v: want the five settings absent, and no others", c)
	}
	// The same in a group that may itself be absent. A copy of the configuration keeps its own.
	grouped := preset(t, "toy-ring-class")
	given := *grouped.Condition
	before := grouped
	set(t, &grouped, "condition.kind=null", "condition={dropped: null}")
	if !reflect.DeepEqual(*grouped.Condition, Condition{}) {
		t.Errorf("condition is %+v: want its settings absent", *grouped.Condition)
	}
	if !reflect.DeepEqual(*before.Condition, given) {
		t.Errorf("condition of a copy became %+v: want it unchanged, %+v", *before.Condition, given)
	}
	if err := grouped.Validate(); err == nil || !strings.Contains(err.Error(), `condition.kind is ""`) {
		t.Errorf("without a kind: %v", err)
	}
}

// TestWithDescribes: a model of other data than the preset's does not keep the preset's description.
func TestWithDescribes(t *testing.T) {
	for _, c := range []struct{ preset, settings, want string }{
		{"toy-ring", "seed=2 training.iterations=5", "Eight Gaussians of equal weight on a circle of radius 5, std 1"},
		{"mnist-small", "data.dir=elsewhere/mnist", "Handwritten digits, 28x28, grey"}, // the same data, moved
		{"toy-ring", "data.modes=5", "Trained on ring, 5 modes, radius 5, std 1"},
		{"toy-ring", "data.modes=5 description=mine", "mine"},
		{"toy-ring", "data={name: csv, dir: in/x.csv, modes: 0, radius: 0, std: 0}", "Trained on csv: x.csv"},
		{"mnist-small", "data.name=images data.dir=my/photos data.image_size=8 data.dequantization=none",
			"Trained on images at 8 x 8: photos"},
	} {
		settings := strings.Split(strings.ReplaceAll(c.settings, ", ", ","), " ")
		if strings.Contains(c.settings, "{") {
			settings = []string{c.settings}
		}
		got, err := preset(t, c.preset).With(settings...)
		if err != nil || got.Description != c.want {
			t.Errorf("%s with %s: described as %q, %v: want %q", c.preset, c.settings, got.Description, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":        "it is empty",
		"[1]":     "line 1: the configuration is a list: want a group of settings",
		"nmae: x": "line 1: nmae is no setting: did you mean name?",
		"name: a\ndata:\n  nam: csv\n  std: x": "line 3: data.nam is no setting: did you mean data.name?\n" +
			`line 4: data.std is "x": want a number`,
		"a: &a [*a]\nname: b": "anchor 'a' value contains itself",
		"training: &t {iterations: x}\noptimizer: {<<: *t}": "line 1: optimizer.iterations is no setting: " +
			"did you mean training.iterations?",
		"name: [":             "yaml",
		"name: a\n---\nx: 1":  "more than one YAML document",
		"name: a\nname: b":    "already defined",
		"name: Bad Name":      `name is "Bad Name"`,
		"loss: {name: other}": `loss.name is "other"`,
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): error %v, want one that says %q", text, err, want)
		}
	}
}

// TestValidate: every mistake is reported with its key.
func TestValidate(t *testing.T) {
	for _, c := range []struct {
		set  string
		want string
	}{
		{"name=Ring", `name is "Ring"`},
		{`description="a\nb"`, "description has several lines"},
		{"data.std=0", "data.std is 0"},
		{"data.name=mnits", `data.name is "mnits"`},
		{"data={name: mnist, modes: 0, radius: 0, std: 0}", "data.dir is empty"},
		{"noise.levels=0", "noise.levels is 0: want 1 to 65536"},
		{"noise.levels=65537", "noise.levels is 65537: want 1 to 65536"},
		{"sampler.steps_per_level=20972", "sampler.steps_per_level is 20972: want 1 to 20971, which makes 1048576"},
		{"training.iterations=1000000001", "training.iterations is 1000000001: want 1 to 1000000000"},
		{"training.log_every=9223372036854775807", "training.log_every is 9223372036854775807: want 1 to 1000000000"},
		{"training.eval_rows=9223372036854775807", "at least one for each of 50 levels, and at most 1000000000"},
		{"optimizer.warmup=1000000001", "optimizer.warmup is 1000000001: want 0 to 1000000000"},
		{"training={checkpoint_every: 1, snapshot_samples: 10001}", "snapshot_samples is 10001: want 0 to 10000"},
		{"noise.levels=1", "noise.first is 20 and noise.last 0.2"},
		{"noise.last=30", "sigma 1 is"},
		{"network.name=vnet", `network.name is "vnet"`},
		{"network.blocks=2", "network.blocks is 2: network toy has none, " +
			"want it with residual, series, unet, ncsnpp, ddpmpp only"},
		{`network={name: unet, hidden: 0, activation: "", scale: 0, outer: 8, inner: 8, blocks: 0, std: 1}`,
			"network.blocks is 0"},
		{`network={name: unet, hidden: 0, activation: "", scale: 0, outer: 8, inner: 8, blocks: 1, std: 0}`,
			"network.std is 0"},
		{`network={name: unet, hidden: 0, activation: "", scale: 0, outer: 1, inner: 9999, blocks: 1, std: 1}`,
			"network.inner is 9999"},
		{`network={name: ncsnv2, hidden: 0, activation: "", scale: 0}`, "network.ngf is 0"},
		{"network.centred=true", "network.centred is true: network toy has none, want it with ncsn, "},
		{`network={name: resscore, hidden: 0, activation: "", scale: 0, ngf: 12}`, "network.ngf is 12"},
		{"network.name=embedding", "network.scale is 2: network embedding has none"},
		{"network.hidden=0", "network.hidden is 0"},
		{"network.activation=relu", `network.activation is "relu"`},
		{"network.scale=-1", "network.scale is -1"},
		{"loss.power=.nan", "loss.power is NaN"},
		{"training.iterations=0", "training.iterations is 0"},
		{"training.batch_size=0", "training.batch_size is 0"},
		{"training.log_every=0", "training.log_every is 0"},
		{"training.keep_best=true", "training.keep_best needs a training.test_every above 0"},
		{"training.eval_rows=49", "training.eval_rows is 49"},
		{"optimizer.learning_rate=.inf", "optimizer.learning_rate is +Inf"},
		{"optimizer.warmup=-1", "optimizer.warmup is -1"},
		{"optimizer.decay=linear", `optimizer.decay is "linear"`},
		{"optimizer.beta1=1", "optimizer.beta1 is 1"},
		{"optimizer.beta2=-0.1", "optimizer.beta2 is -0.1"},
		{"optimizer.ema=1.5", "optimizer.ema is 1.5"},
		{"optimizer.epsilon=0", "optimizer.epsilon is 0"},
		{"sampler.steps_per_level=0", "sampler.steps_per_level is 0"},
		{"sampler.step_lr=0", "sampler.step_lr is 0"},
		{"sampler.reverse_sde={steps: 1, eta: 2}", "sampler.reverse_sde.steps is 1"},
		{"sampler.reverse_sde={steps: 9, eta: -2}", "sampler.reverse_sde.eta is -2"},
		{"sampler.consistency={sigmas: [1, 2]}", "sampler.consistency.sigmas: noise schedule: sigma 1 is 2"},
		{"training.start=../ring", `training.start is "../ring": want the name of a built-in model, or the path`},
		{"prior.kind=cauchy", `kind "cauchy"`},
		{"range.high=-8", "range is -8 to -8"},
	} {
		one := preset(t, "toy-ring")
		set(t, &one, c.set)
		if err := one.Validate(); err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line that says %q", c.set, err, c.want)
		}
	}
	many := preset(t, "toy-ring")
	set(t, &many, "name=Ring", "data.std=0", "network.hidden=0", "optimizer.ema=2")
	if err := many.Validate(); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four mistakes give error %v, want four lines", err)
	}
}

// TestOtherNetworks: settings select the other networks and a single level, as in the toy experiment of the 2019 code.
func TestOtherNetworks(t *testing.T) {
	c := preset(t, "toy-2gauss")
	set(t, &c, "network={name: unconditional, hidden: 128, activation: softplus, scale: 0}",
		"noise={first: 1, last: 1, levels: 1}", "loss.power=0")
	for name, params := range map[string]int{nn.NameUnconditional: 17_154, nn.NameEmbedding: 17_154 + 128*128 + 128} {
		c.Network.Name = name
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		schedule, err := c.schedule()
		if err != nil {
			t.Fatal(err)
		}
		g, err := c.Network.Build([]int{2}, schedule.Sigmas())
		if err != nil {
			t.Fatal(err)
		}
		if got := g.NumParams(); got != params {
			t.Errorf("%s has %d parameters, want %d", name, got, params)
		}
	}
	if _, err := c.Network.Build([]int{1, 28, 28}, mustSchedule(t, c).Sigmas()); err == nil ||
		!strings.Contains(err.Error(), "want one axis") {
		t.Errorf("an MLP on images: error %v, want one that says what fits", err)
	}
}
