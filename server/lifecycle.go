package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/host"
	"github.com/langevin-ml/langevin/server/rpc"
)

// lifecycle changes the models of a running server for AdminService, for [Server.Reload], and when the models' folder
// changes. It logs, counts and publishes every change.
type lifecycle struct{ *Server }

// Load implements [rpc.Reloader].
func (l lifecycle) Load(ctx context.Context, name string, version int) error {
	err := l.host.Load(ctx, name, version)
	l.changed("load", name, err)
	return err
}

// Unload implements [rpc.Reloader].
func (l lifecycle) Unload(name string, version int) error {
	err := l.host.Unload(name, version)
	l.changed("unload", name, err)
	return err
}

// ReloadAll implements [rpc.Reloader].
func (l lifecycle) ReloadAll(ctx context.Context) []host.Failure {
	return append(l.look(ctx), l.reloadFolder(ctx)...)
}

// reloadFolder reads the models' folder again.
func (l lifecycle) reloadFolder(ctx context.Context) []host.Failure {
	failures := l.host.ReloadAll(ctx)
	for _, f := range failures {
		message := "model not loaded"
		if l.serves(f.Name) {
			message = "model not loaded: a version that is in service stays"
		}
		l.log.Error(message, "model", f.Name, "error", f.Err)
	}
	var err error
	if len(failures) > 0 {
		err = failures[0].Err
	}
	l.changed("reload", "", err)
	return failures
}

// serves reports whether any version of a model is in service.
func (l lifecycle) serves(name string) bool {
	return slices.ContainsFunc(l.host.List(), func(s host.Status) bool {
		return s.Entry.Name == name && s.State == host.StateReady
	})
}

func (l lifecycle) changed(what, name string, err error) {
	l.metrics.Reloaded(err)
	l.publishHealth()
	ready := 0
	for _, status := range l.host.List() {
		if status.State == host.StateReady {
			ready++
		}
	}
	l.log.Info("models changed", "by", what, "model", name, "ok", err == nil, "ready", ready)
}

// Reload checks the models' folder again, like AdminService.ReloadModels. It logs failures, and the version loaded
// before stays in service. It may be called while Serve runs.
func (s *Server) Reload(ctx context.Context) error {
	var errs []error
	for _, f := range (lifecycle{s}).ReloadAll(ctx) {
		errs = append(errs, f.Err)
	}
	return errors.Join(errs...)
}

// isPrivate reports whether callers of the main listener must present a token, or are on this machine.
func (s *Server) isPrivate() bool {
	return s.config.Auth.Tokens != "" || local(s.config.Listen)
}

// newAdminGRPC returns the gRPC server of the admin listener.
func (s *Server) newAdminGRPC() *grpc.Server {
	g := grpc.NewServer(rpc.Interceptors(s.log, s.metrics,
		rpc.CallLimits{Time: s.config.Limits.MaxCallTime, Unread: s.config.Limits.SlowReaderTimeout})...)
	r := rpc.Registrar(g)
	langevinv1.RegisterAdminServiceServer(r, s.admin())
	langevinv1.RegisterModelServiceServer(r, rpc.NewModels(s.host))
	healthv1.RegisterHealthServer(r, s.health)
	reflection.Register(r)
	return g
}

func (s *Server) admin() *rpc.Admin { return rpc.NewAdmin(lifecycle{s}, rpc.NewModels(s.host)) }

// quiet is the time for which the models' folder must not change before it is read. A program that copies a file writes
// it in many pieces.
const quiet = 500 * time.Millisecond

// watchModels reloads the models when their folder has changed, until ctx ends.
func (s *Server) watchModels(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("models.watch: %w", err)
	}
	defer watcher.Close()
	if err := watchFolders(watcher, s.config.Models.Dir); err != nil {
		return fmt.Errorf("models.watch: %w", err)
	}
	settled := time.NewTimer(quiet) // a file may have come after the models were loaded and before the watch began
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watcher.Errors:
			s.log.Warn("models.watch: changes may have been missed", "error", err)
			settled.Reset(quiet)
		case <-watcher.Events:
			settled.Reset(quiet)
		case <-settled.C:
			if err := watchFolders(watcher, s.config.Models.Dir); err != nil { // new folders
				s.log.Warn("models.watch: changes may be missed", "error", err)
			}
			_ = s.Reload(ctx) // Reload logs its errors
		}
	}
}

// watchFolders watches a folder, those of names in it and those of versions in them. To watch one again changes
// nothing. A folder in it that may not be read, as lost+found, is passed over: what is in it cannot be served either.
func watchFolders(watcher *fsnotify.Watcher, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = watcher.Add(path)
		}
		switch {
		case errors.Is(err, os.ErrNotExist): // gone since it was listed
			return nil
		case errors.Is(err, os.ErrPermission) && path != root:
			return fs.SkipDir
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		}
		if below, err := filepath.Rel(root, path); err == nil && strings.Count(below, string(filepath.Separator)) >= 1 {
			return fs.SkipDir
		}
		return nil
	})
}
