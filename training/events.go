package training

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// events writes records in TensorBoard's format: a TFRecord file of Event messages. The file stays empty until the
// first record.
type events struct {
	w     io.Writer
	first int // first iteration of this run, counted from 1
	begun bool
}

// These are the field numbers of the messages Event, SessionLog, Summary and Summary.Value, from TensorFlow's
// event.proto and summary.proto.
const (
	eventWallTime    = 1
	eventStep        = 2
	eventFileVersion = 3
	eventSummary     = 5
	eventSessionLog  = 7
	sessionStatus    = 1
	sessionStart     = 1 // a value of sessionStatus
	summaryValue     = 1
	valueTag         = 1
	valueSimple      = 2
)

// begin writes the version of the format and the start of a session. At the start of a session, TensorBoard drops the
// records of earlier files at this step and later. A run that was killed may have written such records after its last
// checkpoint.
func (e *events) begin(now time.Time) error {
	version := appendDouble(nil, eventWallTime, seconds(now))
	version = protowire.AppendTag(version, eventFileVersion, protowire.BytesType)
	if err := e.record(protowire.AppendString(version, "brain.Event:2")); err != nil {
		return err
	}
	session := protowire.AppendVarint(protowire.AppendTag(nil, sessionStatus, protowire.VarintType), sessionStart)
	start := appendDouble(nil, eventWallTime, seconds(now))
	start = protowire.AppendVarint(protowire.AppendTag(start, eventStep, protowire.VarintType), uint64(e.first))
	start = protowire.AppendTag(start, eventSessionLog, protowire.BytesType)
	e.begun = true
	return e.record(protowire.AppendBytes(start, session))
}

// write adds the numbers of a record: loss, learning_rate, and test_loss if there is one.
func (e *events) write(now time.Time, r Record) error {
	if !e.begun {
		if err := e.begin(now); err != nil {
			return err
		}
	}
	summary := appendScalar(nil, "loss", r.Loss)
	summary = appendScalar(summary, "learning_rate", r.LearningRate)
	if r.TestLoss != nil {
		summary = appendScalar(summary, "test_loss", *r.TestLoss)
	}
	event := appendDouble(nil, eventWallTime, seconds(now))
	event = protowire.AppendTag(event, eventStep, protowire.VarintType)
	event = protowire.AppendVarint(event, uint64(r.Iteration))
	event = protowire.AppendTag(event, eventSummary, protowire.BytesType)
	return e.record(protowire.AppendBytes(event, summary))
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

// appendScalar appends a Summary.Value.
func appendScalar(b []byte, tag string, v float64) []byte {
	value := protowire.AppendTag(nil, valueTag, protowire.BytesType)
	value = protowire.AppendString(value, tag)
	value = protowire.AppendTag(value, valueSimple, protowire.Fixed32Type)
	value = protowire.AppendFixed32(value, math.Float32bits(float32(v)))
	return protowire.AppendBytes(protowire.AppendTag(b, summaryValue, protowire.BytesType), value)
}

// record writes one TFRecord: the length and its checksum, then the data and their checksum.
func (e *events) record(data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(data))
	if _, err := e.w.Write(b); err != nil {
		return fmt.Errorf("write the events for TensorBoard: %w", err)
	}
	return nil
}

// maskedCRC is TFRecord's checksum: CRC-32C, rotated and offset, because the CRC of data that contain CRCs is weak.
func maskedCRC(data []byte) uint32 {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (sum>>15 | sum<<17) + 0xa282ead8
}
