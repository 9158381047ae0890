#include "math/dtype_kernel.h"

#if defined(__AVX2__)
#include <immintrin.h>

void lt_from_f16_avx2(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
    for (; i < n; i++) out[i] = lt_from_f16(in[i]);
}

void lt_to_f16_avx2(uint16_t *out, const float *in, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) out[i] = lt_to_f16(in[i]);
}

/* The compiler turns these two into vectors by itself. */
void lt_from_bf16_avx2(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = lt_from_bf16(in[i]);
}

void lt_to_bf16_avx2(uint16_t *out, const float *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = lt_to_bf16(in[i]);
}
#else
typedef int lt_no_avx2_here;
#endif
