/* Blocks of quantised weights, bit for bit as ggml lays them out, so that tensors of a GGUF file are used where they
 * lie.  A row is a whole number of blocks; f is a half in little-endian order.
 *
 *   Q8_0  32 elements, 34 bytes: f d; int8 q[32]                              x = d q
 *   Q4_0  32 elements, 18 bytes: f d; 4-bit q, i and i + 16 share a byte     x = d (q - 8)
 *   Q5_0  32 elements, 22 bytes: f d; fifth bits, that of i in bit i of 4 bytes; lower 4 bits as in Q4_0
 *                                                                            x = d (q - 16)
 *   Q5_1  32 elements, 24 bytes: f d, f m; bits as in Q5_0                   x = d q + m
 *   Q4_K  256 elements, 144 bytes: f d, f dmin; 12 bytes of eight 6-bit scales s and minima m; 4-bit q
 *                                                                            x = (d s) q - dmin m
 *   Q5_K  256 elements, 176 bytes: as Q4_K, with the 32 bytes of fifth bits before the 4-bit part
 *   Q6_K  256 elements, 210 bytes: 128 bytes of lower 4 bits, 64 of upper 2, int8 s[16], f d
 *                                                                            x = (d s) (q - 32)
 * A scale belongs to 32 elements (Q6_K: to 16).
 *
 * Products with such weights are in math/quant_gemm.h; lt_gemm finds them by the type of B. */
#ifndef LT_QUANT_H
#define LT_QUANT_H

#include "base/base.h"
#include "math/dtype.h"

enum { LT_QUANT_BLOCK_MAX = 256, LT_QUANT_BYTES_MAX = 210 };    /* of any type */

/* "Q4_K" or "q4_k"; -1: lt_error names those there are. */
int lt_quant_find(const char *name, enum lt_dtype *t);
/* Whether rows of `width` elements divide into blocks of t; any width does for types that are not quantised.  `name`
 * is what lt_error calls the tensor. */
int lt_quant_check(enum lt_dtype t, int64_t width, const char *name);

struct lt_quant {
    enum lt_dtype type;
    int64_t rows, width;        /* width must pass lt_quant_check */
    int64_t ld;                 /* elements between the rows of floats; 0: width.  Blocks lie close together. */
    /* (width): how much the square of an error in this column counts, such as the mean square of what it is
     * multiplied with; finite and not negative.  NULL: nearest values, as ggml's reference quantisers choose them. */
    const float *importance;
};
/* Rounds floats to blocks.  -1 when a value is not finite, or too large for a block's half-precision scale: lt_error
 * has the place, and out holds nothing of use.  The bits do not depend on the pool. */
int lt_quant_rows(struct lt_pool *pool, const struct lt_quant *q, const float *in, void *out);
/* The floats that blocks stand for.  q->importance is not read. */
void lt_dequant_rows(struct lt_pool *pool, const struct lt_quant *q, const void *in, float *out);
/* One row of n elements, n a multiple of the block. */
void lt_dequant(enum lt_dtype t, const void *in, int64_t n, float *out);

/* The eight 6-bit scales and minima of a Q4_K or Q5_K block from its 12 bytes, and back. */
void lt_quant_k_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]);
void lt_quant_k_pack_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]);

#endif
