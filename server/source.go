package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/internal/modelstore"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server/host"
)

// leastPoll is the shortest time of models.poll: each look is a request to somebody else's service.
const leastPoll = time.Second

// validateSource checks the settings that go with models.source.
func (c ModelsConfig) validateSource(require func(ok bool, key string, given any, want string)) {
	require(c.Source == "" || c.Dir == "", "models.dir", fmt.Sprintf("%q", c.Dir),
		"nothing, since models.source is set")
	require(c.Poll == 0 || c.Poll >= leastPoll, "models.poll", c.Poll, "0s, or 1s or more")
	require(c.Poll == 0 || c.Source != "", "models.poll", c.Poll, "models.source to be set")
	require(c.Cache == "" || c.Source != "", "models.cache", fmt.Sprintf("%q", c.Cache), "models.source to be set")
}

// checkSource returns an error if models.source is no reference. The error has no secret that is in it.
func (c ModelsConfig) checkSource() error {
	if c.Source == "" {
		return nil
	}
	if _, err := modelstore.Parse(c.Source); err != nil {
		return fmt.Errorf("models.source: %w", err)
	}
	return nil
}

// firstLook bounds how long a server looks for its models before it starts with those that it has.
const firstLook = 5 * time.Minute

// source is the mirror of models.source in a running server. It is safe for concurrent use.
type source struct {
	*modelstore.Mirror
	log   *slog.Logger
	count func(error) // counts looks; nil before the server has metrics

	mu   sync.Mutex
	said string // the last failure that was logged; empty after a success
}

// mirror brings the models of models.source and makes their folder the one that c names; nil without a source. If the
// source cannot be reached, a server starts with what an earlier one brought.
func (c *Config) mirror(ctx context.Context, log *slog.Logger) (*source, error) {
	if c.Models.Source == "" {
		return nil, nil
	}
	from, err := modelstore.Parse(c.Models.Source)
	if err != nil {
		return nil, fmt.Errorf("models.source: %w", err)
	}
	cache := c.Models.Cache
	if cache == "" {
		user, err := ort.UserFolder()
		if err != nil {
			return nil, fmt.Errorf("models.source: %w: set models.cache", err)
		}
		cache = filepath.Join(user, "sources")
	}
	most := c.Models.MaxFileBytes
	if most == 0 {
		most = models.DefaultMaxFileBytes
	}
	s := &source{Mirror: modelstore.NewMirror(from, cache, most, log), log: log}
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	if _, err := s.look(ctx, false); err != nil && !s.Complete() {
		return nil, fmt.Errorf("models.source: %w", err)
	}
	c.Models.Dir = s.Folder()
	return s, nil
}

// look brings what has changed, and counts and logs how that ended. A failure like the one before is logged again only
// if it was asked for.
func (s *source) look(ctx context.Context, asked bool) (changed bool, err error) {
	changed, err = s.Sync(ctx)
	if ctx.Err() != nil && err != nil { // the server stops, or the caller has gone
		return changed, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count != nil {
		s.count(err)
	}
	before := s.said
	switch {
	case err != nil:
		if s.said = err.Error(); s.said != before || asked {
			s.log.Warn("models.source cannot be read: serving what it had", "error", err)
		}
	case before != "":
		s.said = ""
		s.log.Info("models.source can be read again")
	}
	return changed, err
}

// counted makes the metrics count looks, and the one at the start.
func (s *source) counted(count func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = count
	if s.said == "" {
		count(nil)
		return
	}
	count(errors.New(s.said))
}

// poll looks for changes in the source at every interval, until ctx ends.
func (s *Server) poll(ctx context.Context) {
	ticks := time.NewTicker(s.config.Models.Poll)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if changed, _ := s.source.look(ctx, false); changed {
			lifecycle{s}.reloadFolder(ctx)
		}
	}
}

// look brings what has changed in the source before a reload. A failure has the place for a name.
func (l lifecycle) look(ctx context.Context) []host.Failure {
	if l.source == nil {
		return nil
	}
	if _, err := l.source.look(ctx, true); err != nil {
		return []host.Failure{{Name: "models.source", Err: err}}
	}
	return nil
}
