package server

import (
	"context"
	"runtime/debug"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/server/oip"
	"github.com/langevin-ml/langevin/server/rpc"
)

// newOIP returns the service of the Open Inference Protocol. It shares the models of the other services.
func (s *Server) newOIP(draw *rpc.Sampling, catalogue *rpc.Models, admin *rpc.Admin) *oip.Service {
	const frame = 64 << 10 // bytes of an answer in addition to its tensors
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	config := oip.Config{
		Version:         version,
		MaxMessageBytes: max(1, s.config.GRPC.MaxSendBytes-frame),
		Ready: func() bool {
			status, err := s.health.Check(context.Background(), &healthv1.HealthCheckRequest{})
			return err == nil && status.GetStatus() == healthv1.HealthCheckResponse_SERVING
		},
	}
	if admin != nil {
		config.Lifecycle = admin
	}
	return oip.New(draw, catalogue, config)
}
