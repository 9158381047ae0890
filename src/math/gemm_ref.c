/* The matrix product in plain C: the twin that the fast variants are tested against, and the one that runs where
 * there is no other. */
#include "math/gemm_kernel.h"

#include <math.h>

enum { MR = 4, NR = 8 };

static float element(const struct lt_gemm_source *s, int64_t i, int64_t k)
{
    int64_t at = s->k_fast ? i * s->ld + k : k * s->ld + i;
    if (s->type == LT_F32) return ((const float *)s->p)[at];
    uint16_t h = ((const uint16_t *)s->p)[at];
    return s->type == LT_BF16 ? lt_from_bf16(h) : lt_from_f16(h);
}

static void pack_f32(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    float *out = dst;
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < stride; i++) out[j * stride + i] = i < width ? element(s, i, j) : 0;
}

static void pack_bf16(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    pack_f32(dst, stride, width, k, s);
    float *out = dst;
    for (int64_t i = 0; i < k * stride; i++) out[i] = lt_from_bf16(lt_to_bf16(out[i]));
}

static void across(void (*pack)(void *, int64_t, int64_t, int64_t, const struct lt_gemm_source *), char *dst,
                   size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s)
{
    struct lt_gemm_source part = *s;
    for (int64_t i = 0; i < width; i += height, dst += distance) {
        pack(dst, stride, LT_MIN(height, width - i), k, &part);
        part.p = (const char *)part.p + (size_t)height * lt_dtype_size(s->type);
    }
}

static void across_f32(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                       const struct lt_gemm_source *s)
{
    across(pack_f32, dst, distance, height, stride, width, k, s);
}

static void across_bf16(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s)
{
    across(pack_bf16, dst, distance, height, stride, width, k, s);
}

static void rows_f32(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < k; j++) ((float *)dst)[i * row / 4 + j] = element(s, i, j);
}

static void rows_bf16(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < k; j++) ((float *)dst)[i * row / 4 + j] = lt_from_bf16(lt_to_bf16(element(s, i, j)));
}

static void tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add)
{
    float sum[MR][NR] = { { 0 } };
    const float *pa = a->p, *pb = b;
    const int64_t row = a->row / 4;
    for (int64_t j = 0; j < k; j++, pa += a->unit / 4, pb += NR)
        for (int64_t r = 0; r < m; r++)
            for (int i = 0; i < NR; i++) sum[r][i] += pa[r * row] * pb[i];
    for (int64_t r = 0; r < m; r++) {
        for (int64_t i = 0; i < n; i++) {
            float v = sum[r][i];
            if (bias) v += bias[i];
            c[r * ldc + i] = add ? c[r * ldc + i] + v : v;
        }
    }
}

static void part(int64_t m, int64_t k, const struct lt_gemm_rows *a, const void *b, float *sum)
{
    const float *pa = a->p, *pb = b;
    const int64_t row = a->row / 4;
    for (int64_t j = 0; j < k; j++, pa += a->unit / 4, pb += NR)
        for (int64_t r = 0; r < m; r++)
            for (int i = 0; i < NR; i++) sum[r * NR + i] += pa[r * row] * pb[i];
}

/* ---- whole numbers, kept as floats; sums of a block are exact ---- */

struct fixing { float scale, inverse; int most; bool stochastic; };

static float fixed(const struct fixing *f, float x, int64_t j)
{
    const float r = x * f->inverse;
    uint32_t bits;
    if (f->inverse == 0) return 0;
    if (!f->stochastic) return nearbyintf(r);
    memcpy(&bits, &x, sizeof bits);
    bits = (bits << (LT_MANTISSA_BITS - LT_CHANCE_BITS) ^ lt_chance_at(j)) & ((1u << LT_MANTISSA_BITS) - 1);
    bits |= 0x3f800000;
    float chance;
    memcpy(&chance, &bits, sizeof chance);
    return fminf(floorf(r + chance) - 1, (float)f->most);
}

/* How column or row i becomes whole numbers. */
static struct fixing fixing_of(const struct lt_gemm_source *s, int64_t i, int64_t k)
{
    uint32_t largest = 0;
    for (int64_t j = 0; j < k; j++) {
        float x = fabsf(element(s, i, j));
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        largest = LT_MAX(largest, bits);
    }
    s->scale[i] = lt_fixed_scale(largest, s->most);
    return (struct fixing){ s->scale[i], lt_fixed_inverse(largest, s->most), s->most, s->stochastic };
}

static void pack_whole(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    float *out = dst;
    for (int64_t i = 0; i < stride; i++) {
        struct fixing f = { 0 };
        if (i < width) f = fixing_of(s, i, k);
        for (int64_t j = 0; j < k; j++) out[j * stride + i] = i < width ? fixed(&f, element(s, i, j), j) : 0;
    }
}

static void across_whole(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                         const struct lt_gemm_source *s)
{
    struct lt_gemm_source part = *s;
    for (int64_t i = 0; i < width; i += height) {
        pack_whole((char *)dst + (size_t)(i / height) * distance, stride, LT_MIN(height, width - i), k, &part);
        part.p = (const char *)part.p + (size_t)height * lt_dtype_size(s->type);
        part.scale += distance / sizeof *part.scale;
    }
}

static void rows_whole(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    for (int64_t i = 0; i < rows; i++) {
        const struct fixing f = fixing_of(s, i, k);
        for (int64_t j = 0; j < k; j++) ((float *)dst)[i * row / 4 + j] = fixed(&f, element(s, i, j), j);
    }
}

static void tile_whole(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c,
                       int64_t ldc, const float *bias, bool add)
{
    const float *pb = b;
    for (int64_t r = 0; r < m; r++) {
        for (int64_t i = 0; i < n; i++) {
            int32_t sum = 0;
            const char *pa = (const char *)a->p + r * a->row;
            for (int64_t j = 0; j < k; j++, pa += a->unit) sum += (int32_t)*(const float *)pa * (int32_t)pb[j * NR + i];
            float v = k ? (float)sum * a->scale[r] * a->columns[i] : 0;
            if (bias) v += bias[i];
            c[r * ldc + i] = add ? c[r * ldc + i] + v : v;
        }
    }
}

#define WHOLE .mr = MR, .nr = NR, .kc = 512, .near = 64 << 10, .step = 1, .lanes = 1, .chains = 1, .pack = pack_whole, \
    .pack_across = across_whole, .pack_rows = rows_whole, .tile = tile_whole

const struct lt_gemm_kernel lt_gemm_kernel_ref[LT_COMPUTES] = {
    [LT_COMPUTE_INT16] = { WHOLE, .most = LT_INT16_MOST },
    [LT_COMPUTE_INT8] = { WHOLE, .most = LT_INT8_MOST },
    [LT_COMPUTE_F32] = { .mr = MR, .nr = NR, .kc = 256, .near = 64 << 10, .step = 1, .plain = true, .lanes = 1,
                         .chains = 1, .pack = pack_f32, .pack_across = across_f32, .pack_rows = rows_f32,
                         .tile = tile, .part = part },
    [LT_COMPUTE_BF16] = { .mr = MR, .nr = NR, .kc = 256, .near = 64 << 10, .step = 1, .lanes = 1, .chains = 1,
                          .pack = pack_bf16,
                          .pack_across = across_bf16, .pack_rows = rows_bf16, .tile = tile, .part = part },
};
