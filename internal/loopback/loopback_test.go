package loopback

import "testing"

func TestOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1": true, "127.8.9.10:0": true, "[::1]:2": true, "[::ffff:127.0.0.1]:2": true,
		"localhost": false, "127.0.0.1": false, "": false, ":50051": false, "0.0.0.0:1": false, "[::]:1": false,
		"10.0.0.1:1": false, "localhost.example.com:1": false, "unix:///run/langevin": false,
	} {
		if Only(address) != want {
			t.Errorf("only this machine can reach %q: %t, want %t", address, !want, want)
		}
	}
}
