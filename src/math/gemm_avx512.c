/* The matrix product for AVX-512: a tile of 14 x 32 sums in 28 registers, two for B and one for the element of A.
 * bf16 operands are packed in pairs along k for vdpbf16ps. */
#include "math/gemm_kernel.h"

#if defined(__AVX512BF16__) || defined(LT_EMULATE_AVX512)
#include "math/lanes_avx512.h"

enum { MR = 14, NR = 32 };

INLINE __m512i from_bh(__m512bh x)
{
    return (__m512i)x;
}

INLINE __m512bh to_bh(__m512i x)
{
    return (__m512bh)x;
}

/* ---- packing ---- */

/* n <= 32 elements rounded to bf16 in their order, the other lanes 0. */
INLINE __m512i load_bf16(const char *p, int64_t n, enum lt_dtype type)
{
    if (type == LT_BF16) {
        __mmask32 mask = n >= 32 ? 0xffffffff : (1u << n) - 1;
        return _mm512_maskz_loadu_epi16(mask, p);
    }
    const int64_t size = type == LT_F32 ? 4 : 2;
    __m512 low = load(p, n, type);
    __m512 high = n > 16 ? load(p + 16 * size, n - 16, type) : _mm512_setzero_ps();
    return from_bh(_mm512_cvtne2ps_pbh(high, low));
}

/* Sixteen columns of a panel from rows along which k runs; `pairs` packs two k to a lane.  Every store writes sixteen
 * lanes: those past the stride are overwritten by the next k, those of the last k fall into the slack. */
INLINE void pack_k_fast(char *out, int64_t stride, int64_t width, int64_t k, const char *p, int64_t row_bytes,
                        const char (*next)[64], enum lt_dtype type, bool pairs)
{
    const int64_t size = type == LT_F32 ? 4 : 2, step = pairs ? 2 : 1;
    int64_t j = 0;
    for (; width == 16 && j + 16 * step <= k; j += 16 * step) {
        __m512i r[16];
        for (int i = 0; i < 16; i++) {
            const char *from = p + i * row_bytes + j * size;
            r[i] = pairs ? load_bf16(from, 32, type) : _mm512_castps_si512(load(from, 16, type));
        }
        if (next)
            for (int64_t i = 0; i < 16 * 16 * step * size; i += 64) _mm_prefetch(next++, _MM_HINT_T1);
        transpose16(r);
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + (j / step + i) * stride * 4, r[i]);
    }
    for (; j < k; j += 16 * step) {
        __m512i r[16];
        int64_t rest = k - j;
        for (int i = 0; i < 16; i++) {
            const char *from = p + i * row_bytes + j * size;
            if (i >= width) r[i] = _mm512_setzero_si512();
            else r[i] = pairs ? load_bf16(from, rest, type) : _mm512_castps_si512(load(from, rest, type));
        }
        transpose16(r);
        for (int i = 0; i < 16 && i * step < rest; i++)
            _mm512_storeu_si512(out + (j / step + i) * stride * 4, r[i]);
    }
}

/* Sixteen units from rows along which the width runs; for pairs two rows are interleaved, word by word. */
INLINE __m512i units_across(const char *row, int64_t width, const char *second, int64_t width2, enum lt_dtype type,
                            bool pairs)
{
    if (!pairs) return _mm512_castps_si512(load(row, width, type));
    const __m512i order = _mm512_or_si512(      /* words 0, 16, 1, 17 ... */
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_setr_epi32(16 << 16, 17 << 16, 18 << 16, 19 << 16, 20 << 16, 21 << 16, 22 << 16, 23 << 16, 24 << 16,
                          25 << 16, 26 << 16, 27 << 16, 28 << 16, 29 << 16, 30 << 16, 31 << 16));
    __m512i x;
    if (type == LT_BF16)
        x = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(mask16(width), row)),
                               _mm256_maskz_loadu_epi16(mask16(width2), second), 1);
    else
        x = from_bh(_mm512_cvtne2ps_pbh(load(second, width2, type), load(row, width, type)));
    return _mm512_permutexvar_epi16(order, x);
}

/* Panels side by side, row by row in memory, so that no line is fetched twice; later rows are asked for early. */
INLINE void across(char *out, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s, enum lt_dtype type, bool pairs)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row_bytes = s->ld * size, step = pairs ? 2 : 1, ahead = 8 * row_bytes;
    const char *row = s->p;
    for (int64_t j = 0; j < k; j += step, row += step * row_bytes, out += stride * 4) {
        char *to = out;
        const bool second = pairs && j + 1 < k;
        for (int64_t i = 0; i < width; i += height, to += distance) {
            for (int64_t h = 0; h < stride; h += 16) {
                const char *from = row + (i + h) * size;
                const int64_t w = LT_MIN(height, width - i) - h;
                _mm_prefetch(from + ahead, _MM_HINT_T0);
                if (pairs) _mm_prefetch(from + row_bytes + ahead, _MM_HINT_T0);
                _mm512_storeu_si512(to + h * 4, units_across(from, w, from + row_bytes, second ? w : 0, type, pairs));
            }
        }
    }
}

static void across_f32(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                       const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16, false); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16, false); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32, false); return;
    }
}

static void across_bf16(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16, true); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16, true); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32, true); return;
    }
}

INLINE void pack(char *out, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s,
                 enum lt_dtype type, bool pairs)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row_bytes = s->ld * size;
    const char *next = s->next;
    for (int64_t i = 0; i < stride; i += 16) {
        pack_k_fast(out + i * 4, stride, LT_MAX(LT_MIN(width - i, 16), 0), k, (const char *)s->p + i * row_bytes,
                    row_bytes, (const char (*)[64])next, type, pairs);
        if (next) next += 16 * k * size;
    }
}

static void pack_f32(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) across_f32(dst, 0, width, stride, width, k, s);
    else if (s->type == LT_BF16) pack(dst, stride, width, k, s, LT_BF16, false);
    else if (s->type == LT_F16) pack(dst, stride, width, k, s, LT_F16, false);
    else pack(dst, stride, width, k, s, LT_F32, false);
}

static void pack_bf16(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) across_bf16(dst, 0, width, stride, width, k, s);
    else if (s->type == LT_BF16) pack(dst, stride, width, k, s, LT_BF16, true);
    else if (s->type == LT_F16) pack(dst, stride, width, k, s, LT_F16, true);
    else pack(dst, stride, width, k, s, LT_F32, true);
}

INLINE void pack_rows(char *out, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                      enum lt_dtype type, bool pairs)
{
    const int64_t size = type == LT_F32 ? 4 : 2, step = pairs ? 2 : 1;
    for (int64_t i = 0; i < rows; i++, out += row) {
        const char *from = (const char *)s->p + i * s->ld * size;
        char *to = out;
        for (int64_t j = 0; j < k; j += 16 * step, from += 16 * step * size, to += 64) {
            __m512i x = pairs ? load_bf16(from, k - j, type) : _mm512_castps_si512(load(from, k - j, type));
            _mm512_mask_storeu_epi32(to, mask16((k - j + step - 1) / step), x);
        }
    }
}

static void rows_f32(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: pack_rows(dst, row, rows, k, s, LT_BF16, false); return;
    case LT_F16: pack_rows(dst, row, rows, k, s, LT_F16, false); return;
    default: pack_rows(dst, row, rows, k, s, LT_F32, false); return;
    }
}

static void rows_bf16(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: pack_rows(dst, row, rows, k, s, LT_BF16, true); return;
    case LT_F16: pack_rows(dst, row, rows, k, s, LT_F16, true); return;
    default: pack_rows(dst, row, rows, k, s, LT_F32, true); return;
    }
}

/* ---- the tile ---- */

INLINE void finish(float *c, __mmask16 mask, __m512 sum, const float *bias, bool add)
{
    if (bias) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, bias));
    if (add) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
    _mm512_mask_storeu_ps(c, mask, sum);
}

INLINE __m512 multiply_add(__m512 a, __m512 b, __m512 sum, const bool pairs)
{
    if (pairs) return _mm512_dpbf16_ps(sum, to_bh(_mm512_castps_si512(a)), to_bh(_mm512_castps_si512(b)));
    return _mm512_fmadd_ps(a, b, sum);
}

/* k counts packed units: single products, or pairs of bf16.  Four pointers, four rows apart, and multiples of `row`
 * reach all rows without arithmetic. */
INLINE void tile_of(const int m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const char *b, float *c,
                    int64_t ldc, const float *bias, bool add, const bool pairs)
{
    const int64_t row = a->row, unit = a->unit;
    const char *p[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++) p[i] = (const char *)a->p + 4 * i * row;
    __m512 sum[MR][2];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)(c + r * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + r * ldc + 16), _MM_HINT_T0);
    }
    for (int64_t j = 0; j < k; j++, b += 4 * NR) {
        __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 64);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            __m512 x = _mm512_set1_ps(*(const float *)(p[r / 4] + r % 4 * row));
            sum[r][0] = multiply_add(x, b0, sum[r][0], pairs);
            sum[r][1] = multiply_add(x, b1, sum[r][1], pairs);
        }
        LT_UNROLL
        for (int i = 0; i < 4; i++) p[i] += unit;
    }
    __mmask16 left = mask16(n), right = mask16(n - 16);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        finish(c + r * ldc, left, sum[r][0], bias, add);
        if (n > 16) finish(c + r * ldc + 16, right, sum[r][1], bias ? bias + 16 : NULL, add);
    }
}

#define CASE(m, pairs) case m: tile_of(m, n, k, a, b, c, ldc, bias, add, pairs); return;
#define CASES(p) CASE(1, p) CASE(2, p) CASE(3, p) CASE(4, p) CASE(5, p) CASE(6, p) CASE(7, p) CASE(8, p) CASE(9, p) \
    CASE(10, p) CASE(11, p) CASE(12, p) CASE(13, p) CASE(14, p)

static void tile_f32(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c,
                     int64_t ldc, const float *bias, bool add)
{
    switch (m) { CASES(false) }
}

static void tile_bf16(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c,
                      int64_t ldc, const float *bias, bool add)
{
    k = (k + 1) / 2;
    switch (m) { CASES(true) }
}

INLINE void part_of(const int m, int64_t k, const struct lt_gemm_rows *rows, int64_t first, const char *b, float *total,
                    const bool pairs)
{
    const char *a = (const char *)rows->p + first * rows->row;
    const int64_t row = rows->row, unit = rows->unit;
    __m512 sum[4][2];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int i = 0; i < 2; i++) sum[r][i] = _mm512_loadu_ps(total + (first + r) * NR + 16 * i);
    for (int64_t j = 0; j < k; j++, a += unit, b += 4 * NR) {
        __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 64);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            __m512 x = _mm512_set1_ps(*(const float *)(a + r * row));
            sum[r][0] = multiply_add(x, b0, sum[r][0], pairs);
            sum[r][1] = multiply_add(x, b1, sum[r][1], pairs);
        }
    }
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int i = 0; i < 2; i++) _mm512_storeu_ps(total + (first + r) * NR + 16 * i, sum[r][i]);
}

INLINE void part(int64_t m, int64_t k, const struct lt_gemm_rows *a, const void *b, float *sum, const bool pairs)
{
    int64_t r = 0;
    for (; r + 4 <= m; r += 4) part_of(4, k, a, r, b, sum, pairs);
    if (m - r == 3) part_of(3, k, a, r, b, sum, pairs);
    if (m - r == 2) part_of(2, k, a, r, b, sum, pairs);
    if (m - r == 1) part_of(1, k, a, r, b, sum, pairs);
}

static void part_f32(int64_t m, int64_t k, const struct lt_gemm_rows *a, const void *b, float *sum)
{
    part(m, k, a, b, sum, false);
}

static void part_bf16(int64_t m, int64_t k, const struct lt_gemm_rows *a, const void *b, float *sum)
{
    part(m, (k + 1) / 2, a, b, sum, true);
}

const struct lt_gemm_kernel lt_gemm_kernel_avx512[2] = {
    [LT_COMPUTE_F32] = { .mr = MR, .nr = NR, .kc = 512, .near = 256 << 10, .step = 1, .plain = true,
                         .lanes = 16, .chains = 1, .pack = pack_f32, .pack_across = across_f32,
                         .pack_rows = rows_f32, .tile = tile_f32, .part = part_f32 },
    [LT_COMPUTE_BF16] = { .mr = MR, .nr = NR, .kc = 1024, .near = 256 << 10, .step = 2, .lanes = 16, .chains = 1,
                          .pack = pack_bf16,
                          .pack_across = across_bf16, .pack_rows = rows_bf16, .tile = tile_bf16,
                          .part = part_bf16 },
};
#else
typedef int lt_no_avx512_here;
#endif
