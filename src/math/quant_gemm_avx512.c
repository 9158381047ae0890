/* Products with quantised weights for AVX-512 with VNNI: vpdpbusd adds four products of an unsigned and a signed byte
 * to 32 bits.  Weights are the unsigned factor, Q8_0 as 128 + w. */
#include "math/quant_gemm.h"

#if defined(__AVX512VNNI__) || defined(LT_EMULATE_AVX512)
#include "math/gemm_kernel.h"
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define V __m512i
#define W 16
#define WORDS false
#define AND _mm512_and_si512
#define OR _mm512_or_si512
#define XOR _mm512_xor_si512
#define ADD _mm512_add_epi32
#define SUB _mm512_sub_epi32
#define SHL _mm512_slli_epi32
#define SHR _mm512_srli_epi32
#define SRA16 _mm512_srai_epi16
#define SRA32 _mm512_srai_epi32
#define SHUFFLE _mm512_shuffle_epi8
#define LOW32 _mm512_unpacklo_epi32
#define HIGH32 _mm512_unpackhi_epi32
#define LOW64 _mm512_unpacklo_epi64
#define HIGH64 _mm512_unpackhi_epi64
#define SET32 _mm512_set1_epi32
#define SET8 _mm512_set1_epi8
#define ZERO _mm512_setzero_si512
#define LOAD(p) _mm512_load_si512(p)
#define STORE(p, v) _mm512_store_si512(p, v)
#define LANE_BASE _mm512_broadcast_i32x4(_mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0))

/* The compiler would add integers in another order, which takes more registers than there are. */
#if defined(LT_EMULATE_AVX512)
#define HOLD(x) (void)(x)
#else
#define HOLD(x) __asm__("" : "+v"(x))
#endif

INLINE __m128i load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE void load_rows(const uint8_t *p, int64_t row, __m512i r[4])
{
    for (int i = 0; i < 4; i++, p += row) {
        r[i] = _mm512_castsi128_si512(load16(p));
        r[i] = _mm512_inserti32x4(r[i], load16(p + 4 * row), 1);
        r[i] = _mm512_inserti32x4(r[i], load16(p + 8 * row), 2);
        r[i] = _mm512_inserti32x4(r[i], load16(p + 12 * row), 3);
    }
}

INLINE void store_floats(uint8_t *out, const uint16_t *halves)
{
    _mm512_store_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)halves)));
}

INLINE void store_halves(uint8_t *out, __m512i v)
{
    _mm512_store_ps(out, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)));
}

/* Four bytes, two words or a number, the same in all lanes. */
INLINE __m512i spread(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

INLINE __m512i dots(__m512i sum, const __m512i *w, const int8_t *x, const int n)
{
    LT_UNROLL
    for (int i = 0; i < n; i++) sum = _mm512_dpbusd_epi32(sum, w[i], spread(x + 4 * i));
    return sum;
}

INLINE __m512i dot8(const __m512i w[8], const int8_t *x)
{
    return dots(ZERO(), w, x, 8);
}

INLINE __m512i dot8_5bit(const __m512i w[8], const int8_t *x)
{
    return dots(ZERO(), w, x, 8);
}

INLINE __m512i dot8_signed(const __m512i w[8], const int8_t *x, __m512i carry)
{
    LT_UNROLL
    for (int i = 0; i < 8; i++)
        carry = _mm512_dpbusd_epi32(carry, XOR(w[i], SET8((char)128)), spread(x + 4 * i));
    return carry;
}

INLINE __m512i dot4(const __m512i w[4], const int8_t *x, __m512i s)
{
    return _mm512_mullo_epi32(dots(ZERO(), w, x, 4), s);
}

INLINE __m512i dot4_6bit(const __m512i w[4], const int8_t *x, __m512i s)
{
    return dot4(w, x, s);
}

/* The sums of m x, or of s x for Q6_K: `pairs` of them, `step` bytes apart. */
INLINE __m512i minima(const char *carry, const uint8_t *p, const int step, const int pairs)
{
    __m512i sum = ZERO();
    LT_UNROLL
    for (int i = 0; i < pairs; i++) sum = _mm512_dpwssd_epi32(sum, LOAD(p + i * step), spread(carry + 4 * i));
    return sum;
}

INLINE __m512 scale_of(const void *d, const void *e)
{
    float f;
    memcpy(&f, e, 4);
    return _mm512_mul_ps(_mm512_load_ps(d), _mm512_set1_ps(f));
}

/* sum = fma(dot, d e, sum) for sixteen columns, and sum = fma(dot, -(d e), sum). */
INLINE void scale_into(float *sum, __m512i dot, const void *d, const void *e)
{
    _mm512_store_ps(sum, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale_of(d, e), _mm512_load_ps(sum)));
}

INLINE void scale_from(float *sum, __m512i dot, const void *d, const void *e)
{
    _mm512_store_ps(sum, _mm512_fnmadd_ps(_mm512_cvtepi32_ps(dot), scale_of(d, e), _mm512_load_ps(sum)));
}

#include "math/quant_body.h"

/* ---- the tile ---- */

enum { MR = 6 };

/* n quads added to sums. */
INLINE void add_quads(const int m, const int n, const int8_t *x, int64_t row, const uint8_t *p, __m512i sum[MR][2])
{
    LT_UNROLL
    for (int i = 0; i < n; i++, p += STEP) {
        const __m512i w0 = LOAD(p), w1 = LOAD(p + WIDTH);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m512i v = spread(x + r * row + 4 * i);
            sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], w0, v);
            sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], w1, v);
        }
    }
}

/* Q4_0, Q5_0 and Q8_0; Q5_1 with its minimum. */
INLINE void tile_small(const int m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *p, float *sum,
                       const bool minimum)
{
    const int8_t *x = a->q;
    const char *e = (const char *)a->scale, *carry = a->carry;
    for (int64_t b = 0; b < blocks; b++, x += 32, e += 4, carry += 4, p += (minimum ? 10 : 9) * STEP) {
        __m512i dot[MR][2];
        LT_UNROLL
        for (int r = 0; r < m; r++) dot[r][0] = dot[r][1] = minimum ? ZERO() : spread(carry + r * a->carry_row);
        add_quads(m, 8, x, a->q_row, p, dot);
        LT_UNROLL
        for (int r = 0; r < m; r++)
            for (int h = 0; h < 2; h++) {
                float *to = sum + r * NR + h * W;
                const uint8_t *d = p + 8 * STEP + h * WIDTH;
                scale_into(to, dot[r][h], d, e + r * a->scale_row);
                if (minimum) scale_into(to, spread(carry + r * a->carry_row), d + STEP, e + r * a->scale_row);
            }
    }
}

/* Blocks of 256 with `parts` scales. */
INLINE void tile_large(const int m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *p, float *sum,
                       const int parts)
{
    const int8_t *x = a->q;
    const char *e = (const char *)a->scale, *carry = a->carry;
    const bool has_minima = parts == 8;
    const int after = 64 + parts + parts / 2, n = 64 / parts;
    for (int64_t b = 0; b < blocks; b++, e += 4, carry += 2 * parts, p += (after + (has_minima ? 2 : 1)) * STEP) {
        __m512i dot[MR][2];
        LT_UNROLL
        for (int r = 0; r < m; r++) dot[r][0] = dot[r][1] = ZERO();
        for (int i = 0; i < parts; i++, x += 4 * n) {
            const __m512i s0 = LOAD(p + (64 + i) * STEP), s1 = LOAD(p + (64 + i) * STEP + WIDTH);
            __m512i part[MR][2];
            LT_UNROLL
            for (int r = 0; r < m; r++) part[r][0] = part[r][1] = ZERO();
            add_quads(m, n, x, a->q_row, p + i * n * STEP, part);
            LT_UNROLL
            for (int r = 0; r < m; r++) {
                dot[r][0] = ADD(dot[r][0], _mm512_mullo_epi32(part[r][0], s0));
                dot[r][1] = ADD(dot[r][1], _mm512_mullo_epi32(part[r][1], s1));
                HOLD(dot[r][0]);
                HOLD(dot[r][1]);
            }
        }
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            for (int h = 0; h < 2; h++) {
                const uint8_t *own = p + h * WIDTH;
                const __m512i low = minima(carry + r * a->carry_row, own + (64 + parts) * STEP, STEP, parts / 2);
                float *to = sum + r * NR + h * W;
                if (!has_minima) dot[r][h] = SUB(dot[r][h], SHL(low, 5));
                scale_into(to, dot[r][h], own + after * STEP, e + r * a->scale_row);
                if (has_minima) scale_from(to, low, own + (after + 1) * STEP, e + r * a->scale_row);
            }
        }
    }
}

#define TILE(name, call, ...) \
    static void name(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *panel, float *sum) \
    { \
        switch (m) { \
        case 1: call(1, blocks, a, panel, sum __VA_ARGS__); return; \
        case 2: call(2, blocks, a, panel, sum __VA_ARGS__); return; \
        case 3: call(3, blocks, a, panel, sum __VA_ARGS__); return; \
        case 4: call(4, blocks, a, panel, sum __VA_ARGS__); return; \
        case 5: call(5, blocks, a, panel, sum __VA_ARGS__); return; \
        default: call(6, blocks, a, panel, sum __VA_ARGS__); return; \
        } \
    }
TILE(tile_32, tile_small, , false)
TILE(tile_32_minimum, tile_small, , true)
TILE(tile_minima, tile_large, , 8)
TILE(tile_plain, tile_large, , 16)

/* ---- rows of A ---- */

static void round_block(const float *x, int64_t n, int8_t *q, float *scale)
{
    __m512i most = ZERO();
    for (int64_t i = 0; i < n; i += 16)
        most = _mm512_max_epu32(most, AND(_mm512_castps_si512(_mm512_loadu_ps(x + i)), SET32(0x7fffffff)));
    const uint32_t bits = _mm512_reduce_max_epu32(most);
    float a;
    memcpy(&a, &bits, 4);
    if (bits >= 0x7f800000 || a < 0x1p-100f) {
        memset(q, 0, (size_t)n);
        *scale = bits >= 0x7f800000 ? __builtin_nanf("") : 0;
        return;
    }
    const __m512 inverse = _mm512_set1_ps(127 / a);
    *scale = a / 127;
    for (int64_t i = 0; i < n; i += 16) {
        const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm512_cvtepi32_epi8(v));
    }
}

const struct lt_quant_kernels lt_quant_kernels_avx512 = {
    .mr = MR, .nr = NR, .vectors = VECTORS, .round = round_block,
    .type = {
        [LT_Q8_0] = { .panel = SIZE_Q8_0, .unpack = unpack_q8_0, .tile = tile_32, .thin = thin_q8_0, .few = 8 },
        [LT_Q4_0] = { .panel = SIZE_Q4_0, .unpack = unpack_q4_0, .tile = tile_32, .thin = thin_q4_0, .few = 8 },
        [LT_Q5_0] = { .panel = SIZE_Q5_0, .unpack = unpack_q5_0, .tile = tile_32, .thin = thin_q5_0, .few = 8 },
        [LT_Q5_1] = { .panel = SIZE_Q5_1, .unpack = unpack_q5_1, .tile = tile_32_minimum, .thin = thin_q5_1, .few = 8 },
        [LT_Q4_K] = { .panel = SIZE_K, .unpack = unpack_q4_k, .tile = tile_minima, .thin = thin_q4_k, .few = 8 },
        [LT_Q5_K] = { .panel = SIZE_K, .unpack = unpack_q5_k, .tile = tile_minima, .thin = thin_q5_k, .few = 8 },
        [LT_Q6_K] = { .panel = SIZE_Q6_K, .unpack = unpack_q6_k, .tile = tile_plain, .thin = thin_q6_k, .few = 8 },
    },
};
#else
typedef int lt_no_avx512_here;
#endif
