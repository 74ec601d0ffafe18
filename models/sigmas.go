package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
)

// FindSigmas returns the noise schedule in the graph of f, a network with the given condition; nil if there is none. It
// is the tensor called sigmas, as in NCSNv2's networks. Exporters rename tensors that they fold, so it may also be the
// list from which the input for labels selects. It has positive, strictly decreasing elements. If several such tensors
// differ, the error names them.
func (f Foreign) FindSigmas(model *protos.ModelProto, c *Condition) ([]float64, error) {
	graph := model.GetGraph()
	if sigmas, err := onlySchedule(storedTensors(graph, isCalledSigmas)); sigmas != nil || err != nil {
		return sigmas, err
	}
	theirs, err := f.values(graph, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !isInteger(theirs.level) {
		return nil, nil
	}
	return onlySchedule(storedTensors(graph, among(selectedBy(graph, theirs.level.GetName()))))
}

// onlySchedule returns the schedule among the given tensors.
func onlySchedule(tensors []*protos.TensorProto) ([]float64, error) {
	var found []float64
	var name string
	for _, tensor := range tensors {
		sigmas := scheduleOf(tensor)
		if found != nil && sigmas != nil && !slices.Equal(sigmas, found) {
			return nil, fmt.Errorf("%w: tensors %q and %q could both be the noise schedule: give the training's with "+
				"--sigmas", ErrInvalid, name, tensor.GetName())
		}
		if sigmas != nil {
			found, name = sigmas, tensor.GetName()
		}
	}
	return found, nil
}

// isCalledSigmas reports whether the last part of a name is sigmas: sigmas, net.sigmas, or b_net_sigmas and
// p_net_sigmas, as torch.export names buffers and parameters, but not log_sigmas.
func isCalledSigmas(name string) bool {
	last := name[strings.LastIndexAny(name, "./:")+1:]
	parts := strings.Split(last, "_")
	if n := len(parts); n > 1 && slices.Contains([]string{"b", "p", "c"}, parts[0]) {
		other := slices.Contains([]string{"log", "inv", "inverse", "sqrt", "squared"}, parts[n-2])
		return parts[n-1] == "sigmas" && !other
	}
	return last == "sigmas"
}

// scheduleOf returns the elements of a tensor if they can be a noise schedule, otherwise nil.
func scheduleOf(tensor *protos.TensorProto) []float64 {
	sigmas := numbersOf(tensor)
	if len(tensor.GetDims()) != 1 || tensor.GetDims()[0] != int64(len(sigmas)) || len(sigmas) == 0 {
		return nil
	}
	for i, v := range sigmas {
		if !(v > 0) || math.IsInf(v, 0) || i > 0 && v >= sigmas[i-1] {
			return nil
		}
	}
	return sigmas
}

// numbersOf returns the elements of a tensor of float32 or float64, from either place where a file may have them.
func numbersOf(tensor *protos.TensorProto) []float64 {
	var values []float64
	raw := tensor.GetRawData()
	switch protos.TensorProto_DataType(tensor.GetDataType()) {
	case protos.TensorProto_FLOAT:
		for _, v := range tensor.GetFloatData() {
			values = append(values, float64(v))
		}
		for ; len(raw) >= 4; raw = raw[4:] {
			values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
	case protos.TensorProto_DOUBLE:
		values = slices.Clone(tensor.GetDoubleData())
		for ; len(raw) >= 8; raw = raw[8:] {
			values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
		}
	}
	return values
}
