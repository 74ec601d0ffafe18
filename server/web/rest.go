package web

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// rest answers JSON requests.
//
//	GET  /v1/models                    ?page_size=, ?page_token=
//	GET  /v1/models/NAME               or /v1/models/NAME/versions/VERSION, also below
//	GET  /v1/samplers                  a file, see [samplersFile]
//	POST /v1/models/NAME:sample        by Accept: one JSON object, events (NDJSON or SSE), CSV, PNG
//	POST /v1/models/NAME:score         also :encode, :decode, :likelihood, :detect
//
// The bodies are the requests of the langevin.v1 API without model and version; [readJSON] describes their form.
// ?timeout=10s is the deadline of a call.
//
// A body may have the Content-Encoding gzip or deflate. It is not read if the call will be refused.
type rest struct {
	calls        caller
	room         *room
	maxBodyBytes int64
}

// health reports whether the server would answer calls.
func (s *rest) health(w http.ResponseWriter, r *http.Request) {
	resp := &healthv1.HealthCheckResponse{}
	err := s.unary(r, healthv1.Health_Check_FullMethodName, &healthv1.HealthCheckRequest{}, resp, 0, w.Header())
	if err == nil && resp.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		err = status.Error(codes.Unavailable, "not serving: models are being loaded, or the server is stopping")
	}
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	writeJSON(w, []byte(`{"status":"serving"}`))
}

// enter is [caller.enter]. It answers a request that is not allowed.
func (s *rest) enter(w http.ResponseWriter, r *http.Request, method string) (*http.Request, bool) {
	r, allowed := s.calls.enter(r, method)
	if !allowed {
		writeProblem(w, r, s.calls.turnAway(r, method, w.Header()))
	}
	return r, allowed
}

func (s *rest) listModels(w http.ResponseWriter, r *http.Request) {
	const method = langevinv1.ModelService_ListModels_FullMethodName
	r, allowed := s.enter(w, r, method)
	if !allowed {
		return
	}
	req := &langevinv1.ListModelsRequest{}
	timeout, err := timeoutOf(r, "page_size", "page_token")
	if err == nil {
		query := r.URL.Query()
		query.Del("timeout")
		err = readQuery(query, req)
	}
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	s.answer(w, r, method, req, &langevinv1.ListModelsResponse{}, timeout)
}

func (s *rest) getModel(w http.ResponseWriter, r *http.Request) {
	const method = langevinv1.ModelService_GetModel_FullMethodName
	r, allowed := s.enter(w, r, method)
	if !allowed {
		return
	}
	name, version, err := modelOf(target(r, r.PathValue("target")))
	timeout, timeoutErr := timeoutOf(r)
	if err == nil {
		err = timeoutErr
	}
	resp := &langevinv1.GetModelResponse{}
	if err == nil {
		err = s.unary(r, method, &langevinv1.GetModelRequest{Name: name, Version: version}, resp, timeout, w.Header())
	}
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	writeJSON(w, appendJSON(nil, resp.GetModel()))
}

// verb is an operation on a model.
type verb struct {
	name, method string
	req, resp    proto.Message
}

// verbs returns all operations, with new messages.
func verbs() []verb {
	return []verb{
		{"sample", langevinv1.SamplingService_Sample_FullMethodName, &langevinv1.SampleRequest{}, nil},
		{"score", langevinv1.SamplingService_Score_FullMethodName, &langevinv1.ScoreRequest{},
			&langevinv1.ScoreResponse{}},
		{"encode", langevinv1.SamplingService_Encode_FullMethodName, &langevinv1.EncodeRequest{},
			&langevinv1.EncodeResponse{}},
		{"decode", langevinv1.SamplingService_Decode_FullMethodName, &langevinv1.DecodeRequest{},
			&langevinv1.DecodeResponse{}},
		{"likelihood", langevinv1.SamplingService_LogLikelihood_FullMethodName, &langevinv1.LogLikelihoodRequest{},
			&langevinv1.LogLikelihoodResponse{}},
		{"detect", langevinv1.SamplingService_Detect_FullMethodName, &langevinv1.DetectRequest{},
			&langevinv1.DetectResponse{}},
	}
}

func verbOf(name string) (verb, bool) {
	all := verbs()
	if i := slices.IndexFunc(all, func(v verb) bool { return v.name == name }); i >= 0 {
		return all[i], true
	}
	return verb{}, false
}

// target returns the model and the version that a path names, whose last part is given without a verb.
func target(r *http.Request, last string) (model, version string) {
	if outer := r.PathValue("name"); outer != "" {
		return outer, last
	}
	return last, ""
}

// act answers POST .../TARGET:VERB.
func (s *rest) act(w http.ResponseWriter, r *http.Request) {
	last, name, _ := strings.Cut(r.PathValue("target"), ":")
	v, _ := verbOf(name)
	r, allowed := s.enter(w, r, v.method)
	if !allowed {
		return
	}
	model, version := target(r, last)
	timeout, err := s.read(r, v, model, version)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	if req, ok := v.req.(*langevinv1.SampleRequest); ok {
		s.sample(w, r, req, timeout)
		return
	}
	s.answer(w, r, v.method, v.req, v.resp, timeout)
}

// read fills a verb's request from the body and the path.
func (s *rest) read(r *http.Request, v verb, model, version string) (time.Duration, error) {
	body, err := unpacked(r, s.maxBodyBytes)
	if err != nil {
		return 0, err
	}
	part := s.room.open()
	defer part.release()
	text := &source{from: body, portion: part, ctx: r.Context()}
	if err := readJSON(text, v.req, s.calls.maxMessageBytes); err != nil {
		return 0, err
	}
	name, number, err := modelOf(model, version)
	if err != nil {
		return 0, err
	}
	fields := v.req.ProtoReflect()
	set := func(field string, value protoreflect.Value) error {
		d := fields.Descriptor().Fields().ByName(protoreflect.Name(field))
		if d == nil {
			return nil
		}
		if fields.Has(d) && !fields.Get(d).Equal(value) {
			return invalid(field, "%s is %s here and %s in the path: leave it out here", field,
				clipped(fields.Get(d).String()), clipped(value.String()))
		}
		fields.Set(d, value)
		return nil
	}
	if err := set("model", protoreflect.ValueOfString(name)); err != nil {
		return 0, err
	}
	if number != 0 {
		if err := set("version", protoreflect.ValueOfInt32(number)); err != nil {
			return 0, err
		}
	}
	format := fields.Descriptor().Fields().ByName("format")
	if format != nil && !fields.Has(format) {
		fields.Set(format, protoreflect.ValueOfEnum(langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS.Number()))
	}
	return timeoutOf(r)
}

// modelOf returns the model's name and version in a path.
func modelOf(name, version string) (string, int32, error) {
	if version == "" {
		return name, 0, nil
	}
	n, err := strconv.ParseInt(version, 10, 32)
	if err != nil || n < 1 {
		return "", 0, invalid("version", "version is %s: want a whole number from 1 to %d", clipped(version),
			math.MaxInt32)
	}
	return name, int32(n), nil
}

// timeoutOf returns the deadline of a request; 0 for none. It refuses every key of the query but timeout and the others
// given.
func timeoutOf(r *http.Request, others ...string) (time.Duration, error) {
	if err := onlyKeys(r, append(others, "timeout")...); err != nil {
		return 0, err
	}
	text := r.URL.Query().Get("timeout")
	if text == "" {
		return 0, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout < time.Millisecond {
		return 0, invalid("timeout", "timeout is %q: want a duration of 1ms or more, such as 10s", clipped(text))
	}
	return timeout, nil
}

// unary makes a call that has one message as its answer.
func (s *rest) unary(r *http.Request, method string, req, resp proto.Message, timeout time.Duration,
	header http.Header) error {
	return s.calls.call(r, method, req, timeout, header, func(data []byte) error { return proto.Unmarshal(data, resp) })
}

func (s *rest) answer(w http.ResponseWriter, r *http.Request, method string, req, resp proto.Message,
	timeout time.Duration) {
	if err := s.unary(r, method, req, resp, timeout, w.Header()); err != nil {
		writeProblem(w, r, err)
		return
	}
	writeJSON(w, appendJSON(nil, resp))
}

func (s *rest) unknown(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	writeProblem(w, r, &problem{
		Code: "NOT_FOUND", status: http.StatusNotFound,
		Message: clipped(r.Method) + " " + clipped(r.URL.Path) +
			": there are GET /v1/models, GET /v1/models/NAME, GET /v1/samplers, and " +
			"POST /v1/models/NAME:VERB with the verbs " + strings.Join(names, ", "),
	})
}

func writeJSON(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	// The write fails only if the client has left.
	_, _ = w.Write(append(data, '\n'))
}
