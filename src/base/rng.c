/* Philox 2x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the counter is
 * (position, stream), the key is the seed, the first output word is the number. */
#include "base/base.h"
#include <assert.h>
#include <math.h>

uint64_t lt_rng_at(uint64_t seed, uint64_t stream, uint64_t position)
{
    uint64_t lo = position, hi = stream, key = seed;
    for (int round = 0; round < 10; round++) {
        unsigned __int128 product = (unsigned __int128)lo * 0xD2B74407B1CE6E93u;
        lo = (uint64_t)(product >> 64) ^ key ^ hi;
        hi = (uint64_t)product;
        key += 0x9E3779B97F4A7C15u;
    }
    return lo;
}

struct lt_rng lt_rng_make(uint64_t seed, const char *stream)
{
    return (struct lt_rng){ .seed = seed, .stream = lt_hash(stream, lt_str(stream).n, 0) };
}

uint64_t lt_rng_u64(struct lt_rng *r)
{
    return lt_rng_at(r->seed, r->stream, r->at++);
}

/* Lemire's multiplication (arXiv:1805.10941): the few low products that would favour some values are drawn again. */
uint64_t lt_rng_below(struct lt_rng *r, uint64_t n)
{
    assert(n > 0);
    uint64_t surplus = (0 - n) % n;
    for (;;) {
        unsigned __int128 product = (unsigned __int128)lt_rng_u64(r) * n;
        if ((uint64_t)product >= surplus)
            return (uint64_t)(product >> 64);
    }
}

double lt_rng_unit(struct lt_rng *r)
{
    return (double)(lt_rng_u64(r) >> 11) * 0x1p-53;
}

/* Box-Muller without its second number: keeping that one would be state beyond the position. */
double lt_rng_normal(struct lt_rng *r)
{
    double radius = sqrt(-2 * log(1 - lt_rng_unit(r))), turn = lt_rng_unit(r);
    return radius * cos(2 * 3.14159265358979323846 * turn);
}

/* Four Feistel rounds permute the numbers of 2h bits; walking the cycle until a number below n comes up restricts
 * that to a permutation of 0..n-1, in under four steps on average since 2^2h < 4n. */
uint64_t lt_permute(uint64_t seed, uint64_t n, uint64_t i)
{
    assert(i < n);
    unsigned half = 1;
    while (half < 32 && (n - 1) >> (2 * half))
        half++;
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (lt_rng_at(seed, round, right) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}
