/* How kernels cut their work, and sums in a fixed order.  A chunk is a function of shapes alone.
 *
 * A sum over a row goes into LT_LANES running sums (element i into sum i mod LT_LANES), which are then added pairwise:
 * the order a vector unit can follow, whatever its width, so the bits are the same on all of them. */
#ifndef LT_SPLIT_H
#define LT_SPLIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LT_LANES = 16, LT_CHUNK_ELEMENTS = 16384 };

static inline int64_t lt_chunks(int64_t n, int64_t step) { return (n + step - 1) / step; }
static inline int64_t lt_rows_per_chunk(int64_t cols)
{
    return cols <= 0 || cols >= LT_CHUNK_ELEMENTS ? 1 : LT_CHUNK_ELEMENTS / cols;
}

/* The next of `all` pieces for one of `threads` threads: large shares first, which stream through memory, small ones at
 * the end, so that nobody waits long for the last; `next` on a cache line of its own.  Which thread has which share
 * must change no bit. */
static inline bool lt_take_share(_Atomic int64_t *next, int64_t all, int64_t threads, int64_t *from, int64_t *to)
{
    int64_t at = atomic_load_explicit(next, memory_order_relaxed);
    do {
        const int64_t left = all - at, part = threads > 1 ? left / (2 * threads) : left, least = all / 32 + 1;
        if (left <= 0) return false;
        *from = at;
        *to = part > least ? at + part : left > least ? at + least : all;
    } while (!atomic_compare_exchange_weak_explicit(next, &at, *to, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static inline float lt_lanes_total(float *s)
{
    for (int half = LT_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

#define LT_LANE_LOOP(term) \
    float s[LT_LANES] = { 0 }; \
    int64_t i = 0; \
    for (; i + LT_LANES <= n; i += LT_LANES) \
        for (int l = 0; l < LT_LANES; l++) { int64_t e = i + l; s[l] += (term); } \
    for (int l = 0; i + l < n; l++) { int64_t e = i + l; s[l] += (term); } \
    return lt_lanes_total(s);

static inline float lt_lane_sum(int64_t n, const float *x) { LT_LANE_LOOP(x[e]) }
static inline float lt_lane_dot(int64_t n, const float *a, const float *b) { LT_LANE_LOOP(a[e] * b[e]) }
static inline float lt_lane_dot3(int64_t n, const float *a, const float *b, const float *c)
{
    LT_LANE_LOOP(a[e] * b[e] * c[e])
}
/* sum of (x - mean)^2 */
static inline float lt_lane_square(int64_t n, const float *x, float mean)
{
    LT_LANE_LOOP((x[e] - mean) * (x[e] - mean))
}

#endif
