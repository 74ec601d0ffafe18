package web_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/server"
)

const jsonLength = "Inference-Header-Content-Length"

// infer asks for an inference with JSON and bytes after it, and returns the status, the JSON and the bytes of the
// answer. Without bytes there is no header.
func infer(t *testing.T, url, text string, after []byte) (int, map[string]any, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url,
		io.MultiReader(strings.NewReader(text), bytes.NewReader(after)))
	if err != nil {
		t.Fatal(err)
	}
	if after != nil {
		req.Header.Set(jsonLength, strconv.Itoa(len(text)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	length := len(body)
	if given := resp.Header.Get(jsonLength); given != "" {
		if length, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	var answer map[string]any
	if err := json.Unmarshal(body[:length], &answer); err != nil {
		t.Fatalf("%s: %v: %.200q", text, err, body)
	}
	return resp.StatusCode, answer, body[length:]
}

// firstOutput returns the first output of an answer.
func firstOutput(t *testing.T, answer map[string]any) map[string]any {
	t.Helper()
	outputs, _ := answer["outputs"].([]any)
	if len(outputs) != 1 {
		t.Fatalf("%v: want one output", answer)
	}
	return outputs[0].(map[string]any)
}

// TestOIP asks one server in the REST form of the Open Inference Protocol.
func TestOIP(t *testing.T) {
	s := open(t, func(c *server.Config) { c.GRPC.MaxReceiveBytes = 1 << 16 })
	t.Run("bytes", func(t *testing.T) { testOIPBytes(t, s) })
	t.Run("pictures", func(t *testing.T) { testOIPPictures(t, s) })
	t.Run("descriptions", func(t *testing.T) { testOIPDescribes(t, s) })
	t.Run("mistakes", func(t *testing.T) { testOIPMistakes(t, s) })
	t.Run("short", func(t *testing.T) { testShortOIP(t, s) })
}

// testOIPBytes: the same request draws the same numbers as JSON and as bytes, with inputs in either form, and the same
// as JSON over HTTP in our own form.
func testOIPBytes(t *testing.T, s *site) {
	url := s.url + "/v2/models/gauss/infer"
	count := binary.LittleEndian.AppendUint64(nil, 3)
	const head = `{"id": "a", "inputs": [{"name": "num_samples", "datatype": "INT64", "shape": [1], `
	_, plain, _ := infer(t, url, head+`"data": [3]}], "parameters": {"seed": 7}}`, nil)
	status, mixed, data := infer(t, url, head+
		`"parameters": {"binary_data_size": 8}}], "parameters": {"seed": 7, "binary_data_output": true}}`, count)
	out := firstOutput(t, plain)
	numbers, _ := out["data"].([]any)
	if status != http.StatusOK || plain["id"] != "a" || plain["model_version"] != "1" || len(numbers) != 6 ||
		len(data) != 24 || firstOutput(t, mixed)["parameters"].(map[string]any)["binary_data_size"] != 24.0 ||
		fmt.Sprint(out["shape"]) != "[3 2]" {
		t.Fatalf("%d, %v, %v with %d bytes", status, plain, mixed, len(data))
	}
	_, own := s.post(t, "/v1/models/gauss:sample", `{"n": 3, "seed": 7}`)
	for i, v := range numbers {
		want := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		text := strconv.FormatFloat(float64(want), 'g', -1, 32)
		if float32(v.(float64)) != want || !strings.Contains(own, text) {
			t.Errorf("number %d is %v as JSON, %v as bytes, and not in %s", i, v, want, own)
		}
	}
}

// testOIPPictures: byte strings are in base64, or as bytes with their length.
func testOIPPictures(t *testing.T, s *site) {
	url := s.url + "/v2/models/tiles/versions/1/infer"
	_, answer, _ := infer(t, url, `{"outputs": [{"name": "png"}], "parameters": {"seed": 1}}`, nil)
	out := firstOutput(t, answer)
	_, _, data := infer(t, url,
		`{"outputs": [{"name": "png", "parameters": {"binary_data": true}}], "parameters": {"seed": 1}}`, []byte{})
	pictures, err := json.Marshal([][]byte{data[4:]})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(out["data"])
	if err != nil || string(text) != string(pictures) || !bytes.HasPrefix(data[4:], []byte("\x89PNG")) {
		t.Errorf("%s as JSON, %s as bytes", text, pictures)
	}
}

// testOIPDescribes: the paths without a body answer in the protocol's form.
func testOIPDescribes(t *testing.T, s *site) {
	for path, want := range map[string]string{
		"/v2":                                 `"name":"langevin"`,
		"/v2/health/live":                     `{"live":true}`,
		"/v2/health/ready":                    `{"ready":true}`,
		"/v2/models/gauss":                    `{"name":"num_samples","datatype":"INT64","shape":[1]}`,
		"/v2/models/gauss.score":              `{"name":"sigma","datatype":"FP32","shape":[-1]}`,
		"/v2/models/gauss/ready":              `{"ready":true}`,
		"/v2/models/gauss/versions/1":         `"versions":["1"]`,
		"/v2/models/gauss/versions/1/ready":   `{"ready":true}`,
		"/v2/models/nobody":                   `{"error":"model \"nobody\" not found: there are gauss, tiles`,
		"/v2/models/gauss/versions/2/ready":   `"code":"NOT_FOUND"`,
		"/v2/models/gauss/versions/two/ready": `{"error":"model_version is \"two\": want a whole number`,
		"/v2/models/gauss/infer":              `{"error":"GET /v2/models/gauss/infer: want POST"`,
		"/v2/models":                          `{"error":"GET /v2/models: there are GET /v2,`,
		"/v2/health/live?a=b":                 `{"error":"a is in the query: want no query here"`,
	} {
		if _, body := s.get(t, path); !strings.Contains(body, want) {
			t.Errorf("GET %s: %s, want %s", path, body, want)
		}
	}
}

// testShortOIP: a request that ends before the JSON whose length it gives is refused.
func testShortOIP(t *testing.T, s *site) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/models/gauss/infer",
		strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(jsonLength, "5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusBadRequest ||
		!strings.Contains(string(text), jsonLength+" is 5, and the request ends 3 bytes before that") {
		t.Errorf("%d %s, %v", resp.StatusCode, text, err)
	}
}

// testOIPMistakes: wrong requests are refused with one line that says what is wrong.
func testOIPMistakes(t *testing.T, s *site) {
	url := s.url + "/v2/models/gauss/infer"
	count := func(rest string) string {
		return `{"inputs": [{"name": "num_samples", "shape": [1], "datatype": "INT64"` + rest + `}]}`
	}
	eight := make([]byte, 8)
	for _, c := range []struct {
		text  string
		after []byte
		want  string
	}{
		{`{`, nil, "the request is not JSON"},
		{`[]`, nil, "the request is an array: want an object"},
		{`{} {}`, nil, "text after its JSON object"},
		{`{"input": []}`, nil, "input is not a field of the request: it has id, model_name"},
		{`{"id": "a", "id": "b"}`, nil, "duplicate"},
		{`{"model_name": "tiles"}`, nil, "model_name is tiles here and gauss in the path"},
		{`{"parameters": {"seed": []}}`, nil, "parameters.seed is an array: want a number, text, or true or false"},
		{`{"parameters": {"sede": 1}}`, nil, "sede"},
		{`{"outputs": [{"name": "nothing"}]}`, nil, `outputs is "nothing": want one of samples`},
		{count(``), nil, "inputs[0] has data: false, and parameters.binary_data_size: false: want one of the two"},
		{count(`, "data": [1], "parameters": {"binary_data_size": 8}`), eight, "want one of the two"},
		{count(`, "data": [1.5]`), nil, "inputs[0] has the number 1.5: want whole numbers"},
		{count(`, "data": ["a"]`), nil, `inputs[0].data[0] is "a": want a number`},
		{count(`, "data": [1, 2]`), nil, "inputs.num_samples is 16 bytes: want 8 for each element"},
		{count(`, "data": [` + strings.Repeat("[", 40) + `1]`), nil, "more than 16"},
		{count(`, "parameters": {"binary_data_size": 8}`), nil, "the request has no header " + jsonLength},
		{count(`, "parameters": {"binary_data_size": 8}`), eight[:3], "inputs[0] has 3 bytes after the JSON: want 8"},
		{count(`, "parameters": {"binary_data_size": 7}`), eight, "goes on after its last input"},
		{count(`, "parameters": {"binary_data_size": -1}`), eight, "binary_data_size is -1: want 0 or more"},
		{count(`, "parameters": {"binary_data_size": 1000000}`), eight, "at most 65536 bytes"},
		{`{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[1, 1e39]]}]}`, nil, "float32"},
	} {
		status, answer, _ := infer(t, url, c.text, c.after)
		if text, _ := answer["error"].(string); status/100 != 4 || !strings.Contains(text, c.want) ||
			strings.Contains(text, "\n") {
			t.Errorf("%s: %d, %v, want %s", c.text, status, answer, c.want)
		}
	}
}
