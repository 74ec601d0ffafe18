package rpc

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// TestLargeErrors: an error that repeats a megabyte of a request is cut, and keeps its code and its reason.
func TestLargeErrors(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	for name, mistake := range map[string]*sampling.FieldError{
		"given": {Field: "x", Given: long, Want: "less"}, "field": {Field: long, Given: 1, Want: "less"},
		"want": {Field: "x", Given: 1, Want: long},
	} {
		whole := StatusOf(mistake)
		s := bounded(whole)
		if size := proto.Size(s.Proto()); size > mostStatusBytes || s.Code() != whole.Code() ||
			reasonOf(s) != langevinv1.ReasonInvalid || !strings.Contains(s.Message(), "é...") {
			t.Errorf("%s: %d bytes, %v", name, size, s.Code())
		}
	}
	if s := StatusOf(&sampling.FieldError{Field: "n", Given: 0, Want: "more"}); bounded(s) != s {
		t.Error("a short status was changed")
	}
}
