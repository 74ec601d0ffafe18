package auth

import (
	"path"
	"strings"
)

// access is what a method requires of its caller.
type access struct {
	scope Scope
	open  bool // anyone may call without a token
}

// services returns what each service requires. methods has the exceptions. A method in neither is refused, so a new
// service cannot be forgotten.
func services() map[string]access {
	return map[string]access{
		"langevin.v1.SamplingService":              {scope: ScopeSample},
		"langevin.v1.ModelService":                 {scope: ScopeSample},
		"langevin.v1.AdminService":                 {scope: ScopeAdmin},
		"inference.GRPCInferenceService":           {scope: ScopeSample},
		"grpc.health.v1.Health":                    {open: true}, // probes have no token; see guardHealth
		"grpc.reflection.v1.ServerReflection":      {scope: ScopeSample},
		"grpc.reflection.v1alpha.ServerReflection": {scope: ScopeSample},
	}
}

func methods() map[string]access {
	return map[string]access{
		"/grpc.health.v1.Health/List":                           {scope: ScopeSample}, // it names the models
		"/inference.GRPCInferenceService/ServerLive":            {open: true},
		"/inference.GRPCInferenceService/ServerReady":           {open: true},
		"/inference.GRPCInferenceService/RepositoryModelLoad":   {scope: ScopeAdmin},
		"/inference.GRPCInferenceService/RepositoryModelUnload": {scope: ScopeAdmin},
	}
}

// accessOf returns what a method ("/package.Service/Method") requires. known is false if its service is not listed.
func accessOf(method string) (a access, known bool) {
	if a, known = methods()[method]; known {
		return a, true
	}
	a, known = services()[strings.TrimPrefix(path.Dir(method), "/")]
	return a, known
}
