// Package memory finds out how much memory this process may use.
package memory

import (
	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Total returns the number of bytes that this process may use: the memory of the machine or, if it is less, that of its
// container, as control groups set it. ok is false where neither is known.
func Total() (bytes uint64, ok bool) {
	machine, errMachine := memlimit.FromSystem()
	container, errContainer := memlimit.FromCgroup()
	switch {
	case errMachine == nil && errContainer == nil:
		return min(machine, container), true
	case errMachine == nil:
		return machine, true
	}
	return container, errContainer == nil
}
