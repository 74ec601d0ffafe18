package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/encoding/protowire"
)

const maxManifestBytes = 4 << 20

// Attach validates m and stores it in the model's metadata. It replaces an existing manifest.
func Attach(model *protos.ModelProto, m Manifest) error {
	value, err := encode(m)
	if err != nil {
		return err
	}
	kept := model.MetadataProps[:0]
	for _, entry := range model.MetadataProps {
		if entry.GetKey() != MetadataKey {
			kept = append(kept, entry)
		}
	}
	model.MetadataProps = append(kept, &protos.StringStringEntryProto{Key: MetadataKey, Value: string(value)})
	return nil
}

// encode validates m and returns its text.
func encode(m Manifest) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	value, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest of %q: %w", m.Name, err)
	}
	return value, nil
}

// WithManifest validates m and returns a copy of the bytes of an .onnx file with m in place of its manifest. All other
// bytes are kept, so the graph computes the same.
func WithManifest(model []byte, m Manifest) ([]byte, error) {
	value, err := encode(m)
	if err != nil {
		return nil, err
	}
	var property []byte
	for i, text := range [][]byte{[]byte(MetadataKey), value} {
		property = protowire.AppendTag(property, entryKey+protowire.Number(i), protowire.BytesType)
		property = protowire.AppendBytes(property, text)
	}
	with := make([]byte, 0, len(model)+len(property))
	err = eachValue(model, func(number protowire.Number, kind protowire.Type, field []byte) error {
		if number == modelMetadataProps && kind == protowire.BytesType {
			if key, _, err := entry(field); err != nil || key == MetadataKey {
				return err
			}
		}
		with = protowire.AppendTag(with, number, kind)
		if kind == protowire.BytesType {
			with = protowire.AppendBytes(with, field)
		} else {
			with = append(with, field...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: not an ONNX file, or a damaged one: %w", ErrInvalid, err)
	}
	with = protowire.AppendTag(with, modelMetadataProps, protowire.BytesType)
	return protowire.AppendBytes(with, property), nil
}

// Read returns the manifest in the bytes of an .onnx file. It does not read the graph; [Check] does. The error wraps
// [ErrInvalid] if the bytes are not an ONNX model, have no manifest or several, or have unknown keys or invalid values.
func Read(model []byte) (Manifest, error) {
	value, err := findManifest(model)
	if err != nil {
		return Manifest{}, err
	}
	if err := checkNewest(value); err != nil {
		return Manifest{}, err
	}
	var m Manifest
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: manifest: %w", ErrInvalid, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Manifest{}, fmt.Errorf("%w: manifest: text after its end", ErrInvalid)
	}
	return m, m.Validate()
}

// checkNewest refuses a format that this program does not know, before it complains about the keys of that format.
func checkNewest(manifest []byte) error {
	var is struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(manifest, &is); err == nil && is.Format > FormatDetector {
		return fmt.Errorf("%w: manifest: format is %d, of a newer program: want %d to %d", ErrInvalid, is.Format,
			Format, FormatDetector)
	}
	return nil
}

// Field numbers of onnx.proto.
const (
	modelMetadataProps protowire.Number = 14
	entryKey           protowire.Number = 1
	entryValue         protowire.Number = 2
)

// findManifest reads only the outermost fields, so that listing a folder does not decode the weights of all its files.
func findManifest(model []byte) (value []byte, err error) {
	if len(model) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrInvalid)
	}
	found := 0
	err = eachField(model, func(number protowire.Number, field []byte) error {
		if number != modelMetadataProps {
			return nil
		}
		key, v, err := entry(field)
		if err == nil && key == MetadataKey {
			value, found = v, found+1
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: not an ONNX file, or a damaged one: %w", ErrInvalid, err)
	case found == 0:
		return nil, fmt.Errorf("%w: no %s in the metadata: exported by another program? "+
			"langevin models import makes a model file of it", ErrInvalid, MetadataKey)
	case found > 1:
		return nil, fmt.Errorf("%w: %d entries %s in the metadata: want one", ErrInvalid, found, MetadataKey)
	case len(value) > maxManifestBytes:
		return nil, fmt.Errorf("%w: manifest of %d bytes: want at most %d", ErrInvalid, len(value), maxManifestBytes)
	}
	return value, nil
}

func entry(message []byte) (key string, value []byte, err error) {
	err = eachField(message, func(number protowire.Number, field []byte) error {
		switch number {
		case entryKey:
			key = string(field)
		case entryValue:
			value = field
		}
		return nil
	})
	return key, value, err
}

// eachField calls visit with each length-delimited field of a protocol buffer message, and skips the others.
func eachField(message []byte, visit func(protowire.Number, []byte) error) error {
	return eachValue(message, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if kind != protowire.BytesType {
			return nil
		}
		return visit(number, value)
	})
}

// eachValue calls visit with each field of a protocol buffer message. value is the content of a length-delimited field,
// and the encoded form of any other.
func eachValue(message []byte, visit func(number protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return protowire.ParseError(n)
		}
		value := message[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message)
		}
		if err := visit(number, kind, value); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
