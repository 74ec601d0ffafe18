//go:build !linux

package proof

import (
	"os"
	"syscall"
)

// attributes are none: a child ends when its parent's end of the pipe is closed.
func attributes() *syscall.SysProcAttr { return nil }

// executable returns the running program.
func executable() (string, error) { return os.Executable() }
