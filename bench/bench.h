/* What the benches share: several sides timed in turn, so that noise meets all of them alike, and rows of a table on
 * standard output that bench/run compares with bench/baseline.tsv. */
#ifndef LT_BENCH_H
#define LT_BENCH_H

#include "base/base.h"
#include "base/ctx.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct bench_side {
    const char *name;
    void (*run)(void *arg);
    void *arg;
    double best, median;                /* seconds of one call, filled by bench_race */
};

enum { BENCH_ROUNDS_MAX = 99 };

static inline int bench_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Threads of some libraries spin for a while after their work; let them sleep before the next side is timed. */
static inline void bench_rest(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
}

/* A sample is as many calls as fill `seconds`; each side is sampled once in each of `rounds` rounds. */
static inline void bench_race(struct bench_side *side, int count, int rounds, double seconds)
{
    double (*sample)[BENCH_ROUNDS_MAX] = lt_calloc((size_t)count, sizeof *sample);
    int *calls = lt_calloc((size_t)count, sizeof *calls);
    rounds = LT_MIN(rounds, BENCH_ROUNDS_MAX);
    for (int s = 0; s < count; s++) {
        side[s].run(side[s].arg);       /* first use: page faults, code generation */
        double start = lt_clock();
        side[s].run(side[s].arg);
        calls[s] = (int)(seconds / LT_MAX(lt_clock() - start, 1e-7)) + 1;
    }
    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < count; s++) {
            bench_rest();
            side[s].run(side[s].arg);
            double start = lt_clock();
            for (int i = 0; i < calls[s]; i++) side[s].run(side[s].arg);
            sample[s][r] = (lt_clock() - start) / calls[s];
        }
    }
    for (int s = 0; s < count; s++) {
        qsort(sample[s], (size_t)rounds, sizeof **sample, bench_order);
        side[s].best = sample[s][0];
        side[s].median = sample[s][rounds / 2];
    }
    free(sample);
    free(calls);
}

/* One row: what was measured, its unit, our figure, the best peer's figure and name (0 and "-": none), how many times
 * theirs ours is, what bounds it and the share of that bound that we reach (0: not known). */
static inline void bench_row_as(const char *what, const char *unit, double ours, double peer, const char *peer_name,
                                double times, const char *bound, double share)
{
    printf("%s\t%s\t%.4g\t", what, unit, ours);
    if (peer > 0) printf("%.4g\t%s\t%.2f\t%s\t", peer, peer_name, times, bound);
    else printf("-\t-\t-\t%s\t", bound);
    if (share > 0) printf("%.2f\n", share);
    else printf("-\n");
    fflush(stdout);
}

static inline void bench_row(const char *what, const char *unit, double ours, double peer, const char *peer_name,
                             const char *bound, double share)
{
    bench_row_as(what, unit, ours, peer, peer_name, peer > 0 ? ours / peer : 0, bound, share);
}

/* Bandwidths in bytes a second of a pool's threads together. */
struct bench_memory { double read, write, triad, l2, l3; };
struct bench_memory bench_memory(struct lt_pool *pool);
/* Its reads alone. */
double bench_read(struct lt_pool *pool);
/* vpdpbusd or, without VNNI, vpmaddubsw summed in 16 bits: operations a second; 0 without AVX2. */
double bench_peak_int8(struct lt_pool *pool);

#endif
