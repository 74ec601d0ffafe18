package oip

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// apply sets the field of a query for a parameter.
type apply func(q *query, name string, p *inference.InferParameter) error

// conditionParameters returns what a request for samples or for scores may set about conditions. For vectors and for
// conditions of each row there is the parameter request, which is JSON.
func conditionParameters() map[string]apply {
	return map[string]apply{"class": readClass, "guidance_scale": readGuidanceScale}
}

// parameters returns what a request for samples may set in addition to its sampler. For everything else of langevin.v1
// there is the parameter request, which is JSON.
func parameters() map[string]apply {
	all := conditionParameters()
	maps.Copy(all, map[string]apply{
		"seed": func(q *query, name string, p *inference.InferParameter) error {
			return unsigned(p, name, func(v uint64) { q.sample.Seed = &v })
		},
		"first_chain": func(q *query, name string, p *inference.InferParameter) error {
			return unsigned(p, name, func(v uint64) { q.sample.FirstChain = v })
		},
		"stream_every": func(q *query, name string, p *inference.InferParameter) error {
			if q.sample.Preview == nil {
				q.sample.Preview = &langevinv1.PreviewOptions{}
			}
			return count32(p, name, func(v int32) {
				q.sample.Preview.Cadence = &langevinv1.PreviewOptions_EverySteps{EverySteps: v}
			})
		},
	})
	return all
}

// readParameters applies the parameters of a request.
func (q *query) readParameters(given map[string]*inference.InferParameter) error {
	known, first := conditionParameters(), []string{"request"}
	if err := q.readRequest(given["request"]); err != nil {
		return err
	}
	if !q.target.score {
		known, first = parameters(), append(settingNames(), samplerParameter, "request")
		if err := q.readSampler(given); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		var err error
		switch set := known[name]; {
		case set != nil:
			err = set(q, name, given[name])
		case name == "timeout":
			err = q.readTimeout(given[name])
		case slices.Contains(first, name): // read above
		default:
			allowed := slices.Concat(slices.Sorted(maps.Keys(known)), first, []string{"timeout"})
			err = checkClientParameter("", name, given[name], allowed...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readRequest reads the parameter that is a langevin.v1.SampleRequest, or for scores a langevin.v1.ScoreRequest, as
// JSON.
func (q *query) readRequest(p *inference.InferParameter) error {
	if p == nil {
		return nil
	}
	if q.target.score {
		r := &langevinv1.ScoreRequest{}
		err := readJSON(p, r, "model", "version", "x", "sigma", "format")
		q.score.Given, q.score.GuidanceScale = r.GetGiven(), r.GuidanceScale
		return err
	}
	return readJSON(p, q.sample, "model", "version", "n", "format", "resume")
}

// readJSON reads a message from a parameter. It refuses fields that the protocol has its own fields for.
func readJSON(p *inference.InferParameter, m proto.Message, own ...protoreflect.Name) error {
	name := m.ProtoReflect().Descriptor().FullName()
	if err := protojson.Unmarshal([]byte(p.GetStringParam()), m); err != nil {
		return invalid(parameter("request"), quoted(p.GetStringParam()),
			fmt.Sprintf("JSON of a %s: %.200s", name, err.Error()))
	}
	for _, field := range own {
		if r := m.ProtoReflect(); r.Has(r.Descriptor().Fields().ByName(field)) {
			return invalid(parameter("request."+string(field)), "set", "nothing: the protocol has its own field for it")
		}
	}
	return nil
}

// readTimeout reads Triton's timeout in microseconds.
func (q *query) readTimeout(p *inference.InferParameter) error {
	return unsigned(p, "timeout", func(us uint64) {
		q.timeout = time.Duration(min(us, math.MaxInt64/1000)) * time.Microsecond
	})
}

// unsigned reads an integer of at least 0, in any form in which clients can send one.
func unsigned(p *inference.InferParameter, name string, set func(uint64)) error {
	v, err := uint64(0), error(nil)
	switch c := p.GetParameterChoice().(type) {
	case *inference.InferParameter_Uint64Param:
		v = c.Uint64Param
	case *inference.InferParameter_Int64Param:
		if v = uint64(c.Int64Param); c.Int64Param < 0 {
			err = strconv.ErrRange
		}
	case *inference.InferParameter_StringParam:
		v, err = strconv.ParseUint(c.StringParam, 10, 64)
	default:
		err = strconv.ErrSyntax
	}
	if err != nil {
		return invalid(parameter(name), valueText(p), "an integer of at least 0")
	}
	set(v)
	return nil
}

func count32(p *inference.InferParameter, name string, set func(int32)) error {
	return unsigned(p, name, func(v uint64) { set(int32(min(v, math.MaxInt32))) })
}

// valueText returns a parameter's value for an error.
func valueText(p *inference.InferParameter) string {
	switch c := p.GetParameterChoice().(type) {
	case *inference.InferParameter_StringParam:
		return quoted(c.StringParam)
	case *inference.InferParameter_BoolParam:
		return fmt.Sprint(c.BoolParam)
	case *inference.InferParameter_Int64Param:
		return fmt.Sprint(c.Int64Param)
	case *inference.InferParameter_Uint64Param:
		return fmt.Sprint(c.Uint64Param)
	case *inference.InferParameter_DoubleParam:
		return fmt.Sprint(c.DoubleParam)
	}
	return "nothing"
}

// These functions make the parameters of answers.
func intParam(v int64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: v}}
}

func uintParam(v uint64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: v}}
}

func doubleParam(v float64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: v}}
}

func boolParam(v bool) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: v}}
}

func stringParam(v string) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: v}}
}
