package training

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// crcBitwise computes the masked CRC-32C bit by bit, as TFRecord's specification describes it.
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

// records splits a TFRecord file and checks its checksums.
func records(t *testing.T, file []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		data := file[12 : 12+n]
		if binary.LittleEndian.Uint32(file[8:]) != crcBitwise(file[:8]) ||
			binary.LittleEndian.Uint32(file[12+n:]) != crcBitwise(data) {
			t.Fatal("a checksum is wrong")
		}
		all, file = append(all, data), file[16+n:]
	}
	return all
}

// fields decodes one level of a message. It passes numbers as bits and everything else as bytes.
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

// An event is the part of an Event message that TensorBoard reads.
type event struct {
	version string
	start   bool // of a session
	step    uint64
	scalars map[string]float32
}

// readEvents decodes an events file.
func readEvents(t *testing.T, file []byte) (all []event) {
	t.Helper()
	for _, record := range records(t, file) {
		e := event{scalars: map[string]float32{}}
		fields(t, record, func(field protowire.Number, bits uint64, data []byte) {
			switch field {
			case 2:
				e.step = bits
			case 3:
				e.version = string(data)
			case 5:
				fields(t, data, func(_ protowire.Number, _ uint64, value []byte) { readScalar(t, value, e.scalars) })
			case 7:
				fields(t, data, func(field protowire.Number, bits uint64, _ []byte) {
					e.start = e.start || field == 1 && bits == 1
				})
			}
		})
		all = append(all, e)
	}
	return all
}

func readScalar(t *testing.T, value []byte, scalars map[string]float32) {
	t.Helper()
	var tag string
	fields(t, value, func(field protowire.Number, bits uint64, data []byte) {
		if field == 1 {
			tag = string(data)
		} else {
			scalars[tag] = math.Float32frombits(uint32(bits))
		}
	})
}

// shown returns the events with scalars that TensorBoard shows for the files of one folder, in order. At the start of a
// session it drops the events at the step of the session and later.
func shown(t *testing.T, files ...[]byte) (all []event) {
	t.Helper()
	for _, file := range files {
		for _, e := range readEvents(t, file) {
			if e.start {
				all = slices.DeleteFunc(all, func(old event) bool { return old.step >= e.step })
			}
			if len(e.scalars) > 0 {
				all = append(all, e)
			}
		}
	}
	return all
}

// checkEvents compares events with the log's records.
func checkEvents(t *testing.T, events []event, log []Record) {
	t.Helper()
	if len(events) != len(log) {
		t.Fatalf("%d events for %d lines of the log", len(events), len(log))
	}
	for i, r := range log {
		step, scalars := events[i].step, events[i].scalars
		if step != uint64(r.Iteration) || scalars["loss"] != float32(r.Loss) ||
			scalars["learning_rate"] != float32(r.LearningRate) {
			t.Errorf("event of step %d: %v, the log says %+v", step, scalars, r)
		}
		if test, ok := scalars["test_loss"]; ok != (r.TestLoss != nil) || ok && test != float32(*r.TestLoss) {
			t.Errorf("step %d: test loss %v", step, scalars)
		}
	}
}

// TestEvents: TensorBoard reads what the log has.
func TestEvents(t *testing.T) {
	var file bytes.Buffer
	c := short(t, "toy-2gauss", "training.test_every=40")
	result, err := Run(t.Context(), c, Options{Library: library(t), Events: &file})
	if err != nil {
		t.Fatal(err)
	}
	all := readEvents(t, file.Bytes())
	if len(all) != 2+len(result.History) || all[0].version != "brain.Event:2" || !all[1].start || all[1].step != 1 {
		t.Fatalf("%d events for %d lines of the log, which begin with %+v",
			len(all), len(result.History), all[:min(2, len(all))])
	}
	checkEvents(t, shown(t, file.Bytes()), result.History)
}

// fullDisk accepts a number of lines and then fails.
type fullDisk struct{ lines int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.lines--; d.lines < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

// TestEventsAfterResume: a run that ends without a checkpoint has written events. The resumed run writes these again.
func TestEventsAfterResume(t *testing.T) {
	var killed, resumed bytes.Buffer
	c := short(t, "toy-2gauss", "training.iterations=100", "training.log_every=10", "training.checkpoint_every=40")
	o := Options{Library: library(t), Events: &killed, Log: &fullDisk{6}, Checkpoints: t.TempDir()}
	if result, err := Run(t.Context(), c, o); result != nil || err == nil ||
		!strings.Contains(err.Error(), "iteration 70") {
		t.Fatalf("result %v, error %v, want one at iteration 70", result, err)
	}
	o.Events, o.Log, o.Resume = &resumed, nil, true
	result, err := Run(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(shown(t, killed.Bytes())); n != 7 {
		t.Fatalf("the first run has %d events, want 7", n)
	}
	checkEvents(t, shown(t, killed.Bytes(), resumed.Bytes()), result.History)
}

// TestBegin: a training that fails before it begins writes nothing and does not call Begin.
func TestBegin(t *testing.T) {
	for _, c := range []struct {
		settings []string
		change   func(o *Options)
	}{
		{[]string{"data={name: mnist, dir: /nonexist, modes: 0, radius: 0, std: 0}"}, func(*Options) {}},
		{nil, func(o *Options) { o.Device = "abacus" }},
		{nil, func(o *Options) { o.Resume = true }},
	} {
		var log, events bytes.Buffer
		o := Options{Library: library(t), Log: &log, Events: &events, Checkpoints: filepath.Join(t.TempDir(), "none")}
		o.Begin = func() error { t.Errorf("%q began", c.settings); return nil }
		c.change(&o)
		if _, err := Run(t.Context(), short(t, "toy-ring", c.settings...), o); err == nil {
			t.Errorf("%q: no error", c.settings)
		}
		if _, err := os.Stat(o.Checkpoints); log.Len() > 0 || events.Len() > 0 || err == nil {
			t.Errorf("%q: wrote %q and %q, folder %v", c.settings, log.String(), events.String(), err)
		}
	}
	refused := errors.New("no room")
	if _, err := Run(t.Context(), short(t, "toy-ring"),
		Options{Library: library(t), Begin: func() error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("error %v, want Begin's error", err)
	}
}
