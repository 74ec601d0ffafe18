package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// problem is the JSON form of an error.
type problem struct {
	Code       string            `json:"code"` // the gRPC code, such as INVALID_ARGUMENT
	Message    string            `json:"message"`
	Reason     string            `json:"reason,omitempty"` // one of langevinv1.Reason*
	Facts      map[string]string `json:"facts,omitempty"`
	Violations []violation       `json:"violations,omitempty"`
	RetryAfter float64           `json:"retry_after,omitempty"` // seconds
	RequestID  string            `json:"request_id,omitempty"`

	status int
	allow  string // the methods of a path, for a request with another one
}

// violation is one field of a request that is out of range.
type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

func (p *problem) Error() string { return p.Message }

// invalid returns the problem of one field, or of the whole request if the field is empty.
func invalid(field, format string, args ...any) *problem {
	text := fmt.Sprintf(format, args...)
	p := &problem{Code: code.Code_INVALID_ARGUMENT.String(), Message: text, Reason: langevinv1.ReasonInvalid,
		status: http.StatusBadRequest}
	if field != "" {
		p.Violations = []violation{{field, text}}
	}
	return p
}

// GRPCStatus returns the problem as a status with its details.
func (p *problem) GRPCStatus() *status.Status {
	s := status.New(codes.Code(code.Code_value[p.Code]), p.Message)
	var details []protoadapt.MessageV1
	if p.Reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: p.Reason, Domain: langevinv1.ErrorDomain})
	}
	if p.RetryAfter > 0 {
		delay := time.Duration(p.RetryAfter * float64(time.Second))
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	}
	fields := &errdetails.BadRequest{}
	for _, v := range p.Violations {
		fields.FieldViolations = append(fields.FieldViolations,
			&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
	}
	if len(fields.GetFieldViolations()) > 0 {
		details = append(details, fields)
	}
	if detailed, err := s.WithDetails(details...); err == nil {
		return detailed
	}
	return s
}

// refused returns the problem of a request that this server serves to nobody.
func refused(format string, args ...any) *problem {
	return &problem{Code: code.Code_PERMISSION_DENIED.String(), Message: fmt.Sprintf(format, args...),
		status: http.StatusForbidden}
}

// problemOf returns the problem of an error, with its details.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	s := status.Convert(err)
	p = &problem{Code: code.Code(s.Code()).String(), Message: s.Message(), status: statusCode(s.Code())}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			p.Reason, p.Facts = d.GetReason(), d.GetMetadata()
		case *errdetails.RetryInfo:
			p.RetryAfter = d.GetRetryDelay().AsDuration().Seconds()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				p.Violations = append(p.Violations, violation{v.GetField(), v.GetDescription()})
			}
		}
	}
	return p
}

// statusCode returns the HTTP status of a gRPC code, as in google/rpc/code.proto.
func statusCode(c codes.Code) int {
	switch c {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Canceled:
		return 499 // the client has left; only a log sees it
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// writeProblem answers a request with an error. The length is known, so that the answer is complete whatever becomes
// of the rest of the request.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	failed(r, err)
	p := *problemOf(err)
	p.RequestID = w.Header().Get(requestIDHeader)
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter))))
	}
	switch p.status {
	case http.StatusUnsupportedMediaType:
		w.Header().Set("Accept-Encoding", strings.Join(packingNames(), ", "))
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", p.allow)
	}
	body := append(p.json(), '\n')
	if speaksOIP(r) {
		body = append(p.oipJSON(), '\n')
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.status)
	// The write fails only if the client has left.
	_, _ = w.Write(body)
}

// json returns the problem in its envelope.
func (p *problem) json() []byte {
	data, err := json.Marshal(map[string]*problem{"error": p})
	if err != nil {
		return []byte(`{"error":{"code":"INTERNAL","message":"an error that cannot be written as JSON"}}`)
	}
	return data
}

// oipJSON returns the problem in the form of the Open Inference Protocol, whose clients expect a text.
func (p *problem) oipJSON() []byte {
	b := appendString([]byte(`{"error":`), p.Message)
	b = appendString(append(b, `,"code":`...), p.Code)
	return append(appendString(append(b, `,"request_id":`...), p.RequestID), '}')
}
