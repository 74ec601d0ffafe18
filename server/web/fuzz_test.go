package web_test

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// frame returns a message in the envelope of Connect and gRPC-Web: flags, the length, the message.
func frame(flags byte, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message))), message...)
}

// FuzzFrames sends any bytes as the body of a streaming call, by Connect and by gRPC-Web, and of a plain call. The
// server answers every one, in the form of the protocol, and goes on.
func FuzzFrames(f *testing.F) {
	message, err := proto.Marshal(&langevinv1.SampleRequest{N: proto.Int64(1), Seed: proto.Uint64(1)})
	if err != nil {
		f.Fatal(err)
	}
	text := []byte(`{"n": "1", "seed": "1"}`)
	for _, body := range [][]byte{
		frame(0, message), frame(0, text), frame(1, message), frame(2, text), frame(0, text)[:7], frame(0, nil), nil,
		append(frame(0, message), frame(0, message)...), {0, 0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0, 0},
	} {
		f.Add(body)
	}
	s := open(f, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, kind := range []string{"application/connect+proto", "application/connect+json",
			"application/grpc-web+proto", "application/proto", "application/json"} {
			path := "/langevin.v1.SamplingService/Sample"
			if !strings.Contains(kind, "connect") && !strings.Contains(kind, "grpc") {
				path = "/langevin.v1.ModelService/ListModels"
			}
			checkAnswer(t, kind, s.do(t.Context(), t, http.MethodPost, path, string(body), "Content-Type", kind))
		}
	})
}

// checkAnswer fails the test unless an answer is whole and has the form that its kind promises.
func checkAnswer(t *testing.T, kind string, resp *http.Response) {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || len(text) == 1<<20 {
		t.Errorf("%s: an answer of %d bytes: %v", kind, len(text), err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s: status %d, as if the server were at fault: %.300q", kind, resp.StatusCode, text)
	}
	if resp.StatusCode != http.StatusOK && len(text) > 0 && kind == "application/json" && !json.Valid(text) {
		t.Errorf("%s: an error of %.300q", kind, text)
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Content-Type"), "+") {
		return
	}
	for len(text) > 0 {
		if len(text) < 5 || uint64(binary.BigEndian.Uint32(text[1:])) > uint64(len(text)-5) {
			t.Errorf("%s: an answer whose last envelope is not whole: %.300q", kind, text)
			return
		}
		text = text[5+binary.BigEndian.Uint32(text[1:]):]
	}
}
