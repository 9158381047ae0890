/* The identity of this program's code; the Makefile defines it for this file alone, so that little is built again. */
#include <lathe.h>

#ifndef LT_BUILD_ID
#define LT_BUILD_ID "unknown"
#endif

const char *lt_build_id(void) { return LT_BUILD_ID; }
