package robustness_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// watch sees what the server does. It implements [batch.Observer], [rpc.Observer] and [slog.Handler].
type watch struct {
	mu        sync.Mutex
	running   int           // handlers
	freed     int           // jobs that were given up and whose chains are gone
	freedLate time.Duration // the longest time until then
	late      time.Duration // the longest time that a handler ran after its deadline
	errors    []string      // of the log, less those that were injected
	dropped   int           // previews
}

func (w *watch) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	w.add(func() { w.running++ })
	defer w.add(func() {
		w.running--
		if deadline, ok := stream.Context().Deadline(); ok {
			w.late = max(w.late, time.Since(deadline))
		}
	})
	return handler(srv, stream)
}

func (w *watch) add(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *watch) Started(time.Duration)                    {}
func (w *watch) Ticked(int, int, time.Duration)           {}
func (w *watch) PreviewDropped()                          { w.add(func() { w.dropped++ }) }
func (w *watch) CallEnded(_, _, _ string)                 {}
func (w *watch) Detected(string, []float64)               {}
func (w *watch) SampleEnded(string, time.Duration)        {}
func (w *watch) FirstEvent(string, time.Duration)         {}
func (w *watch) Enabled(context.Context, slog.Level) bool { return true }
func (w *watch) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *watch) WithGroup(string) slog.Handler            { return w }

func (w *watch) Freed(after time.Duration) {
	w.add(func() { w.freed, w.freedLate = w.freed+1, max(w.freedLate, after) })
}

// Handle remembers the errors that no fault explains.
func (w *watch) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	if r.Level >= slog.LevelError && !strings.Contains(text, errInjected.Error()) {
		w.add(func() { w.errors = append(w.errors, text) })
	}
	return nil
}
