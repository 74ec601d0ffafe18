package ort

/*
#include <signal.h>
#include <stdint.h>

enum { FIRST_REAL_TIME = 32 };

static struct sigaction kept[FIRST_REAL_TIME];

static void keep_signals(void) {
	for (int i = 1; i < FIRST_REAL_TIME; i++) {
		sigaction(i, NULL, &kept[i]);
	}
}

// SIGKILL and SIGSTOP refuse, which does no harm.
static void restore_signals(void) {
	for (int i = 1; i < FIRST_REAL_TIME; i++) {
		sigaction(i, &kept[i], NULL);
	}
}

static uintptr_t signal_handler(int number) {
	struct sigaction action;
	return sigaction(number, NULL, &action) ? 0 : (uintptr_t)action.sa_handler;
}
*/
import "C"

import "syscall"

// keepingSignals calls load and then restores every signal action that load changed. The CUDA provider installs
// handlers that do not switch to the signal stack. Go ends the process when such a handler is called, so SIGTERM would
// abort a server instead of stopping it. The caller holds process.mu.
func keepingSignals(load func() error) error {
	C.keep_signals()
	defer C.restore_signals()
	return load()
}

// signalHandler returns the address of a signal's handler.
func signalHandler(s syscall.Signal) uintptr { return uintptr(C.signal_handler(C.int(s))) }
