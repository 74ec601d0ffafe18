package rpc_test

import (
	"context"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/host"
)

// idle has nothing to reload.
type idle struct{}

func (idle) Load(context.Context, string, int) error  { return nil }
func (idle) Unload(string, int) error                 { return nil }
func (idle) ReloadAll(context.Context) []host.Failure { return nil }

// TestRules compares the rules of the .proto files with the server's checks. For every rule, at every place of a
// request where it applies, it sends a request that violates only this rule. Both must reject it and name the same
// field.
func TestRules(t *testing.T) {
	s := start(t)
	b := breaker{t: t, parts: s.parts(t), tried: make(map[string]bool)}
	for _, c := range s.calls() {
		t.Run(string(c.request.ProtoReflect().Descriptor().Name()), func(t *testing.T) {
			b.t, b.call = t, c
			b.visit(place{root: c.request})
		})
	}
	for _, rule := range statedRules() {
		if !b.tried[rule] {
			t.Errorf("the rule of %s is in no request that this test makes", rule)
		}
	}
}

// call is one RPC and a request that it accepts.
type call struct {
	request proto.Message
	do      func(context.Context, proto.Message) error
}

// unary calls a method of a generated client.
func unary[Req proto.Message, Resp any](request Req, method func(context.Context, Req, ...grpc.CallOption) (Resp,
	error)) call {
	return call{request, func(ctx context.Context, m proto.Message) error {
		_, err := method(ctx, m.(Req))
		return err
	}}
}

// points is a tensor of one sample of photos.
func points() *langevinv1.Tensor { return &langevinv1.Tensor{Values: make([]float32, 12)} }

func (s *service) calls() []call {
	sample := call{&langevinv1.SampleRequest{Model: "photos"}, func(ctx context.Context, m proto.Message) error {
		stream, err := s.sampling.Sample(ctx, m.(*langevinv1.SampleRequest))
		for err == nil {
			_, err = stream.Recv()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}}
	return []call{
		sample,
		unary(&langevinv1.ScoreRequest{Model: "photos", X: points(), Sigma: []float32{1}}, s.sampling.Score),
		unary(&langevinv1.EncodeRequest{Model: "photos", X: points()}, s.sampling.Encode),
		unary(&langevinv1.DecodeRequest{Model: "photos", Latent: points()}, s.sampling.Decode),
		unary(&langevinv1.LogLikelihoodRequest{Model: "photos", X: points()}, s.sampling.LogLikelihood),
		unary(&langevinv1.DetectRequest{Model: "photos", X: points(), Given: []*langevinv1.Given{class(1)}},
			s.sampling.Detect),
		unary(&langevinv1.ListModelsRequest{}, s.models.ListModels),
		unary(&langevinv1.GetModelRequest{Name: "points"}, s.models.GetModel),
		unary(&langevinv1.LoadModelRequest{Name: "points"}, s.admin.LoadModel),
		unary(&langevinv1.UnloadModelRequest{Name: "points"}, s.admin.UnloadModel),
		unary(&langevinv1.ReloadModelsRequest{}, s.admin.ReloadModels),
	}
}

// parts has valid messages for the fields of a request. Fields that may be empty are left out.
func (s *service) parts(t *testing.T) map[protoreflect.Name]proto.Message {
	t.Helper()
	photos, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: "photos"})
	if err != nil {
		t.Fatal(err)
	}
	return map[protoreflect.Name]proto.Message{
		"Tensor":        points(),
		"Guidance":      &langevinv1.Guidance{Model: "photos"},
		"Inpainting":    &langevinv1.Inpainting{Values: points(), Mask: []bool{true, false, false, true}},
		"Colourisation": &langevinv1.Colourisation{Grey: &langevinv1.Tensor{Values: make([]float32, 4)}},
		"Interpolation": &langevinv1.Interpolation{Columns: 2},
		"Resume":        &langevinv1.Resume{Digest: photos.GetModel().GetDigest(), X: points()},
		"Measurement": &langevinv1.Measurement{
			Operator: &langevinv1.Measurement_Grey{}, NoiseStd: 1,
			Values: &langevinv1.Tensor{Values: make([]float32, 4)},
		},
		"Mask":            &langevinv1.Mask{Seen: []bool{true, false, false, false}},
		"AveragePool":     &langevinv1.AveragePool{Factor: 2},
		"Blur":            &langevinv1.Blur{Kernel: &langevinv1.Tensor{Shape: []int64{1, 1}, Values: []float32{1}}},
		"Matrix":          &langevinv1.Matrix{Rows: floats(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2)},
		"Fourier":         &langevinv1.Fourier{Coefficients: []int32{1}},
		"Hadamard":        &langevinv1.Hadamard{Coefficients: []int32{1}},
		"Particles":       &langevinv1.Particles{Count: proto.Int32(4)},
		"ProbabilityFlow": &langevinv1.ProbabilityFlow{Sigmas: []float64{2, 1}},
		"Given":           &langevinv1.Given{Condition: &langevinv1.Given_Class{Class: 1}},
		"Vector":          &langevinv1.Vector{Values: make([]float32, 12)},
	}
}

// modelsFor has the models of requests that have a message of the given type, where it is not the usual one.
func modelsFor() map[protoreflect.Name]string { return map[protoreflect.Name]string{"Vector": "sides"} }

// place is the path of a message in a request.
type place struct {
	root proto.Message
	path []protoreflect.FieldDescriptor
}

// in returns the message at the place in a request of root's type.
func (p place) in(root proto.Message) protoreflect.Message {
	m := root.ProtoReflect()
	for _, f := range p.path {
		m = member(m, f)
	}
	return m
}

// member returns the message in a field, or the first one of a list.
func member(m protoreflect.Message, f protoreflect.FieldDescriptor) protoreflect.Message {
	if !f.IsList() {
		return m.Mutable(f).Message()
	}
	list := m.Mutable(f).List()
	if list.Len() == 0 {
		list.AppendMutable()
	}
	return list.Get(0).Message()
}

// name returns the path of a field at the place, as in BadRequest. Without a field it returns the path of the place.
func (p place) name(field protoreflect.Name) string {
	var words []string
	for _, f := range p.path {
		words = append(words, string(f.Name()))
	}
	if field != "" {
		words = append(words, string(field))
	}
	return strings.Join(words, ".")
}

// breaker violates rules.
type breaker struct {
	t     *testing.T
	call  call
	parts map[protoreflect.Name]proto.Message
	tried map[string]bool // by the full name of the message or field that has the rules
}

// visit violates every rule at a place and below.
func (b *breaker) visit(p place) {
	b.walk(p, b.violate)
}

// violate violates every rule at a place.
func (b *breaker) violate(p place) {
	b.accepted(p)
	d := p.in(proto.Clone(p.root)).Descriptor()
	for _, rule := range messageBreaks(d) {
		b.tried[string(d.FullName())+" "+rule.id] = true
		b.refused(p, rule.set, p.name(""), p.name(rule.field))
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		for _, set := range fieldBreaks(f) {
			b.tried[string(f.FullName())] = true
			b.refused(p, set, p.name(f.Name()), p.name(f.Name()))
		}
	}
}

// walk calls do at a place and below, with a request that has a message at every place.
func (b *breaker) walk(p place, do func(place)) {
	do(p)
	d := p.in(proto.Clone(p.root)).Descriptor()
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Message() != nil {
			root := proto.Clone(p.root)
			if model := modelsFor()[f.Message().Name()]; model != "" {
				m := root.ProtoReflect()
				m.Set(m.Descriptor().Fields().ByName("model"), protoreflect.ValueOfString(model))
			}
			field := member(p.in(root), f).Interface()
			if part := b.parts[f.Message().Name()]; part != nil && proto.Size(field) == 0 {
				proto.Merge(field, part)
			}
			measureEnough(root)
			b.walk(place{root, append(slices.Clone(p.path), f)}, do)
		}
	}
}

// measureEnough gives a measurement of photos as many values as its operator measures.
func measureEnough(root proto.Message) {
	r, ok := root.(*langevinv1.SampleRequest)
	if !ok || r.GetMeasurement() == nil {
		return
	}
	y := r.GetMeasurement().ProtoReflect()
	if f := y.WhichOneof(y.Descriptor().Oneofs().ByName("operator")); f != nil {
		n := map[protoreflect.Name]int{"mask": 3, "pool": 3, "grey": 4, "blur": 12}[f.Name()]
		r.Measurement.Values = &langevinv1.Tensor{Values: make([]float32, max(1, n))}
	}
}

func (b *breaker) accepted(p place) {
	b.t.Helper()
	if err := protovalidate.Validate(p.root); err != nil {
		b.t.Errorf("the rules refuse a good %s: %v", p.name(""), err)
	}
	if err := b.call.do(b.t.Context(), p.root); err != nil {
		b.t.Errorf("the server refuses a good %s: %v", p.name(""), err)
	}
}

// refused changes the message at a place, and compares the fields that the rules and the server name.
func (b *breaker) refused(p place, set func(protoreflect.Message), ruled, served string) {
	b.t.Helper()
	broken := proto.Clone(p.root)
	set(p.in(broken))
	if fields := ruledFields(b.t, protovalidate.Validate(broken)); !slices.Contains(fields, ruled) {
		b.t.Errorf("of %v the rules refuse %q, want %q", broken, fields, ruled)
	}
	if fields := servedFields(b.t, b.call.do(b.t.Context(), broken)); !slices.Contains(fields, served) {
		b.t.Errorf("of %v the server refuses %q, want %q", broken, fields, served)
	}
}

// index matches the index of a list element. The server often names only the list, and the element in its text.
var index = regexp.MustCompile(`\[\d+\]`)

func ruledFields(t *testing.T, err error) []string {
	t.Helper()
	var violations *protovalidate.ValidationError
	if err != nil && !errors.As(err, &violations) {
		t.Fatal(err)
	}
	var fields []string
	if violations != nil {
		for _, v := range violations.Violations {
			fields = append(fields, index.ReplaceAllString(protovalidate.FieldPathString(v.Proto.GetField()), ""))
		}
	}
	return fields
}

func servedFields(t *testing.T, err error) []string {
	t.Helper()
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("the server's answer: %v, want INVALID_ARGUMENT", err)
	}
	var fields []string
	for _, detail := range status.Convert(err).Details() {
		if request, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range request.GetFieldViolations() {
				fields = append(fields, index.ReplaceAllString(v.GetField(), ""))
			}
		}
	}
	return fields
}

// messageBreak violates a rule about several fields. field is the one that the server names.
type messageBreak struct {
	id    string
	field protoreflect.Name
	set   func(protoreflect.Message)
}

// messageBreaks returns violations of all rules of a message. The CEL rules are violated as this table says.
func messageBreaks(d protoreflect.MessageDescriptor) []messageBreak {
	known := map[string]messageBreak{
		"sample.chains": {field: "first_chain", set: func(m protoreflect.Message) {
			sample := m.Interface().(*langevinv1.SampleRequest)
			sample.FirstChain, sample.N = math.MaxUint64, proto.Int64(2)
		}},
		"sample.preview": {field: "preview.chains", set: func(m protoreflect.Message) {
			m.Interface().(*langevinv1.SampleRequest).Preview = &langevinv1.PreviewOptions{Chains: proto.Int64(2)}
		}},
		"sample.guidance": {field: "guidance", set: func(m protoreflect.Message) {
			sample := m.Interface().(*langevinv1.SampleRequest)
			sample.Guidance, sample.Terms = &langevinv1.Guidance{Model: "photos"}, []*langevinv1.Term{{}}
		}},
		"flow.sigma": {field: "sigma_max", set: func(m protoreflect.Message) {
			flow := m.Interface().(*langevinv1.FlowOptions)
			flow.SigmaMin, flow.SigmaMax = proto.Float64(2), proto.Float64(1)
		}},
		"sde.sigma": {field: "sigma_max", set: func(m protoreflect.Message) {
			sde := m.Interface().(*langevinv1.Sde)
			sde.SigmaMin, sde.SigmaMax = proto.Float64(2), proto.Float64(1)
		}},
		"sde.beta": {field: "beta_max", set: func(m protoreflect.Message) {
			sde := m.Interface().(*langevinv1.Sde)
			sde.BetaMin, sde.BetaMax = proto.Float64(2), proto.Float64(1)
		}},
		"predictor_corrector.one": {field: "predictor", set: func(m protoreflect.Message) {
			m.Interface().(*langevinv1.PredictorCorrector).Predictor = langevinv1.Predictor_PREDICTOR_NONE
		}},
		"predictor_corrector.ancestral": {field: "predictor", set: func(m protoreflect.Message) {
			pc := m.Interface().(*langevinv1.PredictorCorrector)
			pc.Predictor, pc.Sde = langevinv1.Predictor_PREDICTOR_ANCESTRAL,
				&langevinv1.Sde{Process: langevinv1.Process_PROCESS_SUB_VP}
		}},
		"Tensor": {set: func(m protoreflect.Message) {
			m.Interface().(*langevinv1.Tensor).Data = make([]byte, 4)
			m.Interface().(*langevinv1.Tensor).Values = make([]float32, 1)
		}},
	}
	var breaks []messageBreak
	for _, id := range ruleIDs(d) {
		rule := known[id] // for an unknown one set is nil, so the test panics at the call
		rule.id = id
		breaks = append(breaks, rule)
	}
	return breaks
}

// ruleIDs names the rules of a message: a CEL rule by its id, and the oneof rule of its fields by the message's name.
func ruleIDs(d protoreflect.MessageDescriptor) []string {
	rules, _ := proto.GetExtension(d.Options(), validate.E_Message).(*validate.MessageRules)
	var ids []string
	for _, rule := range rules.GetCel() {
		ids = append(ids, rule.GetId())
	}
	for range rules.GetOneof() {
		ids = append(ids, string(d.Name()))
	}
	return ids
}

func rulesOf(f protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(f.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// fieldBreaks returns violations of all rules of a field.
func fieldBreaks(f protoreflect.FieldDescriptor) []func(protoreflect.Message) {
	var breaks []func(protoreflect.Message)
	add := func(v protoreflect.Value) {
		breaks = append(breaks, func(m protoreflect.Message) { m.Set(f, v) })
	}
	list := func(m protoreflect.Message, values ...protoreflect.Value) {
		items := m.NewField(f).List()
		for _, v := range values {
			items.Append(v)
		}
		m.Set(f, protoreflect.ValueOfList(items))
	}
	rules := rulesOf(f)
	if rules.GetRequired() {
		breaks = append(breaks, func(m protoreflect.Message) { m.Clear(f) })
	}
	if len(rules.GetCel()) > 0 { // tensor.data
		breaks = append(breaks, func(m protoreflect.Message) {
			m.Clear(m.Descriptor().Fields().ByName("values"))
			m.Set(f, protoreflect.ValueOfBytes(make([]byte, 3)))
		})
	}
	if items := rules.GetRepeated(); items != nil {
		one := number(f, 1)
		if items.GetMinItems() > 0 {
			breaks = append(breaks, func(m protoreflect.Message) {
				list(m, slices.Repeat([]protoreflect.Value{one}, int(items.GetMinItems())-1)...)
			})
		}
		if most := items.GetMaxItems(); most > 0 {
			breaks = append(breaks, func(m protoreflect.Message) {
				for range most + 1 {
					m.Mutable(f).List().AppendMutable()
				}
			})
		}
		if items.GetUnique() {
			breaks = append(breaks, func(m protoreflect.Message) { list(m, one, one) })
		}
		for _, v := range brokenValues(f, items.GetItems()) {
			breaks = append(breaks, func(m protoreflect.Message) { list(m, v) })
		}
		return breaks
	}
	for _, v := range brokenValues(f, rules) {
		add(v)
	}
	return breaks
}

// brokenValues returns values that a field, or an element of it, may not have: one or more for each rule.
func brokenValues(f protoreflect.FieldDescriptor, rules *validate.FieldRules) []protoreflect.Value {
	var values []protoreflect.Value
	rules.ProtoReflect().Range(func(kind protoreflect.FieldDescriptor, of protoreflect.Value) bool {
		if kind.Message() == nil || kind.IsList() || kind.Name() == "repeated" {
			return true
		}
		of.Message().Range(func(rule protoreflect.FieldDescriptor, limit protoreflect.Value) bool {
			values = append(values, brokenBy(f, rule.Name(), limit)...)
			return true
		})
		return true
	})
	return values
}

func brokenBy(f protoreflect.FieldDescriptor, rule protoreflect.Name, limit protoreflect.Value) []protoreflect.Value {
	next := func(v, step float64) float64 { // the next value of the field's type
		if f.Kind() == protoreflect.DoubleKind {
			return math.Nextafter(v, math.Inf(int(step)))
		}
		return v + step
	}
	switch rule {
	case "finite":
		return []protoreflect.Value{number(f, math.NaN()), number(f, math.Inf(1))}
	case "pattern":
		return []protoreflect.Value{protoreflect.ValueOfString("No such name"),
			protoreflect.ValueOfString(strings.Repeat("a", 65))}
	case "defined_only":
		return []protoreflect.Value{protoreflect.ValueOfEnum(99), protoreflect.ValueOfEnum(-1)}
	case "gt", "lt":
		return []protoreflect.Value{number(f, float(limit))}
	case "gte":
		return []protoreflect.Value{number(f, next(float(limit), -1))}
	case "lte":
		return []protoreflect.Value{number(f, next(float(limit), 1))}
	}
	panic("how to break " + string(rule) + "?")
}

func float(v protoreflect.Value) float64 {
	switch n := v.Interface().(type) {
	case int32:
		return float64(n)
	case int64:
		return float64(n)
	case float32:
		return float64(n)
	}
	return v.Float()
}

// number returns v as an element of a field.
func number(f protoreflect.FieldDescriptor, v float64) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(v != 0)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(v))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(v))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(v))
	}
	return protoreflect.ValueOfFloat64(v)
}

// statedRules returns everything in the API that has rules, named as [breaker] does.
func statedRules() []string {
	var stated []string
	protoregistry.GlobalFiles.RangeFilesByPackage("langevin.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Messages().Len() {
			d := file.Messages().Get(i)
			for _, id := range ruleIDs(d) {
				stated = append(stated, string(d.FullName())+" "+id)
			}
			for j := range d.Fields().Len() {
				if f := d.Fields().Get(j); rulesOf(f) != nil {
					stated = append(stated, string(f.FullName()))
				}
			}
		}
		return true
	})
	return stated
}
