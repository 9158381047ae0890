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

static float fixed(float x, float inverse)
{
    return inverse == 0 ? 0 : nearbyintf(x * inverse);
}

/* The scale of column or row i, and what its elements are multiplied by. */
static float scale_of(const struct lt_gemm_source *s, int64_t i, int64_t k)
{
    uint32_t largest = 0;
    for (int64_t j = 0; j < k; j++) {
        float x = fabsf(element(s, i, j));
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        largest = LT_MAX(largest, bits);
    }
    s->scale[i] = lt_fixed_scale(largest);
    return lt_fixed_inverse(largest);
}

static void pack_int16(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    float *out = dst;
    for (int64_t i = 0; i < stride; i++) {
        float inverse = i < width ? scale_of(s, i, k) : 0;
        for (int64_t j = 0; j < k; j++) out[j * stride + i] = i < width ? fixed(element(s, i, j), inverse) : 0;
    }
}

static void across_int16(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                         const struct lt_gemm_source *s)
{
    struct lt_gemm_source part = *s;
    for (int64_t i = 0; i < width; i += height) {
        pack_int16((char *)dst + (size_t)(i / height) * distance, stride, LT_MIN(height, width - i), k, &part);
        part.p = (const char *)part.p + (size_t)height * lt_dtype_size(s->type);
        part.scale += distance / sizeof *part.scale;
    }
}

static void rows_int16(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    for (int64_t i = 0; i < rows; i++) {
        float inverse = scale_of(s, i, k);
        for (int64_t j = 0; j < k; j++) ((float *)dst)[i * row / 4 + j] = fixed(element(s, i, j), inverse);
    }
}

static void tile_int16(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c,
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

const struct lt_gemm_kernel lt_gemm_kernel_ref[LT_COMPUTES] = {
    [LT_COMPUTE_INT16] = { .mr = MR, .nr = NR, .kc = 512, .near = 64 << 10, .step = 1, .scaled = true, .lanes = 1,
                           .pack = pack_int16, .pack_across = across_int16, .pack_rows = rows_int16,
                           .tile = tile_int16 },
    [LT_COMPUTE_F32] = { .mr = MR, .nr = NR, .kc = 256, .near = 64 << 10, .step = 1, .plain = true, .lanes = 1,
                         .chains = 1, .pack = pack_f32, .pack_across = across_f32, .pack_rows = rows_f32,
                         .tile = tile, .part = part },
    [LT_COMPUTE_BF16] = { .mr = MR, .nr = NR, .kc = 256, .near = 64 << 10, .step = 1, .lanes = 1, .chains = 1,
                          .pack = pack_bf16,
                          .pack_across = across_bf16, .pack_rows = rows_bf16, .tile = tile, .part = part },
};
