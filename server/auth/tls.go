package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// TLSFiles are PEM files. With ClientCA, clients must show a certificate that it signed (mTLS).
type TLSFiles struct {
	Cert, Key string
	ClientCA  string // empty: clients need no certificate
}

// TLS returns the TLS side of a server that speaks the given protocols ("h2" for gRPC). Connections that are opened
// after the files have changed get what is in them then; files that do not fit together are logged and what was read
// before stays in force. The config may be used by any number of listeners.
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
		return nil, fmt.Errorf("load client authority %s: %w", files.ClientCA, errors.New("no certificate in it"))
	}
	return c, nil
}
