#include "math/ceiling_kernel.h"

#if defined(__AVX2__)
#include <immintrin.h>

enum { SUMS = 12, UNROLL = 8 };

/* Unrolled loops keep the sums in registers; the empty statement keeps the compiler from seeing what it could
 * simplify. */
int64_t lt_spin_f32_avx2(int64_t rounds)
{
    __m256 sum[SUMS], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1);
#pragma GCC unroll 12
    for (int i = 0; i < SUMS; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 12
            for (int i = 0; i < SUMS; i++) {
                sum[i] = _mm256_fmadd_ps(x, sum[i], y);
                __asm__ volatile("" : "+x"(sum[i]));
            }
    return rounds * UNROLL * SUMS * 16;
}

/* What the tile of whole numbers is made of (gemm_int16_avx2.c): two additions, products of pairs of 16-bit numbers and
 * the addition to the sum, for four products a lane. */
int64_t lt_spin_int16_avx2(int64_t rounds)
{
    enum { TILE = 8 };
    __m256i sum[TILE], x = _mm256_set1_epi16(3), y = _mm256_set1_epi16(5), a = x, b = y;
#pragma GCC unroll 8
    for (int i = 0; i < TILE; i++) sum[i] = _mm256_set1_epi32(i);
    for (int64_t r = 0; r < rounds; r++)
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 8
            for (int i = 0; i < TILE; i++) {
                __asm__ volatile("" : "+x"(x), "+x"(y));
                const __m256i left = _mm256_add_epi16(x, b), right = _mm256_add_epi16(y, a);
                sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(left, right));
                __asm__ volatile("" : "+x"(sum[i]));
            }
    return rounds * UNROLL * TILE * 64;
}
#else
typedef int lt_no_avx2_here;
#endif
