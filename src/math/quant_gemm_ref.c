/* Products with quantised weights in plain C, as quant_gemm.h defines them: the twin of the fast variants, which have
 * the same bits, and what runs where there is no other. */
#include "math/quant_gemm.h"

#include <math.h>

enum { MR = 4, NR = 4 };

/* One block of one row of weights: x = d s w - dmin m, w without offset for the types that have minima.  Blocks of 32
 * have no s and m, which count as 1. */
struct block {
    float d, dmin;
    int16_t s[16], m[8];                /* of 16 elements; of 32 */
    int16_t w[LT_QUANT_BLOCK_MAX];
};

static float half(const uint8_t *p)
{
    return lt_from_f16((uint16_t)(p[0] | p[1] << 8));
}

static void block_q8_0(const uint8_t *p, struct block *b)
{
    b->d = half(p);
    for (int i = 0; i < 32; i++) b->w[i] = (int8_t)p[2 + i];
}

static void block_q4_0(const uint8_t *p, struct block *b)
{
    b->d = half(p);
    for (int i = 0; i < 16; i++) {
        b->w[i] = (int16_t)((p[2 + i] & 15) - 8);
        b->w[i + 16] = (int16_t)((p[2 + i] >> 4) - 8);
    }
}

static void fives(const uint8_t *p, int offset, int16_t *w)
{
    for (int i = 0; i < 32; i++) {
        const int low = i < 16 ? p[4 + i] & 15 : p[4 + i - 16] >> 4;
        w[i] = (int16_t)((low | (p[i / 8] >> i % 8 & 1) << 4) - offset);
    }
}

static void block_q5_0(const uint8_t *p, struct block *b)
{
    b->d = half(p);
    fives(p + 2, 16, b->w);
}

static void block_q5_1(const uint8_t *p, struct block *b)
{
    b->d = half(p);
    b->dmin = -half(p + 2);
    fives(p + 4, 0, b->w);
}

static void block_k(const uint8_t *p, const uint8_t *fifth, const uint8_t *q, struct block *b)
{
    uint8_t s[8], m[8];
    b->d = half(p);
    b->dmin = half(p + 2);
    lt_quant_k_scales(p + 4, s, m);
    for (int i = 0; i < 8; i++) {
        b->s[2 * i] = b->s[2 * i + 1] = s[i];
        b->m[i] = m[i];
    }
    for (int i = 0; i < 256; i++) {
        const uint8_t byte = q[i / 64 * 32 + i % 32];
        const int low = i / 32 % 2 ? byte >> 4 : byte & 15;
        b->w[i] = (int16_t)(low | (fifth ? (fifth[i % 32] >> i / 32 & 1) << 4 : 0));
    }
}

static void block_q4_k(const uint8_t *p, struct block *b) { block_k(p, NULL, p + 16, b); }
static void block_q5_k(const uint8_t *p, struct block *b) { block_k(p, p + 16, p + 48, b); }

static void block_q6_k(const uint8_t *p, struct block *b)
{
    b->d = half(p + 208);
    for (int i = 0; i < 16; i++) b->s[i] = (int8_t)p[192 + i];
    for (int i = 0; i < 256; i++) {
        const int part = i / 128, row = i / 32 % 4;
        const uint8_t lower = p[part * 64 + row % 2 * 32 + i % 32], upper = p[128 + part * 32 + i % 32];
        b->w[i] = (int16_t)(((row < 2 ? lower & 15 : lower >> 4) | (upper >> 2 * row & 3) << 4) - 32);
    }
}

enum { SIZE = (NR * sizeof(struct block) + 63) / 64 * 64 };
typedef void block_fn(const uint8_t *p, struct block *b);

static void unpack(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel, enum lt_dtype t, block_fn *fn)
{
    for (int64_t i = 0; i < blocks; i++, panel += SIZE) {
        struct block *out = (struct block *)(void *)panel;
        for (int c = 0; c < NR; c++) fn(w + c * row + i * (int64_t)lt_dtype_block_size(t), out++);
    }
}

static void unpack_q8_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q8_0, block_q8_0);
}

static void unpack_q4_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q4_0, block_q4_0);
}

static void unpack_q5_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q5_0, block_q5_0);
}

static void unpack_q5_1(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q5_1, block_q5_1);
}

static void unpack_q4_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q4_K, block_q4_k);
}

static void unpack_q5_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q5_K, block_q5_k);
}

static void unpack_q6_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel)
{
    unpack(w, row, blocks, panel, LT_Q6_K, block_q6_k);
}


static float small_step(const struct block *b, const int8_t *x, float e, float sum, bool minimum)
{
    int32_t dot = 0, low = 0;
    for (int i = 0; i < 32; i++) {
        dot += b->w[i] * x[i];
        low += x[i];
    }
    sum = fmaf((float)dot, b->d * e, sum);
    return minimum ? fmaf((float)low, -(b->dmin * e), sum) : sum;
}

static float large_step(const struct block *b, const int8_t *x, float e, float sum, bool minima)
{
    int32_t dot = 0, low = 0;
    for (int i = 0; i < 256; i++) {
        dot += b->s[i / 16] * b->w[i] * x[i];
        low += b->m[i / 32] * x[i];
    }
    sum = fmaf((float)dot, b->d * e, sum);
    return minima ? fmaf((float)low, -(b->dmin * e), sum) : sum;
}

enum kind { SMALL, SMALL_MINIMUM, PLAIN, MINIMA };

static void tile(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *panel, float *sum,
                 enum kind kind)
{
    const bool small = kind == SMALL || kind == SMALL_MINIMUM;
    for (int64_t i = 0; i < blocks; i++, panel += SIZE) {
        const struct block *b = (const struct block *)(const void *)panel;
        for (int64_t r = 0; r < m; r++) {
            const int8_t *x = a->q + r * a->q_row + i * (small ? 32 : 256);
            const float e = *(const float *)(const void *)((const char *)a->scale + r * a->scale_row + i * 4);
            for (int c = 0; c < NR; c++) {
                float *s = &sum[r * NR + c];
                *s = small ? small_step(&b[c], x, e, *s, kind == SMALL_MINIMUM)
                           : large_step(&b[c], x, e, *s, kind == MINIMA);
            }
        }
    }
}

static void tile_small(int64_t m, int64_t n, const struct lt_quant_a *a, const uint8_t *p, float *sum)
{
    tile(m, n, a, p, sum, SMALL);
}

static void tile_small_minimum(int64_t m, int64_t n, const struct lt_quant_a *a, const uint8_t *p, float *sum)
{
    tile(m, n, a, p, sum, SMALL_MINIMUM);
}

static void tile_plain(int64_t m, int64_t n, const struct lt_quant_a *a, const uint8_t *p, float *sum)
{
    tile(m, n, a, p, sum, PLAIN);
}

static void tile_minima(int64_t m, int64_t n, const struct lt_quant_a *a, const uint8_t *p, float *sum)
{
    tile(m, n, a, p, sum, MINIMA);
}

static void round_block(const float *x, int64_t n, int8_t *q, float *scale)
{
    uint32_t most = 0;                  /* the bits of magnitudes are ordered as the magnitudes are, NaN on top */
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], 4);
        most = LT_MAX(most, u & 0x7fffffff);
    }
    float a;
    memcpy(&a, &most, 4);
    if (!(a >= 0x1p-100f && a < INFINITY)) {
        for (int64_t i = 0; i < n; i++) q[i] = 0;
        *scale = most >= 0x7f800000 ? NAN : 0;
        return;
    }
    const float inverse = 127 / a;
    *scale = a / 127;
    for (int64_t i = 0; i < n; i++) q[i] = (int8_t)rintf(x[i] * inverse);
}

const struct lt_quant_kernels lt_quant_kernels_ref = {
    .mr = MR, .nr = NR, .round = round_block,
    .type = {
        [LT_Q8_0] = { .panel = SIZE, .unpack = unpack_q8_0, .tile = tile_small },
        [LT_Q4_0] = { .panel = SIZE, .unpack = unpack_q4_0, .tile = tile_small },
        [LT_Q5_0] = { .panel = SIZE, .unpack = unpack_q5_0, .tile = tile_small },
        [LT_Q5_1] = { .panel = SIZE, .unpack = unpack_q5_1, .tile = tile_small_minimum },
        [LT_Q4_K] = { .panel = SIZE, .unpack = unpack_q4_k, .tile = tile_minima },
        [LT_Q5_K] = { .panel = SIZE, .unpack = unpack_q5_k, .tile = tile_minima },
        [LT_Q6_K] = { .panel = SIZE, .unpack = unpack_q6_k, .tile = tile_plain },
    },
};
