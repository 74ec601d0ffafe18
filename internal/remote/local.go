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

// Serve calls work with the address of a server on a free port of this machine, and stops the server after it.
func Serve(ctx context.Context, p *cli.Program, flags *pflag.FlagSet, work func(ctx context.Context, address string) error) error {
	config, err := server.Load(flags, ConfigFile(""))
	if err != nil {
		return err
	}
	config.Listen = "127.0.0.1:0"
	s, err := server.New(config, NewLog(p.Stderr, "text", slog.LevelWarn))
	if err != nil {
		return err
	}
	lis, err := s.Listen()
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // it stops after the calls have ended
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, lis) }()
	err = awaitModels(ctx, lis.Addr().String())
	if err == nil {
		err = work(ctx, lis.Addr().String())
	}
	stop()
	return inner(err, <-served)
}

// LocalSettings are the server's settings that a command offers for the server inside it. The environment and the
// file of $LANGEVIN_CONFIG set the others.
func LocalSettings() []string {
	return []string{"models-dir", "onnxruntime-library", "workers", "device"}
}

// RegisterLocal adds the flags of localSettings.
func RegisterLocal(flags *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	server.Flags(all)
	for _, name := range LocalSettings() {
		flags.AddFlag(all.Lookup(name))
	}
}

// useLocal calls work with a client of a server inside this process. Only what goes wrong is logged.
func useLocal(ctx context.Context, p *cli.Program, flags *pflag.FlagSet, work func(context.Context, *client.Client) error) error {
	config, err := server.Load(flags, ConfigFile(""))
	if err != nil {
		return err
	}
	dial, stop, err := server.InProcess(config, NewLog(p.Stderr, "text", slog.LevelWarn))
	if err != nil {
		return err
	}
	return inner(workLocal(ctx, grpc.WithContextDialer(dial), work), stop())
}

const inProcess = "passthrough:///in-process"

func workLocal(ctx context.Context, dialer grpc.DialOption, work func(context.Context, *client.Client) error) error {
	if err := awaitModels(ctx, inProcess, dialer); err != nil {
		return err
	}
	c, err := client.New(inProcess, client.WithDialOptions(dialer))
	if err != nil {
		return err
	}
	defer c.Close()
	return work(ctx, c)
}

// awaitModels returns once the health of the server at an address says that its models are loaded.
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

// inner is the error of some work with a server inside this process that ended with the error stopped: that is then
// why the work could not succeed, unless it only says that the server was stopped while it still loaded models.
func inner(err, stopped error) error {
	if stopped == nil || errors.Is(stopped, context.Canceled) {
		return err
	}
	return fmt.Errorf("the server inside: %w", stopped)
}

func ConfigFile(flag string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv(server.EnvConfig)
}

func NewLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
