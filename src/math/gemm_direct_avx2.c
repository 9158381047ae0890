/* Products of few rows with the rows of B where they lie, for AVX2: k runs along the vectors, a lane for each of the
 * four chains of a sum (gemm.h), so that nothing is packed or turned.  A vector has the chains of two columns.  The
 * sums are those of gemm_avx2.c. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include "math/lanes_avx2.h"

enum { NR = 16, COLUMNS = 8, MOST = 4 };        /* columns and rows of A at a time */

struct task {
    int64_t k;
    const char *x, *w;                  /* rows of A, floats; columns of B, along which k runs */
    int64_t x_row, w_row;               /* bytes from one to the next */
    const char *next;                   /* what is read later, asked for in its order; NULL: nothing */
};

/* 16 bytes of two columns. */
INLINE __m256i both(const char *p, int64_t row)
{
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(p + row));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* Eight elements of two columns: four of each, then the next four of each. */
INLINE void eight_of_two(const char *p, int64_t row, const enum lt_dtype type, const bool rounded, __m256 out[2])
{
    const __m256i v = both(p, row);
    if (type == LT_BF16) {
        out[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(_mm256_setzero_si256(), v));
        out[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(_mm256_setzero_si256(), v));
        return;
    }
    if (type == LT_F32) {
        out[0] = _mm256_castsi256_ps(v);
        out[1] = _mm256_castsi256_ps(both(p + 16, row));
    } else {
        const __m256 left = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
        const __m256 right = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
        out[0] = _mm256_permute2f128_ps(left, right, 0x20);
        out[1] = _mm256_permute2f128_ps(left, right, 0x31);
    }
    for (int i = 0; rounded && i < 2; i++) out[i] = round_bf16(out[i]);
}

/* n < 8 elements and zeros, as eight_of_two has them. */
INLINE void some_of_two(const char *p, int64_t row, int64_t n, const enum lt_dtype type, const bool rounded,
                        __m256 out[2])
{
    __m256 left = load(p, 0, n, type), right = load(p + row, 0, n, type);
    if (rounded && type != LT_BF16) left = round_bf16(left), right = round_bf16(right);
    out[0] = _mm256_permute2f128_ps(left, right, 0x20);
    out[1] = _mm256_permute2f128_ps(left, right, 0x31);
}

/* Chains of m rows with 2 * pairs columns, over all of k. */
INLINE void dots(const struct task *t, const int m, const int pairs, __m256 sum[MOST][COLUMNS / 2],
                 const enum lt_dtype type, const bool rounded)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row = t->w_row;
    const char *w = t->w, *next = t->next;
    int64_t j = 0;
    LT_UNROLL
    for (int r = 0; r < m; r++)
        LT_UNROLL
        for (int c = 0; c < pairs; c++) sum[r][c] = _mm256_setzero_ps();
    for (; j + 8 <= t->k; j += 8, w += 8 * size) {
        __m256 x[MOST][2];
        if (next) {                     /* as many bytes as are used */
            for (int64_t i = 0; i < 16 * size * pairs; i += 64) _mm_prefetch(next + i, _MM_HINT_T1);
            next += 16 * size * pairs;
        }
        LT_UNROLL
        for (int r = 0; r < m; r++)
            for (int h = 0; h < 2; h++)
                x[r][h] = _mm256_broadcast_ps((const __m128 *)(const void *)(t->x + r * t->x_row + 4 * (j + 4 * h)));
        LT_UNROLL
        for (int c = 0; c < pairs; c++) {
            __m256 v[2];
            eight_of_two(w + 2 * c * row, row, type, rounded, v);
            LT_UNROLL
            for (int r = 0; r < m; r++) {
                sum[r][c] = _mm256_fmadd_ps(x[r][0], v[0], sum[r][c]);
                sum[r][c] = _mm256_fmadd_ps(x[r][1], v[1], sum[r][c]);
            }
        }
    }
    if (j == t->k) return;
    const __m256 there = _mm256_castsi256_ps(lanes(t->k - j));     /* other chains keep what they have, even -0 */
    const __m256 keep[2] = { _mm256_permute2f128_ps(there, there, 0x00), _mm256_permute2f128_ps(there, there, 0x11) };
    for (int c = 0; c < pairs; c++) {
        __m256 v[2];
        some_of_two(w + 2 * c * row, row, t->k - j, type, rounded, v);
        for (int r = 0; r < m; r++) {
            const __m256 x = load(t->x + r * t->x_row, j, t->k - j, LT_F32);
            const __m256 x2[2] = { _mm256_permute2f128_ps(x, x, 0x00), _mm256_permute2f128_ps(x, x, 0x11) };
            for (int h = 0; h < 2; h++)
                sum[r][c] = _mm256_blendv_ps(sum[r][c], _mm256_fmadd_ps(x2[h], v[h], sum[r][c]), keep[h]);
        }
    }
}

/* n <= COLUMNS columns, as many at a time as registers hold sums of; the last alone if it has no neighbour. */
INLINE void eight(struct task t, const int m, int n, float *sum, const enum lt_dtype type, const bool rounded)
{
    const int pairs = m == MOST ? 2 : 4;
    const int64_t size = type == LT_F32 ? 4 : 2;
    __m256 chain[MOST][COLUMNS / 2], part[MOST][COLUMNS / 2];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int c = 0; c < COLUMNS / 2; c++) chain[r][c] = _mm256_setzero_ps();
    if (n == COLUMNS) {
        LT_UNROLL
        for (int c = 0; c < COLUMNS / 2; c += pairs, t.w += 2 * pairs * t.w_row) {
            dots(&t, m, pairs, part, type, rounded);
            if (t.next) t.next += 2 * pairs * t.k * size;
            LT_UNROLL
            for (int r = 0; r < m; r++)
                for (int i = 0; i < pairs; i++) chain[r][c + i] = part[r][i];
        }
    }
    for (int c = 0; n < COLUMNS && c < n; c += 2, t.w += 2 * t.w_row) {
        if (c + 1 == n) t.w_row = 0;
        dots(&t, m, 1, part, type, rounded);
        for (int r = 0; r < m; r++) chain[r][c / 2] = part[r][0];
    }
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m256 low = _mm256_hadd_ps(chain[r][0], chain[r][1]), high = _mm256_hadd_ps(chain[r][2], chain[r][3]);
        _mm256_storeu_ps(sum + r * NR, _mm256_permutevar8x32_ps(_mm256_hadd_ps(low, high), order));
    }
}

INLINE void some_rows(const struct task *all, const int m, int64_t first, int64_t n, float *sum,
                      const enum lt_dtype type, const bool rounded)
{
    struct task t = *all;
    t.x += first * t.x_row;
    if (first) t.next = NULL;
    for (int64_t c = 0; c < n; c += COLUMNS, t.w += COLUMNS * t.w_row) {
        eight(t, m, (int)LT_MIN(n - c, COLUMNS), sum + first * NR + c, type, rounded);
        if (t.next) t.next += COLUMNS * t.k * (type == LT_F32 ? 4 : 2);
    }
}

INLINE void rows(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const struct lt_gemm_source *b,
                 float *sum, const enum lt_dtype type, const bool rounded)
{
    const struct task t = { .k = k, .x = a->p, .x_row = a->row, .w = b->p, .next = b->next,
                            .w_row = b->ld * (type == LT_F32 ? 4 : 2) };
    int64_t r = 0;
    for (; r + 4 <= m && m != 5; r += 4) some_rows(&t, 4, r, n, sum, type, rounded);
    for (; r + 3 <= m; r += 3) some_rows(&t, 3, r, n, sum, type, rounded);
    if (m - r == 2) some_rows(&t, 2, r, n, sum, type, rounded);
    if (m - r == 1) some_rows(&t, 1, r, n, sum, type, rounded);
}

void lt_gemm_direct_f32_avx2(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a,
                             const struct lt_gemm_source *b, float *sum)
{
    switch (b->type) {
    case LT_BF16: rows(m, n, k, a, b, sum, LT_BF16, false); return;
    case LT_F16: rows(m, n, k, a, b, sum, LT_F16, false); return;
    default: rows(m, n, k, a, b, sum, LT_F32, false); return;
    }
}

void lt_gemm_direct_bf16_avx2(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a,
                              const struct lt_gemm_source *b, float *sum)
{
    switch (b->type) {
    case LT_BF16: rows(m, n, k, a, b, sum, LT_BF16, true); return;
    case LT_F16: rows(m, n, k, a, b, sum, LT_F16, true); return;
    default: rows(m, n, k, a, b, sum, LT_F32, true); return;
    }
}
#else
typedef int lt_no_avx2_here;
#endif
