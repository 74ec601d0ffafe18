package models

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gomlx/compute-onnx/support/protos"
)

// maxInlined is the largest size of an .onnx file in bytes, a limit of protocol buffers.
const maxInlined = math.MaxInt32

// Inline moves the data of tensors that model stores in other files into the model, and returns the number of those
// tensors. The files must be in folder, the folder of the model's own file. Nothing outside of it is read, even if
// names or links point there. If a file lacks the bytes, or their number does not match the tensor's shape, the error
// wraps [ErrInvalid] and names the tensor. Use Inline only for a user's own files: [Check] still refuses such models.
func Inline(model *protos.ModelProto, folder *os.Root) (inlined int, err error) {
	r := externalReader{folder: folder, files: map[string]*os.File{}}
	defer func() { err = errors.Join(err, r.close()) }()
	for tensor := range allTensors(model.GetGraph()) {
		if !isExternal(tensor) {
			continue
		}
		if err := r.inline(tensor); err != nil {
			return inlined, fmt.Errorf("%w: tensor %q: %w", ErrInvalid, tensor.GetName(), err)
		}
		inlined++
	}
	return inlined, nil
}

func isExternal(tensor *protos.TensorProto) bool {
	return tensor.GetDataLocation() == protos.TensorProto_EXTERNAL || len(tensor.GetExternalData()) > 0
}

// externalReader reads parts of the files of a folder.
type externalReader struct {
	folder *os.Root
	files  map[string]*os.File // open files, by the names that tensors use
	total  int64
}

func (r *externalReader) close() error {
	var errs []error
	for _, file := range r.files {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

func (r *externalReader) inline(tensor *protos.TensorProto) error {
	data, err := extentOf(tensor)
	if err != nil {
		return err
	}
	size, err := sizeOf(tensor)
	if err != nil {
		return err
	}
	if data.length >= 0 && data.length != size {
		return fmt.Errorf("its entry says %d bytes in %s: want %d for its shape", data.length, data.location,
			size)
	}
	if r.total += size; r.total > maxInlined {
		return fmt.Errorf("the weights take more than %d bytes, which is all that one .onnx file can hold", maxInlined)
	}
	file, err := r.open(data.location)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if data.offset > info.Size()-size {
		return fmt.Errorf("it has %d bytes from byte %d on of %s, which has %d in all: was that file exported with it?",
			size, data.offset, data.location, info.Size())
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(file, data.offset, size), raw); err != nil {
		return fmt.Errorf("read %s: %w", data.location, err)
	}
	tensor.RawData, tensor.ExternalData, tensor.DataLocation = raw, nil, protos.TensorProto_DEFAULT
	return nil
}

// open opens a file of the folder once. Anything but an ordinary file is refused before it is opened, because opening a
// pipe would wait.
func (r *externalReader) open(location string) (*os.File, error) {
	if file, ok := r.files[location]; ok {
		return file, nil
	}
	name := filepath.FromSlash(location)
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("it is stored in %q: want a file in the folder of the model", location)
	}
	info, err := r.folder.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not an ordinary file")
	}
	var file *os.File
	if err == nil {
		file, err = r.folder.Open(name)
	}
	if err != nil {
		return nil, fmt.Errorf("it is stored in %q beside the model: %w", location, withoutPath(err))
	}
	r.files[location] = file
	return file, nil
}

// extent is the range of a tensor's data. A length of -1 is not given.
type extent struct {
	location       string
	offset, length int64
}

func extentOf(tensor *protos.TensorProto) (extent, error) {
	p := extent{length: -1}
	for _, entry := range tensor.GetExternalData() {
		var err error
		switch entry.GetKey() {
		case "location":
			p.location = entry.GetValue()
		case "offset":
			p.offset, err = strconv.ParseInt(entry.GetValue(), 10, 64)
		case "length":
			p.length, err = strconv.ParseInt(entry.GetValue(), 10, 64)
			if p.length < 0 && err == nil {
				err = errors.New("negative")
			}
		}
		if err != nil || p.offset < 0 {
			return p, fmt.Errorf("%s of its data is %q: want a number of bytes", entry.GetKey(), entry.GetValue())
		}
	}
	if p.location == "" {
		return p, errors.New("it names no file for its data")
	}
	return p, nil
}

// sizeOf returns the size of a tensor's data in bytes.
func sizeOf(tensor *protos.TensorProto) (int64, error) {
	bits, ok := elementBits[protos.TensorProto_DataType(tensor.GetDataType())]
	if !ok {
		return 0, fmt.Errorf("type is %s: want numbers", protos.TensorProto_DataType(tensor.GetDataType()))
	}
	elements := int64(1)
	for _, n := range tensor.GetDims() {
		if n < 0 || n > 0 && elements > maxInlined/n {
			return 0, fmt.Errorf("shape is %v: want at most %d elements", tensor.GetDims(), maxInlined)
		}
		elements *= n
	}
	return (elements*bits + 7) / 8, nil
}

// elementBits returns the sizes of the types that a file with external data can have.
var elementBits = map[protos.TensorProto_DataType]int64{
	protos.TensorProto_FLOAT: 32, protos.TensorProto_DOUBLE: 64,
	protos.TensorProto_FLOAT16: 16, protos.TensorProto_BFLOAT16: 16,
	protos.TensorProto_INT8: 8, protos.TensorProto_INT16: 16, protos.TensorProto_INT32: 32,
	protos.TensorProto_INT64: 64,
	protos.TensorProto_UINT8: 8, protos.TensorProto_UINT16: 16, protos.TensorProto_UINT32: 32,
	protos.TensorProto_UINT64: 64, protos.TensorProto_BOOL: 8, protos.TensorProto_INT4: 4, protos.TensorProto_UINT4: 4,
}
