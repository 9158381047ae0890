/* Loops over rows for AVX-512. */
#if defined(__AVX512BF16__)
#define ROW_TABLE lt_row_kernel_avx512
#include "math/row_body.h"
#else
typedef int lt_no_avx512_here;
#endif
