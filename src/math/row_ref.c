/* Loops over rows for any machine, and the choice among the variants. */
#define ROW_TABLE lt_row_kernel_ref
#include "math/row_body.h"

#include "math/cpu.h"

const struct lt_row_kernel *lt_row_kernel(void)
{
#if defined(__x86_64__)
    enum lt_isa level = lt_cpu_level();
    if (level == LT_ISA_AVX512) return &lt_row_kernel_avx512;
    if (level == LT_ISA_AVX2) return &lt_row_kernel_avx2;
#endif
    return &lt_row_kernel_ref;
}
