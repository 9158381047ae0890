/* The vector loops behind lt_convert (dtype_avx2.c, x86-64 only). */
#ifndef LT_DTYPE_KERNEL_H
#define LT_DTYPE_KERNEL_H

#include "math/dtype.h"

void lt_from_f16_avx2(float *out, const uint16_t *in, int64_t n);
void lt_to_f16_avx2(uint16_t *out, const float *in, int64_t n);
void lt_from_bf16_avx2(float *out, const uint16_t *in, int64_t n);
void lt_to_bf16_avx2(uint16_t *out, const float *in, int64_t n);

#endif
