#include "math/ceiling_kernel.h"

#if defined(__AVX512BF16__) || defined(LT_EMULATE_AVX512)
#include <immintrin.h>

enum { SUMS = 24, UNROLL = 4 };         /* sums: two units, a latency of up to six cycles, and to spare */

/* Unrolled loops keep the sums in registers; the empty statements keep the compiler from seeing what it could
 * simplify. */
int64_t lt_spin_f32_avx512(int64_t rounds)
{
    __m512 sum[SUMS], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1);
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 24
            for (int i = 0; i < SUMS; i++) {
                sum[i] = _mm512_fmadd_ps(x, sum[i], y);
                __asm__ volatile("" : "+v"(sum[i]));
            }
    return rounds * UNROLL * SUMS * 32;
}

int64_t lt_spin_bf16_avx512(int64_t rounds)
{
    __m512 sum[SUMS];
    __m512i x = _mm512_set1_epi16(0x3f80), y = _mm512_set1_epi16(0x3f00);   /* 1 and 0.5 */
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 24
            for (int i = 0; i < SUMS; i++) {
                sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)y);
                __asm__ volatile("" : "+v"(sum[i]));
            }
    return rounds * UNROLL * SUMS * 64;
}

int64_t lt_spin_int8_avx512(int64_t rounds)
{
    __m512i sum[SUMS], x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(5);
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_epi32(i);
    for (int64_t r = 0; r < rounds; r++)
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 24
            for (int i = 0; i < SUMS; i++) {
                sum[i] = _mm512_dpbusd_epi32(sum[i], x, y);
                __asm__ volatile("" : "+v"(sum[i]));
            }
    return rounds * UNROLL * SUMS * 128;
}
#else
typedef int lt_no_avx512_here;
#endif
