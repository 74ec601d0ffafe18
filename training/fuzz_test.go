package training

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/internal/alloctest"
)

// presetTexts returns the presets, as files of settings.
func presetTexts(t testing.TB) (texts [][]byte) {
	t.Helper()
	for _, name := range Presets() {
		text, err := presets.ReadFile("presets/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// checkConfig fails the test unless an accepted configuration is valid, and written and read again is itself.
func checkConfig(t *testing.T, c Config) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Errorf("accepted, and not valid: %v", err)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if again.Preset = c.Preset; err != nil || len(changes(again, c)) > 0 {
		t.Errorf("written as\n%s\nand read as another configuration: %v, %q", text, err, changes(again, c))
	}
}

// FuzzParse: a file of settings is refused or gives a valid configuration.
func FuzzParse(f *testing.F) {
	for _, text := range presetTexts(f) {
		f.Add(text)
	}
	f.Add([]byte("a: &a {<<: *a}\ndata: *a\n"))
	f.Add([]byte("data: &d {<<: *d}\n"))
	f.Add([]byte("data: {means: &m [[1]], weights: *m}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		alloctest.Bounded(t, text, 4096, func(text []byte) {
			if c, err := Parse(text); err == nil {
				checkConfig(t, c)
			}
		})
	})
}

// FuzzParseUpstream is FuzzParse for the files of the authors' code.
func FuzzParseUpstream(f *testing.F) {
	for _, text := range []string{annealYML, scorenetYML, ffhqYML} {
		f.Add([]byte(text), "")
		f.Add([]byte(text), string(RunnerBaseline))
	}
	f.Fuzz(func(t *testing.T, text []byte, runner string) {
		alloctest.Bounded(t, text, 4096, func(text []byte) {
			_ = IsUpstream(text)
			if c, err := ParseUpstream(text, Runner(runner)); err == nil {
				checkConfig(t, c)
			}
		})
	})
}

// FuzzSet: an assignment of the command line is refused, and changes nothing, or can be validated.
func FuzzSet(f *testing.F) {
	for _, assignment := range []string{
		"data.std=0.5", "data.weights=[3, 1]", "optimizer={clip: 1}", "name=null", "training.iterations=1e9", "a.b.c=1",
		"data.means=[[1, 2], [3]]", "noise.levels=65537", "data=*a", "data=&a {<<: *a}",
	} {
		f.Add(assignment)
	}
	base, err := Preset("toy-ring")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, assignment string) {
		c := base
		if c.Set(assignment) != nil {
			if !reflect.DeepEqual(c, base) {
				t.Errorf("%q is refused, and changes the settings", assignment)
			}
			return
		}
		if c.Validate() == nil {
			checkConfig(t, c)
		}
	})
}

// FuzzCheckpoint: a file is refused or gives the checkpoint that writes it. The input is what the checksum covers, so
// that the reader sees more than wrong checksums.
func FuzzCheckpoint(f *testing.F) {
	c := checkpoint{Config: "name: ring\n", Done: 3, Sizes: []int{2, 1}, Sums: []float64{1}, Counts: []int{2},
		History: []Record{{Iteration: 1, LossPerLevel: []float64{2}}}}
	var file bytes.Buffer
	vectors := [][]float32{{1, 2}, {3}}
	if err := c.writeTo(&file, func(i int) ([]float32, error) { return vectors[i], nil }); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes()[:file.Len()-sha256.Size])
	for _, header := range []string{
		`{}`, `{"sizes":[4611686018427387905]}`, `{"sizes":[-1]}`, `{"done":-1}`, `[]`, `{"sizes":[0,0]}`,
	} {
		f.Add(append(binary.LittleEndian.AppendUint64([]byte(checkpointMagic), uint64(len(header))), header...))
	}
	f.Add(binary.LittleEndian.AppendUint64([]byte(checkpointMagic), 1<<63))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		alloctest.Bounded(t, append(body[:len(body):len(body)], sum[:]...), 64, func(file []byte) {
			c, err := decodeCheckpoint(file)
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := c.writeTo(&again, func(i int) ([]float32, error) { return c.state[i], nil }); err != nil {
				t.Fatal(err)
			}
			// The lengths of the headers may differ, but both files end with the same vectors.
			values := 0
			for _, n := range c.Sizes {
				values += 4 * n
			}
			vectors := func(file []byte) []byte { return file[len(file)-sha256.Size-values : len(file)-sha256.Size] }
			if !bytes.Equal(vectors(file), vectors(again.Bytes())) {
				t.Errorf("vectors of %v are written as other ones", c.Sizes)
			}
		})
	})
}
