package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/server"
)

// LocalSettings returns the settings of a server inside this process that have flags. The environment and the file of
// $LANGEVIN_CONFIG set the others.
func LocalSettings() []string {
	return []string{"models-dir", "onnxruntime-library", "workers", "device"}
}

// RegisterLocal adds the flags of [LocalSettings].
func RegisterLocal(flags *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	server.Flags(all)
	for _, name := range LocalSettings() {
		flags.AddFlag(all.Lookup(name))
	}
}

// inside is a server inside this process.
type inside struct {
	target  string
	options []grpc.DialOption
	stop    func() error // returns why the server ended
}

func inMemory(c server.Config, log *slog.Logger) (inside, error) {
	dial, stop, err := server.InProcess(c, log)
	return inside{"passthrough:///in-process", []grpc.DialOption{grpc.WithContextDialer(dial)}, stop}, err
}

func onFreePort(c server.Config, log *slog.Logger) (inside, error) {
	address, stop, err := server.OnFreePort(c, log)
	return inside{target: address, stop: stop}, err
}

// OnFreePort starts a server on a free port of this machine with the settings of given flags, calls work with a client
// of it and its address, and stops it.
func OnFreePort(
	ctx context.Context, p *cli.Program, flags *pflag.FlagSet,
	work func(ctx context.Context, c *client.Client, address string) error,
) error {
	return useInside(ctx, p, flags, onFreePort, work)
}

// useInside starts a server with the settings of given flags, waits for its models, calls work with a client of it, and
// stops it. Only warnings and errors are logged.
func useInside(
	ctx context.Context, p *cli.Program, flags *pflag.FlagSet,
	start func(server.Config, *slog.Logger) (inside, error), work func(context.Context, *client.Client, string) error,
) error {
	config, err := LoadConfig(flags, "")
	if err != nil {
		return err
	}
	s, err := start(config, NewLog(p.Stderr, "text", slog.LevelWarn))
	if err != nil {
		return err
	}
	err = s.use(ctx, work)
	return endOf(err, s.stop())
}

func (s inside) use(ctx context.Context, work func(context.Context, *client.Client, string) error) error {
	if err := awaitModels(ctx, s.target, s.options...); err != nil {
		return err
	}
	c, err := client.New(s.target, client.WithDialOptions(s.options...))
	if err != nil {
		return err
	}
	defer c.Close()
	return work(ctx, c, s.target)
}

// awaitModels waits until the server at an address says that it is healthy, which means that its models are loaded.
func awaitModels(ctx context.Context, address string, options ...grpc.DialOption) error {
	conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	health, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	for err == nil {
		var now *healthv1.HealthCheckResponse
		if now, err = health.Recv(); now.GetStatus() == healthv1.HealthCheckResponse_SERVING {
			return nil
		}
	}
	return errors.Join(err, ctx.Err())
}

// endOf returns the error of work with a server inside this process. If the server ended with an error, stopped, that
// is why the work failed, unless it only says that the server was stopped while it loaded models.
func endOf(err, stopped error) error {
	if stopped == nil || errors.Is(stopped, context.Canceled) {
		return err
	}
	return fmt.Errorf("the server inside: %w", stopped)
}

// LoadConfig is [server.Load] of the settings of a command, with the file that a flag or the environment names. Its
// errors are mistakes of who calls the command, wherever the setting comes from.
func LoadConfig(flags *pflag.FlagSet, file string) (server.Config, error) {
	config, err := server.Load(flags, ConfigFile(file))
	if err != nil {
		return server.Config{}, cli.Usagef("%v", err)
	}
	return config, nil
}

// ConfigFile returns the path of the file with a server's settings: that of a flag, or of the environment if the flag
// is empty.
func ConfigFile(flag string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv(server.EnvConfig)
}

// NewLog returns a log that writes messages of a least level to w, as JSON if format is "json".
func NewLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
