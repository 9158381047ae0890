/* Best-fit-decreasing packing (Ding et al. 2024, "Fewer truncations improve language modeling", arXiv:2404.10830). */
#ifndef LT_BEST_FIT_H
#define LT_BEST_FIT_H

#include "base/base.h"

/* Bin b holds item[first[b] .. first[b + 1]), longest first. */
struct lt_bins { uint32_t count, *first, *item; };
/* Puts n items of sizes 1..capacity into bins: items by falling size (equal ones in the given order), each into the
 * fullest bin it still fits in (equal ones: the one filled last).  Linear in n + capacity, but for the search among
 * capacity/64 words. */
void lt_best_fit(const uint32_t *size, uint32_t n, uint32_t capacity, struct lt_bins *out);
void lt_bins_release(struct lt_bins *b);

#endif
