package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/server"
)

// Later prepares a server: it reads the settings and tries the addresses. The function that it returns serves a folder
// of models, one of which is the default, until its context is cancelled. Empty arguments mean the defaults.
func Later(p *cli.Program) func(address, library string) (func(context.Context, string, string) error, error) {
	return func(address, library string) (func(context.Context, string, string) error, error) {
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		server.Flags(flags)
		load := func(settings map[string]string) (server.Config, error) {
			for name, value := range settings {
				if value == "" {
					continue
				}
				if err := flags.Set(name, value); err != nil {
					return server.Config{}, err
				}
			}
			return server.Load(flags, remote.ConfigFile(""))
		}
		config, err := load(map[string]string{"listen": address, "onnxruntime-library": library})
		if err == nil {
			err = errors.Join(free(config.Listen, "another with --serve=ADDR"),
				free(config.HTTP.Listen, "another with LANGEVIN_HTTP_LISTEN"))
		}
		if err != nil {
			return nil, fmt.Errorf("--serve: %w", err)
		}
		return func(ctx context.Context, folder, model string) error {
			config, err := load(map[string]string{"models-dir": folder, "models-default": model})
			if err != nil {
				return err
			}
			return run(ctx, p, config)
		}, nil
	}
}

// free returns an error if an address of TCP is in use. other says how to choose another.
func free(address, other string) error {
	if address == "" || strings.HasPrefix(address, "unix:") {
		return nil
	}
	lis, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return inUse(address, other)
	}
	if err != nil {
		return err
	}
	return lis.Close()
}

func inUse(address, other string) error {
	return fmt.Errorf("listen on %s: the port is in use: stop what uses it, or choose %s", address, other)
}
