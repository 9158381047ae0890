/* The loops behind lt_peak_flops: `rounds` rounds of independent multiply-adds; they return operations done. */
#ifndef LT_CEILING_KERNEL_H
#define LT_CEILING_KERNEL_H

#include <stdint.h>

int64_t lt_spin_f32_avx2(int64_t rounds);
int64_t lt_spin_int16_avx2(int64_t rounds);
int64_t lt_spin_f32_avx512(int64_t rounds);
int64_t lt_spin_bf16_avx512(int64_t rounds);
int64_t lt_spin_int8_avx512(int64_t rounds);

#endif
