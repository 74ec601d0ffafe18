package ort

import (
	"errors"
	"fmt"
	"runtime"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
)

// maxCopied is the size in bytes of the largest graph of which each caller gets a copy. Larger graphs take so long that
// callers rarely wait for each other.
const maxCopied = 1 << 20

// copies are ONNX Runtime's sessions of one graph. Their results are the same to the last bit. Callers that share a
// session wait for each other at every node, for the lock of its memory arena, and write the same counters in every
// evaluation: two callers that evaluate 64 rows of a small network each took 1.6 times as long. Without the arena, the
// C library requests memory from the system and returns it in every evaluation: 256 rows took 1.2 times as long. So a
// small network has one session for each core.
type copies struct {
	open  func() (*onnxruntime.DynamicAdvancedSession, error)
	limit int
	made  []*onnxruntime.DynamicAdvancedSession
	given int
}

func newCopies(graph []byte, manifest models.Manifest, options Options, device Device) (*copies, error) {
	c := &copies{limit: 1, open: func() (*onnxruntime.DynamicAdvancedSession, error) {
		settings, err := sessionOptions(options, device)
		if err != nil {
			return nil, err
		}
		defer settings.Destroy()
		var loaded *onnxruntime.DynamicAdvancedSession
		err = device.Starting(func() (err error) { // the settings also start the device, so they are outside
			loaded, err = openScore(graph, manifest, settings)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", models.ErrInvalid, err)
		}
		return loaded, nil
	}}
	if !device.CUDA && options.Threads == 1 && manifest.Dim() <= PointDim && len(graph) <= maxCopied {
		c.limit = runtime.NumCPU()
	}
	first, err := c.open()
	if err != nil {
		return nil, err
	}
	c.made = append(c.made, first)
	return c, nil
}

// next returns the session of one more caller: a new one, or a shared one if there are as many as allowed.
func (c *copies) next() (*onnxruntime.DynamicAdvancedSession, error) {
	if c.given >= len(c.made) && len(c.made) < c.limit {
		another, err := c.open()
		if err != nil {
			return nil, err
		}
		c.made = append(c.made, another)
	}
	c.given++
	return c.made[(c.given-1)%len(c.made)], nil
}

func (c *copies) destroy() error {
	var errs []error
	for _, loaded := range c.made {
		errs = append(errs, loaded.Destroy())
	}
	return errors.Join(errs...)
}

// openScore opens the session of a score model.
func openScore(graph []byte, m models.Manifest,
	settings *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
	inputs := []string{models.InputX, models.InputSigma}
	if m.Condition != nil {
		inputs = append(inputs, models.InputC)
	}
	return openSession(graph, inputs, []string{models.OutputScore}, settings)
}

func openSession(graph []byte, inputs, outputs []string,
	settings *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
	loaded, err := onnxruntime.NewDynamicAdvancedSessionWithONNXData(graph, inputs, outputs, settings)
	if err != nil {
		return nil, plain(err)
	}
	return loaded, nil
}
