package robustness_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf replaces the model again and again, and remembers which digest was in service when.
type shelf struct {
	service *service

	mu     sync.Mutex
	stands []stand
}

// stand is the time for which a digest was in service.
type stand struct {
	digest   string
	from, to time.Time // to is zero for the one that still is
}

func (s *shelf) install(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stands = append(s.stands, stand{digest: digest, from: time.Now()})
}

// served reports whether a digest was in service at some moment.
func (s *shelf) served(digest string, from, to time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.stands, func(st stand) bool {
		return st.digest == digest && !st.from.After(to) && (st.to.IsZero() || !st.to.Before(from))
	})
}

// change replaces the model until ctx ends: by a sound file, by half of one, or by one with another digest than is
// written beside it. After a failure the old version must still be there.
func (s *shelf) change(t *testing.T, ctx context.Context) {
	for number := 1; ctx.Err() == nil; number++ {
		time.Sleep(100 * time.Millisecond)
		file, digest := modelFile(t, number), ""
		switch {
		case s.service.faults.strikes(tornFile):
			file = file[:len(file)/2]
		case s.service.faults.strikes(wrongDigest):
			digest = strings.Repeat("0", 64)
		}
		s.service.write(t, "points", file, digest)
		old, begun := s.service.digest(), time.Now()
		failures := s.service.host.ReloadAll(context.WithoutCancel(ctx))
		now, ended := s.service.digest(), time.Now()
		if len(failures) > 0 && now != old {
			t.Errorf("after a failed reload (%v) another version is in service", failures[0].Err)
		}
		if now == old {
			continue
		}
		s.mu.Lock()
		s.stands[len(s.stands)-1].to = ended
		s.stands = append(s.stands, stand{digest: now, from: begun})
		s.mu.Unlock()
	}
}
