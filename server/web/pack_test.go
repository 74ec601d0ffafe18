package web_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
)

// pack compresses text with an encoding.
func pack(t *testing.T, encoding, text string) string {
	t.Helper()
	var packed bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&packed)
	if encoding == "deflate" {
		w = zlib.NewWriter(&packed)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// wrapped returns compressed bytes as a message of a stream that is marked as compressed.
func wrapped(packed string) string {
	return string(binary.BigEndian.AppendUint32([]byte{1}, uint32(len(packed)))) + packed
}

// doors are the protocols over HTTP. Each has a body that is answered and the header that names its encoding.
type door struct {
	name, path, media, header string
	body                      string
	envelope                  bool // the body is a message of a stream
	answered                  string
}

func doors(t *testing.T) []door {
	t.Helper()
	binary, err := proto.Marshal(&langevinv1.SampleRequest{Model: "gauss", N: proto.Int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	const (
		rest   = "/v1/models/gauss:sample"
		sample = langevinv1.SamplingService_Sample_FullMethodName
		list   = langevinv1.ModelService_ListModels_FullMethodName
	)
	const json, gauss = "application/connect+json", `{"model": "gauss", "n": 3}`
	return []door{
		{"plain JSON", rest, "application/json", "Content-Encoding", `{"n": 3}`, false, `"samples"`},
		{"Connect JSON", list, "application/json", "Content-Encoding", `{"pageSize": 1}`, false, `gauss`},
		{"Connect protobuf", list, "application/proto", "Content-Encoding", "\x08\x01", false, `gauss`},
		{"Connect stream of JSON", sample, json, "Connect-Content-Encoding", gauss, true, `done`},
		{"Connect stream of protobuf", sample, "application/connect+proto", "Connect-Content-Encoding", string(binary),
			true, `{}`},
		{"gRPC-Web JSON", sample, "application/grpc-web+json", "Grpc-Encoding", gauss, true, `status: 0`},
		{"gRPC-Web", sample, "application/grpc-web+proto", "Grpc-Encoding", string(binary), true, `status: 0`},
	}
}

// ask sends a body in a door's protocol and returns the status, and the whole answer in lower case.
func (d door) ask(t *testing.T, s *site, encoding, body string) (int, string) {
	t.Helper()
	if d.envelope {
		body = wrapped(body)
	}
	resp := s.do(t.Context(), t, http.MethodPost, d.path, body,
		"Content-Type", d.media, d.header, encoding, "Connect-Protocol-Version", "1")
	text := read(t, resp)
	if d.envelope {
		text = messages(t, text)
	}
	for name, values := range resp.Header {
		text += "\n" + name + ": " + strings.Join(values, ", ")
	}
	return resp.StatusCode, strings.ToLower(text)
}

// messages extracts the messages of a stream from their envelopes and decompresses them.
func messages(t *testing.T, stream string) string {
	t.Helper()
	var all strings.Builder
	for r := strings.NewReader(stream); r.Len() >= 5; {
		prefix := make([]byte, 5)
		if _, err := io.ReadFull(r, prefix); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, min(int(binary.BigEndian.Uint32(prefix[1:])), r.Len()))
		if _, err := io.ReadFull(r, message); err != nil {
			t.Fatal(err)
		}
		var plain io.Reader = bytes.NewReader(message)
		var err error
		if prefix[0]&1 == 1 && bytes.HasPrefix(message, []byte{0x1f, 0x8b}) {
			plain, err = gzip.NewReader(plain)
		} else if prefix[0]&1 == 1 {
			plain, err = zlib.NewReader(plain)
		}
		if err == nil {
			_, err = io.Copy(&all, plain)
		}
		if err != nil {
			t.Fatalf("message %q: %v", message, err)
		}
	}
	return all.String()
}

// TestPackedRequests: in every protocol, compressed requests are decompressed up to the limits.
func TestPackedRequests(t *testing.T) {
	s := open(t, func(c *server.Config) { c.HTTP.MaxBodyBytes, c.GRPC.MaxReceiveBytes = 1<<20, 1<<20 })
	const bombBytes = 64 << 20
	zeros := strings.Repeat(" ", bombBytes)
	for _, encoding := range []string{"gzip", "deflate"} {
		bomb := pack(t, encoding, zeros)
		for _, d := range doors(t) {
			if _, text := d.ask(t, s, encoding, pack(t, encoding, d.body)); !strings.Contains(text, d.answered) {
				t.Errorf("%s in %s: %.200q, want %s", d.name, encoding, text, d.answered)
			}
			_, text := d.ask(t, s, encoding, "not packed at all")
			if !hasAny(text, "invalid", "internal", "status: 13", "status: 3") {
				t.Errorf("%s, damaged %s: %.200q", d.name, encoding, text)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, text = d.ask(t, s, encoding, bomb)
			runtime.ReadMemStats(&after)
			// A client would retry an "unavailable".
			if !hasAny(text, "resource_exhausted", "status: 8") || strings.Contains(text, "unavailable") {
				t.Errorf("%s, a bomb of %s: %.300q, want it refused", d.name, encoding, text)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > bombBytes/4 {
				t.Errorf("%s, a bomb of %s: %d bytes were allocated", d.name, encoding, used)
			}
		}
	}
}

// TestForeignEncodings: an unknown encoding is refused in the form of each protocol, and the error lists the known
// ones.
func TestForeignEncodings(t *testing.T) {
	s := open(t, nil)
	for _, d := range doors(t) {
		status, text := d.ask(t, s, "br", d.body)
		refused := status == http.StatusUnsupportedMediaType || hasAny(text, "unimplemented", "status: 12")
		if d.name == "plain JSON" {
			refused = refused && strings.Contains(text, `content-encoding is \"br\": want gzip, deflate`) &&
				strings.Contains(text, "accept-encoding: gzip, deflate")
		}
		if !refused {
			t.Errorf("%s: %d %s", d.name, status, text)
		}
	}
	for _, encoding := range []string{"identity", "GZIP", "x-gzip"} {
		body := `{"n": 3}`
		if encoding != "identity" {
			body = pack(t, "gzip", body)
		}
		if status, text := s.post(t, "/v1/models/gauss:sample", body, "Content-Encoding",
			encoding); status != http.StatusOK {
			t.Errorf("%s: %d %s", encoding, status, text)
		}
	}
	twice := pack(t, "gzip", pack(t, "gzip", "{}"))
	status, text := s.post(t, "/v1/models/gauss:sample", twice, "Content-Encoding", "gzip, gzip")
	if status != http.StatusUnsupportedMediaType {
		t.Errorf("packed twice: %d %s", status, text)
	}
}

func hasAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// TestStrangersAreNotRead: a caller without a token is refused by the headers alone, before the body is read.
func TestStrangersAreNotRead(t *testing.T) {
	_, line := auth.NewToken("alice", auth.ScopeSample)
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, func(c *server.Config) { c.Auth.Tokens = file })
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for _, d := range doors(t) {
		body, write := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+d.path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", d.media)
		req.Header.Set(d.header, "gzip")
		resp, err := client.Do(req)
		write.Close()
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
			continue
		}
		text := read(t, resp) + resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status")
		resp.Body.Close()
		if !strings.Contains(strings.ToLower(text), "unauthenticated") && !strings.Contains(text, "16") {
			t.Errorf("%s: %d %q, want UNAUTHENTICATED", d.name, resp.StatusCode, text)
		}
		if resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id: the call passed no interceptor", d.name)
		}
	}
}

// TestPackedAnswers: answers are compressed for clients that accept it, if it pays, and never twice.
func TestPackedAnswers(t *testing.T) {
	s := open(t, nil)
	const sample, score = "/v1/models/gauss:sample", langevinv1.SamplingService_Score_FullMethodName
	const many = `{"n": 1000, "seed": 1}`
	points := `{"model": "gauss", "x": {"values": [` + strings.Repeat("2,", 1999) + `0]}, "sigma": [1], ` +
		`"format": "TENSOR_FORMAT_FLOATS"}`
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	answer := func(path, body, accept, wanted string, headers ...string) (string, http.Header) {
		t.Helper()
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", accept)
		if wanted != "" {
			req.Header.Set("Accept-Encoding", wanted)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text := read(t, resp)
		if resp.Header.Get("Content-Encoding") != "gzip" {
			return text, resp.Header
		}
		z, err := gzip.NewReader(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return string(plain), resp.Header
	}
	for _, c := range []struct {
		name, path, body, accept, wanted string
		packed                           bool
	}{
		{"page", "/main.js", "", "", "gzip, br", true},
		{"page, of one who does not", "/main.js", "", "", "", false},
		{"page, of one who refuses", "/main.js", "", "", "gzip;q=0, *;q=0", false},
		{"JSON", sample, many, "", "gzip", true},
		{"JSON, anything goes", sample, many, "", "deflate, gzip;q=0.5", true},
		{"JSON, plain", sample, many, "", "identity", false},
		{"little JSON", sample, `{"n": 1}`, "", "gzip", false},
		{"CSV", sample, many, "text/csv", "gzip", true},
		{"events", sample, many, "application/x-ndjson", "gzip", false},
		{"picture", "/v1/models/tiles:sample", `{"seed": 1}`, "image/png", "gzip", false},
		{"Connect", score, points, "", "gzip", true},
	} {
		text, header := answer(c.path, c.body, c.accept, c.wanted)
		if packed := header.Get("Content-Encoding") == "gzip"; packed != c.packed ||
			len(header.Values("Content-Encoding")) > 1 {
			t.Errorf("%s: Content-Encoding is %q", c.name, header.Values("Content-Encoding"))
		}
		plain, _ := answer(c.path, c.body, c.accept, "")
		if cut(text) != cut(plain) {
			t.Errorf("%s: %.100q, and %.100q unpacked", c.name, text, plain)
		}
		if !strings.Contains(strings.Join(header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%s: Vary is %q", c.name, header.Values("Vary"))
		}
	}
	text, header := answer(score, pack(t, "gzip", points), "", "gzip", "Content-Encoding", "gzip")
	if !strings.Contains(text, "-1") || len(header.Values("Content-Encoding")) != 1 {
		t.Errorf("packed both ways: %v %.200q", header, text)
	}
}

// cut cuts an answer before the first part that differs between calls: a seed or a duration.
func cut(text string) string {
	for _, word := range []string{`"elapsed"`, `"seed"`, `"eta"`} {
		text, _, _ = strings.Cut(text, word)
	}
	return text
}
