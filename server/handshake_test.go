package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/auth/authtest"
)

// encrypted is a server with TLS on both listeners that clients reach. With mutual, clients need a certificate.
type encrypted struct {
	*running
	ca    *authtest.Authority
	files server.TLSConfig
}

func encrypt(t *testing.T, mutual bool) *encrypted {
	t.Helper()
	dir := t.TempDir()
	e := &encrypted{ca: authtest.NewAuthority(t), files: server.TLSConfig{
		Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"),
	}}
	e.ca.Issue(t, 2, "server", e.files.Cert, e.files.Key)
	if mutual {
		e.files.ClientCA = filepath.Join(dir, "ca")
		if err := os.WriteFile(e.files.ClientCA, e.ca.PEM, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.running = start(t, func(c *server.Config) { c.TLS, c.HTTP.Listen = e.files, "localhost:0" },
		grpc.WithTransportCredentials(credentials.NewTLS(e.client(t))))
	return e
}

// client returns the configuration of a client that the server lets in.
func (e *encrypted) client(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: e.ca.Pool, ServerName: "localhost", NextProtos: []string{"h2"},
		Certificates: []tls.Certificate{e.ca.Pair(t, 3, "alice", nil)}}
}

// talk shakes hands with a server and exchanges the first frames of HTTP/2. With TLS 1.3 a client learns only then that
// its certificate was refused.
func talk(address string, config *tls.Config) (tls.ConnectionState, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", address, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	framer := http2.NewFramer(conn, conn)
	_, err = io.WriteString(conn, http2.ClientPreface)
	err = errors.Join(err, framer.WriteSettings(), conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	if err == nil {
		_, err = framer.ReadFrame()
	}
	return conn.ConnectionState(), err
}

// TestHandshakes: real handshakes with the gRPC and the HTTP listener. They accept TLS 1.2 and 1.3 and a certificate
// that is valid now, for clients, and from the right authority. A client recognizes a server that is not the one that
// it asked for.
func TestHandshakes(t *testing.T) {
	e := encrypt(t, true)
	stranger := authtest.NewAuthority(t)
	presents := func(authority *authtest.Authority, change func(*x509.Certificate)) func(*tls.Config) {
		return func(c *tls.Config) { c.Certificates = []tls.Certificate{authority.Pair(t, 5, "alice", change)} }
	}
	versions := func(least, most uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = least, most }
	}
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		ok     bool
	}{
		{"as it should be", func(*tls.Config) {}, true},
		{"TLS 1.3", versions(tls.VersionTLS13, tls.VersionTLS13), true},
		{"TLS 1.2", versions(tls.VersionTLS12, tls.VersionTLS12), true},
		{"TLS 1.1", versions(tls.VersionTLS11, tls.VersionTLS11), false},
		{"TLS 1.0", versions(tls.VersionTLS10, tls.VersionTLS10), false},
		{"a broken cipher", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}, false},
		{"a protocol that is not served", func(c *tls.Config) { c.NextProtos = []string{"spdy/3"} }, false},
		{"no certificate", func(c *tls.Config) { c.Certificates = nil }, false},
		{"another authority's certificate", presents(stranger, nil), false},
		{"an expired certificate", presents(e.ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), false},
		{"a certificate of the future", presents(e.ca, func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Hour)
			c.NotAfter = c.NotBefore.Add(time.Hour)
		}), false},
		{"a server's certificate", presents(e.ca, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), false},
		{"an unknown authority of the server", func(c *tls.Config) { c.RootCAs = stranger.Pool }, false},
		{"another name of the server", func(c *tls.Config) { c.ServerName = "langevin.example" }, false},
		{"a server whose certificate has expired", func(c *tls.Config) {
			c.Time = func() time.Time { return time.Now().Add(2 * time.Hour) }
		}, false},
	} {
		for _, address := range []string{e.conn.Target(), e.http} {
			config := e.client(t)
			c.change(config)
			if _, err := talk(address, config); (err == nil) != c.ok {
				t.Errorf("%s, %s: %v, want success to be %v", c.name, address, err, c.ok)
			}
		}
	}
	if _, err := talk(e.conn.Target(), func() *tls.Config {
		config := e.client(t)
		config.NextProtos = nil
		return config
	}()); err == nil {
		t.Error("gRPC talks to a client that names no protocol")
	}
	for _, address := range []string{e.conn.Target(), e.http} {
		conn := silent(t, address, 1)[0]
		if _, err := io.WriteString(conn, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
			t.Fatal(err)
		}
		hungUp(t, conn, 10*time.Second)
	}
	e.alive(t)
}

// TestCertificateReload: while the server's certificate is replaced, no handshake fails and no call is cut off. A
// session of a client whose authority is no longer trusted is not resumed.
func TestCertificateReload(t *testing.T) {
	e := encrypt(t, true)
	stream, err := e.sample(t.Context(), long())
	if err != nil {
		t.Fatal(err)
	}
	known := e.client(t)
	known.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	known.MaxVersion = tls.VersionTLS12 // its ticket comes with the handshake
	if _, err := talk(e.http, known); err != nil {
		t.Fatal(err)
	}
	if state, err := talk(e.http, known); err != nil || !state.DidResume {
		t.Errorf("resumed: %v, %v; want the test to be able to fail", state.DidResume, err)
	}
	e.ca.Issue(t, 9, "server", e.files.Cert, e.files.Key)
	config, seen := e.client(t), map[int64]bool{}
	eventually(t, "the new certificate is not in use", func() bool {
		for _, address := range []string{e.conn.Target(), e.http} {
			state, err := talk(address, config)
			if err != nil {
				t.Fatalf("during the change: %v", err)
			}
			seen[state.PeerCertificates[0].SerialNumber.Int64()] = true
		}
		return seen[9]
	})
	if _, err := stream.Recv(); err != nil {
		t.Errorf("a call from before the change: %v", err)
	}
	other := authtest.NewAuthority(t)
	if err := os.WriteFile(e.files.ClientCA, other.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old authority is trusted", func() bool {
		_, err := talk(e.http, config)
		return err != nil
	})
	if state, err := talk(e.http, known); err == nil {
		t.Errorf("a client of the old authority is let in; resumed: %v", state.DidResume)
	}
	config.Certificates = []tls.Certificate{other.Pair(t, 6, "bob", nil)}
	if _, err := talk(e.http, config); err != nil {
		t.Errorf("a client of the new authority: %v", err)
	}
}
