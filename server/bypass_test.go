package server_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth"
)

// procedure is a method of a listener, and the scope that docs/security.md says it needs; none if it is open.
type procedure struct {
	path    string
	scope   auth.Scope
	method  protoreflect.MethodDescriptor
	request proto.Message
}

// scopeOf returns what docs/security.md says. A method that is new needs the scope sample here: if it is more, or open,
// this table has to say so.
func scopeOf(path string) auth.Scope {
	switch {
	case slices.Contains([]string{
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
		"/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ServerReady",
	}, path):
		return ""
	case strings.HasPrefix(path, "/langevin.v1.AdminService/"),
		strings.HasPrefix(path, "/inference.GRPCInferenceService/RepositoryModel"):
		return auth.ScopeAdmin
	}
	return auth.ScopeSample
}

// procedures asks a listener for its services and returns all of their methods.
func procedures(t *testing.T, conn *grpc.ClientConn, token string) []procedure {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := errors.Join(stream.Send(ask), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var all []procedure
	for _, s := range answer.GetListServicesResponse().GetService() {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(s.GetName()))
		if err != nil {
			t.Fatal(err)
		}
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			path := "/" + s.GetName() + "/" + string(methods.Get(i).Name())
			all = append(all, procedure{path, scopeOf(path), methods.Get(i), harmful(methods.Get(i).Input())})
		}
	}
	return all
}

// harmful returns a request that would do something if the server let it in: it names the model that is loaded.
func harmful(d protoreflect.MessageDescriptor) proto.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Kind() == protoreflect.StringKind && !f.IsList() &&
			slices.Contains([]protoreflect.Name{"name", "model", "model_name"}, f.Name()) {
			m.Set(f, protoreflect.ValueOfString("gauss"))
		}
	}
	return m
}

// attempt is the headers, and maybe the query, with which somebody tries to call who may not.
type attempt struct{ name, headers, query string }

// attempts returns attempts that prove nobody. Many carry a token that would do, in a place that does not count.
func attempts(good, revoked string) []attempt {
	bearer := "authorization: Bearer " + good
	return []attempt{
		{"nothing", "", ""},
		{"a wrong token", "authorization: Bearer langevin_AAAAAAAAAAAAAAAAAAAAAAAAAA", ""},
		{"a token that was removed", "authorization: Bearer " + revoked, ""},
		{"the hash of a token", fmt.Sprintf("authorization: Bearer %x", sha256.Sum256([]byte(good))), ""},
		{"a token that goes on", bearer + "x", ""},
		{"a token that ends early", bearer[:len(bearer)-1], ""},
		{"a token in upper case", "authorization: Bearer " + strings.ToUpper(good), ""},
		{"no scheme", "authorization: " + good, ""},
		{"no token", "authorization: Bearer", ""},
		{"an empty header", "authorization: ", ""},
		{"another scheme", "authorization: Basic " + good, ""},
		{"a scheme that begins so", "authorization: Bearers " + good, ""},
		{"the scheme twice", "authorization: " + strings.Repeat("Bearer ", 2) + good, ""},
		{"two tokens in one header", bearer + ", Bearer " + good, ""},
		{"two headers, both good", bearer + "\n" + bearer, ""},
		{"two headers, the first good", bearer + "\nauthorization: Bearer x", ""},
		{"two headers, the last good", "authorization: Bearer x\n" + bearer, ""},
		{"a binary header", "authorization-bin: Bearer " + good, ""},
		{"a proxy's header", "proxy-authorization: Bearer " + good, ""},
		{"other headers", "x-authorization: Bearer " + good + "\ngrpc-metadata-authorization: Bearer " + good +
			"\ncookie: authorization=Bearer " + good + "\nx-forwarded-user: alice\nx-api-key: " + good +
			"\nx-forwarded-for: 127.0.0.1\nx-original-authorization: Bearer " + good, ""},
		{"the query", "", "?authorization=Bearer%20" + good + "&access_token=" + good + "&token=" + good},
	}
}

// TestAuthBypass tries to call every method of every listener in every protocol without the right token. The server
// lists its methods, so a new one is tried too. Every attempt ends with the right code, and none has an effect.
func TestAuthBypass(t *testing.T) {
	b := besiege(t)
	before, tried, refused := scrape(t, b.admin), 0, map[string]float64{}
	var all sync.WaitGroup
	for _, f := range b.faces {
		all.Go(func() { b.attack(t, f) })
		for _, p := range f.procedures {
			tries := len(f.some(attempts("x", ""))) + 1
			tried += tries
			if !strings.HasPrefix(p.path, "/grpc.") && p.scope != "" { // metrics leave out probes
				refused[p.path[1:]] += float64(tries)
			}
		}
	}
	all.Wait()
	t.Logf("%d attempts at %d methods", tried, len(refused))
	b.unharmed(t, before, refused)
	for _, f := range b.faces { // they reach the methods, so it was the token that the attempts lacked
		for _, p := range f.procedures {
			if f.suits(p.method) {
				b.admitted(t, f.face, p)
			}
		}
	}
}

// attack makes every attempt at every method of a face.
func (b *besieged) attack(t *testing.T, f listed) {
	other := map[auth.Scope]auth.Scope{auth.ScopeSample: auth.ScopeAdmin, auth.ScopeAdmin: auth.ScopeSample}
	for _, p := range f.procedures {
		small := attempt{"another scope", "authorization: Bearer " + b.token[other[p.scope]], ""}
		b.expect(t, f.face, p, small, codes.PermissionDenied)
		for _, a := range f.some(attempts(b.token[p.scope], b.revoked)) {
			b.expect(t, f.face, p, a, codes.Unauthenticated)
		}
	}
}

// besieged is a server with all listeners, and what a test needs to call them.
type besieged struct {
	*running
	admin   string
	token   map[auth.Scope]string // also under "", for open methods
	revoked string
	faces   []listed
}

// listed is a face and the methods of its listener.
type listed struct {
	face
	procedures []procedure
	part       int // 0 for all attempts; else one of the quarters, 1 to 4
}

// some returns the attempts that are made at a face: all in the main protocols. The others read headers with the same
// code, so a quarter will do, and the first attempt, which has no headers.
func (f listed) some(all []attempt) []attempt {
	if f.part == 0 {
		return all
	}
	var some []attempt
	for i, a := range all {
		if i == 0 || i%4 == f.part-1 {
			some = append(some, a)
		}
	}
	return some
}

// awaitModels waits until all built-in models are ready. One that gets ready later changes a metric.
func (b *besieged) awaitModels(t *testing.T) {
	t.Helper()
	files, err := fs.Glob(models.Zoo(), "*/*/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		ready := 0
		for series := range scrape(t, b.admin) {
			if strings.HasPrefix(series, "langevin_model_info{") {
				ready++
			}
		}
		if ready > len(files) { // one is the test's own
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d models are ready, want more than %d", ready, len(files))
		}
	}
}

func besiege(t *testing.T) *besieged {
	t.Helper()
	b := &besieged{admin: freePort(t), token: map[auth.Scope]string{}}
	file := filepath.Join(t.TempDir(), "tokens")
	var lines [3]string
	b.token[auth.ScopeSample], lines[0] = auth.NewToken("alice", auth.ScopeSample)
	b.token[auth.ScopeAdmin], lines[1] = auth.NewToken("operator", auth.ScopeAdmin)
	b.token[""] = b.token[auth.ScopeSample]
	b.revoked, lines[2] = auth.NewToken("mallory", auth.ScopeSample, auth.ScopeAdmin)
	write := func(lines ...string) {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(lines[:]...)
	b.running = start(t, func(c *server.Config) {
		withBuiltIn(c)
		c.Admin.Listen, c.HTTP.Listen, c.Auth.Tokens = b.admin, "localhost:0", file
	})
	b.awaitModels(t)
	write(lines[:2]...)
	page, err := grpc.NewClient(b.http, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { page.Close() })
	good := b.token[auth.ScopeSample]
	b.faces = []listed{{overGRPC("gRPC", b.conn), procedures(t, b.conn, good), 0}}
	web := procedures(t, page, good)
	b.faces = append(b.faces, listed{overGRPC("gRPC on the HTTP listener", page), web, 0})
	for name, client := range webClients(nil) {
		t.Cleanup(client.CloseIdleConnections)
		for _, f := range webForms() {
			if name == "HTTP/2" && !f.json { // the form of messages was tried with HTTP/1.1
				continue
			}
			part := len(b.faces)%4 + 1
			if name == "HTTP/1.1" && f.media == "application/json" {
				part = 0
			}
			b.faces = append(b.faces, listed{overWeb(name, "http://"+b.http, client, f), web, part})
		}
	}
	eventually(t, "a token that was removed still works", func() bool {
		list := procedure{path: langevinv1.ModelService_ListModels_FullMethodName,
			request: &langevinv1.ListModelsRequest{}}
		code, _ := b.faces[0].call(t.Context(), list.path, list.request, "authorization: Bearer "+b.revoked, "")
		return code == codes.Unauthenticated
	})
	return b
}

// expect makes an attempt. An open method answers whatever the token.
func (b *besieged) expect(t *testing.T, f face, p procedure, a attempt, want codes.Code) {
	t.Helper()
	if p.scope == "" && f.suits(p.method) {
		want = codes.OK
	}
	code, err := f.call(t.Context(), p.path, p.request, a.headers, a.query)
	if open := p.scope == "" && !f.suits(p.method); code != want && !open {
		t.Errorf("%s, %s, %s: %v (%v): want %v", f.name, p.path, a.name, code, err, want)
	}
}

// admitted fails the test if a method refuses the right token.
func (b *besieged) admitted(t *testing.T, f face, p procedure) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, err := f.call(ctx, p.path, p.request, "authorization: Bearer "+b.token[p.scope], "")
	local := p.scope == auth.ScopeAdmin && f.name != "gRPC" // the HTTP listener loads no models for anybody
	if refused := code == codes.Unauthenticated || code == codes.PermissionDenied; refused != local ||
		code == codes.Unimplemented && !strings.HasPrefix(p.path, "/inference.") {
		t.Errorf("%s, %s with the right token: %v, %v", f.name, p.path, code, err)
	}
}

// unharmed fails the test unless every attempt was counted as denied, and nothing else happened.
func (b *besieged) unharmed(t *testing.T, before, refused map[string]float64) {
	t.Helper()
	after := scrape(t, b.admin)
	for series := range after {
		name, labels, _ := strings.Cut(series, "{")
		change := after[series] - before[series]
		switch {
		case name == "langevin_requests_total" && strings.Contains(labels, `outcome="denied"`):
			method, _, _ := strings.Cut(strings.TrimPrefix(labels, `method="`), `"`)
			if change != refused[method] {
				t.Errorf("%v refusals of %s were counted, want %v", change, method, refused[method])
			}
			delete(refused, method)
		case name == "langevin_requests_total" && !strings.Contains(labels, "/Server"),
			slices.Contains([]string{"langevin_chain_steps_total", "langevin_reloads_total", "langevin_open_calls",
				"langevin_model_info", "langevin_running_rows", "langevin_queue_rows"}, name):
			if change != 0 {
				t.Errorf("%s has changed by %v", series, change)
			}
		}
	}
	for method := range refused {
		t.Errorf("no refusal of %s was counted", method)
	}
}
