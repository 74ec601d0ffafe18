package web

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// writeInfer answers an inference request: as JSON, or as JSON with the outputs after it as bytes.
func writeInfer(w http.ResponseWriter, resp *inference.ModelInferResponse, asBytes bool) {
	body := appendInfer(nil, resp, asBytes)
	if !asBytes {
		writeJSON(w, body)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(jsonLengthHeader, strconv.Itoa(len(body)))
	for _, data := range resp.GetRawOutputContents() {
		body = append(body, data...)
	}
	// The write fails only if the client has left.
	_, _ = w.Write(body)
}

// appendInfer writes the JSON of an answer. Numbers of FP32 are numbers, in one list; byte strings are in base64, with
// the parameter content_type. Outputs that follow as bytes have their size as a parameter.
func appendInfer(b []byte, resp *inference.ModelInferResponse, asBytes bool) []byte {
	b = append(appendString(append(b, `{"model_name":`...), resp.GetModelName()), `,"model_version":`...)
	b = appendString(b, resp.GetModelVersion())
	if resp.GetId() != "" {
		b = appendString(append(b, `,"id":`...), resp.GetId())
	}
	b = appendParameters(append(b, `,"parameters":`...), resp.GetParameters())
	b = append(b, `,"outputs":[`...)
	for i, out := range resp.GetOutputs() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOutput(b, out, resp.GetRawOutputContents()[i], asBytes)
	}
	return append(b, "]}"...)
}

func appendOutput(b []byte, out *inference.ModelInferResponse_InferOutputTensor, data []byte, asBytes bool) []byte {
	b = appendString(append(b, `{"name":`...), out.GetName())
	b = appendString(append(b, `,"datatype":`...), out.GetDatatype())
	b = append(b, `,"shape":[`...)
	for i, n := range out.GetShape() {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	b = append(b, ']')
	if asBytes {
		b = strconv.AppendInt(append(b, `,"parameters":{"binary_data_size":`...), int64(len(data)), 10)
		return append(b, "}}"...)
	}
	if out.GetDatatype() == "BYTES" {
		b = append(b, `,"parameters":{"content_type":"base64"}`...)
	}
	return append(appendContents(append(b, `,"data":[`...), out.GetDatatype(), data), "]}"...)
}

// appendContents writes raw contents as a list of JSON, without its brackets.
func appendContents(b []byte, datatype string, data []byte) []byte {
	for first := true; len(data) >= 4; first = false {
		if !first {
			b = append(b, ',')
		}
		head := binary.LittleEndian.Uint32(data)
		data = data[4:]
		if datatype != "BYTES" {
			b = appendFloat(b, float64(math.Float32frombits(head)), 32)
			continue
		}
		size := min(int(head), len(data))
		b = appendString(b, base64.StdEncoding.EncodeToString(data[:size]))
		data = data[size:]
	}
	return b
}

func appendParameters(b []byte, all map[string]*inference.InferParameter) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		m := all[name].ProtoReflect()
		field := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
		if field == nil {
			b = append(b, "null"...)
			continue
		}
		b = appendScalar(b, field, m.Get(field))
	}
	return append(b, '}')
}
