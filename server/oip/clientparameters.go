package oip

import (
	"maps"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// clientParameter is a parameter that clients of KServe, Triton and MLServer send by default, with a request, an input
// or an output. It is accepted if its value does not change the answer.
type clientParameter struct {
	accepts func(*inference.InferParameter) bool
	want    string // the accepted values, and why others are refused
}

// clientParameters returns all of them by name. Other parameters of the protocol would change the meaning of a request
// and are refused.
func clientParameters() map[string]clientParameter {
	free := clientParameter{func(*inference.InferParameter) bool { return true }, ""}
	none := clientParameter{func(*inference.InferParameter) bool { return false },
		"none: shared memory is not served; send the contents"}
	return map[string]clientParameter{
		// These say how tensors travel over HTTP. Here they are messages of gRPC.
		"binary_data":        free,
		"binary_data_size":   free,
		"binary_data_output": free,
		// These say how MLServer packs arrays. Our tensors are numbers, as NumPy's arrays.
		"content_type": {
			func(p *inference.InferParameter) bool { return p.GetStringParam() == "np" }, `"np": tensors are numbers`,
		},
		"headers":                            free, // a copy of the call's metadata
		"triton_enable_empty_final_response": free, // the last response is always marked
		"priority":                           {isZero, "0: there are no priorities"},
		"sequence_id":                        {isZero, `0 or "": there are no sequences`},
		"sequence_start":                     {isZero, "false: there are no sequences"},
		"sequence_end":                       {isZero, "false: there are no sequences"},
		"classification":                     {isZero, "0: there are no classes"},
		"shared_memory_region":               none,
		"shared_memory_byte_size":            none,
		"shared_memory_offset":               none,
	}
}

// isZero reports whether a parameter is 0, false or empty, which means the same as leaving it out.
func isZero(p *inference.InferParameter) bool {
	switch c := p.GetParameterChoice().(type) {
	case *inference.InferParameter_BoolParam:
		return !c.BoolParam
	case *inference.InferParameter_Int64Param:
		return c.Int64Param == 0
	case *inference.InferParameter_Uint64Param:
		return c.Uint64Param == 0
	case *inference.InferParameter_StringParam:
		return c.StringParam == ""
	}
	return false
}

// checkClientParameter returns an error for an unknown parameter, and for a known one whose value would change the
// answer. where is its place for the error: "inputs[0].". others are the names to list if the parameter is unknown.
func checkClientParameter(where, name string, p *inference.InferParameter, others ...string) error {
	known := clientParameters()
	f, ok := known[name]
	switch {
	case !ok:
		allowed := slices.Sorted(maps.Keys(known))
		if len(others) > 0 {
			allowed = others
		}
		return invalid(where+parameter(quoted(name)), "set", "one of "+strings.Join(allowed, ", "))
	case !f.accepts(p):
		return invalid(where+parameter(name), valueText(p), f.want)
	}
	return nil
}

// checkClientParameters checks the parameters of an input or output and returns the first error.
func checkClientParameters(where string, given map[string]*inference.InferParameter) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := checkClientParameter(where, name, given[name]); err != nil {
			return err
		}
	}
	return nil
}
