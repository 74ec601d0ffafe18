package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
)

// class says how a kind of error appears in a status.
type class struct {
	err    error
	code   codes.Code
	reason string
	retry  time.Duration // of RetryInfo; negative for none
}

// classes is matched in order with errors.Is. An error that matches nothing is INTERNAL, and only the log has its text.
func classes() []class {
	return []class{
		{models.ErrNotFound, codes.NotFound, langevinv1.ReasonModelNotFound, -1},
		{models.ErrInvalid, codes.FailedPrecondition, langevinv1.ReasonModelFailed, -1},
		{host.ErrLoading, codes.Unavailable, langevinv1.ReasonModelLoading, time.Second},
		{host.ErrFailed, codes.FailedPrecondition, langevinv1.ReasonModelFailed, -1},
		{host.ErrClosed, codes.Unavailable, langevinv1.ReasonDraining, 0},
		{sampling.ErrDiverged, codes.FailedPrecondition, langevinv1.ReasonDiverged, -1},
		{batch.ErrCollapsed, codes.FailedPrecondition, langevinv1.ReasonCollapsed, -1},
		{errNoDetector, codes.FailedPrecondition, langevinv1.ReasonNoDetector, -1},
		{sampling.ErrTolerance, codes.FailedPrecondition, langevinv1.ReasonTolerance, -1},
		{batch.ErrBusy, codes.ResourceExhausted, langevinv1.ReasonQueueFull, time.Second},
		{batch.ErrDeadline, codes.DeadlineExceeded, langevinv1.ReasonDeadlineTooShort, -1},
		{batch.ErrClosed, codes.Unavailable, langevinv1.ReasonDraining, 0},
		{auth.ErrUnauthenticated, codes.Unauthenticated, langevinv1.ReasonUnauthenticated, -1},
		{auth.ErrForbidden, codes.PermissionDenied, langevinv1.ReasonForbidden, -1},
		{auth.ErrQuota, codes.ResourceExhausted, langevinv1.ReasonQuota, -1},
		{errUnread, codes.ResourceExhausted, langevinv1.ReasonSlowConsumer, -1},
		{context.Canceled, codes.Canceled, "", -1},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "", -1},
	}
}

// invalid collects all mistakes of a request, so that one error can report them all.
type invalid []*sampling.FieldError

func (v *invalid) add(field string, given any, want string, args ...any) {
	*v = append(*v, &sampling.FieldError{Field: field, Given: given, Want: fmt.Sprintf(want, args...)})
}

// join adds err, a FieldError of a message that is at prefix in the request.
func (v *invalid) join(prefix string, err error) {
	var field *sampling.FieldError
	switch {
	case err == nil:
	case errors.As(err, &field):
		path := strings.TrimSuffix(prefix+field.Field, ".") // the message itself has no name within it
		*v = append(*v, &sampling.FieldError{Field: path, Given: field.Given, Want: field.Want, Cause: field.Cause})
	default:
		*v = append(*v, &sampling.FieldError{
			Field: strings.TrimSuffix(prefix, "."), Given: fmt.Sprintf("out of range (%v)", err),
			Want: "values that float32 can hold",
		})
	}
}

func (v invalid) err() error {
	if len(v) == 0 {
		return nil
	}
	errs := make([]error, len(v))
	for i, e := range v {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// RenameFields returns err with other names of fields, for a protocol that does not have those of langevin.v1.
func RenameFields(err error, names map[string]string) error {
	var renamed invalid
	for _, mistake := range fieldErrors(err) {
		other := *mistake
		other.Field = cmp.Or(names[mistake.Field], mistake.Field)
		renamed = append(renamed, &other)
	}
	return cmp.Or(renamed.err(), err)
}

// StatusOf turns a handler's error into a status with details.
func StatusOf(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	if violations := fieldErrors(err); len(violations) > 0 {
		return invalidStatus(violations)
	}
	for _, c := range classes() {
		if errors.Is(err, c.err) {
			return c.status(err)
		}
	}
	return status.New(codes.Internal, "internal error: the server's log has the cause under this request's id")
}

func (c class) status(err error) *status.Status {
	s := status.New(c.code, err.Error())
	var details []protoadapt.MessageV1
	if c.reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: c.reason, Domain: langevinv1.ErrorDomain,
			Metadata: facts(err)})
	}
	var quota *auth.QuotaError
	if errors.As(err, &quota) {
		c.retry = quota.Retry
		details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{
			{Subject: quota.Caller, Description: quota.Error()},
		}})
	}
	var busy *batch.BusyError
	if errors.As(err, &busy) {
		c.retry = busy.Retry
	}
	var given *batch.GivenUpError
	if errors.As(err, &given) {
		c.retry = given.Retry
	}
	if c.retry >= 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(c.retry)})
	}
	var missing *models.NotFoundError
	if errors.As(err, &missing) {
		details = append(details, &errdetails.ResourceInfo{ResourceType: "model", ResourceName: missing.Name,
			Description: missing.Error()})
	}
	return withDetails(s, details...)
}

// facts returns what a program may want to know about an error without reading its text.
func facts(err error) map[string]string {
	var collapsed *batch.CollapsedError
	if errors.As(err, &collapsed) {
		return map[string]string{
			"chain":          strconv.FormatUint(collapsed.Chain, 10),
			"effective_size": strconv.FormatFloat(collapsed.Size, 'g', -1, 64),
		}
	}
	var diverged *sampling.DivergedError
	if !errors.As(err, &diverged) {
		return nil
	}
	return map[string]string{
		"chain": strconv.FormatUint(diverged.Chain, 10),
		"step":  strconv.Itoa(diverged.Step),
		"sigma": strconv.FormatFloat(float64(diverged.Sigma), 'g', -1, 32),
	}
}

func invalidStatus(violations []*sampling.FieldError) *status.Status {
	request := &errdetails.BadRequest{}
	text := ""
	for i, v := range violations {
		if i > 0 {
			text += "; "
		}
		text += v.Error()
		request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.Field, Description: v.Error(),
		})
	}
	return withDetails(status.New(codes.InvalidArgument, text),
		&errdetails.ErrorInfo{Reason: langevinv1.ReasonInvalid, Domain: langevinv1.ErrorDomain}, request)
}

// withDetails attaches details. A status that cannot carry them is sent without.
func withDetails(s *status.Status, details ...protoadapt.MessageV1) *status.Status {
	if detailed, err := s.WithDetails(details...); err == nil {
		return detailed
	}
	return s
}

// fieldErrors finds every FieldError in a tree of joined and wrapped errors.
func fieldErrors(err error) []*sampling.FieldError {
	if field, ok := err.(*sampling.FieldError); ok {
		return []*sampling.FieldError{field}
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		var all []*sampling.FieldError
		for _, inner := range e.Unwrap() {
			all = append(all, fieldErrors(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return fieldErrors(e.Unwrap())
	}
	return nil
}
