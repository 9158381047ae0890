/* Products with quantised weights: C (m, n) = A (m, k) x W^T, W (n, k) in blocks of math/quant.h.  lt_gemm comes here
 * by the type of B.
 *
 * What the result is, on every instruction set, to the bit.  Each row of A is rounded to signed bytes, in blocks of 32
 * elements for types of such blocks and of 256 for the others: with a the largest magnitude of a block, the scale is
 * e = a / 127 and a byte is x * (127 / a) rounded to nearest even.  A block with a below 2^-100 is zero; one that holds
 * an infinity or NaN has the scale NaN.  Sums of products of integers are exact; then, block after block from k = 0,
 *   Q8_0, Q4_0, Q5_0   sum = fma(sum of w x, d e, sum)
 *   Q5_1               the same with unsigned w, then sum = fma(sum of x, m e, sum)
 *   Q6_K               sum = fma(sum of s w x, d e, sum)
 *   Q4_K, Q5_K         the same with unsigned w, then sum = fma(sum of m x, -(dmin e), sum)
 * with every other operation rounded to float.  At last the bias is added, and the whole to C when `add` asks for it.
 * So a row has the same bits alone, in any batch, and at any number of threads. */
#ifndef LT_QUANT_GEMM_H
#define LT_QUANT_GEMM_H

#include "math/gemm.h"
#include "math/quant.h"

/* As lt_gemm_all for at most LT_GEMM_TOGETHER products, none of them empty: b_type is quantised, b_trans is set, k is a
 * multiple of the block and ldb 0 or k; compute and packed are not read. */
void lt_quant_gemm(struct lt_pool *pool, const struct lt_gemm *g, int count);

/* ---- for the kernels ---- */

/* Rounded rows of A.  Weights are multiplied as unsigned bytes, so that `carry` holds sums of the bytes of A, which
 * offsets and minima are multiplied with:
 *   Q8_0   int32: -128 times the sum of a block     Q4_K, Q5_K   int16: the sum of 32 bytes
 *   Q4_0   int32: -8 times the sum of a block       Q6_K         int16: the sum of 16 bytes
 *   Q5_0   int32: -16 times the sum of a block      Q5_1         int32: the sum of a block */
struct lt_quant_a {
    int8_t *q; float *scale; char *carry;
    int64_t q_row, scale_row, carry_row;    /* bytes from row to row */
};

enum { LT_QUANT_FEW = 16 };             /* rows of A that any `thin` takes at most */

/* Columns of weights are unpacked into panels of nr of them, which are unsigned bytes in the order in which a tile
 * reads them, with scales beside them.  w is the first byte to read of the first column, the others lie `row` bytes
 * apart, and all nr must be there.  sum (m, nr) goes on by `blocks` blocks.  In `thin` the columns of a vector lie
 * `row` bytes apart, and those of the next vector begin `next` bytes further on. */
struct lt_quant_kernel {
    size_t panel;                       /* bytes of a panel for one block of k, a multiple of 64 */
    /* Panels are signed, and met by rows of A as int16: of four, the first and third before the second and fourth. */
    bool words;
    void (*unpack)(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *panel);
    void (*tile)(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *panel, float *sum); /* m <= mr */
    /* Weights from where they lie, for m <= few, which is as many rows as it is the faster way for; A as bytes. */
    int few;                            /* 0: there is no thin */
    void (*thin)(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row, int64_t next,
                 float *sum);
};
struct lt_quant_kernels {
    int mr, nr;
    int vectors;                        /* that nr columns are, for thin */
    struct lt_quant_kernel type[LT_DTYPE_COUNT];
    void (*round)(const float *x, int64_t n, int8_t *q, float *scale);      /* one block of A */
};
extern const struct lt_quant_kernels lt_quant_kernels_ref, lt_quant_kernels_avx2, lt_quant_kernels_avx512;

#endif
