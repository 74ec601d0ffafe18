package memory

import (
	"os"
	"strings"
	"testing"
)

func TestTotal(t *testing.T) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skipf("this system does not say how much memory it has: %v", err)
	}
	var kilobytes uint64
	for i, field := range strings.Fields(string(text)) {
		if i == 1 {
			for _, digit := range field {
				kilobytes = 10*kilobytes + uint64(digit-'0')
			}
		}
	}
	if bytes, ok := Total(); !ok || bytes < 1<<24 || bytes > kilobytes<<10 {
		t.Errorf("%d bytes, %v: want at least 16 MB and at most the %d kB of /proc/meminfo", bytes, ok, kilobytes)
	}
}
