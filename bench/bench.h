/* What the benches share: several sides timed in turn, so that noise meets all of them alike, and rows of a table on
 * standard output that bench/run compares with bench/baseline.tsv. */
#ifndef LT_BENCH_H
#define LT_BENCH_H

#include "base/base.h"
#include "base/ctx.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_ROUNDS_MAX = 99 };

struct bench_side {
    const char *name;
    void (*run)(void *arg);
    void *arg;
    double sample[BENCH_ROUNDS_MAX], median;    /* seconds of one call in each round; filled by bench_race */
};

static inline int bench_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle of n <= BENCH_ROUNDS_MAX values. */
static inline double bench_median(const double *x, int n)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, bench_order);
    return sorted[n / 2];
}

/* Threads of some libraries spin for a while after their work; let them sleep before the next side is timed. */
static inline void bench_rest(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
}

/* A sample is as many calls as fill `seconds`; each side is sampled once in each of `rounds` rounds, at
 * most BENCH_ROUNDS_MAX. */
static inline void bench_race(struct bench_side *side, int count, int rounds, double seconds)
{
    int *calls = lt_calloc((size_t)count, sizeof *calls);
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
            side[s].sample[r] = (lt_clock() - start) / calls[s];
        }
    }
    for (int s = 0; s < count; s++) side[s].median = bench_median(side[s].sample, rounds);
    free(calls);
}

/* How many times as long b takes as a, side by side: the middle of the rounds' ratios. */
static inline double bench_times(const struct bench_side *a, const struct bench_side *b, int rounds)
{
    double times[BENCH_ROUNDS_MAX];
    for (int r = 0; r < rounds; r++) times[r] = b->sample[r] / a->sample[r];
    return bench_median(times, rounds);
}

/* Whether the words after a program's name ask for a row: they are parts of names, and none asks for all. */
static inline bool bench_wanted(const char *row, char **parts)
{
    bool wanted = !*parts;
    for (; *parts; parts++) wanted |= strstr(row, *parts) != NULL;
    return wanted;
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
/* Reads alone, and not at their best but over some tenths of a second, to compare with what took as long. */
double bench_read(struct lt_pool *pool);
/* vpdpbusd or, without VNNI, vpmaddubsw summed in 16 bits: operations a second; 0 without AVX2. */
double bench_peak_int8(struct lt_pool *pool);

#endif
