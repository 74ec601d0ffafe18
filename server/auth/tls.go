package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// TLSFiles names PEM files. With ClientCA, clients must present a certificate that it signed (mTLS).
type TLSFiles struct {
	Cert, Key string
	ClientCA  string // empty if clients need no certificate
}

// TLS returns the TLS configuration of a server that speaks the given protocols ("h2" for gRPC). When the files change,
// new connections use the new contents. Files that do not match are logged, and the old contents stay in force. Any
// number of listeners may use the configuration.
func TLS(files TLSFiles, log *slog.Logger, protocols ...string) (*tls.Config, error) {
	watched := []string{files.Cert, files.Key}
	if files.ClientCA != "" {
		watched = append(watched, files.ClientCA)
	}
	current, err := newReloaded(log, func() (*tls.Config, error) { return readTLS(files, protocols) }, watched...)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.get(), nil },
	}, nil
}

func readTLS(files TLSFiles, protocols []string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{pair}}
	if files.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("load client authority: %w", err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load client authority %s: %w", files.ClientCA, errors.New("it contains no certificate"))
	}
	return c, nil
}
