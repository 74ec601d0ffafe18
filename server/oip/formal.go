package oip

import (
	"maps"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// formality is a parameter that clients of KServe, Triton and MLServer send of themselves, with a request, an input or an
// output. Some of its values ask for nothing that would change the answer: these are taken.
type formality struct {
	taken func(*inference.InferParameter) bool
	want  string // the values that are taken, and why there are no others
}

// formalities are all of them by name. The rest of the protocol's own would change what a request means, and is refused.
func formalities() map[string]formality {
	free := formality{func(*inference.InferParameter) bool { return true }, ""}
	none := formality{func(*inference.InferParameter) bool { return false }, "none: shared memory is not served; send the contents"}
	return map[string]formality{
		// How tensors travel over HTTP: here they are messages of gRPC.
		"binary_data":        free,
		"binary_data_size":   free,
		"binary_data_output": free,
		// How MLServer packs arrays: ours are numbers, which NumPy's arrays are.
		"content_type": {
			func(p *inference.InferParameter) bool { return p.GetStringParam() == "np" }, `"np": tensors are numbers`,
		},
		"headers":                            free, // a copy of the call's metadata
		"triton_enable_empty_final_response": free, // the last response is marked in any case
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

// isZero reports whether a parameter is 0, false or empty, which is what it is without being sent.
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

// checkFormality refuses a parameter that is none of the formalities or asks for something. Where it stands is for the
// error: "inputs[0].". Others are names that are known there too.
func checkFormality(where, name string, p *inference.InferParameter, others ...string) error {
	known := formalities()
	f, ok := known[name]
	switch {
	case !ok:
		allowed := slices.Sorted(maps.Keys(known))
		if len(others) > 0 {
			allowed = others
		}
		return invalid(where+parameter(quoted(name)), "set", "one of "+strings.Join(allowed, ", "))
	case !f.taken(p):
		return invalid(where+parameter(name), valueText(p), f.want)
	}
	return nil
}

// checkFormalities refuses the first parameter of an input or output that asks for something.
func checkFormalities(where string, given map[string]*inference.InferParameter) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := checkFormality(where, name, given[name]); err != nil {
			return err
		}
	}
	return nil
}
