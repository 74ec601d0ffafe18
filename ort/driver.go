package ort

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

// try_library returns null if the loader can load the library, and otherwise the loader's message. The library stays
// loaded.
static const char *try_library(const char *name) {
	return dlopen(name, RTLD_LAZY | RTLD_GLOBAL) ? NULL : dlerror();
}

typedef struct {
	int missing;  // the library, or a function in it
	int result;   // of the first call that failed; 0 if none
	int version;  // 13000 is CUDA 13.0
	int count;    // of devices
	char name[256];
} driver_state;

// The driver's interface is stable, and using it needs no CUDA header.
static driver_state ask_driver(int index) {
	driver_state state = {0};
	void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL);
	if (!driver) {
		state.missing = 1;
		return state;
	}
	int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
	int (*version)(int *) = (int (*)(int *))dlsym(driver, "cuDriverGetVersion");
	int (*count)(int *) = (int (*)(int *))dlsym(driver, "cuDeviceGetCount");
	int (*get)(int *, int) = (int (*)(int *, int))dlsym(driver, "cuDeviceGet");
	int (*name)(char *, int, int) = (int (*)(char *, int, int))dlsym(driver, "cuDeviceGetName");
	if (!init || !version || !count || !get || !name) {
		state.missing = 1;
		return state;
	}
	int device;
	if ((state.result = init(0)) || (state.result = version(&state.version)) || (state.result = count(&state.count))) {
		return state;
	}
	if (index < state.count && !(state.result = get(&device, index))) {
		state.result = name(state.name, sizeof state.name - 1, device);
	}
	return state;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// tryLibrary loads a library by name or path into the process. It stays loaded.
func tryLibrary(name string) error {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if message := C.try_library(text); message != nil {
		return errors.New(C.GoString(message))
	}
	return nil
}

// driver is what the NVIDIA driver reports about itself and one device.
type driver struct {
	version string // CUDA version that it supports: 13.0
	devices int
	name    string // of the device; empty if no device has the index
}

func askDriver(index int) (driver, error) {
	state := C.ask_driver(C.int(index))
	switch {
	case state.missing != 0:
		return driver{}, errors.New("libcuda.so.1, the NVIDIA driver, is missing")
	case state.result != 0:
		return driver{}, fmt.Errorf("the NVIDIA driver answers with CUDA error %d", int(state.result))
	}
	version := int(state.version)
	return driver{
		version: fmt.Sprintf("%d.%d", version/1000, version%1000/10),
		devices: int(state.count),
		name:    C.GoString(&state.name[0]),
	}, nil
}
