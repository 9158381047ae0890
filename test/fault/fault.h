/* Calls into the system that fail on demand.  A fault test is linked with -Wl,--wrap=CALL for every name in the
 * Makefile's FAULT_CALLS, so each such call of the library and of the test itself comes through here; while armed, the
 * Nth of them fails. */
#ifndef LT_FAULT_H
#define LT_FAULT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct fault {
    bool armed, sticky;             /* sticky: every call from the Nth on fails, but those that only take away */
    bool kills;                     /* the Nth call does not come back: the process is killed before it */
    int at, count, error;
    const char *failed;             /* the first call that failed; NULL: none was reached */
    bool cleaning;                  /* a call that takes away failed: what it was to remove may stay */
};
extern struct fault fault;
bool fault_now(const char *call);

struct fault_scenario {
    const char *name;
    void (*setup)(void);            /* in an empty folder; makes what is there before */
    int (*act)(void);               /* what is tried: 0, or -1 with a sentence */
    const char *made;               /* what it makes; NULL: nothing, act itself compares what it read */
    bool grows;                     /* made is built in place: after a failure it may be neither old nor new */
};
/* Runs the scenario with call N failing, for N = 1, 1 + stride ... until it makes fewer calls.  Each time: the failure
 * is told in a sentence, the final name holds the old content or the new one whole, no temporary file stays, no
 * descriptor leaks, and the same again without a fault succeeds. */
void fault_run(const struct fault_scenario *s, int stride);
/* The same with the process killed at call N: the final name holds the old content or the new one whole, and the same
 * again ends as if nothing had happened.  Temporary files may stay. */
void fault_kill(const struct fault_scenario *s, int stride);

/* Of scenarios: a file with this text; a verb with options in JSON and its run record, 0 or -1. */
void fault_save(const char *path, const char *text);
int fault_verb(const char *verb, const char *json);

#endif
