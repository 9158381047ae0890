/* The context of a long operation, from inside: its pool and its progress.  A NULL context is legal everywhere:
 * one thread, silent, never interrupted. */
#ifndef LT_CTX_H
#define LT_CTX_H

#include "base/base.h"

struct lt_pool *lt_ctx_pool(struct lt_ctx *c);              /* NULL (the caller alone) for a NULL context */
double lt_clock(void);                                      /* monotonic seconds; for talk only, never for results */

/* Who asks a person what to do next lets them stop one thing without ending the whole: while `on`, an interruption from
 * the keyboard is caught, and lt_ctx_stopped tells of it once. */
void lt_ctx_catch(struct lt_ctx *c, bool on);
bool lt_ctx_stop(struct lt_ctx *c);                         /* false: nobody catches it */
bool lt_ctx_stopped(struct lt_ctx *c);

/* Progress of one stage, held by the caller.  Reports go out at most ten times a second, from whichever thread
 * calls lt_progress_at (one thread at a time), and once at the end. */
struct lt_progress {
    struct lt_ctx *ctx;
    const char *what, *unit;                                /* borrowed until the end */
    double done, total, began, reported;
};
void lt_progress_begin(struct lt_ctx *c, struct lt_progress *p, const char *what, const char *unit, double total);
void lt_progress_at(struct lt_progress *p, double done, const char *extra);     /* extra: a short text or NULL */
void lt_progress_end(struct lt_progress *p);

#endif
