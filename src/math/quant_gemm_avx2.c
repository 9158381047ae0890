/* Products with quantised weights for AVX2.  vpmaddubsw adds two products of an unsigned and a signed byte into 16
 * bits, which are added up as long as they cannot overflow, then multiplied with the scale of their part on the way to
 * 32 bits.  With 4-bit weights the sum of 8 quads is at most 16 * 15 * 127 = 30480; 5-bit ones go by 4 quads (31496),
 * 6-bit ones by 2 (32004).  8-bit ones are 16-bit words in panels, for vpmaddwd; with few rows the sign of the weight
 * goes to the other factor, and two products are at most 2 * 128 * 127 = 32512. */
#include "math/quant_gemm.h"

#if defined(__AVX2__)
#include "math/gemm_kernel.h"
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define V __m256i
#define W 8
#define WORDS true
#define AND _mm256_and_si256
#define OR _mm256_or_si256
#define XOR _mm256_xor_si256
#define ADD _mm256_add_epi32
#define SUB _mm256_sub_epi32
#define SHL _mm256_slli_epi32
#define SHR _mm256_srli_epi32
#define SRA16 _mm256_srai_epi16
#define SRA32 _mm256_srai_epi32
#define SHUFFLE _mm256_shuffle_epi8
#define LOW32 _mm256_unpacklo_epi32
#define HIGH32 _mm256_unpackhi_epi32
#define LOW64 _mm256_unpacklo_epi64
#define HIGH64 _mm256_unpackhi_epi64
#define SET32 _mm256_set1_epi32
#define SET8 _mm256_set1_epi8
#define ZERO _mm256_setzero_si256
#define LOAD(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(void *)(p), v)
#define LANE_BASE _mm256_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808, 0x04040404, 0)

INLINE void load_rows(const uint8_t *p, int64_t row, __m256i r[4])
{
    const uint8_t *q = p + 4 * row;
    for (int i = 0; i < 4; i++) {
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(p + i * row));
        const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(q + i * row));
        r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
}

INLINE void store_floats(uint8_t *out, const uint16_t *halves)
{
    _mm256_store_ps((float *)(void *)out, _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)halves)));
}

INLINE void store_halves(uint8_t *out, __m256i v)
{
    v = _mm256_packus_epi32(_mm256_and_si256(v, _mm256_set1_epi32(0xffff)), _mm256_setzero_si256());
    v = _mm256_permute4x64_epi64(v, 0x08);
    _mm256_store_ps((float *)(void *)out, _mm256_cvtph_ps(_mm256_castsi256_si128(v)));
}

/* Four bytes, two words or a number, the same in all lanes. */
INLINE __m256i spread(const void *p)
{
    return _mm256_castps_si256(_mm256_broadcast_ss((const float *)p));
}

/* The compiler would add integers in another order, which takes more registers than there are. */
#define HOLD(x) __asm__("" : "+x"(x))
/* sum += x in lanes of 32 bits, where sum is: in a loop the compiler would put it elsewhere and copy it back. */
#define ADD_TO(sum, x) __asm__("vpaddd %1, %0, %0" : "+x"(sum) : "x"(x))

/* n quads, as many as fit into 16 bits. */
INLINE __m256i words(const __m256i *w, const int8_t *x, const int n)
{
    __m256i sum = _mm256_maddubs_epi16(w[0], spread(x));
    LT_UNROLL
    for (int i = 1; i < n; i++) sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[i], spread(x + 4 * i)));
    return sum;
}

INLINE __m256i dot8(const __m256i w[8], const int8_t *x)
{
    return _mm256_madd_epi16(words(w, x, 8), _mm256_set1_epi16(1));
}

/* Two halves of 4 quads. */
INLINE __m256i dot8_5bit(const __m256i w[8], const int8_t *x)
{
    const __m256i one = _mm256_set1_epi16(1);
    return _mm256_add_epi32(_mm256_madd_epi16(words(w, x, 4), one), _mm256_madd_epi16(words(w + 4, x + 16, 4), one));
}

INLINE __m256i dot4(const __m256i w[4], const int8_t *x, __m256i s)
{
    return _mm256_madd_epi16(words(w, x, 4), s);
}

INLINE __m256i dot4_6bit(const __m256i w[4], const int8_t *x, __m256i s)
{
    return _mm256_add_epi32(_mm256_madd_epi16(words(w, x, 2), s), _mm256_madd_epi16(words(w + 2, x + 8, 2), s));
}

/* The sign goes from the weight to the other factor, which is never -128. */
INLINE __m256i dot8_signed(const __m256i w[8], const int8_t *x, __m256i carry)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    (void)carry;
    LT_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i v = _mm256_sign_epi8(spread(x + 4 * i), w[i]);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w[i]), v), one));
    }
    return sum;
}

/* The sums of m x, or of s x for Q6_K: `pairs` of them, `step` bytes apart. */
INLINE __m256i minima(const char *carry, const uint8_t *p, const int step, const int pairs)
{
    __m256i sum = _mm256_setzero_si256();
    LT_UNROLL
    for (int i = 0; i < pairs; i++)
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(LOAD(p + i * step), spread(carry + 4 * i)));
    HOLD(sum);
    return sum;
}

INLINE __m256 floats(const void *p)
{
    return _mm256_load_ps((const float *)p);
}

/* sum = fma(dot, d e, sum) for eight columns, and sum = fma(dot, -(d e), sum). */
INLINE void scale_into(float *sum, __m256i dot, const void *d, const void *e)
{
    const __m256 scale = _mm256_mul_ps(floats(d), _mm256_broadcast_ss(e));
    _mm256_store_ps(sum, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, floats(sum)));
}

INLINE void scale_from(float *sum, __m256i dot, const void *d, const void *e)
{
    const __m256 scale = _mm256_mul_ps(floats(d), _mm256_broadcast_ss(e));
    _mm256_store_ps(sum, _mm256_fnmadd_ps(_mm256_cvtepi32_ps(dot), scale, floats(sum)));
}

/* The same for a row of a tile. */
INLINE void scale_row_into(float *sum, const __m256i dot[2], const __m256 d[2], const char *e)
{
    const __m256 own = _mm256_broadcast_ss((const float *)(const void *)e);
    for (int h = 0; h < 2; h++, sum += W) {
        const __m256 scale = _mm256_mul_ps(d[h], own);
        _mm256_store_ps(sum, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[h]), scale, floats(sum)));
    }
}

#include "math/quant_body.h"
#include "math/quant_dots_avx2.h"

/* ---- the tile ---- */

enum { MR = 6 };

INLINE __m256i panel_at(const uint8_t *p, int step, int h)
{
    return LOAD(p + step * STEP + h * 32);
}

/* n quads, into sums of 16 bits. */
INLINE void add_quads(const int m, const int n, const int8_t *x, int64_t row, const uint8_t *p, __m256i sum[MR][2])
{
    LT_UNROLL
    for (int r = 0; r < m; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    LT_UNROLL
    for (int i = 0; i < n; i++) {
        const __m256i w0 = panel_at(p, i, 0), w1 = panel_at(p, i, 1);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m256i v = spread(x + r * row + 4 * i);
            sum[r][0] = _mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(w0, v));
            sum[r][1] = _mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(w1, v));
            HOLD(sum[r][0]);
            HOLD(sum[r][1]);
        }
    }
}

/* 16 pairs of words. */
INLINE void add_words(const int m, const int8_t *x, int64_t row, const uint8_t *p, __m256i sum[MR][2])
{
    LT_UNROLL
    for (int r = 0; r < m; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    LT_UNROLL
    for (int i = 0; i < 16; i++) {
        const __m256i w0 = panel_at(p, i, 0), w1 = panel_at(p, i, 1);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m256i v = spread(x + r * row + 4 * i);
            ADD_TO(sum[r][0], _mm256_madd_epi16(w0, v));
            ADD_TO(sum[r][1], _mm256_madd_epi16(w1, v));
        }
    }
}

/* 8 quads of 5 bits, of which 4 fit into 16 bits, into sums of 32. */
INLINE void add_fives(const int m, const int8_t *x, int64_t row, const uint8_t *p, __m256i sum[MR][2])
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i part[MR][2];
    add_quads(m, 4, x, row, p, sum);
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = _mm256_madd_epi16(sum[r][h], one);
    add_quads(m, 4, x + 16, row, p + 4 * STEP, part);
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(part[r][h], one));
}

/* Q5_0, or Q5_1 with its minimum. */
INLINE void tile_five(const int m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *p, float *sum,
                      const bool minimum)
{
    const int8_t *x = a->q;
    const char *e = (const char *)a->scale, *carry = a->carry;
    const int64_t e_row = a->scale_row, carry_row = a->carry_row, row = a->q_row;
    for (int64_t b = 0; b < blocks; b++, x += 32, e += 4, carry += 4, p += (minimum ? 10 : 9) * STEP) {
        __m256i dot[MR][2];
        add_fives(m, x, row, p, dot);
        const uint8_t *at = p + 8 * STEP;
        const __m256 d[2] = { floats(at), floats(at + WIDTH) };
        const __m256 low[2] = { floats(at + (minimum ? STEP : 0)), floats(at + (minimum ? STEP : 0) + WIDTH) };
        __asm__("" ::: "memory");       /* as in tile_small */
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m256i own = spread(carry + r * carry_row), both[2] = { own, own };
            for (int h = 0; h < 2 && !minimum; h++) dot[r][h] = _mm256_add_epi32(own, dot[r][h]);
            scale_row_into(sum + r * NR, dot[r], d, e + r * e_row);
            if (minimum) scale_row_into(sum + r * NR, both, low, e + r * e_row);
        }
    }
}

/* Q4_0, or Q8_0 in words. */
INLINE void tile_small(const int m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *p, float *sum,
                       const bool in_words)
{
    const int8_t *x = a->q;
    const char *e = (const char *)a->scale, *carry = a->carry;
    const int64_t e_row = a->scale_row, carry_row = a->carry_row, row = a->q_row;
    const int steps = in_words ? 16 : 8;
    for (int64_t b = 0; b < blocks; b++, x += 4 * steps, e += 4, carry += 4, p += (steps + 1) * STEP) {
        __m256i dot[MR][2];
        if (in_words) add_words(m, x, row, p, dot);
        else add_quads(m, 8, x, row, p, dot);
        const __m256 d[2] = { floats(p + steps * STEP), floats(p + steps * STEP + WIDTH) };
        __asm__("" ::: "memory");       /* sums stay there between blocks, and no second time on the stack */
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            if (!in_words) {
                const __m256i own = spread(carry + r * carry_row), one = _mm256_set1_epi16(1);
                dot[r][0] = _mm256_add_epi32(own, _mm256_madd_epi16(dot[r][0], one));
                dot[r][1] = _mm256_add_epi32(own, _mm256_madd_epi16(dot[r][1], one));
            }
            scale_row_into(sum + r * NR, dot[r], d, e + r * e_row);
        }
    }
}

/* Blocks of 256, `at_once` quads of which fit into 16 bits; `parts` scales. */
INLINE void tile_large(const int m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *p, float *sum,
                       const int at_once, const int parts)
{
    const int8_t *x = a->q;
    const char *e = (const char *)a->scale, *carry = a->carry;
    const bool has_minima = parts == 8;
    const int after = 64 + parts + parts / 2, times = 64 / parts / at_once;
    for (int64_t b = 0; b < blocks; b++, e += 4, carry += 2 * parts, p += (after + (has_minima ? 2 : 1)) * STEP) {
        __m256i part[MR][2], dot[MR][2];
        for (int r = 0; r < m; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
        for (int i = 0; i < parts; i++) {
            const __m256i s0 = panel_at(p, 64 + i, 0), s1 = panel_at(p, 64 + i, 1);
            for (int j = 0; j < times; j++, x += 4 * at_once) {
                add_quads(m, at_once, x, a->q_row, p + (i * times + j) * at_once * STEP, part);
                LT_UNROLL
                for (int r = 0; r < m; r++) {
                    dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(part[r][0], s0));
                    dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(part[r][1], s1));
                    HOLD(dot[r][0]);
                    HOLD(dot[r][1]);
                }
            }
        }
        __asm__("" ::: "memory");       /* as in tile_small */
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            for (int h = 0; h < 2; h++) {
                const uint8_t *own = p + h * WIDTH;
                const __m256i low = minima(carry + r * a->carry_row, own + (64 + parts) * STEP, STEP, parts / 2);
                float *to = sum + r * NR + h * W;
                if (!has_minima) dot[r][h] = _mm256_sub_epi32(dot[r][h], _mm256_slli_epi32(low, 5));
                scale_into(to, dot[r][h], own + after * STEP, e + r * a->scale_row);
                if (has_minima) scale_from(to, low, own + (after + 1) * STEP, e + r * a->scale_row);
            }
        }
    }
}

#define ROWS(CASE) \
    switch (m) { \
    case 1: CASE(1); return; \
    case 2: CASE(2); return; \
    case 3: CASE(3); return; \
    case 4: CASE(4); return; \
    case 5: CASE(5); return; \
    default: CASE(6); return; \
    }
#define TILE(name, call) \
    static void name(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *panel, float *sum) \
    { \
        ROWS(call) \
    }
#define Q8_0(rows) tile_small(rows, blocks, a, panel, sum, true)
#define Q4_0(rows) tile_small(rows, blocks, a, panel, sum, false)
#define Q5_0(rows) tile_five(rows, blocks, a, panel, sum, false)
#define Q5_1(rows) tile_five(rows, blocks, a, panel, sum, true)
#define Q4_K(rows) tile_large(rows, blocks, a, panel, sum, 8, 8)
#define Q5_K(rows) tile_large(rows, blocks, a, panel, sum, 4, 8)
#define Q6_K(rows) tile_large(rows, blocks, a, panel, sum, 2, 16)
TILE(tile_q8_0, Q8_0)
TILE(tile_q4_0, Q4_0)
TILE(tile_q5_0, Q5_0)
TILE(tile_q5_1, Q5_1)
TILE(tile_q4_k, Q4_K)
TILE(tile_q5_k, Q5_K)
TILE(tile_q6_k, Q6_K)

/* ---- rows of A ---- */

static void round_block(const float *x, int64_t n, int8_t *q, float *scale)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (int64_t i = 0; i < n; i += 8) {
        __m256i u = _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + i)), magnitude);
        most = _mm256_max_epu32(most, u);
    }
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
    const uint32_t bits = (uint32_t)_mm_cvtsi128_si32(four);
    const float a = _mm_cvtss_f32(_mm_castsi128_ps(four));
    if (bits >= 0x7f800000 || a < 0x1p-100f) {
        memset(q, 0, (size_t)n);
        *scale = bits >= 0x7f800000 ? __builtin_nanf("") : 0;
        return;
    }
    const __m256 inverse = _mm256_set1_ps(127 / a);
    *scale = a / 127;
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int64_t i = 0; i < n; i += 32) {
        __m256i v[4];
        for (int j = 0; j < 4; j++)
            v[j] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * j), inverse));
        const __m256i w = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
        _mm256_storeu_si256((__m256i *)(void *)(q + i), _mm256_permutevar8x32_epi32(w, order));
    }
}

const struct lt_quant_kernels lt_quant_kernels_avx2 = {
    .mr = MR, .nr = NR, .vectors = VECTORS, .round = round_block,
    .type = {
        [LT_Q8_0] = { .panel = SIZE_Q8_0, .words = true, .unpack = unpack_q8_0, .tile = tile_q8_0,
                      .thin = thin_q8_0, .few = 16 },
        [LT_Q4_0] = { .panel = SIZE_Q4_0, .unpack = unpack_q4_0, .tile = tile_q4_0, .thin = few_q4_0, .few = 8 },
        [LT_Q5_0] = { .panel = SIZE_Q5_0, .unpack = unpack_q5_0, .tile = tile_q5_0, .thin = thin_q5_0, .few = 8 },
        [LT_Q5_1] = { .panel = SIZE_Q5_1, .unpack = unpack_q5_1, .tile = tile_q5_1, .thin = thin_q5_1, .few = 8 },
        [LT_Q4_K] = { .panel = SIZE_K, .unpack = unpack_q4_k, .tile = tile_q4_k, .thin = thin_q4_k, .few = 8 },
        [LT_Q5_K] = { .panel = SIZE_K, .unpack = unpack_q5_k, .tile = tile_q5_k, .thin = thin_q5_k, .few = 8 },
        [LT_Q6_K] = { .panel = SIZE_Q6_K, .unpack = unpack_q6_k, .tile = tile_q6_k, .thin = thin_q6_k, .few = 8 },
    },
};
#else
typedef int lt_no_avx2_here;
#endif
