package training

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// crcBitwise is CRC-32C bit by bit, masked, as TFRecord's specification has it.
func crcBitwise(data []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range data {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78*(sum&1)
		}
	}
	sum = ^sum
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// records takes a TFRecord file apart and checks its sums.
func records(t *testing.T, file []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		data := file[12 : 12+n]
		if binary.LittleEndian.Uint32(file[8:]) != crcBitwise(file[:8]) || binary.LittleEndian.Uint32(file[12+n:]) != crcBitwise(data) {
			t.Fatal("a checksum is wrong")
		}
		all, file = append(all, data), file[16+n:]
	}
	return all
}

// fields decodes one level of a message: numbers as bits, the rest as bytes.
func fields(t *testing.T, message []byte, visit func(field protowire.Number, bits uint64, data []byte)) {
	t.Helper()
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		message = message[n:]
		var bits uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			bits, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			bits, n = protowire.ConsumeFixed64(message)
		case protowire.Fixed32Type:
			var short uint32
			short, n = protowire.ConsumeFixed32(message)
			bits = uint64(short)
		default:
			data, n = protowire.ConsumeBytes(message)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		visit(field, bits, data)
		message = message[n:]
	}
}

// What TensorBoard reads is what the log says.
func TestEvents(t *testing.T) {
	var file bytes.Buffer
	c := short(t, "toy-2gauss", "training.test_every=40")
	result, err := Run(t.Context(), c, Options{Library: library(t), Events: &file})
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, file.Bytes())
	if len(all) != 1+len(result.History) || !bytes.Contains(all[0], []byte("brain.Event:2")) {
		t.Fatalf("%d records for %d lines of the log", len(all), len(result.History))
	}
	for i, r := range result.History {
		step, scalars := uint64(0), map[string]float32{}
		fields(t, all[1+i], func(field protowire.Number, bits uint64, data []byte) {
			switch field {
			case 2:
				step = bits
			case 5:
				fields(t, data, func(_ protowire.Number, _ uint64, value []byte) {
					var tag string
					fields(t, value, func(field protowire.Number, bits uint64, data []byte) {
						if field == 1 {
							tag = string(data)
						} else {
							scalars[tag] = math.Float32frombits(uint32(bits))
						}
					})
				})
			}
		})
		if step != uint64(r.Iteration) || scalars["loss"] != float32(r.Loss) || scalars["learning_rate"] != float32(r.LearningRate) {
			t.Errorf("event of step %d: %v, the log says %+v", step, scalars, r)
		}
		if test, ok := scalars["test_loss"]; ok != (r.TestLoss != nil) || ok && test != float32(*r.TestLoss) {
			t.Errorf("step %d: test loss %v", step, scalars)
		}
	}
}
