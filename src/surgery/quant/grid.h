/* A block taken apart: the values its elements may have, and where each element's integer lies. */
#ifndef LT_GRID_H
#define LT_GRID_H

#include "math/quant.h"

struct lt_grid {
    enum lt_dtype type;
    int low, high, zero;                    /* of the integers q */
    float step[LT_QUANT_BLOCK_MAX], min[LT_QUANT_BLOCK_MAX];   /* element i is step (q - zero) - min */
};
void lt_grid_of(enum lt_dtype type, const uint8_t *block, struct lt_grid *out);
/* The nearest integer for element i. */
int lt_grid_nearest(const struct lt_grid *g, int i, float x);
static inline float lt_grid_value(const struct lt_grid *g, int i, int q)
{
    return g->step[i] * (float)(q - g->zero) - g->min[i];
}
void lt_grid_put(enum lt_dtype type, uint8_t *block, int i, int q);

#endif
