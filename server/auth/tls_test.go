package auth

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/server/auth/authtest"
)

// TestTLSReload: new connections use the new pair, and a pair that does not match leaves the old one in force.
func TestTLSReload(t *testing.T) {
	ca := authtest.NewAuthority(t)
	files := TLSFiles{Cert: filepath.Join(t.TempDir(), "cert"), Key: filepath.Join(t.TempDir(), "key")}
	ca.Issue(t, 7, "server", files.Cert, files.Key)
	var log bytes.Buffer
	current, err := newReloaded(slog.New(slog.NewTextHandler(&log, nil)),
		func() (*tls.Config, error) { return readTLS(files, []string{"h2"}) }, files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	current.now = func() time.Time { clock = clock.Add(2 * checkEvery); return clock }
	serial := func() *big.Int { return current.get().Certificates[0].Leaf.SerialNumber }
	if got := serial(); got.Int64() != 7 {
		t.Errorf("serial number %v: want 7", got)
	}
	ca.Issue(t, 8, "server", files.Cert, filepath.Join(t.TempDir(), "another"))
	if got := serial(); got.Int64() != 7 || !strings.Contains(log.String(), "private key does not match") {
		t.Errorf("serial number %v: want 7, because the new key is missing, and a line in the log:\n%s", got, &log)
	}
	ca.Issue(t, 9, "server", files.Cert, files.Key)
	if got := serial(); got.Int64() != 9 {
		t.Errorf("serial number %v: want 9\n%s", got, &log)
	}
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got.Int64() != 9 {
		t.Errorf("serial number %v: want 9", got)
	}
}

func TestTLSRefused(t *testing.T) {
	ca := authtest.NewAuthority(t)
	dir := t.TempDir()
	cert, key, junk := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "junk")
	ca.Issue(t, 1, "server", cert, key)
	write(t, junk, "not PEM")
	for name, files := range map[string]TLSFiles{
		"no key": {Cert: cert, Key: filepath.Join(dir, "none")}, "junk": {Cert: junk, Key: key},
		"swapped": {Cert: key, Key: cert}, "authority": {Cert: cert, Key: key, ClientCA: junk},
	} {
		if _, err := TLS(files, slog.New(slog.DiscardHandler), "h2"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
