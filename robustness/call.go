package robustness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Call is what a client saw of one Sample call. One goroutine at a time may use it.
type Call struct {
	Client   string // who called, for reports
	Request  *langevinv1.SampleRequest
	Begun    time.Time
	Ended    time.Time
	Deadline time.Time // zero for none
	Left     bool      // the client ended the call itself, or its connection was spoiled
	Expect   func(code codes.Code, reason string) error

	Started *langevinv1.Started
	Since   time.Time // when Started came
	Shown   []Rows    // previews
	X       []float32 // rows of the result, as far as they came
	Err     error     // nil for OK

	dones  int
	broken error // the first event that broke the protocol
	steps  int64 // of the last progress
}

// Rows are states of a call's first chains after a number of steps.
type Rows struct {
	Step int64
	X    []float32
}

// Begin records a call that is being made.
func Begin(client string, request *langevinv1.SampleRequest, deadline time.Time) *Call {
	return &Call{Client: client, Request: request, Begun: time.Now(), Deadline: deadline}
}

// Receive records an event.
func (c *Call) Receive(event *langevinv1.SampleResponse) {
	if c.dones > 0 {
		c.breaks("%T after Done", event.GetEvent())
	}
	if started := event.GetStarted(); started != nil {
		if c.Started != nil {
			c.breaks("Started again")
		}
		c.Started, c.Since = started, time.Now()
		return
	}
	if c.Started == nil {
		c.breaks("%T before Started", event.GetEvent())
		return
	}
	switch e := event.GetEvent().(type) {
	case *langevinv1.SampleResponse_Progress:
		c.progress(e.Progress)
	case *langevinv1.SampleResponse_Preview:
		c.preview(e.Preview)
	case *langevinv1.SampleResponse_Chunk:
		c.chunk(e.Chunk)
	case *langevinv1.SampleResponse_Done:
		c.dones++
	default:
		c.breaks("an event of kind %T", e)
	}
}

// End records how the call ended: with io.EOF or a status.
func (c *Call) End(err error) {
	c.Ended = time.Now()
	if !errors.Is(err, io.EOF) {
		c.Err = err
	}
}

func (c *Call) progress(p *langevinv1.Progress) {
	if p.GetStepsDone() < c.steps {
		c.breaks("progress went back from %d to %d steps", c.steps, p.GetStepsDone())
	}
	c.steps = p.GetStepsDone()
}

func (c *Call) preview(p *langevinv1.Preview) {
	if last := len(c.Shown) - 1; last >= 0 && p.GetStep() <= c.Shown[last].Step {
		c.breaks("a preview of step %d after one of step %d", p.GetStep(), c.Shown[last].Step)
	}
	c.Shown = append(c.Shown, Rows{p.GetStep(), Floats(p.GetTensor().GetData())})
}

func (c *Call) chunk(k *langevinv1.Chunk) {
	have := c.rows()
	if first := c.Started.GetFirstChain() + uint64(have); k.GetFirstChain() != first {
		c.breaks("a chunk from chain %d, and chain %d is next", k.GetFirstChain(), first)
		return // the rows that came have to be without gaps
	}
	c.X = append(c.X, Floats(k.GetTensor().GetData())...)
}

// rows returns how many rows of the result have come.
func (c *Call) rows() int { return len(c.X) / max(1, elements(c.Started.GetShape())) }

func elements(shape []int64) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}

// Floats decodes the data of a tensor.
func Floats(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// Bytes encodes the data of a tensor.
func Bytes(x []float32) []byte {
	data := make([]byte, 0, 4*len(x))
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func (c *Call) breaks(format string, args ...any) {
	if c.broken == nil {
		c.broken = fmt.Errorf(format, args...)
	}
}

// Code returns the code with which the call ended.
func (c *Call) Code() codes.Code { return status.Code(c.Err) }

// String names the call.
func (c *Call) String() string {
	outcome := "OK"
	if c.Err != nil {
		outcome = c.Err.Error()
	}
	r := c.Request
	return fmt.Sprintf("%s: %s n=%d seed=%d first=%d begun %s, after %v: %s", c.Client, r.GetModel(), r.GetN(),
		r.GetSeed(), r.GetFirstChain(), c.Begun.Format("15:04:05.000"), c.Ended.Sub(c.Begun), outcome)
}
