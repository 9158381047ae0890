#include "math/quant.h"
#include "math/quant_fit.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

enum { HALF = 16 };                     /* elements of Q4_0, Q5_0 and Q5_1 between the two that share a byte */

int lt_quant_find(const char *name, enum lt_dtype *t)
{
    for (int i = LT_Q8_0; i < LT_DTYPE_COUNT; i++) {
        if (strcasecmp(name, lt_dtype_name((enum lt_dtype)i)) != 0) continue;
        *t = (enum lt_dtype)i;
        return 0;
    }
    return lt_fail("quantised type \"%.40s\" is unknown; known are Q8_0, Q4_0, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K",
                   name);
}

int lt_quant_check(enum lt_dtype t, int64_t width, const char *name)
{
    const int64_t block = lt_dtype_block(t);
    if (width % block == 0) return 0;
    return lt_fail("%s has rows of %" PRId64 " elements, which blocks of %" PRId64 " (%s) do not divide; choose "
                   "another type for it", name, width, block, lt_dtype_name(t));
}

/* ---- from blocks to floats ---- */

static float half(const uint8_t *p)
{
    return lt_from_f16((uint16_t)(p[0] | p[1] << 8));
}

static void put_half(uint8_t *p, uint16_t h)
{
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

/* Bytes 0-3 and 4-7: the lower 6 bits of scales 0-3 and minima 0-3; above them the upper 2 bits of scales and minima
 * 4-7, whose lower 4 share bytes 8-11. */
void lt_quant_k_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8])
{
    for (int i = 0; i < 4; i++) {
        scale[i] = packed[i] & 63;
        min[i] = packed[i + 4] & 63;
        scale[i + 4] = (uint8_t)((packed[i + 8] & 15) | (packed[i] >> 6) << 4);
        min[i + 4] = (uint8_t)(packed[i + 8] >> 4 | (packed[i + 4] >> 6) << 4);
    }
}

void lt_quant_k_pack_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12])
{
    for (int i = 0; i < 4; i++) {
        packed[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
        packed[i + 4] = (uint8_t)(min[i] | min[i + 4] >> 4 << 6);
        packed[i + 8] = (uint8_t)((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

static void floats_q8_0(const uint8_t *p, float *x)
{
    const float d = half(p);
    for (int i = 0; i < 32; i++) x[i] = (float)(int8_t)p[2 + i] * d;
}

static void floats_q4_0(const uint8_t *p, float *x)
{
    const float d = half(p);
    for (int i = 0; i < HALF; i++) {
        x[i] = (float)((p[2 + i] & 15) - 8) * d;
        x[i + HALF] = (float)((p[2 + i] >> 4) - 8) * d;
    }
}

static void get_fives(const uint8_t *p, uint8_t q[32])
{
    const uint32_t fifth = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    for (int i = 0; i < HALF; i++) {
        q[i] = (uint8_t)((p[4 + i] & 15) | (fifth >> i & 1) << 4);
        q[i + HALF] = (uint8_t)(p[4 + i] >> 4 | (fifth >> (i + HALF) & 1) << 4);
    }
}

static void floats_q5_0(const uint8_t *p, float *x)
{
    const float d = half(p);
    uint8_t q[32];
    get_fives(p + 2, q);
    for (int i = 0; i < 32; i++) x[i] = (float)(q[i] - 16) * d;
}

static void floats_q5_1(const uint8_t *p, float *x)
{
    const float d = half(p), m = half(p + 2);
    uint8_t q[32];
    get_fives(p + 4, q);
    for (int i = 0; i < 32; i++) x[i] = (float)q[i] * d + m;
}

/* Q4_K, and Q5_K when there are fifth bits. */
static void floats_k(const uint8_t *p, const uint8_t *fifth, const uint8_t *q, float *x)
{
    const float d = half(p), dmin = half(p + 2);
    uint8_t scale[8], min[8];
    lt_quant_k_scales(p + 4, scale, min);
    for (int i = 0; i < 8; i++) {
        const float s = d * (float)scale[i], m = dmin * (float)min[i];
        const uint8_t *from = q + i / 2 * 32;
        for (int j = 0; j < 32; j++) {
            int v = i & 1 ? from[j] >> 4 : from[j] & 15;
            if (fifth) v |= (fifth[j] >> i & 1) << 4;
            x[32 * i + j] = s * (float)v - m;
        }
    }
}

static void floats_q4_k(const uint8_t *p, float *x) { floats_k(p, NULL, p + 16, x); }
static void floats_q5_k(const uint8_t *p, float *x) { floats_k(p, p + 16, p + 48, x); }

static void floats_q6_k(const uint8_t *p, float *x)
{
    const float d = half(p + 208);
    for (int i = 0; i < 256; i++) {     /* 128 elements: lower bits in 64 bytes, upper bits of four rows of 32 in 32 */
        const int part = i / 128, row = i / 32 % 4, j = i % 32;
        const uint8_t lower = p[part * 64 + row % 2 * 32 + j], upper = p[128 + part * 32 + j];
        const int v = (row < 2 ? lower & 15 : lower >> 4) | (upper >> 2 * row & 3) << 4;
        x[i] = d * (float)(int8_t)p[192 + i / 16] * (float)(v - 32);
    }
}

typedef void floats_fn(const uint8_t *p, float *x);

static floats_fn *floats_of(enum lt_dtype t)
{
    switch (t) {
    case LT_Q8_0: return floats_q8_0;
    case LT_Q4_0: return floats_q4_0;
    case LT_Q5_0: return floats_q5_0;
    case LT_Q5_1: return floats_q5_1;
    case LT_Q4_K: return floats_q4_k;
    case LT_Q5_K: return floats_q5_k;
    default: assert(t == LT_Q6_K); return floats_q6_k;
    }
}

void lt_dequant(enum lt_dtype t, const void *in, int64_t n, float *out)
{
    floats_fn *floats = floats_of(t);
    const int64_t block = lt_dtype_block(t);
    const uint8_t *p = in;
    assert(n % block == 0);
    for (int64_t i = 0; i < n; i += block, p += lt_dtype_block_size(t)) floats(p, out + i);
}

/* ---- from floats to blocks ---- */

/* The element of the largest magnitude, the first of several. */
static float extreme(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    return most;
}

static void blocks_q8_0(const float *x, const float *weight, uint8_t *p)
{
    (void)weight;                       /* nothing to choose: 8 bits hold the extremes exactly enough */
    const float d = fabsf(extreme(x, 32)) / 127, inverse = d ? 1 / d : 0;
    put_half(p, lt_to_f16(d));
    for (int i = 0; i < 32; i++) p[2 + i] = (uint8_t)(int8_t)LT_MIN(LT_MAX(roundf(x[i] * inverse), -127), 127);
}

static void put_nibbles(const uint8_t q[32], uint8_t *p)
{
    for (int i = 0; i < HALF; i++) p[i] = (uint8_t)(q[i] | q[i + HALF] << 4);
}

/* Elements as 0 .. 2 levels - 1, and the scale: the extreme has the level below which there is none. */
static float symmetric(int levels, const float *x, const float *weight, uint8_t q[32])
{
    if (weight) return lt_fit_symmetric(32, levels, x, weight, q);
    const float d = extreme(x, 32) / (float)-levels, inverse = d ? 1 / d : 0, middle = (float)levels + 0.5f;
    for (int i = 0; i < 32; i++) q[i] = (uint8_t)LT_MIN(LT_MAX(x[i] * inverse + middle, 0), 2 * levels - 1);
    return d;
}

static void blocks_q4_0(const float *x, const float *weight, uint8_t *p)
{
    uint8_t q[32];
    put_half(p, lt_to_f16(symmetric(8, x, weight, q)));
    put_nibbles(q, p + 2);
}

static void put_fives(const uint8_t q[32], uint8_t *p)
{
    memset(p, 0, 4);
    for (int i = 0; i < 32; i++) p[i / 8] |= (uint8_t)((q[i] >> 4) << i % 8);
    for (int i = 0; i < HALF; i++) p[4 + i] = (uint8_t)((q[i] & 15) | (q[i + HALF] & 15) << 4);
}

static void blocks_q5_0(const float *x, const float *weight, uint8_t *p)
{
    uint8_t q[32];
    put_half(p, lt_to_f16(symmetric(16, x, weight, q)));
    put_fives(q, p + 2);
}

static void blocks_q5_1(const float *x, const float *weight, uint8_t *p)
{
    uint8_t q[32];
    float d, low = x[0], high = x[0];
    if (weight) {
        d = lt_fit_range(x, weight, 31, q, &low);
        low = LT_MAX(LT_MIN(low, 65504), -65504);       /* the search may leave the elements a little */
    } else {
        for (int i = 1; i < 32; i++) {
            low = LT_MIN(low, x[i]);
            high = LT_MAX(high, x[i]);
        }
        d = (high - low) / 31;
        const float inverse = d ? 1 / d : 0;
        for (int i = 0; i < 32; i++) q[i] = (uint8_t)LT_MIN(LT_MAX((x[i] - low) * inverse + 0.5f, 0), 31);
    }
    put_half(p, lt_to_f16(d));
    put_half(p + 2, lt_to_f16(low));
    put_fives(q, p + 4);
}

/* Scales and minima of the eight parts of a Q4_K or Q5_K block, then its elements with what became of them. */
static void quantise_k(const float *x, const float *weight, int most, uint8_t *p, uint8_t q[256])
{
    struct lt_fit_k fit;
    lt_fit_k_block(x, weight, most, &fit);
    put_half(p, fit.d);
    put_half(p + 2, fit.dmin);
    lt_quant_k_pack_scales(fit.scale, fit.min, p + 4);
    for (int i = 0; i < 8; i++) {
        const float d = lt_from_f16(fit.d) * fit.scale[i], m = lt_from_f16(fit.dmin) * fit.min[i];
        for (int j = 32 * i; j < 32 * i + 32; j++)
            q[j] = d != 0 ? (uint8_t)LT_MIN(LT_MAX(rintf((x[j] + m) / d), 0), most) : fit.q[j];
    }
}

static void put_k_nibbles(const uint8_t q[256], uint8_t *p)
{
    for (int i = 0; i < 128; i++) p[i] = (uint8_t)((q[i / 32 * 64 + i % 32] & 15) | q[i / 32 * 64 + i % 32 + 32] << 4);
}

static void blocks_q4_k(const float *x, const float *weight, uint8_t *p)
{
    uint8_t q[256];
    quantise_k(x, weight, 15, p, q);
    put_k_nibbles(q, p + 16);
}

static void blocks_q5_k(const float *x, const float *weight, uint8_t *p)
{
    uint8_t q[256];
    quantise_k(x, weight, 31, p, q);
    memset(p + 16, 0, 32);
    for (int i = 0; i < 256; i++) p[16 + i % 32] |= (uint8_t)(q[i] >> 4 << i / 32);
    put_k_nibbles(q, p + 48);
}

static void blocks_q6_k(const float *x, const float *weight, uint8_t *p)
{
    int8_t scale[16];
    uint8_t q[256];
    const uint16_t d = lt_fit_q6_block(x, weight, scale, q);
    for (int i = 0; i < 256; i++) {
        const float s = lt_from_f16(d) * scale[i / 16];
        if (s != 0) q[i] = (uint8_t)(LT_MIN(LT_MAX(rintf(x[i] / s), -32), 31) + 32);
    }
    memset(p, 0, 192);
    for (int i = 0; i < 256; i++) {
        const int part = i / 128, row = i / 32 % 4, j = i % 32;
        p[part * 64 + row % 2 * 32 + j] |= (uint8_t)((q[i] & 15) << (row < 2 ? 0 : 4));
        p[128 + part * 32 + j] |= (uint8_t)(q[i] >> 4 << 2 * row);
    }
    memcpy(p + 192, scale, 16);
    put_half(p + 208, d);
}

typedef void blocks_fn(const float *x, const float *weight, uint8_t *p);

static blocks_fn *blocks_of(enum lt_dtype t)
{
    switch (t) {
    case LT_Q8_0: return blocks_q8_0;
    case LT_Q4_0: return blocks_q4_0;
    case LT_Q5_0: return blocks_q5_0;
    case LT_Q5_1: return blocks_q5_1;
    case LT_Q4_K: return blocks_q4_k;
    case LT_Q5_K: return blocks_q5_k;
    default: assert(t == LT_Q6_K); return blocks_q6_k;
    }
}

/* ---- rows ---- */

struct job {
    const struct lt_quant *q;
    int64_t ld;
    const float *in;
    uint8_t *out;
    _Atomic int64_t bad;                /* the first row with a value that no block holds, or the number of rows */
};

/* Q4_0 has the fewest levels, eight on one side, of which the search may leave one unused: with half of that every
 * scale is a finite half.  The minimum of Q5_1 is a half itself: from 65520 on they are infinite. */
static float largest(enum lt_dtype t)
{
    return t == LT_Q5_1 ? 65520 : 4 * 65504.0f;
}

static bool fits(enum lt_dtype t, const float *x, int64_t n)
{
    const float most = largest(t);
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < most)) return false;
    return true;
}

/* How much errors of a block count: importance, more for large elements than for small ones. */
static void weigh(const float *x, int64_t n, const float *importance, float mean_square, float *weight)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += importance[i];
    for (int64_t i = 0; i < n; i++) weight[i] = (sum > 0 ? importance[i] : 1) * sqrtf(mean_square + x[i] * x[i]);
}

static void quantise_row(void *arg, int64_t r)
{
    struct job *j = arg;
    const struct lt_quant *q = j->q;
    const int64_t block = lt_dtype_block(q->type);
    const float *x = j->in + r * j->ld;
    uint8_t *p = j->out + (size_t)r * lt_dtype_bytes(q->type, q->width);
    if (!fits(q->type, x, q->width)) {
        int64_t first = atomic_load(&j->bad);
        while (r < first && !atomic_compare_exchange_weak(&j->bad, &first, r)) {}
        return;
    }
    double squares = 0;
    for (int64_t i = 0; q->importance && i < q->width; i++) squares += (double)x[i] * x[i];
    blocks_fn *blocks = blocks_of(q->type);
    float weight[LT_QUANT_BLOCK_MAX];
    for (int64_t i = 0; i < q->width; i += block, p += lt_dtype_block_size(q->type)) {
        if (q->importance) weigh(x + i, block, q->importance + i, (float)(squares / (double)q->width), weight);
        blocks(x + i, q->importance ? weight : NULL, p);
    }
}

int lt_quant_rows(struct lt_pool *pool, const struct lt_quant *q, const float *in, void *out)
{
    assert(q->width % lt_dtype_block(q->type) == 0);
    struct job job = { .q = q, .ld = q->ld ? q->ld : q->width, .in = in, .out = out };
    atomic_store(&job.bad, q->rows);
    lt_pool_run(pool, q->rows, quantise_row, &job);
    const int64_t bad = atomic_load(&job.bad);
    if (bad == q->rows) return 0;
    const float *x = in + bad * job.ld;
    for (int64_t i = 0; i < q->width; i++)
        if (!fits(q->type, x + i, 1))
            return lt_fail("row %" PRId64 ", column %" PRId64 " is %g; %s holds finite numbers below %g", bad, i,
                           (double)x[i], lt_dtype_name(q->type), (double)largest(q->type));
    return -1;
}

struct back { const struct lt_quant *q; int64_t ld; const uint8_t *in; float *out; };

static void floats_row(void *arg, int64_t r)
{
    const struct back *j = arg;
    lt_dequant(j->q->type, j->in + (size_t)r * lt_dtype_bytes(j->q->type, j->q->width), j->q->width,
               j->out + r * j->ld);
}

void lt_dequant_rows(struct lt_pool *pool, const struct lt_quant *q, const void *in, float *out)
{
    struct back job = { .q = q, .ld = q->ld ? q->ld : q->width, .in = in, .out = out };
    lt_pool_run(pool, q->rows, floats_row, &job);
}
