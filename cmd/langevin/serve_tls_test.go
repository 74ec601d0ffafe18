package main

import (
	"os"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/server/auth/authtest"
)

// TestMutualTLS: a server that asks for certificates serves those who have one of its authority, and only them.
func TestMutualTLS(t *testing.T) {
	flags := inside(t, modelFolder(t))
	t.Chdir(t.TempDir())
	authority, stranger := authtest.NewAuthority(t), authtest.NewAuthority(t)
	authority.Issue(t, 2, "server", "server.pem", "server.key")
	authority.Issue(t, 3, "alice", "alice.pem", "alice.key")
	stranger.Issue(t, 2, "mallory", "mallory.pem", "mallory.key")
	if err := os.WriteFile("ca.pem", authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	address := serving(t, append(flags, "--tls-cert", "server.pem", "--tls-key", "server.key", "--tls-client-ca",
		"ca.pem"))
	ask := func(line string) outcome {
		t.Helper()
		return runAlone(t, append(strings.Fields("sample gauss -n 3 --seed 1 --timeout 20s "+line), "--server",
			address)...)
	}
	want := runAlone(t, append([]string{"sample", "gauss", "-n", "3", "--seed", "1", "--local"}, flags...)...)
	if got := ask("--ca ca.pem --cert alice.pem --key alice.key"); got != want || got.code != cli.ExitOK {
		t.Errorf("alice got %+v\nwant %+v", got, want)
	}
	for line, part := range map[string]string{
		// in TLS 1.3 the refusal may show as a connection that breaks
		"--ca ca.pem --cert mallory.pem --key mallory.key": "",
		"--ca ca.pem":                                   "",
		"--cert alice.pem --key alice.key --tls":        "certificate signed by unknown authority",
		"--ca mallory.pem":                              "certificate signed by unknown authority",
		"--ca alice.key":                                "--ca: alice.key has no certificate in PEM",
		"--ca ca.pem --cert alice.pem --key server.key": "--cert and --key: tls: private key does not match public key",
		"": "if it encrypts, add --tls or --ca FILE",
	} {
		if got := ask(line); got.code != cli.ExitFailed || got.stdout != "" || !oneLineWith(got.stderr, part) {
			t.Errorf("sample %s: %+v\nwant code 1 and %q", line, got, part)
		}
	}
}
