package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/loopback"
	"github.com/langevin-ml/langevin/server"
)

// access has the flags for TLS and tokens.
type access struct {
	tls            bool
	ca, cert, key  string
	tokenFile      string
	plaintextToken bool
}

func (a *access) register(flags *pflag.FlagSet) {
	flags.BoolVar(&a.tls, "tls", false, "encrypt the connection, trusting the system's certificate authorities")
	flags.StringVar(&a.ca, "ca", "", "`FILE` with the certificate authorities to trust instead, as PEM; implies --tls")
	flags.StringVar(&a.cert, "cert", "", "`FILE` with this client's certificate, as PEM; implies --tls")
	flags.StringVar(&a.key, "key", "", "`FILE` with the key of --cert")
	flags.StringVar(&a.tokenFile, "token-file", "", "`FILE` with the token to send; without it, $"+
		server.EnvToken+" may have the token itself")
	flags.BoolVar(&a.plaintextToken, "plaintext-token", false,
		"send the token without TLS to a server that is not on this machine")
}

// given reports whether any flag of access is set.
func (a access) given() bool { return a != access{} }

func (a access) check() error {
	if (a.cert == "") != (a.key == "") {
		return cli.Usagef("--cert and --key: want both or neither")
	}
	return nil
}

func (a access) encrypts() bool { return a.tls || a.ca != "" || a.cert != "" }

// options returns what the flags mean for a client of target.
func (a access) options(target string) ([]client.Option, error) {
	var options []client.Option
	if a.encrypts() {
		config, err := a.config()
		if err != nil {
			return nil, err
		}
		options = append(options, client.WithTLS(config))
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	if token != "" {
		options = append(options, client.WithToken(token))
	}
	if a.plaintextToken || onThisMachine(target) {
		options = append(options, client.WithPlaintextToken())
	}
	return options, nil
}

func (a access) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s has no certificate in PEM", a.ca)
		}
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (a access) token() (string, error) {
	if a.tokenFile == "" {
		return strings.TrimSpace(os.Getenv(server.EnvToken)), nil
	}
	text, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("--token-file: " + a.tokenFile + " is empty")
	}
	return token, nil
}

// onThisMachine reports whether all addresses of target belong to this machine alone.
func onThisMachine(target string) bool {
	for address := range strings.SplitSeq(target, ",") {
		if !loopback.Only(strings.TrimSpace(address)) {
			return false
		}
	}
	return true
}
