/* Optimiser steps, bytes moved a second: weights, gradients and state do not fit a cache, so memory bounds
 * them.  Every stream counts once in and, if written, once out. */
#include "bench.h"

#include "math/kernel.h"

enum { COUNT = 32 << 20 };

struct work {
    struct lt_ctx *ctx;
    const struct lt_optim *optim;
    const void *options;
    struct lt_update update;
};

static void step(void *arg)
{
    const struct work *k = arg;
    k->optim->step(k->options, k->ctx, &k->update);
}

static void squares(void *arg)
{
    const struct work *k = arg;
    volatile double keep = lt_sum_squares(lt_ctx_pool(k->ctx), COUNT, k->update.g);
    (void)keep;
}

static void add(void *arg)
{
    const struct work *k = arg;
    lt_axpy(lt_ctx_pool(k->ctx), COUNT, 1e-6f, k->update.g, k->update.w);
}

static void row(const char *what, struct bench_side side, double streams, double ceiling, const char *bound)
{
    double bytes = streams * 4 * COUNT;
    bench_race(&side, 1, 9, 0.05);
    bench_row(what, "GB/s", bytes / side.median * 1e-9, 0, "-", bound, bytes / side.median / ceiling);
}

static void optimiser(struct work *k, const char *name, double streams, double ceiling)
{
    char what[64];
    snprintf(what, sizeof what, "optim/%s 32M", name);
    k->optim = (const struct lt_optim *)lt_method_find("optim", name);
    struct lt_options *options = lt_options_new(&k->optim->m);
    k->options = lt_options_done(options);
    row(what, (struct bench_side){ .run = step, .arg = k }, streams, ceiling, "memory triad");
    lt_options_free(options);
}

int main(void)
{
    struct lt_ctx *ctx = lt_ctx_new(2, NULL, NULL);
    struct bench_memory memory = bench_memory(lt_ctx_pool(ctx));
    float *w = lt_aligned(COUNT * sizeof *w), *g = lt_aligned(COUNT * sizeof *g);
    for (int64_t i = 0; i < COUNT; i++) {
        w[i] = 0.01f;
        g[i] = (float)(i % 7) * 1e-3f;
    }
    float *state = lt_calloc(COUNT, 2 * sizeof *state);
    struct work k = { .ctx = ctx, .update = { .w = w, .g = g, .state = state, .rows = COUNT / 1024, .cols = 1024,
                                              .scale = 1, .lr = 1e-3, .decay = 0.1, .t = 10 } };
    optimiser(&k, "adamw", 7, memory.triad);            /* w, m and v in and out, g in */
    optimiser(&k, "lion", 5, memory.triad);
    optimiser(&k, "sgd", 5, memory.triad);
    row("optim/sum-squares 32M", (struct bench_side){ .run = squares, .arg = &k }, 1, memory.read, "memory read");
    row("optim/axpy 32M", (struct bench_side){ .run = add, .arg = &k }, 3, memory.triad, "memory triad");
    free(w);
    free(g);
    free(state);
    lt_ctx_free(ctx);
    return 0;
}
