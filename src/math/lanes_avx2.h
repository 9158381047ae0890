/* What the products for AVX2 share: elements of any type as floats, and turning eight rows into columns. */
#ifndef LT_LANES_AVX2_H
#define LT_LANES_AVX2_H

#include "math/gemm_kernel.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* Lanes 0 .. n-1 all ones. */
INLINE __m256i lanes(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* n <= 8 elements as floats, the other lanes 0; reads nothing beyond them. */
INLINE __m256 load(const void *p, int64_t at, int64_t n, enum lt_dtype type)
{
    if (type == LT_F32) {
        const float *f = (const float *)p + at;
        return n >= 8 ? _mm256_loadu_ps(f) : _mm256_maskload_ps(f, lanes(n));
    }
    const uint16_t *h = (const uint16_t *)p + at;
    uint16_t part[8] = { 0 };
    if (n < 8) {
        for (int64_t i = 0; i < n; i++) part[i] = h[i];
        h = part;
    }
    __m128i x = _mm_loadu_si128((const __m128i *)h);
    if (type == LT_F16) return _mm256_cvtph_ps(x);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

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

INLINE void transpose8(__m256 r[8])
{
    __m256 t[8], s[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        s[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        s[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        s[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        s[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
    }
}

#endif
