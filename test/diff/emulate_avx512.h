/* The AVX-512 instructions that a kernel file uses, element by element in plain C, so that its source is tested on
 * machines that lack them.  Include before the kernel file, with LT_EMULATE_AVX512 defined. */
#ifndef LT_EMULATE_AVX512_H
#define LT_EMULATE_AVX512_H

#include "math/dtype.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

/* Sixty-four bytes, seen as what an instruction takes them for. */
union wide {
    int8_t b[64]; uint8_t ub[64]; int16_t w[32]; int32_t d[16]; uint32_t ud[16]; int64_t q[8]; float f[16];
};

struct words16 { uint16_t h[16]; };

static inline int16_t emulate_clamp16(int32_t x)
{
    return (int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
}

static inline int8_t emulate_clamp8(int16_t x)
{
    return (int8_t)(x > 127 ? 127 : x < -128 ? -128 : x);
}

static inline uint8_t emulate_clamp_u8(int16_t x)
{
    return (uint8_t)(x > 255 ? 255 : x < 0 ? 0 : x);
}

#define FOR(i, n) for (int i = 0; i < (n); i++)
#define TWO(name, body) static inline union wide emulate_##name(union wide a, union wide b) \
    { \
        union wide o; \
        body return o; \
    }
#define SHIFT(name, body) static inline union wide emulate_##name(union wide a, int n) \
    { \
        union wide o; \
        body return o; \
    }

TWO(and, FOR(i, 8) o.q[i] = a.q[i] & b.q[i];)
TWO(or, FOR(i, 8) o.q[i] = a.q[i] | b.q[i];)
TWO(xor, FOR(i, 8) o.q[i] = a.q[i] ^ b.q[i];)
TWO(add32, FOR(i, 16) o.ud[i] = a.ud[i] + b.ud[i];)
TWO(sub32, FOR(i, 16) o.ud[i] = a.ud[i] - b.ud[i];)
TWO(mullo32, FOR(i, 16) o.ud[i] = a.ud[i] * b.ud[i];)
TWO(max32, FOR(i, 16) o.ud[i] = a.ud[i] > b.ud[i] ? a.ud[i] : b.ud[i];)
TWO(shuffle8, FOR(i, 64) o.ub[i] = b.ub[i] & 128 ? 0 : a.ub[(i & ~15) + (b.ub[i] & 15)];)
TWO(low32, FOR(i, 16) o.d[i] = (i & 1 ? b : a).d[(i & ~3) + (i & 3) / 2];)
TWO(high32, FOR(i, 16) o.d[i] = (i & 1 ? b : a).d[(i & ~3) + 2 + (i & 3) / 2];)
TWO(low64, FOR(i, 8) o.q[i] = (i & 1 ? b : a).q[i & ~1];)
TWO(high64, FOR(i, 8) o.q[i] = (i & 1 ? b : a).q[i | 1];)
TWO(add16, FOR(i, 32) o.w[i] = (int16_t)(a.w[i] + b.w[i]);)
TWO(packs32, FOR(i, 32) o.w[i] = emulate_clamp16((i & 4 ? b : a).d[i / 8 * 4 + i % 4]);)
TWO(packs16, FOR(i, 64) o.b[i] = emulate_clamp8((i & 8 ? b : a).w[i / 16 * 8 + i % 8]);)
TWO(packus16, FOR(i, 64) o.ub[i] = emulate_clamp_u8((i & 8 ? b : a).w[i / 16 * 8 + i % 8]);)
TWO(permute32, FOR(i, 16) o.d[i] = b.d[a.d[i] & 15];)
TWO(addf, FOR(i, 16) o.f[i] = a.f[i] + b.f[i];)
SHIFT(shl32, FOR(i, 16) o.ud[i] = a.ud[i] << n;)
SHIFT(shr32, FOR(i, 16) o.ud[i] = a.ud[i] >> n;)
SHIFT(sra32, FOR(i, 16) o.d[i] = a.d[i] >> n;)
SHIFT(sra16, FOR(i, 32) o.w[i] = (int16_t)(a.w[i] >> n);)

static inline union wide emulate_dpbusd(union wide o, union wide a, union wide b)
{
    FOR(i, 64) o.ud[i / 4] += (uint32_t)(a.ub[i] * b.b[i]);
    return o;
}

static inline union wide emulate_dpwssd(union wide o, union wide a, union wide b)
{
    FOR(i, 32) o.ud[i / 2] += (uint32_t)(a.w[i] * b.w[i]);
    return o;
}

static inline union wide emulate_set32(int v)
{
    union wide o;
    FOR(i, 16) o.d[i] = v;
    return o;
}

static inline union wide emulate_set16(short v)
{
    union wide o;
    FOR(i, 32) o.w[i] = v;
    return o;
}

static inline union wide emulate_set8(char v)
{
    union wide o;
    FOR(i, 64) o.b[i] = (int8_t)v;
    return o;
}

static inline union wide emulate_setf(float v)
{
    union wide o;
    FOR(i, 16) o.f[i] = v;
    return o;
}

static inline union wide emulate_load(const void *p)
{
    union wide o;
    memcpy(&o, p, 64);
    return o;
}

static inline void emulate_store(void *p, union wide v)
{
    memcpy(p, &v, 64);
}

/* Lanes of the mask, the others 0; reads nothing beyond them. */
#define SOME(name, type, lane) static inline type emulate_##name(uint16_t mask, const void *p) \
    { \
        type o; \
        FOR(i, 16) { \
            o.lane[i] = 0; \
            if (mask >> i & 1) memcpy(&o.lane[i], (const char *)p + i * (int)sizeof o.lane[i], sizeof o.lane[i]); \
        } \
        return o; \
    }
SOME(load_some, union wide, d)
SOME(words_some, struct words16, h)

static inline void emulate_store_some(void *p, uint16_t mask, union wide v)
{
    FOR(i, 16)
        if (mask >> i & 1) memcpy((char *)p + 4 * i, &v.d[i], 4);
}

static inline union wide emulate_same(union wide v)
{
    return v;
}

/* The lower 16 bytes; the others are anything. */
static inline union wide emulate_part(__m128i v)
{
    union wide o;
    memset(&o, 0xa5, 64);
    memcpy(&o, &v, 16);
    return o;
}

static inline union wide emulate_insert(union wide o, __m128i part, int at)
{
    memcpy(o.b + 16 * at, &part, 16);
    return o;
}

static inline union wide emulate_repeat(__m128i v)
{
    union wide o;
    FOR(i, 4) memcpy(o.b + 16 * i, &v, 16);
    return o;
}

static inline union wide emulate_mul(union wide a, union wide b)
{
    FOR(i, 16) a.f[i] *= b.f[i];
    return a;
}

static inline union wide emulate_fma(union wide a, union wide b, union wide c, float sign)
{
    FOR(i, 16) c.f[i] = fmaf(sign * a.f[i], b.f[i], c.f[i]);
    return c;
}

static inline union wide emulate_to_float(union wide a)
{
    FOR(i, 16) a.f[i] = (float)a.d[i];
    return a;
}

static inline union wide emulate_to_int(union wide a)
{
    FOR(i, 16) a.d[i] = (int32_t)rintf(a.f[i]);
    return a;
}

static inline union wide emulate_to_int_below(union wide a)
{
    FOR(i, 16) a.d[i] = (int32_t)floorf(a.f[i]);
    return a;
}

/* Bit by bit, what the table says of the three. */
static inline union wide emulate_ternary(union wide a, union wide b, union wide c, int table)
{
    union wide o;
    FOR(i, 16) {
        o.ud[i] = 0;
        FOR(k, 32) {
            const uint32_t row = (a.ud[i] >> k & 1) << 2 | (b.ud[i] >> k & 1) << 1 | (c.ud[i] >> k & 1);
            o.ud[i] |= ((uint32_t)table >> row & 1) << k;
        }
    }
    return o;
}

/* Quarters two of a, then two of b, that the four pairs of bits name. */
static inline union wide emulate_quarters(union wide a, union wide b, int order)
{
    union wide o;
    FOR(i, 4) memcpy(o.b + 16 * i, (i < 2 ? a : b).b + (order >> 2 * i & 3) * 16, 16);
    return o;
}

static inline union wide emulate_widen(struct words16 v)
{
    union wide o;
    FOR(i, 16) o.ud[i] = v.h[i];
    return o;
}

static inline union wide emulate_from_half(struct words16 v)
{
    union wide o;
    FOR(i, 16) o.f[i] = lt_from_f16(v.h[i]);
    return o;
}

static inline struct words16 emulate_to_words(union wide a)
{
    struct words16 v;
    FOR(i, 16) v.h[i] = (uint16_t)a.ud[i];
    return v;
}

static inline struct words16 emulate_load_words(const void *p)
{
    struct words16 v;
    memcpy(&v, p, 32);
    return v;
}

static inline __m128i emulate_to_bytes(union wide a)
{
    __m128i out;
    int8_t b[16];
    FOR(i, 16) b[i] = (int8_t)a.d[i];
    memcpy(&out, b, 16);
    return out;
}

static inline uint32_t emulate_reduce_max(union wide a)
{
    uint32_t most = 0;
    FOR(i, 16) most = a.ud[i] > most ? a.ud[i] : most;
    return most;
}

#define __m512i union wide
#define __m512 union wide
#define __m256i struct words16
#define _mm512_and_si512 emulate_and
#define _mm512_or_si512 emulate_or
#define _mm512_xor_si512 emulate_xor
#define _mm512_add_epi32 emulate_add32
#define _mm512_sub_epi32 emulate_sub32
#define _mm512_mullo_epi32 emulate_mullo32
#define _mm512_max_epu32 emulate_max32
#define _mm512_reduce_max_epu32 emulate_reduce_max
#define _mm512_slli_epi32 emulate_shl32
#define _mm512_srli_epi32 emulate_shr32
#define _mm512_srai_epi32 emulate_sra32
#define _mm512_srai_epi16 emulate_sra16
#define _mm512_shuffle_epi8 emulate_shuffle8
#define _mm512_unpacklo_epi32 emulate_low32
#define _mm512_unpackhi_epi32 emulate_high32
#define _mm512_unpacklo_epi64 emulate_low64
#define _mm512_unpackhi_epi64 emulate_high64
#undef _mm512_dpbusd_epi32
#define _mm512_dpbusd_epi32 emulate_dpbusd
#undef _mm512_dpwssd_epi32
#define _mm512_dpwssd_epi32 emulate_dpwssd
#define _mm512_set1_epi32 emulate_set32
#define _mm512_set1_epi8 emulate_set8
#define _mm512_set1_ps emulate_setf
#define _mm512_setzero_si512() emulate_set32(0)
#define _mm512_load_si512 emulate_load
#define _mm512_store_si512 emulate_store
#define _mm512_load_ps emulate_load
#define _mm512_loadu_ps emulate_load
#define _mm512_store_ps emulate_store
#define _mm512_castps_si512 emulate_same
#define _mm512_castsi128_si512 emulate_part
#undef _mm512_inserti32x4
#define _mm512_inserti32x4 emulate_insert
#define _mm512_broadcast_i32x4 emulate_repeat
#define _mm512_mul_ps emulate_mul
#define _mm512_fmadd_ps(a, b, c) emulate_fma(a, b, c, 1)
#define _mm512_fnmadd_ps(a, b, c) emulate_fma(a, b, c, -1)
#define _mm512_cvtepi32_ps emulate_to_float
#define _mm512_cvtps_epi32 emulate_to_int
#define _mm512_cvtph_ps emulate_from_half
#define _mm512_cvtepi32_epi16 emulate_to_words
#define _mm512_cvtepi32_epi8 emulate_to_bytes
#define _mm256_loadu_si256 emulate_load_words
#define _mm256_maskz_loadu_epi16 emulate_words_some
#define _mm512_maskz_loadu_ps emulate_load_some
#define _mm512_mask_storeu_ps emulate_store_some
#define _mm512_mask_storeu_epi32 emulate_store_some
#define _mm512_loadu_si512 emulate_load
#define _mm512_storeu_si512 emulate_store
#define _mm512_setzero_ps() emulate_set32(0)
#define _mm512_castsi512_ps emulate_same
#define _mm512_add_ps emulate_addf
#define _mm512_add_epi16 emulate_add16
#define _mm512_set1_epi16 emulate_set16
#define _mm512_packs_epi32 emulate_packs32
#define _mm512_packs_epi16 emulate_packs16
#define _mm512_packus_epi16 emulate_packus16
#define _mm512_permutexvar_epi32 emulate_permute32
#define _mm512_cvtepu16_epi32 emulate_widen
#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32 emulate_ternary
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4 emulate_quarters
#undef _mm512_cvt_roundps_epi32
#define _mm512_cvt_roundps_epi32(a, mode) emulate_to_int_below(a)
#undef _mm512_setr_epi32
#define _mm512_setr_epi32(...) (union wide){ .d = { __VA_ARGS__ } }
#undef _mm512_set4_epi32
#define _mm512_set4_epi32(d3, d2, d1, d0) \
    (union wide){ .d = { d0, d1, d2, d3, d0, d1, d2, d3, d0, d1, d2, d3, d0, d1, d2, d3 } }

#endif
