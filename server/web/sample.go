package web

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// maxElements is the largest number of elements in a result that is sent as one JSON object, which must be complete
// before its first byte is sent.
const maxElements = 4 << 20

// form is a way to answer a Sample call.
type form interface {
	// prepare adapts the request or returns an error.
	prepare(req *langevinv1.SampleRequest) error
	// event receives one event.
	event(resp *langevinv1.SampleResponse) error
	// end receives the error with which the call ended.
	end(err error)
}

// sample answers in the first form that the request accepts.
func (s *rest) sample(w http.ResponseWriter, r *http.Request, req *langevinv1.SampleRequest, timeout time.Duration) {
	f := formOf(w, r)
	if err := f.prepare(req); err != nil {
		f.end(err)
		return
	}
	resp := &langevinv1.SampleResponse{}
	err := s.calls.call(r, langevinv1.SamplingService_Sample_FullMethodName, req, timeout, w.Header(),
		func(data []byte) error {
			if err := proto.Unmarshal(data, resp); err != nil {
				return err
			}
			return f.event(resp)
		})
	f.end(err)
}

func formOf(w http.ResponseWriter, r *http.Request) form {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, _, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		switch media {
		case "text/event-stream":
			return &stream{w: w, r: r, media: media, before: "event: ", between: "\ndata: ", after: "\n\n"}
		case "application/x-ndjson", "application/jsonl":
			return &stream{w: w, r: r, media: media, after: "\n"}
		case "text/csv":
			return &table{w: w, r: r}
		case "image/png":
			return &picture{w: w, r: r}
		}
	}
	return &object{w: w, r: r}
}

// stream sends every event at once: as a line of JSON or as an SSE event.
type stream struct {
	w                             http.ResponseWriter
	r                             *http.Request
	media, before, between, after string
	started                       bool
	buffer                        []byte
}

func (s *stream) prepare(*langevinv1.SampleRequest) error { return nil }

func (s *stream) event(resp *langevinv1.SampleResponse) error {
	m := resp.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
	if field == nil {
		return nil // an event of a newer server
	}
	s.begin()
	s.buffer = s.buffer[:0]
	if s.before != "" {
		s.buffer = append(append(append(s.buffer, s.before...), field.Name()...), s.between...)
		s.buffer = appendMessage(s.buffer, m.Get(field).Message())
	} else {
		s.buffer = appendMessage(s.buffer, m)
	}
	s.buffer = append(s.buffer, s.after...)
	return s.send()
}

func (s *stream) begin() {
	if s.started {
		return
	}
	s.started = true
	s.w.Header().Set("Content-Type", s.media)
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Accel-Buffering", "no") // nginx would otherwise hold events back
}

func (s *stream) send() error {
	if _, err := s.w.Write(s.buffer); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// end reports an error as a status while the status can still be chosen, and as the last event otherwise.
func (s *stream) end(err error) {
	if err == nil {
		return
	}
	if !s.started {
		writeProblem(s.w, s.r, err)
		return
	}
	s.buffer = s.buffer[:0]
	if s.before != "" {
		s.buffer = append(append(append(s.buffer, s.before...), "error"...), s.between...)
	}
	p := *problemOf(err)
	p.RequestID = s.w.Header().Get(requestIDHeader)
	s.buffer = append(append(s.buffer, p.json()...), s.after...)
	// The write fails only if the client has left.
	_ = s.send()
}

// object sends the whole result as one JSON object.
type object struct {
	w       http.ResponseWriter
	r       *http.Request
	head    []byte
	samples [][]byte           // the rows of each chunk
	raw     *langevinv1.Tensor // all rows, if they come as bytes
}

func (o *object) prepare(req *langevinv1.SampleRequest) error {
	if req.GetPreview() != nil {
		return invalid("preview", "preview: events are sent with Accept: application/x-ndjson or text/event-stream")
	}
	return nil
}

func (o *object) event(resp *langevinv1.SampleResponse) error {
	switch e := resp.GetEvent().(type) {
	case *langevinv1.SampleResponse_Started:
		elements := e.Started.GetN()
		for _, n := range e.Started.GetShape() {
			elements *= n
		}
		if elements > maxElements {
			return invalid("n",
				"n is %d: at most %d numbers fit in one JSON object: "+
					"send Accept: application/x-ndjson or text/csv, or split by first_chain",
				e.Started.GetN(), maxElements)
		}
		o.head = appendJSON(nil, e.Started)
	case *langevinv1.SampleResponse_Chunk:
		o.add(e.Chunk.GetTensor())
	case *langevinv1.SampleResponse_Done:
		o.finish(e.Done)
	}
	return nil
}

// add adds the rows of a chunk. Those that come as bytes become one tensor, so that the object does not depend on how
// the rows were divided into chunks.
func (o *object) add(t *langevinv1.Tensor) {
	switch {
	case len(t.GetData()) == 0:
		o.samples = append(o.samples, appendJSON(nil, t))
	case o.raw == nil:
		o.raw = t
	default:
		o.raw.Data = append(o.raw.Data, t.GetData()...)
		o.raw.Shape[0] += t.GetShape()[0]
	}
}

// finish joins the started event, the rows of all chunks and the cost of the call.
func (o *object) finish(done *langevinv1.Done) {
	b := append(bytes.TrimSuffix(o.head, []byte("}")), `,"samples":`...)
	if o.raw != nil {
		b = append(appendJSON(append(b, '['), o.raw), ']')
	} else {
		for i, rows := range o.samples {
			if i > 0 {
				b[len(b)-1], rows = ',', rows[1:]
			}
			b = append(b, rows...)
		}
	}
	b = append(b, `,"nfe":`...)
	b = appendScalar(b, done.ProtoReflect().Descriptor().Fields().ByName("nfe"),
		protoreflect.ValueOfInt64(done.GetNfe()))
	b = append(b, `,"elapsed":`...)
	b = appendFloat(b, done.GetElapsed().AsDuration().Seconds(), 64)
	o.head = append(appendWeights(b, done), '}')
}

// appendWeights appends what the weights of particles say: without it, collapsed weights would pass in silence.
func appendWeights(b []byte, done *langevinv1.Done) []byte {
	if done.EffectiveSize == nil {
		return b
	}
	b = appendFloat(append(b, `,"effective_size":`...), done.GetEffectiveSize(), 64)
	b = appendFloat(append(b, `,"log_evidence":`...), done.GetLogEvidence(), 64)
	return strconv.AppendInt(append(b, `,"collapsed":`...), done.GetCollapsed(), 10)
}

func (o *object) end(err error) {
	if err != nil {
		writeProblem(o.w, o.r, err)
		return
	}
	writeJSON(o.w, o.head)
}

// setApproximate sets the header with the approximate of the started event, for the forms that have no other place for
// it. A nil event sets none.
func setApproximate(h http.Header, started *langevinv1.Started) {
	if started != nil {
		h.Set("X-Approximate", strconv.FormatBool(started.GetApproximate()))
	}
}

// setWeights sets the headers with what [appendWeights] appends to JSON, for the forms that have no other place for it.
func setWeights(h http.Header, done *langevinv1.Done) {
	if done == nil || done.EffectiveSize == nil {
		return
	}
	h.Set("X-Effective-Size", string(appendFloat(nil, done.GetEffectiveSize(), 64)))
	h.Set("X-Log-Evidence", string(appendFloat(nil, done.GetLogEvidence(), 64)))
	h.Set("X-Collapsed", strconv.FormatInt(done.GetCollapsed(), 10))
}

// table sends each chain as a line as it is drawn, with its elements separated by commas. The names of a table's
// columns come first. What the weights of particles say is known after the last line, so it comes in trailers.
type table struct {
	w       http.ResponseWriter
	r       *http.Request
	columns []*langevinv1.Column
	weighed bool // the chains have particles
	started bool
	buffer  []byte
}

func (t *table) prepare(req *langevinv1.SampleRequest) error {
	req.Format, req.Preview = langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS, nil
	return nil
}

func (t *table) event(resp *langevinv1.SampleResponse) error {
	switch e := resp.GetEvent().(type) {
	case *langevinv1.SampleResponse_Started:
		setApproximate(t.w.Header(), e.Started)
		t.columns, t.weighed = e.Started.GetColumns(), e.Started.GetMeasurement().GetParticles() != nil
	case *langevinv1.SampleResponse_Done:
		setWeights(t.w.Header(), e.Done)
	}
	tensor := resp.GetChunk().GetTensor()
	if tensor == nil {
		return nil
	}
	t.buffer = t.buffer[:0]
	if !t.started {
		t.started = true
		t.w.Header().Set("Content-Type", "text/csv")
		if t.weighed {
			t.w.Header().Set("Trailer", "X-Effective-Size, X-Log-Evidence, X-Collapsed")
		}
		if t.columns != nil {
			t.buffer = append(langevinv1.AppendCSV(t.buffer, t.columns), '\n')
		}
	}
	x := tensor.GetValues()
	dim := len(x) / max(1, int(tensor.GetShape()[0]))
	if size := len(t.columns); size > 0 {
		for ; len(x) >= size; x = x[size:] {
			t.buffer = append(langevinv1.AppendCSVRow(t.buffer, t.columns, x[:size]), '\n')
		}
		_, err := t.w.Write(t.buffer)
		return err
	}
	for i, v := range x {
		if i > 0 && i%dim == 0 {
			t.buffer = append(t.buffer, '\n')
		} else if i > 0 {
			t.buffer = append(t.buffer, ',')
		}
		t.buffer = appendFloat(t.buffer, float64(v), 32)
	}
	_, err := t.w.Write(append(t.buffer, '\n'))
	return err
}

// end breaks the connection after an error that is too late for a status, because an incomplete table must not look
// complete.
func (t *table) end(err error) {
	switch {
	case err == nil:
	case !t.started:
		writeProblem(t.w, t.r, err)
	default:
		panic(http.ErrAbortHandler)
	}
}

// picture sends one sample as a PNG file. What the weights of particles say comes in headers.
type picture struct {
	w    http.ResponseWriter
	r    *http.Request
	data []byte
}

func (p *picture) prepare(req *langevinv1.SampleRequest) error {
	if n := req.GetN(); req.N != nil && n != 1 {
		return invalid("n", "n is %d: a PNG has one sample; for more, accept JSON and set format to png", n)
	}
	req.Format, req.Preview = langevinv1.TensorFormat_TENSOR_FORMAT_PNG, nil
	return nil
}

func (p *picture) event(resp *langevinv1.SampleResponse) error {
	if pictures := resp.GetChunk().GetTensor().GetPng(); len(pictures) > 0 {
		p.data = bytes.Clone(pictures[0])
	}
	setApproximate(p.w.Header(), resp.GetStarted())
	setWeights(p.w.Header(), resp.GetDone())
	return nil
}

func (p *picture) end(err error) {
	if err == nil && p.data == nil {
		err = errors.New("no picture came")
	}
	if err != nil {
		writeProblem(p.w, p.r, err)
		return
	}
	p.w.Header().Set("Content-Type", "image/png")
	// The write fails only if the client has left.
	_, _ = p.w.Write(p.data)
}
