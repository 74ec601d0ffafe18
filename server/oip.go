package server

import (
	"context"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/internal/build"
	"github.com/langevin-ml/langevin/server/oip"
	"github.com/langevin-ml/langevin/server/rpc"
)

// newOIP returns the service of the Open Inference Protocol. It shares the models of the other services.
func (s *Server) newOIP(draw *rpc.Sampling, catalogue *rpc.Models, admin *rpc.Admin) *oip.Service {
	const frame = 64 << 10 // bytes of an answer in addition to its tensors
	config := oip.Config{
		Version:         build.Of(s.config.Version, "").Version,
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
