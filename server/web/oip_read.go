package web

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// jsonLengthHeader has the length of the JSON in a body that has tensors after it, as bytes.
const jsonLengthHeader = "Inference-Header-Content-Length"

// readInfer reads the body of an inference request: JSON, and after it the inputs that have the parameter
// binary_data_size. All inputs get raw contents, in order. The message may take the given number of bytes.
func readInfer(body io.Reader, r *http.Request, part *portion, req *inference.ModelInferRequest, most int) error {
	text := &source{from: body, portion: part, ctx: r.Context(), most: most}
	given := r.Header.Get(jsonLengthHeader)
	head := &io.LimitedReader{R: body} // what is not read of it is missing
	if given != "" {
		length, err := strconv.ParseInt(given, 10, 32)
		if err != nil || length < 1 {
			return invalid(jsonLengthHeader, "%s is %s: want the number of bytes of the JSON", jsonLengthHeader,
				clipped(given))
		}
		head.N = length
		text.from = head
	}
	in := &inferReader{
		reader: &reader{source: text, json: jsontext.NewDecoder(text), most: most, left: most}, req: req,
	}
	if err := in.whole(); err != nil {
		return err
	}
	if head.N > 0 {
		return invalid(jsonLengthHeader, "%s is %s, and the request ends %d bytes before that: want the number of "+
			"bytes of the JSON", jsonLengthHeader, clipped(given), head.N)
	}
	return in.rest(&source{from: body, portion: part, ctx: r.Context()}, given != "")
}

// inferReader reads the JSON of an inference request.
type inferReader struct {
	*reader
	req   *inference.ModelInferRequest
	sizes []int64 // of the binary contents of each input; -1 for numbers in the JSON
}

func (in *inferReader) whole() error {
	if err := in.object(in.member); err != nil {
		return err
	}
	if _, err := in.json.ReadToken(); err == nil {
		return invalid("", "the request has text after its JSON object")
	} else if !errors.Is(err, io.EOF) {
		return in.broken(err)
	}
	return nil
}

// object reads an object, with a function for the value of each name. A name may be there once.
func (r *reader) object(member func(name string) error) error {
	if r.peek() != '{' {
		return r.wrong("an object")
	}
	if err := errors.Join(r.take(messageBytes), r.token()); err != nil {
		return err
	}
	for r.peek() != '}' {
		name, err := r.text()
		if err == nil {
			err = r.within(segment{name: clipped(name)}, func() error { return member(name) })
		}
		if err != nil {
			return err
		}
	}
	return r.token()
}

// array reads an array, with a function for each element.
func (r *reader) array(element func() error) error {
	if r.peek() != '[' {
		return r.wrong("an array")
	}
	if err := r.token(); err != nil {
		return err
	}
	for i := 0; r.peek() != ']'; i++ {
		if err := r.within(segment{index: i}, element); err != nil {
			return err
		}
	}
	return r.token()
}

func (in *inferReader) member(name string) (err error) {
	switch name {
	case "id":
		in.req.Id, err = in.word()
	case "model_name":
		return in.same(in.req.GetModelName())
	case "model_version":
		return in.same(in.req.GetModelVersion())
	case "parameters":
		in.req.Parameters, err = in.parameters()
	case "inputs":
		return in.array(in.input)
	case "outputs":
		return in.array(in.output)
	default:
		return in.unknown("id, model_name, model_version, parameters, inputs, outputs")
	}
	return err
}

func (r *reader) unknown(names string) error {
	return invalid(r.place(), "%s is not a field of the request: it has %s", r.place(), names)
}

// word reads a text; null is none.
func (r *reader) word() (string, error) {
	switch r.peek() {
	case 'n':
		return "", r.token()
	case '"':
		text, err := r.text()
		return text, errors.Join(err, r.take(len(text)))
	}
	return "", r.wrong("text")
}

// same reads a name that the path has already.
func (in *inferReader) same(path string) error {
	text, err := in.word()
	if err == nil && text != "" && text != path {
		err = invalid(in.place(), "%s is %s here and %s in the path: leave it out here", in.place(), clipped(text),
			clipped(path))
	}
	return err
}

// parameters reads an object of numbers, words, and true or false.
func (r *reader) parameters() (map[string]*inference.InferParameter, error) {
	if r.peek() == 'n' {
		return nil, r.token()
	}
	all := make(map[string]*inference.InferParameter)
	err := r.object(func(name string) error {
		if err := r.take(entryBytes + len(name)); err != nil {
			return err
		}
		p := &inference.InferParameter{}
		all[name] = p
		return r.parameter(p)
	})
	return all, err
}

func (r *reader) parameter(p *inference.InferParameter) error {
	switch r.peek() {
	case 't', 'f':
		v, err := r.boolean()
		p.ParameterChoice = &inference.InferParameter_BoolParam{BoolParam: err == nil && v.Bool()}
		return err
	case '"':
		text, err := r.word()
		p.ParameterChoice = &inference.InferParameter_StringParam{StringParam: text}
		return err
	case '0':
		text, err := r.number("a number")
		if err != nil {
			return err
		}
		return r.numberParameter(p, text)
	}
	return r.wrong("a number, text, or true or false")
}

// numberParameter keeps a whole number exactly.
func (r *reader) numberParameter(p *inference.InferParameter, text string) error {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		p.ParameterChoice = &inference.InferParameter_Int64Param{Int64Param: v}
		return nil
	}
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		p.ParameterChoice = &inference.InferParameter_Uint64Param{Uint64Param: v}
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return r.refuse(clipped(text), "a number that float64 can hold")
	}
	p.ParameterChoice = &inference.InferParameter_DoubleParam{DoubleParam: v}
	return nil
}

// input reads one tensor. Its contents may come before its type.
func (in *inferReader) input() error {
	tensor := &inference.ModelInferRequest_InferInputTensor{}
	var numbers []float64
	given := false
	err := in.object(func(name string) (err error) {
		switch name {
		case "name":
			tensor.Name, err = in.word()
		case "datatype":
			tensor.Datatype, err = in.word()
		case "shape":
			return in.array(func() error {
				v, err := in.integer(protoreflect.Int64Kind)
				if err == nil {
					tensor.Shape = append(tensor.Shape, v.Int())
				}
				return err
			})
		case "parameters":
			tensor.Parameters, err = in.parameters()
		case "data":
			given = true
			return in.numbers(&numbers, 0)
		default:
			return in.unknown("name, shape, datatype, parameters, data")
		}
		return err
	})
	if err != nil {
		return err
	}
	return in.keep(tensor, numbers, given)
}

// numbers reads nested arrays of numbers, row by row.
func (in *inferReader) numbers(all *[]float64, depth int) error {
	if depth > mostDepth {
		return in.refuse("an array in more than 16", "numbers")
	}
	return in.array(func() error {
		if in.peek() == '[' {
			return in.numbers(all, depth+1)
		}
		v, err := in.float(64)
		*all = append(*all, v)
		return err
	})
}

// keep adds a tensor to the request, with its numbers as bytes.
func (in *inferReader) keep(tensor *inference.ModelInferRequest_InferInputTensor, numbers []float64, given bool) error {
	size, binarySize := int64(-1), tensor.GetParameters()["binary_data_size"]
	switch {
	case given == (binarySize != nil):
		return invalid(in.place(), "%s has data: %v, and parameters.binary_data_size: %v: want one of the two",
			in.place(), given, binarySize != nil)
	case binarySize != nil:
		if size = binarySize.GetInt64Param(); size < 0 {
			return invalid(in.place(), "%s.parameters.binary_data_size is %d: want 0 or more", in.place(), size)
		}
	}
	contents, err := in.contents(tensor.GetDatatype(), numbers)
	if err != nil {
		return err
	}
	in.req.Inputs = append(in.req.Inputs, tensor)
	in.req.RawInputContents = append(in.req.RawInputContents, contents)
	in.sizes = append(in.sizes, size)
	return nil
}

// contents returns numbers as bytes. No input has another type than these: the service refuses it.
func (in *inferReader) contents(datatype string, numbers []float64) ([]byte, error) {
	var data []byte
	for _, v := range numbers {
		switch datatype {
		case "FP32":
			if math.Abs(v) > math.MaxFloat32 && !math.IsInf(v, 0) {
				return nil, invalid(in.place(), "%s has the number %v: want numbers of float32", in.place(), v)
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
		case "INT64":
			if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
				return nil, invalid(in.place(), "%s has the number %v: want whole numbers", in.place(), v)
			}
			data = binary.LittleEndian.AppendUint64(data, uint64(int64(v)))
		}
	}
	return data, nil
}

func (in *inferReader) output() error {
	out := &inference.ModelInferRequest_InferRequestedOutputTensor{}
	in.req.Outputs = append(in.req.Outputs, out)
	return in.object(func(name string) (err error) {
		switch name {
		case "name":
			out.Name, err = in.word()
		case "parameters":
			out.Parameters, err = in.parameters()
		default:
			return in.unknown("name, parameters")
		}
		return err
	})
}

// rest reads what follows the JSON: the contents of the inputs that have a size, and nothing more.
func (in *inferReader) rest(body *source, split bool) error {
	for i, size := range in.sizes {
		if size < 0 {
			continue
		}
		if !split {
			return invalid("inputs", "inputs[%d].parameters.binary_data_size is %d, but the request has no header %s",
				i, size, jsonLengthHeader)
		}
		if in.left -= int(min(size, math.MaxInt32)); in.left < 0 {
			return tooMuch(in.most)
		}
		data := make([]byte, size)
		if n, err := io.ReadFull(body, data); err != nil {
			if body.err != nil {
				return body.err
			}
			return invalid("inputs", "inputs[%d] has %d bytes after the JSON: want %d, its binary_data_size", i, n,
				size)
		}
		in.req.RawInputContents[i] = data
	}
	n, err := io.ReadFull(body, make([]byte, 1))
	switch {
	case n > 0:
		return invalid("", "the request goes on after its last input")
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}
