/* Products of few rows with weights of 16 bits where they lie, for AVX2: sixteen rows of weights go through registers
 * instead of through a packed panel of twice the size.  The sums are those of gemm_avx2.c.
 *
 * Rows of weights are often a multiple of 4 KiB apart and would push each other out of the first cache, so a line of
 * each is first copied side by side. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include <immintrin.h>

enum { NR = 16, LINE = 64, GROUP = 4 };     /* GROUP: rows of A at a time */
#define INLINE static inline __attribute__((always_inline))

/* Nearest bf16, ties to even, as a float; a NaN becomes quiet. */
INLINE __m256 round_bf16(__m256 x)
{
    const __m256i u = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    const __m256 nan = _mm256_or_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x400000)));
    const __m256 v = _mm256_blendv_ps(_mm256_castsi256_ps(up), nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000)));
}

INLINE __m128i load16(const char *p)
{
    return _mm_load_si128((const __m128i *)(const void *)p);
}

/* 16 bytes of eight lines, lane by lane: out[i] has the i-th four bytes of each. */
INLINE void across(const char *line, __m256i out[4])
{
    __m256i r[4];
    for (int i = 0; i < 4; i++)
        r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(line + i * LINE)),
                                       load16(line + (i + 4) * LINE), 1);
    const __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
    const __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
    out[0] = _mm256_unpacklo_epi64(a, c);
    out[1] = _mm256_unpackhi_epi64(a, c);
    out[2] = _mm256_unpacklo_epi64(b, d);
    out[3] = _mm256_unpackhi_epi64(b, d);
}

/* 16 bytes of eight lines as eight floats of each. */
INLINE void floats_across(const char *line, const enum lt_dtype type, const bool rounded, __m256 out[8])
{
    __m256i pair[4];
    across(line, pair);
    for (int i = 0; i < 4; i++) {
        if (type == LT_BF16) {
            out[2 * i] = _mm256_castsi256_ps(_mm256_slli_epi32(pair[i], 16));
            out[2 * i + 1] = _mm256_castsi256_ps(_mm256_and_si256(pair[i], _mm256_set1_epi32((int)0xffff0000)));
            continue;
        }
        const __m256i low = _mm256_and_si256(pair[i], _mm256_set1_epi32(0xffff));
        const __m256i both = _mm256_packus_epi32(low, _mm256_srli_epi32(pair[i], 16));
        const __m256i sorted = _mm256_permute4x64_epi64(both, 0xd8);       /* eight lower halves, eight upper ones */
        out[2 * i] = _mm256_cvtph_ps(_mm256_castsi256_si128(sorted));
        out[2 * i + 1] = _mm256_cvtph_ps(_mm256_extracti128_si256(sorted, 1));
    }
    for (int i = 0; rounded && type == LT_F16 && i < 8; i++) out[i] = round_bf16(out[i]);
}

INLINE void copy_lines(const char *p, int64_t row, char *to)
{
    for (int i = 0; i < NR; i++, p += row, to += LINE) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
        const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
        _mm256_store_si256((__m256i *)(void *)to, a);
        _mm256_store_si256((__m256i *)(void *)(to + 32), b);
    }
}

INLINE void direct(const int m, int64_t k, const struct lt_gemm_rows *a, int64_t first, const struct lt_gemm_source *b,
                   float *total, const enum lt_dtype type, const bool rounded)
{
    const char *x = (const char *)a->p + first * a->row, *w = b->p, *next = b->next;
    const int64_t unit = a->unit;
    char line[NR * LINE] __attribute__((aligned(64)));
    __m256 sum[GROUP][2];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = _mm256_loadu_ps(total + (first + r) * NR + 8 * h);
    for (int64_t j = 0; j < k; j += LINE / 2, w += LINE) {
        for (int i = 0; next && i < NR; i++, next += LINE) _mm_prefetch(next, _MM_HINT_T1);
        copy_lines(w, 2 * b->ld, line);
        for (int c = 0; c < LINE; c += 16) {
            __m256 left[8], right[8];
            floats_across(line + c, type, rounded, left);
            floats_across(line + 8 * LINE + c, type, rounded, right);
            LT_UNROLL
            for (int i = 0; i < 8; i++, x += unit) {
                LT_UNROLL
                for (int r = 0; r < m; r++) {
                    const __m256 v = _mm256_broadcast_ss((const float *)(const void *)(x + r * a->row));
                    sum[r][0] = _mm256_fmadd_ps(v, left[i], sum[r][0]);
                    sum[r][1] = _mm256_fmadd_ps(v, right[i], sum[r][1]);
                }
            }
        }
    }
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) _mm256_storeu_ps(total + (first + r) * NR + 8 * h, sum[r][h]);
}

INLINE void rows(int64_t m, int64_t k, const struct lt_gemm_rows *a, const struct lt_gemm_source *b, float *sum,
                 const enum lt_dtype type, const bool rounded)
{
    struct lt_gemm_source again = *b;
    int64_t r = 0;
    for (; r + GROUP <= m; r += GROUP, again.next = NULL) direct(GROUP, k, a, r, &again, sum, type, rounded);
    if (m - r == 3) direct(3, k, a, r, &again, sum, type, rounded);
    if (m - r == 2) direct(2, k, a, r, &again, sum, type, rounded);
    if (m - r == 1) direct(1, k, a, r, &again, sum, type, rounded);
}

void lt_gemm_direct_f32_avx2(int64_t m, int64_t k, const struct lt_gemm_rows *a, const struct lt_gemm_source *b,
                             float *sum)
{
    if (b->type == LT_BF16) rows(m, k, a, b, sum, LT_BF16, false);
    else rows(m, k, a, b, sum, LT_F16, false);
}

void lt_gemm_direct_bf16_avx2(int64_t m, int64_t k, const struct lt_gemm_rows *a, const struct lt_gemm_source *b,
                              float *sum)
{
    if (b->type == LT_BF16) rows(m, k, a, b, sum, LT_BF16, true);
    else rows(m, k, a, b, sum, LT_F16, true);
}
#else
typedef int lt_no_avx2_here;
#endif
