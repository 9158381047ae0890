/* Products of few rows with the rows of B where they lie, for AVX2: k runs along the vectors, a lane for each of the
 * four chains of a sum (gemm.h), so that nothing is packed or turned.  A vector has the chains of two columns.  The
 * sums are those of gemm_avx2.c. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include "math/lanes_avx2.h"

enum { CHAINS = 4 };
enum { COLUMNS = 8, MOST = 4 };         /* columns and rows of A at a time, where k runs along the vectors */
enum { AT_ONCE = 3 };                   /* rows of A at a time where n does: their chains fit the registers */

struct task {                           /* a block of k */
    int64_t k;
    const char *x, *w;                  /* rows of A, floats; columns of B, along which k runs */
    int64_t x_row, w_row;               /* bytes from one to the next */
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
    if (rounded) left = round_bf16(left), right = round_bf16(right);
    out[0] = _mm256_permute2f128_ps(left, right, 0x20);
    out[1] = _mm256_permute2f128_ps(left, right, 0x31);
}

/* Products j .. j + 7 of m rows with 2 * pairs columns, the first of which has them at w. */
INLINE void meet(const struct task *t, const int m, const int pairs, const char *w, int64_t j,
                 __m256 sum[MOST][COLUMNS / 2], const enum lt_dtype type, const bool rounded)
{
    __m256 x[MOST][2];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++)
            x[r][h] = _mm256_broadcast_ps((const __m128 *)(const void *)(t->x + r * t->x_row + 4 * (j + 4 * h)));
    LT_UNROLL
    for (int c = 0; c < pairs; c++) {
        __m256 v[2];
        eight_of_two(w + 2 * c * t->w_row, t->w_row, type, rounded, v);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            sum[r][c] = _mm256_fmadd_ps(x[r][0], v[0], sum[r][c]);
            sum[r][c] = _mm256_fmadd_ps(x[r][1], v[1], sum[r][c]);
        }
    }
}

/* Chains of m rows with 2 * pairs columns, over all of k. */
INLINE void dots(const struct task *t, const int m, const int pairs, __m256 sum[MOST][COLUMNS / 2],
                 const enum lt_dtype type, const bool rounded)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row = t->w_row;
    const char *w = t->w;
    int64_t j = 0;
    LT_UNROLL
    for (int r = 0; r < m; r++)
        LT_UNROLL
        for (int c = 0; c < pairs; c++) sum[r][c] = _mm256_setzero_ps();
    for (; j + 16 <= t->k; j += 16, w += 16 * size) {
        meet(t, m, pairs, w, j, sum, type, rounded);
        meet(t, m, pairs, w + 8 * size, j + 8, sum, type, rounded);
    }
    if (j + 8 <= t->k) {
        meet(t, m, pairs, w, j, sum, type, rounded);
        j += 8;
        w += 8 * size;
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

/* Columns met together.  Each is a run of memory of its own: four runs of floats are read faster than eight. */
INLINE int at_a_time(const enum lt_dtype type) { return type == LT_F32 ? COLUMNS / 2 : COLUMNS; }

/* The sums of n <= at_a_time() columns, as many at a time as registers hold; the last alone if it has no neighbour. */
INLINE void column_sums(struct task t, const int m, int n, __m256 sum[MOST], const enum lt_dtype type,
                        const bool rounded)
{
    const int most = at_a_time(type), pairs = m == MOST ? 2 : most / 2;
    __m256 chain[MOST][COLUMNS / 2], part[MOST][COLUMNS / 2];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int c = 0; c < COLUMNS / 2; c++) chain[r][c] = _mm256_setzero_ps();
    if (n == most) {
        LT_UNROLL
        for (int c = 0; c < most / 2; c += pairs, t.w += 2 * pairs * t.w_row) {
            dots(&t, m, pairs, part, type, rounded);
            LT_UNROLL
            for (int r = 0; r < m; r++)
                for (int i = 0; i < pairs; i++) chain[r][c + i] = part[r][i];
        }
    }
    for (int c = 0; n < most && c < n; c += 2, t.w += 2 * t.w_row) {
        if (c + 1 == n) t.w_row = 0;
        dots(&t, m, 1, part, type, rounded);
        for (int r = 0; r < m; r++) chain[r][c / 2] = part[r][0];
    }
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m256 low = _mm256_hadd_ps(chain[r][0], chain[r][1]), high = _mm256_hadd_ps(chain[r][2], chain[r][3]);
        sum[r] = _mm256_permutevar8x32_ps(_mm256_hadd_ps(low, high), order);
    }
}

/* n <= COLUMNS numbers `apart` from each other, and back. */
INLINE __m256 gathered(const float *p, int64_t apart, int n)
{
    float x[COLUMNS] = { 0 };
    for (int i = 0; i < n; i++) x[i] = p[i * apart];
    return _mm256_loadu_ps(x);
}

INLINE void scatter(float *p, int64_t apart, int n, __m256 v)
{
    float x[COLUMNS];
    _mm256_storeu_ps(x, v);
    for (int i = 0; i < n; i++) p[i * apart] = x[i];
}

/* m rows from `first` on; n <= COLUMNS columns from `at` on, `apart` from each other.  Block after block; the sum so
 * far, in the order of gemm.h, stays in registers. */
INLINE void columns_of(const struct lt_gemm_direct *d, const int m, int64_t first, int64_t at, int n, int64_t apart,
                       const enum lt_dtype type, const bool rounded)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row = d->b.ld * size;
    const char *w = (const char *)d->b.p + at * row, *x = (const char *)d->a.p + first * d->a.row;
    float *c = d->c + first * d->ldc + at;
    __m256 sum[MOST], all[MOST];
    int64_t k0 = 0;
    do {
        const int64_t k = LT_MIN(d->kc, d->k - k0);
        const struct task t = { .k = k, .x = x, .w = w, .x_row = d->a.row, .w_row = row * apart };
        column_sums(t, m, n, sum, type, rounded);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            if (k0 > 0) sum[r] = _mm256_add_ps(all[r], sum[r]);
            else if (d->bias) sum[r] = _mm256_add_ps(sum[r], gathered(d->bias + at, apart, n));
            all[r] = k0 == 0 && d->add ? _mm256_add_ps(gathered(c + r * d->ldc, apart, n), sum[r]) : sum[r];
        }
        x += d->a_block;
        w += k * size;
        k0 += d->kc;
    } while (k0 < d->k);
    LT_UNROLL
    for (int r = 0; r < m; r++) scatter(c + r * d->ldc, apart, n, all[r]);
}

INLINE void all_rows(const struct lt_gemm_direct *d, int64_t at, int n, int64_t apart, const enum lt_dtype type,
                     const bool rounded)
{
    int64_t r = 0;
    for (; r + 4 <= d->m && d->m != 5; r += 4) columns_of(d, 4, r, at, n, apart, type, rounded);
    for (; r + 3 <= d->m; r += 3) columns_of(d, 3, r, at, n, apart, type, rounded);
    if (d->m - r == 2) columns_of(d, 2, r, at, n, apart, type, rounded);
    if (d->m - r == 1) columns_of(d, 1, r, at, n, apart, type, rounded);
}

/* The columns that are met together lie a fourth or an eighth of all apart: each then goes on where it ended, and the
 * machine sees few long runs of memory instead of many short ones. */
INLINE void rows(const struct lt_gemm_direct *d, const enum lt_dtype type, const bool rounded)
{
    const int most = at_a_time(type);
    const int64_t apart = d->n / most;
    for (int64_t at = 0; at < apart; at++) all_rows(d, at, most, apart, type, rounded);
    if (d->n % most) all_rows(d, apart * most, (int)(d->n % most), 1, type, rounded);
}

INLINE void direct(const struct lt_gemm_direct *d, const bool rounded)
{
    if (d->b.type == LT_BF16) rows(d, LT_BF16, false);
    else if (d->b.type == LT_F16) rows(d, LT_F16, rounded);
    else rows(d, LT_F32, rounded);
}

void lt_gemm_direct_f32_avx2(const struct lt_gemm_direct *d) { direct(d, false); }
void lt_gemm_direct_bf16_avx2(const struct lt_gemm_direct *d) { direct(d, true); }

/* ---- n runs along the vectors: a vector of columns has its four chains side by side ---- */

INLINE void add_to(float *c, __m256 x, int64_t n)
{
    if (n >= 8) _mm256_storeu_ps(c, _mm256_add_ps(_mm256_loadu_ps(c), x));
    else _mm256_maskstore_ps(c, lanes(n), _mm256_add_ps(_mm256_maskload_ps(c, lanes(n)), x));
}

/* Product i of row r goes to its chain; v is element (i, first column). */
INLINE void one_product(const int m, const char *a, int64_t a_row, const char *v, int64_t n, const int chain,
                        __m256 sum[AT_ONCE][CHAINS], const enum lt_dtype type, const bool rounded)
{
    __m256 x = load(v, 0, n, type);
    if (rounded) x = round_bf16(x);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m256 p = _mm256_broadcast_ss((const float *)(const void *)(a + r * a_row));
        sum[r][chain] = _mm256_fmadd_ps(p, x, sum[r][chain]);
    }
}

/* m rows, eight columns or the last n of them. */
INLINE void columns_add(const struct lt_gemm_addition *t, const int m, int64_t at, int64_t n, const enum lt_dtype type,
                        const bool rounded)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    __m256 sum[AT_ONCE][CHAINS];
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < CHAINS; h++) sum[r][h] = _mm256_setzero_ps();
    for (int64_t i = t->from; i < t->end;) {
        const struct lt_gemm_source *piece = &t->piece[i / t->each];
        const int64_t a_row = t->a.row, row = piece->ld * size, stop = LT_MIN(t->end, (i / t->each + 1) * t->each);
        const char *v = (const char *)piece->p + i % t->each * row + at * size, *a = (const char *)t->a.p + 4 * i;
        for (; i + CHAINS <= stop; i += CHAINS, a += 4 * CHAINS, v += CHAINS * row)
            LT_UNROLL
            for (int h = 0; h < CHAINS; h++)
                one_product(m, a + 4 * h, a_row, v + h * row, n, h, sum, type, rounded);
        LT_UNROLL
        for (int h = 0; h < CHAINS - 1; h++)
            if (i + h < stop) one_product(m, a + 4 * h, a_row, v + h * row, n, h, sum, type, rounded);
        i = stop;
    }
    LT_UNROLL
    for (int r = 0; r < m; r++)
        add_to(t->c + r * t->ldc + at, _mm256_add_ps(_mm256_add_ps(sum[r][0], sum[r][1]),
                                                     _mm256_add_ps(sum[r][2], sum[r][3])), n);
}

INLINE void rows_add(const struct lt_gemm_addition *t, const int m, const enum lt_dtype type, const bool rounded)
{
    for (int64_t j = 0; j < t->n; j += 8) columns_add(t, m, j, LT_MIN(t->n - j, 8), type, rounded);
}

INLINE void all_rows_add(struct lt_gemm_addition t, const enum lt_dtype type, const bool rounded)
{
    for (; t.m >= AT_ONCE; t.m -= AT_ONCE) {
        rows_add(&t, AT_ONCE, type, rounded);
        t.a.p = (const char *)t.a.p + AT_ONCE * t.a.row;
        t.c += AT_ONCE * t.ldc;
    }
    if (t.m == 2) rows_add(&t, 2, type, rounded);
    if (t.m == 1) rows_add(&t, 1, type, rounded);
}

INLINE void direct_add(const struct lt_gemm_addition *t, const bool rounded)
{
    if (t->piece->type == LT_BF16) all_rows_add(*t, LT_BF16, false);
    else if (t->piece->type == LT_F16) all_rows_add(*t, LT_F16, rounded);
    else all_rows_add(*t, LT_F32, rounded);
}

void lt_gemm_direct_add_f32_avx2(const struct lt_gemm_addition *t) { direct_add(t, false); }
void lt_gemm_direct_add_bf16_avx2(const struct lt_gemm_addition *t) { direct_add(t, true); }
#else
typedef int lt_no_avx2_here;
#endif
