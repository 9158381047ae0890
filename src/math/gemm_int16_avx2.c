/* Products of whole numbers for AVX2: operands of 12 bits in pairs along k, whose products one instruction multiplies
 * and adds (vpmaddwd), exact in 32 bits over a block.  Twice as many products an instruction as floats have, and one
 * addition more: 1.6 times their speed on a Zen 3 core. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include "math/lanes_avx2.h"

enum { MR = 6, NR = 16, SIDE = 64 };    /* SIDE: most columns whose largest magnitudes are looked for together */

/* ---- packing: the largest magnitude of every row or column first, then the numbers ---- */

INLINE __m256i magnitude(__m256 x)
{
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

/* Infinity and NaN may give any number: their scale is NaN. */
INLINE __m256i fixed(__m256 x, __m256 inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
}

/* Sixteen numbers in the order of their places. */
INLINE __m256i narrow(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
}

INLINE uint32_t largest_lane(__m256i x)
{
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* Of k elements side by side. */
INLINE uint32_t largest_of(const char *row, int64_t k, enum lt_dtype type)
{
    __m256i top[4];
    for (int i = 0; i < 4; i++) top[i] = _mm256_setzero_si256();
    int64_t j = 0;
    for (; j + 32 <= k; j += 32)
        for (int i = 0; i < 4; i++) top[i] = _mm256_max_epu32(top[i], magnitude(load(row, j + 8 * i, 8, type)));
    for (; j < k; j += 8) top[0] = _mm256_max_epu32(top[0], magnitude(load(row, j, k - j, type)));
    top[0] = _mm256_max_epu32(top[0], top[1]);
    return largest_lane(_mm256_max_epu32(top[0], _mm256_max_epu32(top[2], top[3])));
}

/* Sixteen numbers of a row from element j on; beyond k they are 0. */
INLINE __m256i sixteen(const char *row, int64_t j, int64_t k, enum lt_dtype type, __m256 inverse)
{
    __m256 high = k - j > 8 ? load(row, j + 8, k - j - 8, type) : _mm256_setzero_ps();
    return narrow(fixed(load(row, j, k - j, type), inverse), fixed(high, inverse));
}

INLINE void rows_of(char *out, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                    enum lt_dtype type)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    for (int64_t i = 0; i < rows; i++, out += row) {
        const char *from = (const char *)s->p + i * s->ld * size;
        const uint32_t largest = largest_of(from, k, type);
        const __m256 inverse = _mm256_set1_ps(lt_fixed_inverse(largest));
        s->scale[i] = lt_fixed_scale(largest);
        int64_t j = 0;
        for (; j + 16 <= k; j += 16)
            _mm256_storeu_si256((__m256i *)(out + 2 * j), sixteen(from, j, j + 16, type, inverse));
        if (j < k) _mm256_maskstore_epi32((int *)(out + 2 * j), lanes((k - j + 1) / 2),
                                          sixteen(from, j, k, type, inverse));
    }
}

/* Eight columns of a panel from rows along which k runs. */
INLINE void eight_columns(char *out, int64_t stride, int64_t width, int64_t k, const char *p, int64_t row_bytes,
                          float *scale, enum lt_dtype type)
{
    __m256 inverse[8];
    for (int i = 0; i < 8; i++) {
        const uint32_t largest = i < width ? largest_of(p + i * row_bytes, k, type) : 0;
        inverse[i] = _mm256_set1_ps(lt_fixed_inverse(largest));
        scale[i] = lt_fixed_scale(largest);
    }
    for (int64_t j = 0; j < k; j += 16) {
        __m256 r[8];
        for (int i = 0; i < 8; i++) {
            __m256i x = _mm256_setzero_si256();
            if (i < width && j + 16 <= k) x = sixteen(p + i * row_bytes, j, j + 16, type, inverse[i]);
            else if (i < width) x = sixteen(p + i * row_bytes, j, k, type, inverse[i]);
            r[i] = _mm256_castsi256_ps(x);
        }
        transpose8(r);
        for (int i = 0; i < 8 && j + 2 * i < k; i++) _mm256_storeu_ps((float *)(out + (j / 2 + i) * stride * 4), r[i]);
    }
}

INLINE void columns_of(char *out, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s,
                       enum lt_dtype type)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    for (int64_t i = 0; i < stride; i += 8)
        eight_columns(out + i * 4, stride, LT_MAX(LT_MIN(width - i, 8), 0), k, (const char *)s->p + i * row_bytes,
                      row_bytes, s->scale + i, type);
}

/* Eight units: the numbers of two rows side by side in 32 bits. */
INLINE __m256i units(const char *row, const char *second, int64_t at, int64_t n, enum lt_dtype type, __m256 inverse)
{
    __m256i low = fixed(load(row, at, n, type), inverse);
    __m256i high = second ? fixed(load(second, at, n, type), inverse) : _mm256_setzero_si256();
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

/* The inverse scales of `width` columns of rows along which the width runs, side by side as panels want them: those of
 * a panel begin at a multiple of stride. */
INLINE void scales_across(float *inverse, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                          const char *row, int64_t row_bytes, float *scale, enum lt_dtype type)
{
    uint32_t top[2 * SIDE] __attribute__((aligned(32))) = { 0 };
    for (int64_t j = 0; j < k; j++, row += row_bytes) {
        for (int64_t i = 0; i < width; i += 8) {
            __m256i *t = (__m256i *)(top + i);
            *t = _mm256_max_epu32(*t, magnitude(load(row, i, width - i, type)));
        }
    }
    for (int64_t i = 0; i < width; i += height, inverse += stride, scale += distance / sizeof *scale) {
        for (int64_t h = 0; h < stride; h++) {
            uint32_t largest = h < height && i + h < width ? top[i + h] : 0;
            inverse[h] = lt_fixed_inverse(largest);
            scale[h] = lt_fixed_scale(largest);
        }
    }
}

/* Panels side by side, some at a time: two walks over the rows, the second out of a cache. */
INLINE void across(char *out, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s, enum lt_dtype type)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row_bytes = s->ld * size;
    const int64_t step = LT_MAX(SIDE / LT_MAX(stride, height), 1) * height;
    float inverse[2 * SIDE] __attribute__((aligned(32)));
    float *scale = s->scale;
    const char *row = s->p;
    for (int64_t at = 0; at < width; at += step, row += step * size) {
        const int64_t n = LT_MIN(step, width - at);
        scales_across(inverse, distance, height, stride, n, k, row, row_bytes, scale, type);
        for (int64_t j = 0; j < k; j += 2) {
            const char *first = row + j * row_bytes, *second = j + 1 < k ? first + row_bytes : NULL;
            char *to = out + j / 2 * stride * 4;
            const float *by = inverse;
            for (int64_t i = 0; i < n; i += height, to += distance, by += stride)
                for (int64_t h = 0; h < stride; h += 8) {
                    const int64_t w = LT_MIN(height, n - i) - h;
                    __m256i x = w > 0 ? units(first, second, i + h, w, type, _mm256_load_ps(by + h))
                                      : _mm256_setzero_si256();
                    _mm256_storeu_si256((__m256i *)(to + h * 4), x);
                }
        }
        out += step / height * (int64_t)distance;
        scale += step / height * (int64_t)(distance / sizeof *scale);
    }
}

static void pack_across(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32); return;
    }
}

static void pack(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) pack_across(dst, 0, width, stride, width, k, s);
    else if (s->type == LT_BF16) columns_of(dst, stride, width, k, s, LT_BF16);
    else if (s->type == LT_F16) columns_of(dst, stride, width, k, s, LT_F16);
    else columns_of(dst, stride, width, k, s, LT_F32);
}

static void pack_rows(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: rows_of(dst, row, rows, k, s, LT_BF16); return;
    case LT_F16: rows_of(dst, row, rows, k, s, LT_F16); return;
    default: rows_of(dst, row, rows, k, s, LT_F32); return;
    }
}

/* ---- the tile ---- */

INLINE void finish(float *c, __m256i sum, __m256 scale, const float *columns, const float *bias, bool add)
{
    __m256 v = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), _mm256_loadu_ps(columns));
    if (bias) v = _mm256_add_ps(v, _mm256_loadu_ps(bias));
    if (add) v = _mm256_add_ps(_mm256_loadu_ps(c), v);
    _mm256_storeu_ps(c, v);
}

/* A narrow tile goes through memory, with the same arithmetic. */
static __attribute__((noinline)) void finish_narrow(int64_t m, int64_t n, const int32_t *sum,
                                                    const struct lt_gemm_rows *a, float *c, int64_t ldc,
                                                    const float *bias, bool add)
{
    for (int64_t r = 0; r < m; r++) {
        for (int64_t i = 0; i < n; i++) {
            float v = (float)sum[r * NR + i] * a->scale[r] * a->columns[i];
            if (bias) v += bias[i];
            c[r * ldc + i] = add ? c[r * ldc + i] + v : v;
        }
    }
}

/* k counts pairs.  The empty statement keeps the compiler from moving sums between registers and memory: there are
 * just enough. */
INLINE void tile_of(const int m, int64_t n, int64_t k, const struct lt_gemm_rows *rows, const char *b, float *c,
                    int64_t ldc, const float *bias, bool add)
{
    const char *a = rows->p;
    const int64_t row = rows->row, unit = rows->unit;
    __m256i sum[MR][2];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        sum[r][0] = sum[r][1] = _mm256_setzero_si256();
        _mm_prefetch((const char *)(c + r * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + r * ldc + NR - 1), _MM_HINT_T0);
    }
    for (int64_t j = 0; j < k; j++, a += unit, b += 4 * NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 32));
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            __m256i x = _mm256_set1_epi32(*(const int32_t *)(a + r * row));
            sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, b0));
            sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, b1));
            __asm__ volatile("" : "+x"(sum[r][0]), "+x"(sum[r][1]));
        }
    }
    if (n == NR) {
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            __m256 scale = _mm256_broadcast_ss(rows->scale + r);
            finish(c + r * ldc, sum[r][0], scale, rows->columns, bias, add);
            finish(c + r * ldc + 8, sum[r][1], scale, rows->columns + 8, bias ? bias + 8 : NULL, add);
        }
        return;
    }
    int32_t wide[MR * NR];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        _mm256_storeu_si256((__m256i *)(wide + r * NR), sum[r][0]);
        _mm256_storeu_si256((__m256i *)(wide + r * NR + 8), sum[r][1]);
    }
    finish_narrow(m, n, wide, rows, c, ldc, bias, add);
}

/* The scales of an empty sum were never written. */
static void tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add)
{
    static const float none[NR] = { 0 };
    const struct lt_gemm_rows empty = { .scale = none, .columns = none };
    if (k == 0) a = &empty;
    k = (k + 1) / 2;
    switch (m) {
    case 1: tile_of(1, n, k, a, b, c, ldc, bias, add); return;
    case 2: tile_of(2, n, k, a, b, c, ldc, bias, add); return;
    case 3: tile_of(3, n, k, a, b, c, ldc, bias, add); return;
    case 4: tile_of(4, n, k, a, b, c, ldc, bias, add); return;
    case 5: tile_of(5, n, k, a, b, c, ldc, bias, add); return;
    default: tile_of(6, n, k, a, b, c, ldc, bias, add); return;
    }
}

const struct lt_gemm_kernel lt_gemm_kernel_int16_avx2 = {
    .mr = MR, .nr = NR, .kc = 512, .near = 128 << 10, .step = 2, .scaled = true, .lanes = 8, .chains = 1, .pack = pack,
    .pack_across = pack_across, .pack_rows = pack_rows, .tile = tile,
};
#else
typedef int lt_no_int16_avx2_here;
#endif
