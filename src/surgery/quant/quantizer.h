/* Kind "quantizer": how a matrix of floats becomes blocks (math/quant.h).  Members differ in what they know of the
 * inputs that the matrix is multiplied with, and so in what they count as an error. */
#ifndef LT_QUANTIZER_H
#define LT_QUANTIZER_H

#include "base/base.h"
#include "math/dtype.h"

enum { LT_QUANT_SQUARES = 1, LT_QUANT_HESSIAN = 2 };    /* lt_quantizer.needs */

struct lt_quant_job {
    enum lt_dtype type;         /* quantised; its block divides width */
    int64_t rows, width;
    const float *w;             /* (rows, width) */
    const float *square;        /* (width) mean squares of the inputs, where they were measured; else NULL */
    const float *hessian;       /* (width, width) mean of x x^T, symmetric, where it was measured; else NULL */
    void *out;                  /* the blocks, rows of lt_dtype_bytes(type, width) */
};
struct lt_quantizer {
    struct lt_method m;
    unsigned needs;
    /* -1: lt_error.  A matrix whose inputs were not measured (an embedding) has neither square nor hessian. */
    int (*quantize)(const void *o, struct lt_ctx *c, const struct lt_quant_job *job);
};

#endif
