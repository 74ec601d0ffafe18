package paper

import (
	"path/filepath"
	"testing"
)

// TestPixelNoiseSection: a loss that fluctuates passes as one of clean pixels, and a loss that falls steadily as one
// with noise. Neither passes as the other.
func TestPixelNoiseSection(t *testing.T) {
	restless, steady := SlicedTraining{Name: "restless", Every: 10}, SlicedTraining{Name: "steady",
		Noise: 0.05, Every: 10}
	for i := range 100 {
		restless.History = append(restless.History, -100*float64(i)*float64(1+i%5))
		steady.History = append(steady.History, -100*float64(i)-50*float64(i%2))
	}
	restless.History[90] = 1000 // more than all progress so far
	s := PixelNoiseSection(restless, steady, "a note")
	r := Report{Sections: []Section{s}}
	if bad := r.Failed(); len(bad) > 0 || len(s.Findings) != 4 || s.Note != "a note" {
		t.Errorf("%d of %d numbers are off: %+v", len(bad), len(s.Findings), bad)
	}
	if lost := s.Findings[1].Value; lost != 1 {
		t.Errorf("%g of the best loss is lost, want all", lost)
	}
	folder := filepath.Join(t.TempDir(), "report")
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	checkReport(t, folder, r)
	if bad := (Report{Sections: []Section{PixelNoiseSection(steady, restless, "")}}).Failed(); len(bad) != 4 {
		t.Errorf("exchanged, only %d of 4 numbers are off: %+v", len(bad), bad)
	}
}
