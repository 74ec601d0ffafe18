package remote

import (
	"testing"
)

func TestOnThisMachine(t *testing.T) {
	for target, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1,[::1]:2": true, "localhost:1,far:2": false, "dns:///localhost:1": false,
	} {
		if onThisMachine(target) != want {
			t.Errorf("%s is on this machine: %t", target, !want)
		}
	}
}
