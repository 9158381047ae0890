/* Loops over rows for AVX2. */
#if defined(__AVX2__)
#define ROW_TABLE lt_row_kernel_avx2
#include "math/row_body.h"
#else
typedef int lt_no_avx2_here;
#endif
