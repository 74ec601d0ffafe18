package sample

import (
	"bufio"
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/alloctest"
	"github.com/langevin-ml/langevin/internal/datafile"
)

// FuzzState: a state file is refused or gives a state that, written and read again, is itself.
func FuzzState(f *testing.F) {
	var npy bytes.Buffer
	if err := datafile.WriteNPY(&npy, client.Batch{X: []float32{1, 2}, N: 1, Shape: []int{2}}); err != nil {
		f.Fatal(err)
	}
	for _, sampler := range []string{
		`{"kind":"annealed_langevin","sigmas":[3,1],"steps_per_level":4,"step_lr":0.002,"denoise":false}`,
		`{"kind":"langevin","sigma":0.2,"steps":9,"step_size":0.002,"denoise":false}`,
		`{"kind":"probability_flow","sigmas":[20,0.2],"method":"euler","denoise":false}`,
		`{"kind":"predictor_corrector","process":"ve"}`, `{}`, `null`,
	} {
		head := `{"format":"langevin-state-1","model":"ring","seed":"7","first_chain":"0","step":4,"sampler":` + sampler
		f.Add(append([]byte(head+"}\n"), npy.Bytes()...))
		head2 := strings.Replace(head, "state-1", "state-2", 1) + `,"n":3,"finished":1}` + "\n"
		f.Add(append([]byte(head2), npy.Bytes()...))
		f.Add(append([]byte(head+`,"inpainting":{},"colourisation":{},"guidance":{}}`+"\n"), npy.Bytes()...))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		alloctest.Bounded(t, file, 256, func(file []byte) {
			s, err := decodeState(bufio.NewReader(bytes.NewReader(file)))
			if err != nil {
				return
			}
			_ = s.request()
			var text bytes.Buffer
			if err := s.write(&text); err != nil {
				t.Fatalf("read, and cannot be written: %v", err)
			}
			again, err := decodeState(bufio.NewReader(&text))
			if err != nil || !reflect.DeepEqual(s.x, again.x) || s.N != again.N ||
				!reflect.DeepEqual(s.Sampler, again.Sampler) {
				t.Errorf("written and read again: %v\n%+v\n%+v", err, s, again)
			}
		})
	})
}
