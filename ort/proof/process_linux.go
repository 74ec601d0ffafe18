package proof

import "syscall"

// attributes end a child when the thread that started it ends.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// executable returns the running program, also after its file was replaced.
func executable() (string, error) { return "/proc/self/exe", nil }
