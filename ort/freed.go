package ort

/*
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
static void return_freed(void) { malloc_trim(0); }
#else
static void return_freed(void) {}
#endif
*/
import "C"

// returnFreed gives memory back to the system that the C library keeps of what was freed. It keeps it in an arena for
// each thread, and a session is opened, used and closed by many threads. So a server that replaces its models again and
// again would hold twice what it needs. A single arena (MALLOC_ARENA_MAX) avoids that too, but every evaluation would
// then wait for its lock. This costs some milliseconds, and nothing while sessions are used. Other C libraries than
// glibc keep little.
func returnFreed() { C.return_freed() }
