package web

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
)

// methods are the handlers of a path by method. A path with GET has HEAD too.
type methods map[string]http.HandlerFunc

// ServeHTTP answers another method with status 405 and the methods that there are.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handle := m[r.Method]
	if handle == nil && r.Method == http.MethodHead {
		handle = m[http.MethodGet]
	}
	if handle == nil {
		writeProblem(w, r, otherMethod(r, slices.Sorted(maps.Keys(m))...))
		return
	}
	handle(w, r)
}

// routes returns the handlers of all paths that do not belong to a service.
func (s *rest) routes(files *page) map[string]http.Handler {
	protocol := oip{s}
	return map[string]http.Handler{
		"/":                                   http.HandlerFunc(files.ServeHTTP),
		samplersPath:                          methods{"GET": keyless(files.ServeHTTP)},
		openAPIPath:                           methods{"GET": keyless(files.ServeHTTP)},
		"/healthz":                            methods{"GET": s.health},
		"/v1/":                                http.HandlerFunc(s.unknown),
		"/v1/models":                          methods{"GET": s.listModels},
		"/v1/models/{target}":                 http.HandlerFunc(s.model),
		"/v1/models/{name}/versions/{target}": http.HandlerFunc(s.model),

		"/v2":                                  methods{"GET": protocol.server},
		"/v2/":                                 http.HandlerFunc(protocol.unknown),
		"/v2/health/live":                      methods{"GET": protocol.live},
		"/v2/health/ready":                     methods{"GET": protocol.ready},
		"/v2/models/{name}":                    methods{"GET": protocol.model},
		"/v2/models/{name}/ready":              methods{"GET": protocol.modelReady},
		"/v2/models/{name}/infer":              methods{"POST": protocol.infer},
		"/v2/models/{name}/versions/{version}": methods{"GET": protocol.model},
		"/v2/models/{name}/versions/{version}/ready": methods{"GET": protocol.modelReady},
		"/v2/models/{name}/versions/{version}/infer": methods{"POST": protocol.infer},
	}
}

// model answers requests for a model, /v1/models/NAME, and for an operation on it, /v1/models/NAME:VERB.
func (s *rest) model(w http.ResponseWriter, r *http.Request) {
	_, verb, found := strings.Cut(r.PathValue("target"), ":")
	if !found {
		methods{"GET": s.getModel}.ServeHTTP(w, r)
		return
	}
	if _, known := verbOf(verb); !known {
		s.unknown(w, r)
		return
	}
	methods{"POST": s.act}.ServeHTTP(w, r)
}

// otherMethod returns the problem of a request whose path has other methods.
func otherMethod(r *http.Request, allowed ...string) *problem {
	allow := strings.Join(allowed, ", ")
	return &problem{
		Code: code.Code_UNIMPLEMENTED.String(), status: http.StatusMethodNotAllowed, allow: allow,
		Message: fmt.Sprintf("%s %s: want %s", clipped(r.Method), clipped(r.URL.Path), allow),
	}
}

// onlyKeys returns a problem for a key of the query that is not one of those given, or that is there twice.
func onlyKeys(r *http.Request, known ...string) error {
	query := r.URL.Query()
	for _, key := range slices.Sorted(maps.Keys(query)) {
		name := clipped(key)
		switch {
		case !slices.Contains(known, key) && len(known) == 0:
			return invalid(name, "%s is in the query: want no query here", name)
		case !slices.Contains(known, key):
			return invalid(name, "%s is in the query: want %s", name, strings.Join(known, ", "))
		case len(query[key]) > 1:
			return invalid(name, "%s is given %d times: want it once", name, len(query[key]))
		}
	}
	return nil
}

// keyless is a handler for requests without a query.
func keyless(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := onlyKeys(r); err != nil {
			writeProblem(w, r, err)
			return
		}
		next(w, r)
	}
}
