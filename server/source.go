package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
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

// mirror brings the models of models.source and makes their folder the one that c names; nil without a source. If the
// source cannot be reached, a server starts with what an earlier one brought.
func (c *Config) mirror(ctx context.Context, log *slog.Logger) (*modelstore.Mirror, error) {
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
	m := modelstore.NewMirror(from, cache, most, log)
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	if _, err := m.Sync(ctx); err != nil {
		if !m.Complete() {
			return nil, fmt.Errorf("models.source: %w", err)
		}
		log.Warn("models.source cannot be read: serving what it had", "error", err)
	}
	c.Models.Dir = m.Folder()
	return m, nil
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
		changed, err := s.source.Sync(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("models.source cannot be read: serving what it had", "error", err)
		}
		if changed {
			lifecycle{s}.reloadFolder(ctx)
		}
	}
}

// look brings what has changed in the source before a reload.
func (l lifecycle) look(ctx context.Context) []host.Failure {
	if l.source == nil {
		return nil
	}
	if _, err := l.source.Sync(ctx); err != nil {
		l.log.Error("models.source cannot be read", "error", err)
		return []host.Failure{{Err: err}}
	}
	return nil
}
