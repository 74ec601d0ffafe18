// Package serve has the command serve, which runs a server.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/server"
)

// Command returns the command serve.
func Command(p *cli.Program) *cobra.Command {
	var file string
	var printConfig bool
	c := &cobra.Command{
		Use:   "serve [MODELS-DIR]",
		Short: "Serve models over gRPC and HTTP",
		Long: `Serve answers the langevin.v1 API, with reflection and health, until it gets SIGINT or SIGTERM. Then
it lets running calls finish for --drain-timeout; a second signal ends it at once. SIGHUP makes it
read --models-dir again. --http-listen serves a page that shows chains, and JSON for curl.

Settings come from the defaults, then the YAML file of --config or $` + server.EnvConfig + `, then the
environment, then flags. Each flag is shown with its environment variable.`,
		Example: `  langevin serve
  langevin serve out/models
  langevin serve --listen :50051 --models-dir out/models --models-default ring
  langevin serve --config langevin.yaml --print-config
  LANGEVIN_LOG_FORMAT=json langevin serve`,
		Args: cli.Arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := setFolder(c, args); err != nil {
				return err
			}
			config, err := remote.LoadConfig(c.Flags(), file)
			if err != nil {
				return err
			}
			if printConfig {
				return writeConfig(p.Stdout, config)
			}
			config.Version = p.Version
			return run(c.Context(), p, config)
		},
	}
	c.Flags().StringVar(&file, "config", "", "YAML file of settings (default $"+server.EnvConfig+", else none)")
	c.Flags().BoolVar(&printConfig, "print-config", false, "print the settings as YAML, all sources resolved, and exit")
	server.Flags(c.Flags())
	return c
}

// setFolder makes an argument the folder of the models.
func setFolder(c *cobra.Command, args []string) error {
	const flag = "models-dir"
	switch {
	case len(args) == 0:
		return nil
	case c.Flags().Changed(flag):
		return cli.Usagef("%s and --%s: want the folder of the models once", args[0], flag)
	}
	return c.Flags().Set(flag, args[0])
}

func run(ctx context.Context, p *cli.Program, config server.Config) error {
	log := remote.NewLog(p.Stderr, config.Log.Format, config.Log.Level)
	defer server.LimitMemory(config, log)()
	s, err := server.NewContext(ctx, config, log)
	if err != nil {
		return err
	}
	lis, err := s.Listen()
	if errors.Is(err, syscall.EADDRINUSE) {
		return inUse(config.Listen, "another with --listen")
	}
	if err != nil {
		return err
	}
	if err := s.ListenHTTP(); err != nil {
		return errors.Join(err, lis.Close())
	}
	defer reloadOnHangup(ctx, s)()
	return s.Serve(ctx, lis)
}

// reloadOnHangup has SIGHUP make the server read its models' folder again, until stop is called.
func reloadOnHangup(ctx context.Context, s *server.Server) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-hangups:
				_ = s.Reload(ctx) // the log has the error
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		cancel()
		<-done
	}
}

// writeConfig writes the settings as a file that serve reads.
func writeConfig(w io.Writer, config server.Config) error {
	settings := map[string]any{}
	if err := mapstructure.Decode(config, &settings); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(settings); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return encoder.Close()
}
