package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// TestMistakes: each mistake has its status, and the answer names the field.
func TestMistakes(t *testing.T) {
	s := open(t, func(c *server.Config) { c.HTTP.MaxBodyBytes = 1 << 12 })
	await(t, "the models", func() bool { return s.loaded(t) })
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"gauss:sample", `{"n": -3}`, 400, `"field":"n"`},
		{"gauss:sample", `{"chains": 3}`, 400, `chains is not a field of SampleRequest`},
		{"gauss:sample", `{"preview": {"everysteps": 3}}`, 400, `"field":"preview.everysteps"`},
		{"gauss:sample", `{"preview": {"frames": 3}}`, 400, `"field":"preview"`},
		{"gauss:sample", `{"n": 3`, 400, `not JSON`},
		{"gauss:sample", `{} {}`, 400, `text after`},
		{"gauss:sample", `[]`, 400, `want an object`},
		{"gauss:sample", `{"n": "three"}`, 400, `"field":"n"`},
		{"gauss:sample", `{"format": "gif"}`, 400, `want raw, floats, png`},
		{"gauss:sample", `{"model": "ring"}`, 400, `"field":"model"`},
		{"tiles:sample", `{"n": 200000}`, 400, `ndjson`},
		{"gauss:sample?timeout=soon", `{}`, 400, `"field":"timeout"`},
		{"gauss:score", `{"x": [[1, 2], [3]], "sigma": 1}`, 400, `"field":"x[1]"`},
		{"gauss:score", `{"x": [[1, "a"]], "sigma": 1}`, 400, `"field":"x[0][1]"`},
		{"tiles:detect", `{"x": [["NaN", 1]]}`, 400, `x is NaN at element 0: want finite numbers`},
		{"gauss:score", `{"x": [], "sigma": 1}`, 400, `"field":"x"`},
		{"gauss:score", `{"x": [[1, 2]], "sigma": [1, -1]}`, 400, `"field":"sigma"`},
		{"gauss:sample", `{"given": [{"class": 3}]}`, 400, `"field":"given[0].class"`},
		{"gauss:sample", `{"given": [{"class": "red"}]}`, 400, `given[0].class is \"red\": want a whole number`},
		{"gauss:sample", `{"given": [{"class": 1, "class_name": "red"}]}`, 400, `"field":"given[0].class_name"`},
		{"gauss:sample", `{"given": [{"klass": 1}]}`, 400, `it has class, class_name, vector`},
		{"gauss:sample", `{"given": [{"vector": [1]}]}`, 400, `given[0].vector is an array: want an object`},
		{"gauss:sample", `{"guidance_scale": 2}`, 400, `"field":"guidance_scale"`},
		{"gauss:sample", `{"terms": [{"given": {"class": 3}}]}`, 400, `"field":"terms[0].given.class"`},
		{"gauss:sample", `{"terms": [{"weight": "a"}]}`, 400, `"field":"terms[0].weight"`},
		{"gauss:sample", `{"own_weight": 0}`, 400, `"field":"own_weight"`},
		{"gauss:sample", `{"measurement": {"matrix": {"rows": [[1, 0]]}, "values": {"shape": 2, "values": 3}}}`, 400,
			`"field":"measurement.values.shape"`},
		{"gauss:train", `{}`, 404, `verbs sample, score, encode, decode, likelihood, detect`},
		{"gauss", `{}`, 405, `want GET`},
		{"gauss:sample?timout=3s", `{}`, 400, `"field":"timout"`},
		{"gauss:sample?timeout=3s&timeout=4s", `{}`, 400, `given 2 times`},
		{"gauss/versions/4294967297:sample", `{}`, 400, `want a whole number from 1 to 2147483647`},
		{"gauss:score", `{"x": [[1, 2]], "sigma": 1e39}`, 400, `sigma is 1e39`},
		{"gauss:sample", `{"model": "` + strings.Repeat("x", 3000) + `"}`, 400, `xxx... here and gauss in the path`},
		{"gauss/versions/one:sample", `{}`, 400, `"field":"version"`},
		{"gauss/versions/7:sample", `{}`, 404, `MODEL_NOT_FOUND`},
		{"gauss:score", `{"x": "` + strings.Repeat("x", 1<<13) + `"}`, 413, `too large`},
	} {
		status, text := s.post(t, "/v1/models/"+c.path, c.body)
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %.60s: %d %s, want %d with %s", c.path, c.body, status, text, c.status, c.want)
		}
		if e := decode[struct {
			Error struct{ Code, Message string }
		}](t, text).Error; e.Code == "" || e.Message == "" || strings.Contains(e.Message, "\n") {
			t.Errorf("%s: no code or no line of text in %s", c.path, text)
		}
	}
}

// TestOtherMethods: a path that has other methods says which.
func TestOtherMethods(t *testing.T) {
	s := open(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/v1/models", "GET"}, {"PUT", "/v1/models/gauss", "GET"},
		{"DELETE", "/v1/models/gauss/versions/1", "GET"},
		{"GET", "/v1/models/gauss:sample", "POST"}, {"PUT", "/v1/models/gauss/versions/1:score", "POST"},
		{"POST", "/healthz", "GET"}, {"POST", "/v1/samplers", "GET"}, {"POST", "/main.js", "GET"},
		{"GET", langevinv1.SamplingService_Score_FullMethodName, "POST"},
	} {
		resp := s.do(t.Context(), t, c.method, c.path, "")
		text := read(t, resp)
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != c.allow ||
			!strings.Contains(text, "want "+c.allow) {
			t.Errorf("%s %s: %d, Allow %q, %s", c.method, c.path, resp.StatusCode, resp.Header.Get("Allow"), text)
		}
	}
	for _, path := range []string{"/v1/models/", "/v1/nothing", "/v1/models/gauss:draw"} {
		if status, text := s.get(t, path); status != http.StatusNotFound || !strings.Contains(text, "GET /v1/models") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, path := range []string{
		"/v1/models?pagesize=3", "/v1/models/gauss?x=1", "/v1/samplers?x", "/openapi.json?x",
	} {
		if status, text := s.get(t, path); status != http.StatusBadRequest ||
			!strings.Contains(text, "is in the query") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if resp := s.do(t.Context(), t, http.MethodHead, "/v1/models", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
}

// TestConnectMistakes: what is no call is an invalid argument, in every form of the protocol.
func TestConnectMistakes(t *testing.T) {
	s := open(t, nil)
	const (
		score       = langevinv1.SamplingService_Score_FullMethodName
		sample      = langevinv1.SamplingService_Sample_FullMethodName
		json, proto = "application/json", "application/proto"
		stream, web = "application/connect+json", "application/grpc-web+proto"
	)
	cut := string(envelope(`{"n": 3}`))[:9]
	for _, c := range []struct {
		path, media, body string
		status            int
		says              string
	}{
		{score, json, `{"model": `, 400, `"invalid_argument"`},
		{score, json, `{"model": "gauss", "sigmas": 1}`, 400, `"field":"sigmas"`},
		{score, json, `{"model": "gauss", "model": "tiles"}`, 400, `"field":"model"`},
		{score, json, ``, 400, `x is 0 elements`},
		{score, proto, "\xff\xff", 400, `"invalid_argument"`},
		{score, "text/plain", `{}`, 415, `want one of application/json, application/proto, application/connect+json`},
		{sample, json, `{}`, 415, `want one of application/connect+json`},
		{score + "?n=3", json, `{}`, 400, `"field":"n"`},
		{sample, stream, ``, 200, `"invalid_argument","message":"the request has 0 bytes`},
		{sample, stream, `hello, no envelope`, 200, `"invalid_argument","message":"the flag`},
		{sample, stream, cut, 200, `"invalid_argument","message":"the request ends after 4 of the 8 bytes`},
		{sample, stream, string(envelope(`{"n": `)), 200, `"invalid_argument"`},
		{sample, stream, string(envelope(`{"chains": 3}`)), 200, `"field":"chains"`},
		{sample, "application/connect+proto", string(envelope("\xff\xff")), 200, `"invalid_argument"`},
		{sample, web, string(envelope("\xff\xff")), 200, `status:[3]`},
		{sample, web, `no envelope`, 200, `status:[3]`},
		{"/langevin.v1.SamplingService/Draw", json, `{}`, 501, `unknown method Draw`},
	} {
		resp := s.do(t.Context(), t, http.MethodPost, c.path, c.body, "Content-Type", c.media)
		text := read(t, resp) + strings.ToLower(fmt.Sprint(resp.Header))
		if resp.StatusCode != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s of %q as %s: %d %.400s, want %d with %s", c.path, c.body, c.media, resp.StatusCode, text,
				c.status, c.says)
		}
	}
	empty := s.do(t.Context(), t, http.MethodPost, langevinv1.ModelService_ListModels_FullMethodName, "",
		"Content-Type", proto, "Connect-Timeout-Ms", "5000")
	if text := read(t, empty); empty.StatusCode != http.StatusOK || !strings.Contains(text, "gauss") {
		t.Errorf("an empty message in protobuf: %d %.100q", empty.StatusCode, text)
	}
}
