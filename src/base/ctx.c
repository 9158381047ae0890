#include "base/ctx.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct lt_ctx {
    struct lt_pool *pool;
    struct lt_talk talk;
    void *talk_self;
    _Atomic bool interrupted;               /* lock-free, hence safe in a signal handler */
    _Atomic bool catches, stopped;
};
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "a signal handler may only touch what is lock-free");

struct lt_ctx *lt_ctx_new(int threads, const struct lt_talk *talk, void *talk_self)
{
    struct lt_ctx *c = lt_calloc(1, sizeof *c);
    c->pool = lt_pool_new(threads);
    if (talk)
        c->talk = *talk;
    c->talk_self = talk_self;
    return c;
}

void lt_ctx_interrupt(struct lt_ctx *c)
{
    if (c)
        atomic_store(&c->interrupted, true);
}

bool lt_ctx_interrupted(const struct lt_ctx *c)
{
    return c && atomic_load_explicit(&c->interrupted, memory_order_relaxed);
}

void lt_ctx_catch(struct lt_ctx *c, bool on)
{
    if (!c) return;
    atomic_store(&c->stopped, false);
    atomic_store(&c->catches, on);
}

bool lt_ctx_stop(struct lt_ctx *c)
{
    if (!c || !atomic_load(&c->catches)) return false;
    atomic_store(&c->stopped, true);
    return true;
}

bool lt_ctx_stopped(struct lt_ctx *c) { return c && atomic_exchange(&c->stopped, false); }

void lt_ctx_free(struct lt_ctx *c)
{
    if (!c)
        return;
    lt_pool_free(c->pool);
    free(c);
}

struct lt_pool *lt_ctx_pool(struct lt_ctx *c)
{
    return c ? c->pool : NULL;
}

void lt_note(struct lt_ctx *c, const char *fmt, ...)
{
    if (!c || !c->talk.note)
        return;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0) {
        char *line = lt_alloc((size_t)n + 1);
        vsnprintf(line, (size_t)n + 1, fmt, again);
        c->talk.note(c->talk_self, line);
        free(line);
    }
    va_end(again);
    va_end(ap);
}

double lt_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void report(const struct lt_progress *p, double now, const char *extra, bool finished)
{
    const struct lt_talk *talk = &p->ctx->talk;
    talk->progress(p->ctx->talk_self, p->what, p->unit, p->done, p->total, now - p->began, extra, finished);
}

static bool heard(const struct lt_progress *p)
{
    return p->ctx && p->ctx->talk.progress;
}

void lt_progress_begin(struct lt_ctx *c, struct lt_progress *p, const char *what, const char *unit, double total)
{
    double now = lt_clock();
    *p = (struct lt_progress){ .ctx = c, .what = what, .unit = unit, .total = total, .began = now, .reported = now };
}

void lt_progress_at(struct lt_progress *p, double done, const char *extra)
{
    p->done = done;
    if (!heard(p))
        return;
    double now = lt_clock();
    if (now - p->reported < 0.1)
        return;
    p->reported = now;
    report(p, now, extra, false);
}

void lt_progress_end(struct lt_progress *p)
{
    if (heard(p))
        report(p, lt_clock(), NULL, true);
    p->ctx = NULL;
}
