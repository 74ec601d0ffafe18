package proof

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	gentle    = 10     // the nice value of a proof: calls that a server answers meanwhile come first
	dismissed = "1000" // when memory is short, the kernel ends a proof first
)

// lower sets the priority and the limits of this process. Memory is what the process may use beyond what it has now:
// for a build with the race detector, that is terabytes of address space. Address space that is only reserved, of which
// Go has much, does not count. A process that reaches the limit of processor time is killed. A process that crashes
// leaves no file.
func lower(l Limits) error {
	used, err := dataBytes()
	if err != nil {
		return err
	}
	memory, seconds := used+uint64(l.Memory), uint64(max(1, l.Time/time.Second))
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, gentle) // some containers forbid these two
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(dismissed), 0)
	return errors.Join(
		syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: memory, Max: memory}),
		syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}),
		syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}),
	)
}

// dataBytes returns the memory of this process that counts for RLIMIT_DATA.
func dataBytes() (uint64, error) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "VmData:"); found {
			kilobytes, err := strconv.ParseUint(strings.Fields(text)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("%s says nothing about memory", file.Name())
}
