/* Products of whole numbers of 8 bits for AVX-512: four along k in a unit, which one instruction multiplies by four of
 * the other side and adds to a sum (vpdpbusd), exact in 32 bits over a block.
 *
 * That instruction takes the left operand without a sign: rows are packed with 128 added, and what this adds to a sum,
 * 128 times that of its column, is taken off before it begins. */
#include "math/gemm_kernel.h"

#if defined(__AVX512VNNI__) || defined(LT_EMULATE_AVX512)
#include "math/lanes_avx512.h"

enum { MR = 14, NR = 32, LONGEST = 512 };
enum { GROUP = 8 };                     /* vectors of columns packed together */
enum { NEXT = 4 };                      /* rows asked for before they are packed */

/* What lies at a scale pointer, of at most 14 rows or 32 columns. */
struct lines {
    float scale[NR];
    int32_t less[NR];                   /* of columns: where their sums begin */
};
_Static_assert(sizeof(struct lines) <= LT_GEMM_SCALES, "gemm.c leaves room for it");

/* ---- packing: the largest magnitude of every row or column first, then the numbers ---- */

INLINE __m512i magnitude(__m512 x)
{
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

/* Of k elements side by side. */
INLINE uint32_t largest_of(const char *row, int64_t k, enum lt_dtype type)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    __m512i top[4];
    for (int i = 0; i < 4; i++) top[i] = _mm512_setzero_si512();
    int64_t j = 0;
    for (; j + 64 <= k; j += 64)
        for (int i = 0; i < 4; i++)
            top[i] = _mm512_max_epu32(top[i], magnitude(load(row + (j + 16 * i) * size, 16, type)));
    for (; j < k; j += 16) top[0] = _mm512_max_epu32(top[0], magnitude(load(row + j * size, k - j, type)));
    top[0] = _mm512_max_epu32(_mm512_max_epu32(top[0], top[1]), _mm512_max_epu32(top[2], top[3]));
    return _mm512_reduce_max_epu32(top[0]);
}

/* What stochastic rounding adds to each of k products, whose last bits are still to come. */
INLINE void chances(uint32_t at[LONGEST], int64_t k, const bool stochastic)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int64_t j = 0; stochastic && j < k; j += 16) {
        const __m512i place = _mm512_add_epi32(_mm512_set1_epi32((int)j), lane);
        const __m512i chance = _mm512_mullo_epi32(place, _mm512_set1_epi32(LT_CHANCE_STEP));
        const __m512i bits = _mm512_srli_epi32(chance, 32 - LT_MANTISSA_BITS);
        _mm512_storeu_si512(at + j, _mm512_or_si512(bits, _mm512_set1_epi32(0x3f800000)));
    }
}

/* Sixteen whole numbers; rounded stochastically they are one too large.  Infinity and NaN may give any number: their
 * scale is NaN. */
INLINE __m512i fixed(__m512 x, __m512 inverse, __m512i at, const bool stochastic)
{
    const __m512 r = _mm512_mul_ps(x, inverse);
    if (!stochastic) return _mm512_cvtps_epi32(r);
    const __m512i last = _mm512_slli_epi32(_mm512_castps_si512(x), LT_MANTISSA_BITS - LT_CHANCE_BITS);
    const __m512i mantissa = _mm512_set1_epi32((1 << LT_MANTISSA_BITS) - 1);
    const __m512 chance = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(last, mantissa, at, 0x6a));   /* a & b ^ c */
    return _mm512_cvt_roundps_epi32(_mm512_add_ps(r, chance), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Of 64 numbers the bytes, at most 127, of rows with 128 added: fours of the first sixteen, the second ... in turn. */
INLINE __m512i bytes(const __m512i q[4], const bool rows, const bool stochastic)
{
    __m512i low = _mm512_packs_epi32(q[0], q[1]), high = _mm512_packs_epi32(q[2], q[3]);
    if (!stochastic) {
        const __m512i x = _mm512_packs_epi16(low, high);
        return rows ? _mm512_xor_si512(x, _mm512_set1_epi8((char)0x80)) : x;
    }
    low = _mm512_add_epi16(low, _mm512_set1_epi16(rows ? 127 : -1));
    high = _mm512_add_epi16(high, _mm512_set1_epi16(rows ? 127 : -1));
    return rows ? _mm512_packus_epi16(low, high) : _mm512_packs_epi16(low, high);
}

/* 64 numbers of a row: dword 4 i + h holds the four from element 16 h + 4 i on. */
INLINE __m512i sixty_four(const char *row, int64_t j, int64_t k, enum lt_dtype type, __m512 inverse,
                          const uint32_t *at, const bool rows, const bool stochastic)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    __m512i q[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++, j += 16) {
        const __m512 x = j < k ? load(row + j * size, k - j, type) : _mm512_setzero_ps();
        q[i] = fixed(x, inverse, stochastic ? _mm512_loadu_si512(at + j) : _mm512_setzero_si512(), stochastic);
    }
    return bytes(q, rows, stochastic);
}

INLINE void rows_of(char *out, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                    enum lt_dtype type, const bool stochastic)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    uint32_t at[LONGEST];
    chances(at, k, stochastic);
    for (int64_t i = 0; i < rows; i++, out += row) {
        const char *from = (const char *)s->p + i * s->ld * size;
        const uint32_t largest = largest_of(from, k, type);
        const __m512 inverse = _mm512_set1_ps(lt_fixed_inverse(largest, s->most));
        s->scale[i] = lt_fixed_scale(largest, s->most);
        for (int64_t j = 0; j < k; j += 64) {
            for (int h = 0; h < 64 * size; h += 64) __builtin_prefetch(from + NEXT * s->ld * size + j * size + h);
            const __m512i x = j + 64 <= k ? sixty_four(from, j, j + 64, type, inverse, at, true, stochastic)
                                          : sixty_four(from, j, k, type, inverse, at, true, stochastic);
            _mm512_mask_storeu_epi32(out + j, mask16((k - j + 3) / 4), _mm512_permutexvar_epi32(order, x));
        }
    }
}

/* What a sum of a column begins with: less[i] - 128 times the four numbers in lane i. */
INLINE __m512i less_of(__m512i less, __m512i x)
{
    return _mm512_sub_epi32(less, _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8((char)0x80), x));
}

/* Columns at .. at + 15 of a panel from rows along which k runs. */
INLINE void sixteen_columns(char *out, int64_t at, int64_t width, int64_t k, const struct lt_gemm_source *s,
                            enum lt_dtype type, const bool stochastic)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    const char *p = (const char *)s->p + at * row_bytes;
    struct lines *lines = (struct lines *)(void *)s->scale;
    __m512i less = _mm512_setzero_si512();
    float inverse[16];
    uint32_t chance[LONGEST];
    chances(chance, k, stochastic);
    for (int i = 0; i < 16; i++) {
        const uint32_t largest = i < width ? largest_of(p + i * row_bytes, k, type) : 0;
        inverse[i] = lt_fixed_inverse(largest, s->most);
        lines->scale[at + i] = lt_fixed_scale(largest, s->most);
    }
    for (int64_t j = 0; j < k; j += 64) {
        __m512i r[16];
        for (int i = 0; i < 16; i++) {
            const __m512 x = _mm512_set1_ps(inverse[i]);
            if (i >= width) r[i] = _mm512_setzero_si512();
            else if (j + 64 <= k) r[i] = sixty_four(p + i * row_bytes, j, j + 64, type, x, chance, false, stochastic);
            else r[i] = sixty_four(p + i * row_bytes, j, k, type, x, chance, false, stochastic);
        }
        transpose16(r);
        for (int i = 0; i < 16; i++) {
            const int64_t unit = j / 4 + i % 4 * 4 + i / 4;
            if (4 * unit >= k) continue;
            _mm512_storeu_si512(out + unit * NR * 4 + at * 4, r[i]);
            less = less_of(less, r[i]);
        }
    }
    _mm512_storeu_si512(lines->less + at, less);
}

INLINE void columns_of(char *out, int64_t width, int64_t k, const struct lt_gemm_source *s, enum lt_dtype type,
                       const bool stochastic)
{
    for (int64_t i = 0; i < NR; i += 16)
        sixteen_columns(out, i, LT_MAX(LT_MIN(width - i, 16), 0), k, s, type, stochastic);
}

/* ---- panels side by side, whose rows in memory are read from end to end, once for scales and once for numbers ---- */

/* Vectors of at most sixteen columns: all of a panel of rows, half of one of columns. */
struct group {
    int64_t at[GROUP];                  /* bytes from the start of a row */
    char *out[GROUP];
    struct lines *lines[GROUP]; int64_t line[GROUP];    /* where its scales go */
    __mmask16 mask[GROUP];
    __m512 inverse[GROUP];
    __m512i less[GROUP];
    int count;
};

/* Empty vectors at the end of a group read nothing. */
INLINE void scales_of(struct group *g, int64_t k, const struct lt_gemm_source *s, enum lt_dtype type)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    const char *row = s->p;
    __m512i top[GROUP];
    LT_UNROLL
    for (int v = 0; v < GROUP; v++) top[v] = _mm512_setzero_si512();
    for (int64_t j = 0; j < k; j++, row += row_bytes) {
        LT_UNROLL
        for (int v = 0; v < GROUP; v++)
            top[v] = _mm512_max_epu32(top[v], magnitude(load_lanes(row + g->at[v], g->mask[v], type)));
    }
    for (int v = 0; v < g->count; v++) {
        uint32_t largest[16];
        float inverse[16];
        _mm512_storeu_si512(largest, top[v]);
        for (int i = 0; i < 16; i++) {
            inverse[i] = lt_fixed_inverse(largest[i], s->most);
            if (g->mask[v] >> i & 1) g->lines[v]->scale[g->line[v] + i] = lt_fixed_scale(largest[i], s->most);
        }
        g->inverse[v] = _mm512_loadu_ps(inverse);
    }
}

/* Sixteen units of products j .. j + 3: the numbers of four rows side by side. */
INLINE __m512i units(const char *row, int64_t row_bytes, int64_t count, __mmask16 mask, __m512 inverse,
                     enum lt_dtype type, const uint32_t *chance, const bool rows, const bool stochastic)
{
    const __m512i order = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
    __m512i q[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512i at = stochastic ? _mm512_set1_epi32((int)chance[i]) : _mm512_setzero_si512();
        const __m512 x = i < count ? load_lanes(row + i * row_bytes, mask, type) : _mm512_setzero_ps();
        q[i] = fixed(x, inverse, at, stochastic);
    }
    return _mm512_shuffle_epi8(bytes(q, rows, stochastic), order);
}

INLINE void numbers_of(struct group *g, int64_t k, const struct lt_gemm_source *s, int64_t step, enum lt_dtype type,
                       const uint32_t *chance, const bool rows, const bool stochastic)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    const char *row = s->p;
    for (int64_t j = 0; j < k; j += 4, row += 4 * row_bytes) {
        for (int v = 0; v < g->count; v++) {
            const char *from = row + g->at[v];
            const __m512i x = j + 4 <= k
                ? units(from, row_bytes, 4, g->mask[v], g->inverse[v], type, chance + j, rows, stochastic)
                : units(from, row_bytes, k - j, g->mask[v], g->inverse[v], type, chance + j, rows, stochastic);
            _mm512_storeu_si512(g->out[v] + j / 4 * step, x);
            if (!rows) g->less[v] = less_of(g->less[v], x);
        }
    }
    for (int v = 0; !rows && v < g->count; v++)
        for (int i = 0; i < 16; i++)
            if (g->mask[v] >> i & 1) g->lines[v]->less[g->line[v] + i] = ((const int32_t *)&g->less[v])[i];
}

/* Panels of rows have room for sixteen, those of columns for all. */
INLINE void across(char *out, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s, enum lt_dtype type, const bool rows, const bool stochastic)
{
    const int64_t size = type == LT_F32 ? 4 : 2, each = rows ? 1 : NR / 16, panels = (width + height - 1) / height;
    uint32_t chance[LONGEST];
    chances(chance, k, stochastic);
    for (int64_t first = 0; first < panels * each; first += GROUP) {
        struct group g = { .count = (int)LT_MIN(GROUP, panels * each - first) };
        for (int v = 0; v < g.count; v++) {
            const int64_t panel = (first + v) / each, line = (first + v) % each * 16, column = panel * height + line;
            g.at[v] = column * size;
            g.mask[v] = mask16(LT_MIN(LT_MIN(height, width - panel * height) - line, 16));
            g.out[v] = out + (size_t)panel * distance + line * 4;
            g.lines[v] = (struct lines *)(void *)((char *)s->scale + (size_t)panel * distance);
            g.line[v] = line;
        }
        scales_of(&g, k, s, type);
        numbers_of(&g, k, s, stride * 4, type, chance, rows, stochastic);
    }
}

INLINE void any_across(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                       const struct lt_gemm_source *s, const bool rows, const bool stochastic)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16, rows, stochastic); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16, rows, stochastic); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32, rows, stochastic); return;
    }
}

static void pack_across(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s)
{
    const bool rows = stride != NR;
    if (rows && s->stochastic) any_across(dst, distance, height, stride, width, k, s, true, true);
    else if (rows) any_across(dst, distance, height, stride, width, k, s, true, false);
    else if (s->stochastic) any_across(dst, distance, height, stride, width, k, s, false, true);
    else any_across(dst, distance, height, stride, width, k, s, false, false);
}

INLINE void any_columns(void *dst, int64_t width, int64_t k, const struct lt_gemm_source *s, const bool stochastic)
{
    switch (s->type) {
    case LT_BF16: columns_of(dst, width, k, s, LT_BF16, stochastic); return;
    case LT_F16: columns_of(dst, width, k, s, LT_F16, stochastic); return;
    default: columns_of(dst, width, k, s, LT_F32, stochastic); return;
    }
}

static void pack(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) pack_across(dst, 0, NR, stride, width, k, s);
    else if (s->stochastic) any_columns(dst, width, k, s, true);
    else any_columns(dst, width, k, s, false);
}

INLINE void any_rows(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                     const bool stochastic)
{
    switch (s->type) {
    case LT_BF16: rows_of(dst, row, rows, k, s, LT_BF16, stochastic); return;
    case LT_F16: rows_of(dst, row, rows, k, s, LT_F16, stochastic); return;
    default: rows_of(dst, row, rows, k, s, LT_F32, stochastic); return;
    }
}

static void pack_rows(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    if (s->stochastic) any_rows(dst, row, rows, k, s, true);
    else any_rows(dst, row, rows, k, s, false);
}

/* ---- the tile ---- */

/* Keeps the compiler from moving sums between registers and memory: there are just enough. */
#if defined(LT_EMULATE_AVX512)
#define HOLD(x, y) (void)(x), (void)(y)
#else
#define HOLD(x, y) __asm__ volatile("" : "+v"(x), "+v"(y))
#endif

INLINE void finish(float *c, __mmask16 mask, __m512i sum, __m512 scale, __m512 columns, const float *bias, bool add)
{
    __m512 v = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), columns);
    if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, bias));
    if (add) v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), v);
    _mm512_mask_storeu_ps(c, mask, v);
}

/* k counts units.  Four pointers, four rows apart, and multiples of `row` reach all rows without arithmetic. */
INLINE void tile_of(const int m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const char *b, float *c,
                    int64_t ldc, const float *bias, bool add)
{
    const int64_t row = a->row, unit = a->unit;
    const struct lines *right = (const struct lines *)(const void *)a->columns;
    const char *p[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++) p[i] = (const char *)a->p + 4 * i * row;
    __m512i sum[MR][2];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        sum[r][0] = _mm512_loadu_si512(right->less);
        sum[r][1] = _mm512_loadu_si512(right->less + 16);
        _mm_prefetch((const char *)(c + r * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + r * ldc + 16), _MM_HINT_T0);
    }
    for (int64_t j = 0; j < k; j++, b += 4 * NR) {
        const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m512i x = _mm512_set1_epi32(*(const int32_t *)(const void *)(p[r / 4] + r % 4 * row));
            sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, b0);
            sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, b1);
            HOLD(sum[r][0], sum[r][1]);
        }
        LT_UNROLL
        for (int i = 0; i < 4; i++) p[i] += unit;
    }
    const __mmask16 left = mask16(n), rest = mask16(n - 16);
    const __m512 low = _mm512_loadu_ps(right->scale), high = _mm512_loadu_ps(right->scale + 16);
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        const __m512 scale = _mm512_set1_ps(a->scale[r]);
        finish(c + r * ldc, left, sum[r][0], scale, low, bias, add);
        if (n > 16) finish(c + r * ldc + 16, rest, sum[r][1], scale, high, bias ? bias + 16 : NULL, add);
    }
}

#define CASE(m) case m: tile_of(m, n, k, a, b, c, ldc, bias, add); return;

/* The scales of an empty sum were never written. */
static void tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add)
{
    static const struct lines none = { 0 };
    const struct lt_gemm_rows empty = { .scale = none.scale, .columns = none.scale };
    if (k == 0) a = &empty;
    k = (k + 3) / 4;
    switch (m) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7)
    CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
    }
}

const struct lt_gemm_kernel lt_gemm_kernel_int8_avx512 = {
    .mr = MR, .nr = NR, .kc = LONGEST, .near = 256 << 10, .step = 4, .most = LT_INT8_MOST, .lanes = 16, .chains = 1,
    .pack = pack, .pack_across = pack_across, .pack_rows = pack_rows, .tile = tile,
};
#else
typedef int lt_no_avx512_here;
#endif
