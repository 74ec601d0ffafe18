package ort

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The start of ONNX Runtime's C interface, which never changes. A library serves every version of the table of
// functions up to its own minor number, and new functions are only added to the end of the table.
typedef struct {
	void *const *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

typedef void *(*list_providers)(char ***names, int *count);
typedef void *(*release_providers)(char **names, int count);

enum { LIST_PROVIDERS = 125, RELEASE_PROVIDERS = 126 }; // positions in the table

typedef struct {
	api_base *base;
	const char *error; // set if base is null; valid until the next call in this thread
} opened;

// The library stays open, so that its version and its providers can be read at any time.
static opened open_library(const char *path) {
	opened result = {0};
	void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!handle) {
		result.error = dlerror();
		return result;
	}
	api_base *(*get_base)(void) = (api_base *(*)(void))dlsym(handle, "OrtGetApiBase");
	if (get_base) {
		result.base = get_base();
	}
	if (!result.base) {
		dlclose(handle);
		result.error = "it has no OrtGetApiBase";
	}
	return result;
}

static const char *library_version(api_base *base) { return base->get_version(); }

static void *const *library_api(api_base *base, uint32_t version) { return base->get_api(version); }

static int providers(void *const *api, char ***names) {
	int count = 0;
	return ((list_providers)api[LIST_PROVIDERS])(names, &count) ? 0 : count;
}

static void free_providers(void *const *api, char **names, int count) {
	((release_providers)api[RELEASE_PROVIDERS])(names, count);
}
*/
import "C"

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// apiVersion is the version of the C interface for which the binding is compiled. Library 1.M serves versions up to M.
const apiVersion = 29

// probe is what a library reports about itself. The binding does not report it: for an old library it returns only a
// number.
type probe struct {
	version   string
	providers []string
}

// probeLibrary opens the library at path, which is absolute. It returns an error for a file that is not ONNX Runtime
// and for a version that is too old for the binding.
func probeLibrary(path string) (probe, error) {
	if err := checkWhole(path); err != nil {
		return probe{}, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	library := C.open_library(name)
	if library.base == nil {
		return probe{}, fmt.Errorf("%s is not an ONNX Runtime library: %s", path, C.GoString(library.error))
	}
	p := probe{version: C.GoString(C.library_version(library.base))}
	if minor := minorOf(p.version); minor < apiVersion {
		return probe{}, fmt.Errorf("%s is ONNX Runtime %s: want %s, at least 1.%d: "+
			"run \"langevin onnxruntime install\"", path, p.version, Version, apiVersion)
	}
	api := C.library_api(library.base, apiVersion)
	if api == nil {
		return probe{}, fmt.Errorf("%s is ONNX Runtime %s without version %d of its interface: want %s",
			path, p.version, apiVersion, Version)
	}
	p.providers = providersOf(api)
	return p, nil
}

func providersOf(api *unsafe.Pointer) []string {
	var names **C.char
	count := C.providers(api, &names)
	if count == 0 {
		return nil
	}
	defer C.free_providers(api, names, count)
	providers := make([]string, count)
	for i, name := range unsafe.Slice(names, int(count)) {
		providers[i] = C.GoString(name)
	}
	slices.Sort(providers)
	return providers
}

// minorOf returns M of "1.M.P", or -1.
func minorOf(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "1" {
		return -1
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return -1
	}
	return minor
}
