#include "surgery/quant/grid.h"

#include <math.h>

static float half(const uint8_t *p) { return lt_from_f16((uint16_t)(p[0] | p[1] << 8)); }

static void grid_k(const uint8_t *block, struct lt_grid *g)
{
    uint8_t scale[8], min[8];
    lt_quant_k_scales(block + 4, scale, min);
    for (int i = 0; i < 256; i++) {
        g->step[i] = half(block) * (float)scale[i / 32];
        g->min[i] = half(block + 2) * (float)min[i / 32];
    }
}

void lt_grid_of(enum lt_dtype type, const uint8_t *block, struct lt_grid *g)
{
    int n = (int)lt_dtype_block(type);
    *g = (struct lt_grid){ .type = type };
    switch (type) {
    case LT_Q8_0:
        g->low = -127;
        g->high = 127;
        for (int i = 0; i < n; i++) g->step[i] = half(block);
        return;
    case LT_Q4_0:
        g->high = 15;
        g->zero = 8;
        for (int i = 0; i < n; i++) g->step[i] = half(block);
        return;
    case LT_Q5_0:
        g->high = 31;
        g->zero = 16;
        for (int i = 0; i < n; i++) g->step[i] = half(block);
        return;
    case LT_Q5_1:
        g->high = 31;
        for (int i = 0; i < n; i++) {
            g->step[i] = half(block);
            g->min[i] = -half(block + 2);
        }
        return;
    case LT_Q6_K:
        g->high = 63;
        g->zero = 32;
        for (int i = 0; i < n; i++) g->step[i] = half(block + 208) * (float)(int8_t)block[192 + i / 16];
        return;
    default:
        g->high = type == LT_Q4_K ? 15 : 31;
        grid_k(block, g);
    }
}

int lt_grid_nearest(const struct lt_grid *g, int i, float x)
{
    if (g->step[i] == 0) return g->zero > g->low ? g->zero : g->low;
    float q = rintf((x + g->min[i]) / g->step[i]) + (float)g->zero;
    return q < (float)g->low ? g->low : q > (float)g->high ? g->high : (int)q;
}

static void put_bits(uint8_t *byte, int shift, int mask, int v)
{
    *byte = (uint8_t)((*byte & ~(mask << shift)) | (v & mask) << shift);
}

/* The fifth bits at p, the nibbles after them. */
static void put_five(uint8_t *p, int i, int q)
{
    put_bits(&p[i / 8], i % 8, 1, q >> 4);
    put_bits(&p[4 + i % 16], i < 16 ? 0 : 4, 15, q);
}

void lt_grid_put(enum lt_dtype type, uint8_t *block, int i, int q)
{
    int part = i / 128, row = i / 32 % 4, j = i % 32;
    switch (type) {
    case LT_Q8_0: block[2 + i] = (uint8_t)(int8_t)q; return;
    case LT_Q4_0: put_bits(&block[2 + i % 16], i < 16 ? 0 : 4, 15, q); return;
    case LT_Q5_0: put_five(block + 2, i, q); return;
    case LT_Q5_1: put_five(block + 4, i, q); return;
    case LT_Q6_K:
        put_bits(&block[part * 64 + row % 2 * 32 + j], row < 2 ? 0 : 4, 15, q);
        put_bits(&block[128 + part * 32 + j], 2 * row, 3, q >> 4);
        return;
    case LT_Q5_K: put_bits(&block[16 + j], i / 32, 1, q >> 4); break;
    default: break;
    }
    put_bits(&block[(type == LT_Q5_K ? 48 : 16) + i / 64 * 32 + j], i / 32 % 2 ? 4 : 0, 15, q);
}
