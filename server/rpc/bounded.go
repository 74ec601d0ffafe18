package rpc

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// mostStatusBytes is the largest status that is sent. A status travels in headers, which clients bound too.
const mostStatusBytes = 6 << 10

// bounded returns a status that is small enough to send. It cuts the text and keeps only the reason of one that is not,
// such as one that repeats much of its request.
func bounded(s *status.Status) *status.Status {
	p := s.Proto()
	if proto.Size(p) <= mostStatusBytes {
		return s
	}
	p.Details = slices.DeleteFunc(p.GetDetails(), func(d *anypb.Any) bool {
		return !d.MessageIs((*errdetails.ErrorInfo)(nil))
	})
	if text := p.GetMessage(); len(text) > mostStatusBytes/2 {
		p.Message = strings.ToValidUTF8(text[:mostStatusBytes/2], "") + "..."
	}
	return status.FromProto(p)
}
