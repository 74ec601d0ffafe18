package oip

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// input is one tensor of a request. Its contents are little-endian bytes.
type input struct {
	datatype string
	shape    []int64
	data     []byte
}

// readInputs returns the tensors of a request by name. typed reports whether they came as typed contents.
func readInputs(req *inference.ModelInferRequest) (inputs map[string]input, typed bool, err error) {
	inputs = map[string]input{}
	raw := req.GetRawInputContents()
	for i, in := range req.GetInputs() {
		field := fmt.Sprintf("inputs[%d]", i)
		typed = typed || in.GetContents() != nil
		if err := checkClientParameters(field+".", in.GetParameters()); err != nil {
			return nil, false, err
		}
		switch _, twice := inputs[in.GetName()]; {
		case twice:
			return nil, false, invalid(field+".name", quoted(in.GetName()), "each input once")
		case in.GetContents() != nil && len(raw) > 0:
			return nil, false, invalid(field+".contents", "set in addition to raw_input_contents",
				"raw contents for all inputs or typed contents for all")
		case in.GetContents() == nil && i >= len(raw):
			return nil, false, invalid("raw_input_contents", fmt.Sprintf("%d entries", len(raw)),
				fmt.Sprintf("one for each of the %d inputs", len(req.GetInputs())))
		}
		one := input{in.GetDatatype(), in.GetShape(), nil}
		if in.GetContents() == nil {
			one.data = raw[i]
		} else {
			one.data = bytesOf(in)
		}
		inputs[in.GetName()] = one
	}
	if len(raw) > len(req.GetInputs()) {
		return nil, false, invalid("raw_input_contents", fmt.Sprintf("%d entries", len(raw)),
			fmt.Sprintf("one for each of the %d inputs", len(req.GetInputs())))
	}
	return inputs, typed, nil
}

// bytesOf returns typed contents as raw contents, for the types of our inputs. For other types it returns nothing:
// [input.check] refuses them.
func bytesOf(in *inference.ModelInferRequest_InferInputTensor) []byte {
	c := in.GetContents()
	var data []byte
	switch in.GetDatatype() {
	case "FP32":
		for _, v := range c.GetFp32Contents() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	case "INT64":
		for _, v := range c.GetInt64Contents() {
			data = binary.LittleEndian.AppendUint64(data, uint64(v))
		}
	}
	return data
}

// check compares a tensor with the wanted type and shape (-1 for any length), and its contents with its shape.
func (in input) check(name, datatype string, width int, want []int64) error {
	field := "inputs." + name
	if in.datatype != datatype {
		return invalid(field+".datatype", quoted(in.datatype), datatype)
	}
	ok := len(in.shape) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = in.shape[i] > 0 && (want[i] == -1 || in.shape[i] == want[i])
	}
	if !ok {
		return invalid(field+".shape", shapeText(in.shape), wantedShape(want))
	}
	if !fills(in.shape, len(in.data), width) {
		return invalid(field, fmt.Sprintf("%d bytes", len(in.data)),
			fmt.Sprintf("%d for each element of a tensor of shape %v", width, in.shape))
	}
	return nil
}

// wantedShape returns a shape for people: [n, 2], n at least 1.
func wantedShape(want []int64) string {
	var sizes []string
	free := ""
	for _, n := range want {
		if n == -1 {
			sizes, free = append(sizes, "n"), ", n at least 1"
			continue
		}
		sizes = append(sizes, strconv.FormatInt(n, 10))
	}
	return "[" + strings.Join(sizes, ", ") + "]" + free
}

// shapeText shortens a shape with too many dimensions.
func shapeText(shape []int64) string {
	const most = 8
	if len(shape) > most {
		return fmt.Sprintf("%v and %d dimensions more", shape[:most], len(shape)-most)
	}
	return fmt.Sprint(shape)
}

// fills reports whether the given number of bytes fits the elements of a shape. It does not multiply, because the
// product could overflow.
func fills(shape []int64, bytes, width int) bool {
	left := int64(bytes)
	if left%int64(width) != 0 {
		return false
	}
	left /= int64(width)
	for _, n := range shape {
		if n < 1 || left%n != 0 {
			return false
		}
		left /= n
	}
	return left == 1
}

// output is one tensor of an answer. It has elements as little-endian bytes, or one byte string for each row.
type output struct {
	name    string
	shape   []int64
	data    []byte
	strings [][]byte // of a BYTES tensor
}

// put adds the tensor to an answer, in the form of the request.
func (o output) put(resp *inference.ModelInferResponse, typed bool) {
	out := &inference.ModelInferResponse_InferOutputTensor{Name: o.name, Datatype: "FP32", Shape: o.shape}
	resp.Outputs = append(resp.Outputs, out)
	if o.strings != nil {
		out.Datatype = "BYTES"
	}
	switch {
	case !typed:
		resp.RawOutputContents = append(resp.RawOutputContents, o.raw())
	case o.strings != nil:
		out.Contents = &inference.InferTensorContents{BytesContents: o.strings}
	default:
		values := make([]float32, len(o.data)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(o.data[4*i:]))
		}
		out.Contents = &inference.InferTensorContents{Fp32Contents: values}
	}
}

// raw returns the tensor's contents. Byte strings have their length before them.
func (o output) raw() []byte {
	if o.strings == nil {
		return o.data
	}
	var data []byte
	for _, s := range o.strings {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(s)))
		data = append(data, s...)
	}
	return data
}
