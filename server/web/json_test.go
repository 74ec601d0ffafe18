package web

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestJSONRoundTrip: reading what was written returns the same message.
func TestJSONRoundTrip(t *testing.T) {
	for _, m := range []proto.Message{
		&langevinv1.SampleRequest{},
		&langevinv1.SampleRequest{
			Model: `ring"`, N: proto.Int64(0), Seed: proto.Uint64(math.MaxUint64), FirstChain: 1 << 53,
			Sampler: &langevinv1.SampleRequest_ProbabilityFlow{ProbabilityFlow: &langevinv1.ProbabilityFlow{
				Sigmas: []float64{1e300, 1,
					1e-300}, Method: langevinv1.FlowMethod_FLOW_METHOD_MULTISTEP, Denoise: proto.Bool(false),
			}},
			Preview: &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_EveryLevel{EveryLevel: true},
				Chains: proto.Int64(3)},
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_PNG,
			Condition: &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{Mask: []bool{true,
				false}}},
		},
		&langevinv1.ScoreRequest{
			X:     &langevinv1.Tensor{Shape: []int64{2, 1, 2}, Values: []float32{1.1, -2e-38, 3e38, 0}},
			Sigma: []float32{0.1},
		},
		&langevinv1.ScoreRequest{X: &langevinv1.Tensor{Shape: []int64{1, 2}, Data: []byte{0, 1, 2, 255, 4, 5, 6, 7}}},
		&langevinv1.Done{N: math.MinInt64, Elapsed: durationpb.New(1500_000_000)},
	} {
		data := appendJSON(nil, m)
		again := m.ProtoReflect().New().Interface()
		if err := readJSONText(data, again, 1<<20); err != nil || !proto.Equal(m, again) {
			t.Errorf("%s came back as %v, %v", data, again, err)
		}
	}
}

// TestShortForms: short forms mean the same as long forms.
func TestShortForms(t *testing.T) {
	for short, long := range map[string]string{
		`{"x": [[1, 2], [3, 4]], "sigma": 0.5}`: `{"x": {"shape": [2, 2], "values": [1, 2, 3, 4]}, "sigma": [0.5]}`,
		`{"x": [1, 2], "format": "floats"}`:     `{"x": {"values": [1, 2]}, "format": "TENSOR_FORMAT_FLOATS"}`,
		`{"x": null, "model": "m"}`:             `{"model": "m"}`,
		``:                                      `{}`,
		`{"x": {"data": "AAAAAA=="}, "version": "3"}`: `{"x": {"data": "AAAAAA=="}, "version": 3}`,
		`{"x": [[[1, 2]], [[3, 4]]], "sigma": [1, 2]}`: `{"x": {"shape": [2, 1, 2], ` +
			`"values": [1, 2, 3, 4]}, "sigma": [1, 2]}`,
	} {
		var a, b langevinv1.ScoreRequest
		if err := readJSONText([]byte(short), &a, 1<<20); err != nil {
			t.Errorf("%s: %v", short, err)
		}
		if err := readJSONText([]byte(long), &b, 1<<20); err != nil {
			t.Errorf("%s: %v", long, err)
		}
		if !proto.Equal(&a, &b) {
			t.Errorf("%s is read as %v, want %v", short, &a, &b)
		}
	}
}

// TestJSONMistakes: each mistake names its field, what was given, and what is allowed.
func TestJSONMistakes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		text, field, says string
	}{
		{`{"n": 1.5}`, "n", "n is 1.5: want a whole number"},
		{`{"n": "three"}`, "n", `n is "three": want a whole number`},
		{`{"n": {}}`, "n", "n is an object: want a whole number"},
		{`{"n": 9223372036854775808}`, "n", "want a whole number from -9223372036854775808 to 9223372036854775807"},
		{`{"n": 1e400}`, "n", "n is 1e400: want a whole number from"},
		{`{"n": 9007199254740993.0}`, "n", "want a whole number"},
		{`{"n": "Infinity"}`, "n", "n is Infinity: want a whole number"},
		{`{"seed": -1}`, "seed", "seed is -1: want a whole number from 0 to 18446744073709551615"},
		{`{"seed": 18446744073709551616}`, "seed", "seed is 18446744073709551616"},
		{`{"version": 4294967297}`, "version", "is 4294967297: want a whole number from -2147483648 to 2147483647"},
		{`{"model": 7}`, "model", "model is 7: want text"},
		{`{"model": "a", "model": "a"}`, "model", "model is given twice"},
		{`{"first_chain": 1, "firstChain": 1}`, "first_chain", "first_chain is given twice"},
		{`{"n": null, "n": 1}`, "n", "n is given twice"},
		{`{"langevin": {}, "edm": {}}`, "edm", "edm is given in addition to langevin: want one of annealed_langevin, "},
		{`{"langevin": {"sigma": "wide"}}`, "langevin.sigma", `langevin.sigma is`},
		{`{"langevin": {"sigma": 1e400}}`, "langevin.sigma", "1e400: want a number that float64 can hold"},
		{`{"langevin": {"denoise": 1}}`, "langevin.denoise", "langevin.denoise is 1: want true or false"},
		{`{"langevin": 3}`, "langevin", "langevin is 3: want an object"},
		{`{"annealed_langevin": {"sigmas": [3, 2, {}]}}`, "annealed_langevin.sigmas[2]", "is an object: want a number"},
		{`{"annealed_langevin": {"sigmas": [3, null]}}`, "annealed_langevin.sigmas[1]", "is null: want a number"},
		{`{"format": 1.5}`, "format", "format is 1.5: want a whole number"},
		{`{"format": "` + long + `"}`, "format", "xxx...: want raw, floats, png"},
		{`{"` + long + `": 1}`, long[:mostEcho] + "...", "is not a field of SampleRequest: it has model, "},
		{`{"a\nb": 1}`, `"a\nb"`, `"a\nb" is not a field`},
		{`{"preview": {"frames": 2, "everysteps": 3}}`, "preview.everysteps", "is not a field of PreviewOptions"},
		{`{"resume": {"x": {"values": [1, 1e39]}}}`, "resume.x.values[1]",
			"resume.x.values[1] is 1e39: want a number that float32 can hold, at most 3.4e+38"},
		{`{"resume": {"x": {"data": "?"}}}`, "resume.x.data", "want base64: byte 0 is not"},
		{`{"resume": {"x": [[1, 1e39]]}}`, "resume.x[0][1]", "resume.x[0][1] is 1e39"},
		{`{"resume": {"x": [[1], [1, 2]]}}`, "resume.x[1]", "is an array of more than 1: want 1, as the first"},
		{`{"resume": {"x": [[1, 2], [1]]}}`, "resume.x[1]", "is an array of 1: want 2, as the first"},
		{`{"resume": {"x": [[1, [2]]]}}`, "resume.x[0][1]", "is an array: want a number"},
		{`{"resume": {"x": [[[1]], [2]]}}`, "resume.x[1][0]", "is 2: want an array, as the first"},
		{`{"resume": {"x": [[], [2]]}}`, "resume.x[1]", "is an array of more than 0: want 0, as the first"},
		{`{"resume": {"x": [[1, 2], ["cat", 1]]}}`, "resume.x[1][0]",
			`is "cat": want a number; a category is the index`},
		{`{"resume": {"x": [[1, 2], 3]}}`, "resume.x[1]", "is 3: want an array, as the first"},
		{`{"resume": {"x": [[1, null]]}}`, "resume.x[0][1]", "is null: want a number"},
		{`{"resume": {"x": ["AA==", 2]}}`, "resume.x[1]", "is 2: want a picture, as the first"},
		{`{"resume": {"x": ` + strings.Repeat("[", 1<<16) + `}}`, "resume.x" + strings.Repeat("[0]", mostDepth),
			"is an array: want at most 16 axes"},
		{`[1]`, "", "the request is an array: want an object"},
		{`7`, "", "the request is 7: want an object"},
		{`{"n": 3`, "", "the request is not JSON: unexpected EOF"},
		{`{"n": tru}`, "n", "not JSON"},
		{`{} {}`, "", "text after its JSON object"},
	} {
		err := readJSONText([]byte(c.text), &langevinv1.SampleRequest{}, 1<<20)
		var p *problem
		if !errors.As(err, &p) {
			t.Errorf("%.60s: %v", c.text, err)
			continue
		}
		field := ""
		if len(p.Violations) > 0 {
			field = p.Violations[0].Field
		}
		if p.status != http.StatusBadRequest || field != c.field || !strings.Contains(p.Message, c.says) {
			t.Errorf("%.60s: %d, field %.90q, %.300q: want %.90q and %q", c.text, p.status, field, p.Message, c.field,
				c.says)
		}
		if len(p.Message) > 600 || strings.Contains(p.Message, "\n") {
			t.Errorf("%.60s: a message of %d bytes, or of several lines", c.text, len(p.Message))
		}
	}
}

// TestNumbers: numbers may have any form of JSON, and round as Go's own parser of float32 does.
func TestNumbers(t *testing.T) {
	var m langevinv1.ScoreRequest
	const text = `{"version": 1.2e1, "sigma": [16777217, "0.1", 1e-50, "NaN", "-Infinity", 3.4028235e38]}`
	if err := readJSONText([]byte(text), &m, 1<<20); err != nil {
		t.Fatal(err)
	}
	got := m.GetSigma()
	if m.GetVersion() != 12 || len(got) != 6 || got[0] != 16777216 || got[1] != 0.1 || got[2] != 0 ||
		got[3] == got[3] || !math.IsInf(float64(got[4]), -1) || got[5] != math.MaxFloat32 {
		t.Errorf("%s is read as %v", text, &m)
	}
}

// repeated is a text that repeats its middle until it has the given number of bytes.
func repeated(head, middle, tail string, bytes int) io.Reader {
	n := (bytes - len(head) - len(tail)) / len(middle)
	return strings.NewReader(head + strings.Repeat(middle, n) + tail)
}

// TestLargeJSON: the texts that take the most memory in other readers take a small multiple of a message here.
func TestLargeJSON(t *testing.T) {
	const text, most = 4 << 20, 1 << 20
	for name, body := range map[string]io.Reader{
		"deep":    repeated(`{"x": `, `[`, ``, text),
		"numbers": repeated(`{"x": {"values": [0`, `,0`, `]}}`, text),
		"rows":    repeated(`{"x": [[0]`, `,[0]`, `]}`, text),
		"objects": repeated(`{"x": {"values": [`, `{},`, `]}}`, text),
		"strings": repeated(`{"x": {"png": [""`, `,""`, `]}}`, text),
		"string":  repeated(`{"model": "`, `x`, `"}`, text),
		"base64":  repeated(`{"x": {"data": "`, `AAAA`, `"}}`, text),
		"escapes": repeated(`{"model": "`, `\u0041`, `"}`, text),
		"name":    repeated(`{"`, `x`, `": 1}`, text),
		"number":  repeated(`{"version": 1`, `0`, `}`, text),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := readJSON(&source{from: body}, &langevinv1.ScoreRequest{}, most)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 16*most {
			t.Errorf("%s: %v, and %d bytes were allocated in all", name, err, used)
		}
	}
	var m langevinv1.ScoreRequest
	whole := repeated(`{"x": {"data": "`, `AAAA`, `"}}`, most/3*4-1000)
	if err := readJSON(&source{from: whole}, &m, most); err != nil || len(m.GetX().GetData()) < most-2000 {
		t.Errorf("data of almost %d bytes: %v", most, err)
	}
}

// TestRoom: the bodies that are being read have a bound together, which small ones do not feel.
func TestRoom(t *testing.T) {
	r := &room{most: 100 << 10}
	first, second := r.open(), r.open()
	if err := errors.Join(first.take(free), first.take(100<<10), second.take(free)); err != nil {
		t.Fatal(err)
	}
	var p *problem
	if err := second.take(1); !errors.As(err, &p) || p.status != http.StatusTooManyRequests || p.RetryAfter != 1 ||
		!strings.Contains(p.Message, "http.max_open_body_bytes") {
		t.Errorf("a second large body: %v", err)
	}
	first.release()
	first.release()
	if err := second.take(100 << 10); err != nil {
		t.Errorf("after the first: %v", err)
	}
	if second.release(); r.used.Load() != 0 {
		t.Errorf("%d bytes are left when no body is", r.used.Load())
	}
}

// FuzzReadJSON: no body makes the reader panic, and every accepted body can be written and read again.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"x": [[[]]]}`, `{"x": [[1], 2]}`,
		`{"n": 1e99}`, `{"seed": -1}`, `{"preview": {"frames": 2, "everySteps": 3}}`,
		`{"langevin": null}`, `{"langevin": [], "x": {}}`,
		`{"inpainting": {"values": [1, 2], "mask": true, "refresh": "step"}}`,
		`{"resume": {"x": {"png": "AA=="}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m, again langevinv1.SampleRequest
		if readJSONText(body, &m, 1<<20) != nil {
			return
		}
		data := appendJSON(nil, &m)
		if !json.Valid(data) {
			t.Fatalf("%q is written as %s", body, data)
		}
		if err := readJSONText(data, &again, 1<<22); err != nil {
			t.Fatalf("%q is written as %s, which cannot be read: %v", body, data, err)
		}
	})
}

// TestObjectJoinsChunks: however a result is divided into chunks, it is the same JSON object.
func TestObjectJoinsChunks(t *testing.T) {
	object := func(sizes ...int64) string {
		o, next := &object{head: []byte("{}")}, byte(0)
		for _, n := range sizes {
			data := make([]byte, 4*n)
			for i := range data {
				data[i], next = next, next+1
			}
			tensor := &langevinv1.Tensor{Shape: []int64{n, 1}, Data: data}
			event := &langevinv1.SampleResponse_Chunk{Chunk: &langevinv1.Chunk{Tensor: tensor}}
			if err := o.event(&langevinv1.SampleResponse{Event: event}); err != nil {
				t.Fatal(err)
			}
		}
		o.finish(&langevinv1.Done{N: 5})
		return string(o.head)
	}
	if one, three := object(5), object(1, 3, 1); one != three || !strings.Contains(one, `"shape":[5,1]`) {
		t.Errorf("one chunk is %s\nthree are %s", one, three)
	}
}
