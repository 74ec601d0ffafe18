package server

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The environment variables that are not settings of a server. Commands and clients read them.
const (
	EnvConfig = envPrefix + "_CONFIG"
	EnvServer = envPrefix + "_SERVER"
	EnvToken  = envPrefix + "_TOKEN"
)

// Variable is an environment variable of the product.
type Variable struct {
	Name    string // LANGEVIN_LIMITS_MAX_CHAINS
	Setting string // the setting, limits.max_chains; empty for a variable of commands and clients
	Default string // the value without it; empty for nothing
	Help    string
	Values  Values // which the setting takes
}

// Variables returns all environment variables that begin with LANGEVIN_: first the variables of commands and clients,
// then one for every setting, in the order of [Config].
func Variables() []Variable {
	all := []Variable{
		{Name: EnvConfig, Help: "YAML file of settings, for serve and for commands that start a server: --config"},
		{Name: EnvServer, Default: "localhost:50051",
			Help: "server that commands and clients call, or several, as a:50051,b:50051: --server"},
		{Name: EnvToken, Help: "bearer token that commands send (not the name of a file; see --token-file)"},
	}
	for _, s := range defaultSettings() {
		all = append(all, Variable{s.env(), s.key, s.text(), s.help, s.values()})
	}
	return all
}

// kubernetesVariable matches the variables that Kubernetes sets in every container for a Service called langevin.
var kubernetesVariable = regexp.MustCompile(`^LANGEVIN(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9_]+)?$`)

// unknownVariables reports variables of the environment that begin with LANGEVIN_ and have no meaning.
func unknownVariables(environ []string) error {
	all := Variables()
	var errs []error
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		known := slices.ContainsFunc(all, func(v Variable) bool { return v.Name == name })
		if strings.HasPrefix(name, envPrefix+"_") && !known && !kubernetesVariable.MatchString(name) {
			errs = append(errs, fmt.Errorf("the environment sets %s, which is not a setting", name))
		}
	}
	return errors.Join(errs...)
}
