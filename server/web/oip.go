package web

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/server/oip/inference"
)

// oip answers the REST form of the Open Inference Protocol, with the calls of its gRPC form.
//
//	GET  /v2                            the server
//	GET  /v2/health/live                also /v2/health/ready
//	GET  /v2/models/NAME                or /v2/models/NAME/versions/VERSION, also below
//	GET  /v2/models/NAME/ready
//	POST /v2/models/NAME/infer          [readInfer] and [appendInfer] describe the bodies
type oip struct{ *rest }

// oipPath is the beginning of the paths of the protocol.
const oipPath = "/v2"

// ask makes a call without a body for a request without a query. If it fails, it has answered the request.
func (s oip) ask(w http.ResponseWriter, r *http.Request, method string, req, resp proto.Message) bool {
	r, allowed := s.enter(w, r, method)
	if !allowed {
		return false
	}
	err := onlyKeys(r)
	if err == nil {
		err = s.unary(r, method, req, resp, 0, w.Header())
	}
	if err != nil {
		writeProblem(w, r, err)
	}
	return err == nil
}

func (s oip) server(w http.ResponseWriter, r *http.Request) {
	resp := &inference.ServerMetadataResponse{}
	if !s.ask(w, r, inference.GRPCInferenceService_ServerMetadata_FullMethodName, &inference.ServerMetadataRequest{},
		resp) {
		return
	}
	// The other extensions are calls of gRPC.
	resp.Extensions = []string{"binary_tensor_data"}
	writeJSON(w, appendJSON(nil, resp))
}

func (s oip) live(w http.ResponseWriter, r *http.Request) {
	resp := &inference.ServerLiveResponse{}
	if s.ask(w, r, inference.GRPCInferenceService_ServerLive_FullMethodName, &inference.ServerLiveRequest{}, resp) {
		writeReady(w, resp.GetLive(), resp)
	}
}

func (s oip) ready(w http.ResponseWriter, r *http.Request) {
	resp := &inference.ServerReadyResponse{}
	if s.ask(w, r, inference.GRPCInferenceService_ServerReady_FullMethodName, &inference.ServerReadyRequest{}, resp) {
		writeReady(w, resp.GetReady(), resp)
	}
}

func (s oip) modelReady(w http.ResponseWriter, r *http.Request) {
	resp := &inference.ModelReadyResponse{}
	req := &inference.ModelReadyRequest{Name: r.PathValue("name"), Version: r.PathValue("version")}
	if s.ask(w, r, inference.GRPCInferenceService_ModelReady_FullMethodName, req, resp) {
		writeReady(w, resp.GetReady(), resp)
	}
}

// writeReady answers with status 503 for no, since clients look at the status, at the body or at both.
func writeReady(w http.ResponseWriter, yes bool, resp proto.Message) {
	w.Header().Set("Content-Type", "application/json")
	if !yes {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	writeJSON(w, appendJSON(nil, resp))
}

func (s oip) model(w http.ResponseWriter, r *http.Request) {
	resp := &inference.ModelMetadataResponse{}
	req := &inference.ModelMetadataRequest{Name: r.PathValue("name"), Version: r.PathValue("version")}
	if s.ask(w, r, inference.GRPCInferenceService_ModelMetadata_FullMethodName, req, resp) {
		writeJSON(w, appendJSON(nil, resp))
	}
}

func (s oip) infer(w http.ResponseWriter, r *http.Request) {
	const method = inference.GRPCInferenceService_ModelInfer_FullMethodName
	r, allowed := s.enter(w, r, method)
	if !allowed {
		return
	}
	req := &inference.ModelInferRequest{ModelName: r.PathValue("name"), ModelVersion: r.PathValue("version")}
	resp := &inference.ModelInferResponse{}
	err := s.readInfer(r, req)
	if err == nil {
		err = s.unary(r, method, req, resp, 0, w.Header())
	}
	if err == nil && len(resp.GetOutputs()) != len(resp.GetRawOutputContents()) {
		err = status.Error(codes.Internal, "the answer has outputs without contents")
	}
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	writeInfer(w, resp, wantsBinary(req))
}

func (s oip) readInfer(r *http.Request, req *inference.ModelInferRequest) error {
	if err := onlyKeys(r); err != nil {
		return err
	}
	body, err := unpacked(r, s.maxBodyBytes)
	if err != nil {
		return err
	}
	part := s.room.open()
	defer part.release()
	return readInfer(body, r, part, req, s.calls.maxMessageBytes)
}

// wantsBinary reports whether the client wants the outputs as bytes after the JSON.
func wantsBinary(req *inference.ModelInferRequest) bool {
	for _, out := range req.GetOutputs() {
		if given, ok := out.GetParameters()["binary_data"]; ok {
			return given.GetBoolParam()
		}
	}
	return req.GetParameters()["binary_data_output"].GetBoolParam()
}

func (s oip) unknown(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, &problem{
		Code: "NOT_FOUND", status: http.StatusNotFound,
		Message: fmt.Sprintf("%s %s: there are GET /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME and "+
			"/v2/models/NAME/ready, and POST /v2/models/NAME/infer", clipped(r.Method), clipped(r.URL.Path)),
	})
}

// speaksOIP reports whether a request is one of the protocol, whose errors have a form of their own.
func speaksOIP(r *http.Request) bool {
	return r.URL.Path == oipPath || strings.HasPrefix(r.URL.Path, oipPath+"/")
}
