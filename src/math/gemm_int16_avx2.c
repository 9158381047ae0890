/* Products of whole numbers for AVX2: operands of 12 bits, or 8, in pairs along k, whose products one instruction
 * multiplies and adds (vpmaddwd), exact in 32 bits over a block.
 *
 * That instruction needs two of the four places where an addition may run, and loses them to additions that waited; so
 * the tile trades multiplications for additions (Winograd, doi:10.1109/TC.1968.227420).  Four products of row a and
 * column b are
 *   a0 b0 + a1 b1 + a2 b2 + a3 b3 = (a0 + b2) (a2 + b0) + (a1 + b3) (a3 + b1) - (a0 a2 + a1 a3) - (b0 b2 + b1 b3),
 * whose last two terms belong to the row and to the column and are summed when these are packed.  Sums of two numbers
 * fit 16 bits, and what overflows 32 bits on the way is taken off again: the result is exact, as it was. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include "math/lanes_avx2.h"

enum { MR = 4, NR = 16, LONGEST = 512 };
enum { SIDE = 32 };                     /* columns packed together at most */
enum { AHEAD = 8, NEXT = 2 };           /* rows asked for before they are packed: across, along */

/* What lies at a scale pointer, of at most 16 rows or columns. */
struct lines {
    float scale[NR];
    int32_t less[NR];                   /* what a line's own products add to its sums, negative */
};
_Static_assert(sizeof(struct lines) <= LT_GEMM_SCALES, "gemm.c leaves room for it");

/* ---- packing: the largest magnitude of every row or column first, then the numbers ---- */

INLINE __m256i magnitude(__m256 x)
{
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

/* How elements become numbers: lt_fixed_inverse, and what stochastic rounding needs (math/gemm_kernel.h). */
struct fixing { __m256 inverse; int most; bool stochastic; };

INLINE struct fixing fixing_of(const struct lt_gemm_source *s, __m256 inverse)
{
    return (struct fixing){ inverse, s->most, s->stochastic };
}

INLINE __m256i stochastic_of(__m256 x, __m256i place, const struct fixing *f)
{
    const __m256i at = _mm256_srli_epi32(_mm256_mullo_epi32(place, _mm256_set1_epi32(LT_CHANCE_STEP)),
                                         32 - LT_MANTISSA_BITS);
    const __m256i last = _mm256_slli_epi32(_mm256_castps_si256(x), LT_MANTISSA_BITS - LT_CHANCE_BITS);
    const __m256i bits = _mm256_and_si256(_mm256_xor_si256(last, at), _mm256_set1_epi32((1 << LT_MANTISSA_BITS) - 1));
    const __m256 chance = _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f800000)));
    const __m256 below = _mm256_floor_ps(_mm256_add_ps(_mm256_mul_ps(x, f->inverse), chance));
    const __m256i q = _mm256_cvtps_epi32(_mm256_sub_ps(below, _mm256_set1_ps(1)));
    return _mm256_min_epi32(q, _mm256_set1_epi32(f->most));
}

/* Elements of which the first is product j of the block, and the others its neighbours `apart` products away (0: the
 * same product of other lines).  Infinity and NaN may give any number: their scale is NaN. */
INLINE __m256i fixed(__m256 x, int64_t j, const int apart, const struct fixing *f)
{
    if (!f->stochastic) return _mm256_cvtps_epi32(_mm256_mul_ps(x, f->inverse));
    const __m256i lane = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(apart));
    return stochastic_of(x, _mm256_add_epi32(_mm256_set1_epi32((int)j), lane), f);
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
INLINE __m256i sixteen(const char *row, int64_t j, int64_t k, enum lt_dtype type, const struct fixing *f)
{
    __m256 high = k - j > 8 ? load(row, j + 8, k - j - 8, type) : _mm256_setzero_ps();
    return narrow(fixed(load(row, j, k - j, type), j, 1, f), fixed(high, j + 8, 1, f));
}

INLINE int32_t sum_of_lanes(__m256i x)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

/* Twice the products of a line with itself that `less` is made of: each pair meets its neighbour from both sides. */
INLINE __m256i own_twice(__m256i x)
{
    return _mm256_madd_epi16(x, _mm256_shuffle_epi32(x, 0xb1));
}

INLINE void rows_of(char *out, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                    enum lt_dtype type)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    struct lines *lines = (struct lines *)(void *)s->scale;
    for (int64_t i = 0; i < rows; i++, out += row) {
        const char *from = (const char *)s->p + i * s->ld * size;
        const uint32_t largest = largest_of(from, k, type);
        const struct fixing f = fixing_of(s, _mm256_set1_ps(lt_fixed_inverse(largest, s->most)));
        __m256i own = _mm256_setzero_si256();
        int64_t j = 0;
        for (; j + 16 <= k; j += 16) {
            const __m256i x = sixteen(from, j, j + 16, type, &f);
            __builtin_prefetch(from + NEXT * s->ld * size + j * size);
            _mm256_storeu_si256((__m256i *)(out + 2 * j), x);
            own = _mm256_add_epi32(own, own_twice(x));
        }
        if (j < k) {
            const __m256i x = sixteen(from, j, k, type, &f);
            _mm256_maskstore_epi32((int *)(out + 2 * j), lanes((k - j + 3) / 4 * 2), x);
            own = _mm256_add_epi32(own, own_twice(x));
        }
        lines->scale[i] = lt_fixed_scale(largest, s->most);
        lines->less[i] = -(sum_of_lanes(own) / 2);
    }
}

/* Columns at .. at + 7 of a panel from rows along which k runs. */
INLINE void eight_columns(char *out, int64_t at, int64_t width, int64_t k, const struct lt_gemm_source *s,
                          enum lt_dtype type)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    const char *p = (const char *)s->p + at * row_bytes;
    struct lines *lines = (struct lines *)(void *)s->scale;
    struct fixing f[8];
    __m256i own = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        const uint32_t largest = i < width ? largest_of(p + i * row_bytes, k, type) : 0;
        f[i] = fixing_of(s, _mm256_set1_ps(lt_fixed_inverse(largest, s->most)));
        lines->scale[at + i] = lt_fixed_scale(largest, s->most);
    }
    out += at * 4;
    for (int64_t j = 0; j < k; j += 16) {
        __m256 r[8];
        for (int i = 0; i < 8; i++) {
            __m256i x = _mm256_setzero_si256();
            if (i < width && j + 16 <= k) x = sixteen(p + i * row_bytes, j, j + 16, type, &f[i]);
            else if (i < width) x = sixteen(p + i * row_bytes, j, k, type, &f[i]);
            r[i] = _mm256_castsi256_ps(x);
        }
        transpose8(r);
        for (int i = 0; i < 8 && j + 2 * i < k; i += 2, out += 8 * NR) {
            const __m256i x = _mm256_castps_si256(r[i]), y = _mm256_castps_si256(r[i + 1]);
            _mm256_storeu_si256((__m256i *)out, x);
            _mm256_storeu_si256((__m256i *)(out + 4 * NR), y);
            own = _mm256_sub_epi32(own, _mm256_madd_epi16(x, y));
        }
    }
    _mm256_storeu_si256((__m256i *)(lines->less + at), own);
}

INLINE void columns_of(char *out, int64_t width, int64_t k, const struct lt_gemm_source *s, enum lt_dtype type)
{
    for (int64_t i = 0; i < NR; i += 8) eight_columns(out, i, LT_MAX(LT_MIN(width - i, 8), 0), k, s, type);
}

/* Panels side by side, SIDE columns at a time, which are copied first: rows may lie a multiple of 4 KiB apart, where a
 * cache would not hold them until their scales are known. */
struct side {
    float x[LONGEST][SIDE], inverse[SIDE];
    uint32_t top[SIDE];
    int32_t less[SIDE];
} __attribute__((aligned(64)));

INLINE void copy_side(struct side *t, const char *row, int64_t row_bytes, int64_t n, int64_t k, enum lt_dtype type)
{
    const int size = type == LT_F32 ? 4 : 2;
    __m256i top[SIDE / 8];
    for (int g = 0; g < SIDE / 8; g++) top[g] = _mm256_setzero_si256();
    for (int64_t j = 0; j < k; j++, row += row_bytes) {
        for (int i = 0; i < SIDE * size; i += 64) {
            __builtin_prefetch(row + AHEAD * row_bytes + i);
            __builtin_prefetch(row + SIDE * size + i, 0, 2);     /* of the next side, for the second cache */
        }
        for (int g = 0; g < SIDE / 8; g++) {
            const __m256 x = load(row, 8 * g, n - 8 * g, type);
            _mm256_store_ps(t->x[j] + 8 * g, x);
            top[g] = _mm256_max_epu32(top[g], magnitude(x));
        }
    }
    for (int64_t j = k; j % 4; j++) memset(t->x[j], 0, sizeof t->x[j]);
    for (int g = 0; g < SIDE / 8; g++) _mm256_store_si256((__m256i *)(t->top + 8 * g), top[g]);
}

/* Eight units: the numbers of two rows, products j and j + 1, side by side in 32 bits. */
INLINE __m256i units(const float *row, int64_t j, const struct fixing *f)
{
    const __m256i low = fixed(_mm256_load_ps(row), j, 0, f), high = fixed(_mm256_load_ps(row + SIDE), j + 1, 0, f);
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

/* Eight columns of the side to units of panels of four or sixteen columns. */
INLINE void eight_across(struct side *t, int64_t g, int64_t n, int64_t k, char *out, size_t distance, bool four,
                         const struct lt_gemm_source *s)
{
    const struct fixing f = fixing_of(s, _mm256_load_ps(t->inverse + 8 * g));
    const int64_t unit = four ? 4 * MR : 4 * NR;
    __m256i own = _mm256_setzero_si256();
    out += four ? (size_t)(2 * g) * distance : (size_t)(g / 2) * distance + (size_t)(g % 2 * 32);
    for (int64_t j = 0; j < k; j += 4, out += 2 * unit) {
        const __m256i x = units(t->x[j] + 8 * g, j, &f), y = units(t->x[j + 2] + 8 * g, j + 2, &f);
        own = _mm256_sub_epi32(own, _mm256_madd_epi16(x, y));
        if (!four) {
            _mm256_storeu_si256((__m256i *)out, x);
            _mm256_storeu_si256((__m256i *)(out + unit), y);
            continue;
        }
        _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(x));
        _mm_storeu_si128((__m128i *)(out + unit), _mm256_castsi256_si128(y));
        if (n - 8 * g <= 4) continue;
        _mm_storeu_si128((__m128i *)(out + distance), _mm256_extracti128_si256(x, 1));
        _mm_storeu_si128((__m128i *)(out + distance + unit), _mm256_extracti128_si256(y, 1));
    }
    _mm256_store_si256((__m256i *)(t->less + 8 * g), own);
}

/* The same for panels of any other height, which only a few rows have. */
static void any_across(struct side *t, int64_t height, int64_t stride, int64_t n, int64_t k, char *out,
                       size_t distance, const struct lt_gemm_source *s)
{
    for (int64_t i = 0; i < n; i++) {
        const struct fixing f = fixing_of(s, _mm256_set1_ps(t->inverse[i]));
        t->less[i] = 0;
        for (int64_t j = 0; j < k; j += 4) {
            int16_t q[4];
            for (int h = 0; h < 4; h++) {
                const __m256i x = fixed(_mm256_set1_ps(t->x[j + h][i]), j + h, 0, &f);
                q[h] = (int16_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(x));
            }
            t->less[i] -= q[0] * q[2] + q[1] * q[3];
            char *to = out + (size_t)(i / height) * distance + (j / 2 * stride + i % height) * 4;
            memcpy(to, q, 4);
            memcpy(to + stride * 4, q + 2, 4);
        }
    }
}

INLINE void across(char *out, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s, enum lt_dtype type)
{
    const int64_t size = type == LT_F32 ? 4 : 2, step = SIDE / stride * height;
    const bool four = height == MR && stride == MR, wide = stride == NR && height == NR;
    char *scale = (char *)s->scale;
    struct side t;
    for (int64_t at = 0; at < width; at += step) {
        const int64_t n = LT_MIN(step, width - at), panels = (n + height - 1) / height;
        copy_side(&t, (const char *)s->p + at * size, s->ld * size, n, k, type);
        for (int64_t i = 0; i < SIDE; i++) t.inverse[i] = lt_fixed_inverse(t.top[i], s->most);
        if (four || wide)
            for (int64_t g = 0; g < (panels * stride + 7) / 8; g++)
                eight_across(&t, g, n, k, out, distance, four, s);
        else any_across(&t, height, stride, n, k, out, distance, s);
        for (int64_t i = 0; i < panels * height; i++) {
            struct lines *lines = (struct lines *)(void *)(scale + (size_t)(i / height) * distance);
            lines->scale[i % height] = lt_fixed_scale(t.top[i], s->most);
            lines->less[i % height] = t.less[i];
        }
        out += (size_t)panels * distance;
        scale += (size_t)panels * distance;
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
    if (!s->k_fast) pack_across(dst, 0, NR, stride, width, k, s);
    else if (s->type == LT_BF16) columns_of(dst, width, k, s, LT_BF16);
    else if (s->type == LT_F16) columns_of(dst, width, k, s, LT_F16);
    else columns_of(dst, width, k, s, LT_F32);
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

INLINE void finish(float *c, __m256i sum, __m256 scale, __m256 columns, const float *bias, bool add)
{
    __m256 v = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), columns);
    if (bias) v = _mm256_add_ps(v, _mm256_loadu_ps(bias));
    if (add) v = _mm256_add_ps(_mm256_loadu_ps(c), v);
    _mm256_storeu_ps(c, v);
}

/* Rows of a whole tile.  Where bias and add are known, no row asks for them again. */
INLINE void finish_rows(const int m, __m256i sum[MR][2], const struct lines *left, const struct lines *right, float *c,
                        int64_t ldc, const float *bias, const bool add)
{
    const __m256 low = _mm256_loadu_ps(right->scale), high = _mm256_loadu_ps(right->scale + 8);
    LT_UNROLL
    for (int r = 0; r < m; r++, c += ldc) {
        const __m256 scale = _mm256_broadcast_ss(left->scale + r);
        finish(c, sum[r][0], scale, low, bias, add);
        finish(c + 8, sum[r][1], scale, high, bias ? bias + 8 : NULL, add);
    }
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

INLINE __m256i unit_at(const char *p)
{
    return _mm256_set1_epi32(*(const int32_t *)(const void *)p);
}

/* A quadruple of products of m rows with sixteen columns.  The empty statement keeps the compiler from moving sums
 * between registers and memory: there are just enough. */
INLINE void meet(const int m, __m256i sum[MR][2], const char *a, int64_t row, const int64_t unit, const char *b)
{
    const __m256i *at = (const __m256i *)b;
    const __m256i b0 = _mm256_loadu_si256(at), b1 = _mm256_loadu_si256(at + 1);
    const __m256i b2 = _mm256_loadu_si256(at + 2), b3 = _mm256_loadu_si256(at + 3);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m256i x = unit_at(a + r * row), y = unit_at(a + r * row + unit);
        const __m256i x0 = _mm256_add_epi16(x, b2), y0 = _mm256_add_epi16(y, b0);
        const __m256i x1 = _mm256_add_epi16(x, b3), y1 = _mm256_add_epi16(y, b1);
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x0, y0));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x1, y1));
        __asm__ volatile("" : "+x"(sum[r][0]), "+x"(sum[r][1]));
    }
}

/* k counts quadruples, of which two are met at a time. */
INLINE void tile_of(const int m, int64_t n, int64_t k, const struct lt_gemm_rows *rows, const int64_t unit,
                    const char *b, float *c, int64_t ldc, const float *bias, bool add)
{
    const struct lines *left = (const struct lines *)(const void *)rows->scale;
    const struct lines *right = (const struct lines *)(const void *)rows->columns;
    const char *a = rows->p;
    const int64_t row = rows->row;
    __m256i sum[MR][2];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m256i less = _mm256_set1_epi32(left->less[r]);
        sum[r][0] = _mm256_add_epi32(less, _mm256_loadu_si256((const __m256i *)right->less));
        sum[r][1] = _mm256_add_epi32(less, _mm256_loadu_si256((const __m256i *)(right->less + 8)));
        _mm_prefetch((const char *)(c + r * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + r * ldc + NR - 1), _MM_HINT_T0);
    }
    for (; k >= 2; k -= 2, a += 4 * unit, b += 16 * NR) {
        meet(m, sum, a, row, unit, b);
        meet(m, sum, a + 2 * unit, row, unit, b + 8 * NR);
    }
    if (k) meet(m, sum, a, row, unit, b);
    if (n == NR) {
        if (!bias && add) finish_rows(m, sum, left, right, c, ldc, NULL, true);
        else if (!bias) finish_rows(m, sum, left, right, c, ldc, NULL, false);
        else finish_rows(m, sum, left, right, c, ldc, bias, add);
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

/* Whole tiles, which are nearly all, of rows as pack_rows and as pack_across leave them.  Apart from the others, whose
 * room on the stack would cost as much as two quadruples. */
static __attribute__((noinline)) void tile_along(int64_t k, const struct lt_gemm_rows *a, const char *b, float *c,
                                                 int64_t ldc, const float *bias, bool add)
{
    tile_of(MR, NR, k, a, 4, b, c, ldc, bias, add);
}

static __attribute__((noinline)) void tile_across(int64_t k, const struct lt_gemm_rows *a, const char *b, float *c,
                                                  int64_t ldc, const float *bias, bool add)
{
    tile_of(MR, NR, k, a, 4 * MR, b, c, ldc, bias, add);
}

/* The scales of an empty sum were never written. */
static __attribute__((noinline)) void any_tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a,
                                               const char *b, float *c, int64_t ldc, const float *bias, bool add)
{
    static const struct lines none = { 0 };
    const struct lt_gemm_rows empty = { .scale = none.scale, .columns = none.scale };
    if (k == 0) a = &empty;
    switch (m) {
    case 1: tile_of(1, n, k, a, a->unit, b, c, ldc, bias, add); return;
    case 2: tile_of(2, n, k, a, a->unit, b, c, ldc, bias, add); return;
    case 3: tile_of(3, n, k, a, a->unit, b, c, ldc, bias, add); return;
    default: tile_of(4, n, k, a, a->unit, b, c, ldc, bias, add); return;
    }
}

static void tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add)
{
    const bool whole = m == MR && n == NR && k > 0;
    k = (k + 3) / 4;
    if (whole && a->unit == 4) tile_along(k, a, b, c, ldc, bias, add);
    else if (whole && a->unit == 4 * MR) tile_across(k, a, b, c, ldc, bias, add);
    else any_tile(m, n, k, a, b, c, ldc, bias, add);
}

#define WHOLE .mr = MR, .nr = NR, .kc = LONGEST, .near = 128 << 10, .step = 2, .lanes = 4, .chains = 1, .pack = pack, \
    .pack_across = pack_across, .pack_rows = pack_rows, .tile = tile

const struct lt_gemm_kernel lt_gemm_kernel_int16_avx2 = { WHOLE, .most = LT_INT16_MOST };
const struct lt_gemm_kernel lt_gemm_kernel_int8_avx2 = { WHOLE, .most = LT_INT8_MOST };
#else
typedef int lt_no_int16_avx2_here;
#endif
