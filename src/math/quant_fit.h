/* The search for the scales of a block: which scale (and minimum) leaves the least weighted squared error once the
 * elements are rounded.  Used by quant.c. */
#ifndef LT_QUANT_FIT_H
#define LT_QUANT_FIT_H

#include "math/dtype.h"

/* n elements as d (q - levels), 0 <= q < 2 levels.  weight NULL: the squares of the elements. */
float lt_fit_symmetric(int n, int levels, const float *x, const float *weight, uint8_t *q);

struct lt_fit_k {
    uint16_t d, dmin;               /* halves */
    uint8_t scale[8], min[8];       /* at most 63 */
    uint8_t q[256];                 /* from the search, before d and dmin were rounded */
};
/* 256 elements as Q4_K (most = 15) or Q5_K (31).  weight (256), or NULL: larger elements count a little more. */
void lt_fit_k_block(const float *x, const float *weight, int most, struct lt_fit_k *out);

/* 256 elements as Q6_K: the half d, sixteen scales, and elements + 32 from the search. */
uint16_t lt_fit_q6_block(const float *x, const float *weight, int8_t scale[16], uint8_t q[256]);

/* 32 elements as d q + m, 0 <= q <= most, with m of any sign. */
float lt_fit_range(const float *x, const float *weight, int most, uint8_t *q, float *m);

#endif
