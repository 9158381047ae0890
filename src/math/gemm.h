/* Matrix products.  C (m, n) = A (m, k) x B (k, n), all row-major, sums in float.
 *
 * One element of C has the same bits whatever m, n, its place, the threads, and whether B was packed before: its k
 * products are added in blocks of a length that is a function of k alone; the sums of the blocks are then added in
 * order.  Within a block there is one chain of additions, with AVX2 four: product i goes to chain i mod 4, and the sum
 * is (0 + 1) + (2 + 3).  A chain begins at +0 and goes on in order with fused multiply-adds (two products at a time
 * with bf16 operands on AVX-512; product and sum rounded apart in plain C).  The bias is added to the first block's
 * sum, then C itself when `add` asks for it, then the further blocks.  Bits differ between instruction sets.
 *
 * NaN and infinity go through as arithmetic has them.  With LT_COMPUTE_BF16 every operand is rounded to bf16 first;
 * AVX-512 then takes subnormal operands as zero.
 *
 * With LT_COMPUTE_INT16 the products are of whole numbers (dynamic fixed point, arXiv:1802.00930): within a block of at
 * most 512 products, a row of A and a column of B become integers from -2047 to 2047 times a scale of their own, its
 * largest magnitude / 2047.  The sum of a block is exact in 32 bits and is multiplied by both scales, so the bits are
 * the same on every instruction set.  A row or column of a block that holds an infinity or a NaN gives NaN; one whose
 * largest magnitude is below 2^-100 is rounded as if it were 2^-100.
 *
 * LT_COMPUTE_INT8 is the same with integers from -127 to 127.  There an operand may be rounded stochastically, and not
 * to the nearest integer: it becomes the one below or the one above (-128 is possible), the nearer it is the likelier,
 * so that what is smaller than a step is not lost on the average.  Chance comes from the last bits of the element and
 * from its place in the block, so that the bits depend on nothing else. */
#ifndef LT_GEMM_H
#define LT_GEMM_H

#include "math/cpu.h"
#include "math/dtype.h"

struct lt_packed;
struct lt_gemm {
    int64_t m, n, k;                    /* any may be 0; k = 0 is an empty sum */
    const void *a, *b;
    float *c;                           /* (m, n); must not overlap a, b or bias */
    int64_t lda, ldb, ldc;              /* elements between rows as stored; 0: rows lie close together */
    enum lt_dtype a_type, b_type;       /* LT_F32, LT_BF16 or LT_F16; B also quantised: math/quant_gemm.h */
    bool a_trans;                       /* A is stored (k, m) */
    bool b_trans;                       /* B is stored (n, k): a weight of (out, in) */
    bool add;                           /* C += A B instead of C = A B */
    const float *bias;                  /* (n), added to every row; NULL: none */
    enum lt_compute compute;
    bool a_stochastic, b_stochastic;    /* INT8 rounds it stochastically, as befits gradients; others ignore it */
    enum lt_isa isa;                    /* LT_ISA_BEST: what the machine can */
    const struct lt_packed *packed;     /* B packed before by lt_pack_b; b, ldb, b_type, b_trans are then not read */
};

/* The three forms of a linear layer, X (tokens, in), W (out, in), Y (tokens, out):
 *   forward  Y = X W^T     m tokens, n out, k in;     a X, b W, b_trans
 *   input    dX = dY W     m tokens, n in, k out;     a dY, b W
 *   weight   dW += dY^T X  m out, n in, k tokens;     a dY, a_trans, b X, add
 * Takes scratch memory with lt_aligned and gives it back.  Must not be called from inside a chunk of the same pool. */
void lt_gemm(struct lt_pool *pool, const struct lt_gemm *g);

/* Products of the same A (m, k, a, lda, a_type, a_trans, compute and isa are the same), with the bits of lt_gemm one by
 * one.  At most LT_GEMM_TOGETHER, all with quantised B or all of few rows with floats, are one run: threads go from one
 * to the next without waiting for each other.  No C may overlap another or be read by another. */
enum { LT_GEMM_TOGETHER = 4 };
void lt_gemm_all(struct lt_pool *pool, const struct lt_gemm *g, int count);

/* The same bits on the calling thread, in memory of the caller: lt_gemm_scratch(g) bytes, 64-byte aligned.  For small
 * products inside a chunk. */
size_t lt_gemm_scratch(const struct lt_gemm *g);
void lt_gemm_serial(const struct lt_gemm *g, void *scratch);

/* B laid out as the kernels read it, in its own element type (bf16 when compute is LT_COMPUTE_BF16).  Reads n, k, b,
 * ldb, b_type, b_trans, b_stochastic, compute and isa of g; products that use it must have the same n, k, compute and
 * isa. */
struct lt_packed *lt_pack_b(struct lt_pool *pool, const struct lt_gemm *g);
size_t lt_packed_size(const struct lt_packed *p);           /* bytes held */
void lt_packed_free(struct lt_packed *p);                   /* NULL is fine */
/* A weight packed for the two forms that multiply by it; either may be NULL.  Whoever packed them frees them. */
struct lt_packs { struct lt_packed *forward, *input; };

#endif
