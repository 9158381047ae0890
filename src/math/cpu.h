/* Which instruction set the kernels use.  A kernel file comes in up to three variants: NAME_ref.c (plain C),
 * NAME_avx2.c (AVX2, FMA, F16C) and NAME_avx512.c (AVX-512 F, BW, DQ, VL, VBMI, VNNI and BF16). */
#ifndef LT_CPU_H
#define LT_CPU_H

#include "base/base.h"

enum lt_isa { LT_ISA_BEST, LT_ISA_C, LT_ISA_AVX2, LT_ISA_AVX512, LT_ISAS };

/* The best level this machine and its operating system can run, not above the one that the environment variable
 * LATHE_ISA (c, avx2, avx512) asks for.  Worked out once per process; never LT_ISA_BEST. */
enum lt_isa lt_cpu_level(void);
/* What a caller's wish comes to: LT_ISA_BEST is lt_cpu_level(), any other is lowered to what the machine can run. */
enum lt_isa lt_cpu_choose(enum lt_isa wish);
const char *lt_isa_name(enum lt_isa isa);                   /* "best", "c", "avx2", "avx512" */
int lt_isa_find(struct lt_str name, enum lt_isa *out);

#endif
