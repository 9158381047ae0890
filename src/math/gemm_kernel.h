/* What a variant of the matrix product consists of.  gemm.c blocks, splits and packs through this table; attention
 * and other tiled code may use it directly on their own scratch.
 *
 * A packed operand consists of units of 4 bytes: with step 1 a float, with step 2 a pair, elements 2k and 2k + 1 of the
 * sum (the second is 0 when there is none), with step 4 four bytes.  B lies in panels of nr columns, the units of one k
 * side by side.  A lies in any way in which units of a row, and rows, are equally far apart.
 *
 * A kernel with `most` packs whole numbers, in pairs or fours: x is lt_fixed_scale(largest, most) times one of them,
 * where `largest` is the largest magnitude in the row or column, as bits, over the k that are packed together.  It may
 * pack zeros behind them up to a multiple of four: there is room, counted in whole eights. */
#ifndef LT_GEMM_KERNEL_H
#define LT_GEMM_KERNEL_H

#include "math/gemm.h"

/* Before a loop over the rows of a tile: the loop disappears, which keeps the sums in registers. */
#if defined(__clang__)
#define LT_UNROLL _Pragma("clang loop unroll(full)")
#define LT_TWICE _Pragma("clang loop unroll_count(2)")     /* two rounds of a loop at a time */
#else
#define LT_UNROLL _Pragma("GCC unroll 14")
#define LT_TWICE _Pragma("GCC unroll 2")
#endif

enum { LT_GEMM_SLACK = 64 };            /* bytes past a panel that packing may write */
enum { LT_GEMM_SCALES = 256 };          /* bytes at a scale pointer: at most 32 scales, then what the kernel likes */
enum { LT_INT16_MOST = 2047, LT_INT8_MOST = 127 };     /* 512 products of this size fit 32 bits */

/* Bits of a magnitude compare as it does, with NaN above infinity. */
static inline float lt_fixed_scale(uint32_t largest, int most)
{
    const uint32_t infinity = 0x7f800000, least = 0x0d800000;      /* 2^-100 */
    uint32_t bits = largest >= infinity ? 0x7fc00000 : LT_MAX(largest, least);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x / (float)most;
}
/* What an element is multiplied by before it is rounded. */
static inline float lt_fixed_inverse(uint32_t largest, int most)
{
    return largest >= 0x7f800000 ? 0 : 1 / lt_fixed_scale(largest, most);
}

/* Stochastic rounding: r becomes floor(r + chance) - 1, at most `most`, where the chance is a float from 1 to 2 whose
 * mantissa is the last LT_CHANCE_BITS of the element's, shifted to its front, xor what lt_chance_at gives for product
 * j of the block. */
enum { LT_CHANCE_BITS = 12, LT_MANTISSA_BITS = 23, LT_CHANCE_STEP = (int)0x9e3779b1 };
static inline uint32_t lt_chance_at(int64_t j)
{
    return ((uint32_t)j * (uint32_t)LT_CHANCE_STEP) >> (32 - LT_MANTISSA_BITS);
}

struct lt_gemm_source {                 /* one panel of a matrix in memory */
    const void *p;                      /* its first element */
    int64_t ld;                         /* elements between rows as stored */
    enum lt_dtype type;                 /* LT_F32, LT_BF16, LT_F16 */
    bool k_fast;                        /* k runs along a stored row; else the panel's width does */
    const void *next;                   /* what will be read later, asked for while packing if k_fast; NULL: nothing */
    float *scale;                       /* of whole numbers: the scales of the panel's rows or columns come here */
    int most;                           /* of whole numbers: the kernel's */
    bool stochastic;                    /* of whole numbers: how they are rounded (gemm.h) */
};

struct lt_gemm_rows {                   /* packed rows of A */
    const void *p;
    int64_t row, unit;                  /* bytes from row to row, unit to unit */
    const float *scale, *columns;       /* of whole numbers: the scales of the rows, and of B's columns (nr) */
};

/* C (m, n) as lt_gemm has it, from few packed rows of A, whose units lie side by side, and rows of B along which k
 * runs.  A is packed by blocks of kc products, a_block bytes apart. */
struct lt_gemm_direct {
    int64_t m, n, k, kc;
    struct lt_gemm_rows a; size_t a_block;
    struct lt_gemm_source b;
    float *c; int64_t ldc;
    const float *bias;                  /* (n); NULL: none */
    bool add;
};

/* C (m, n) += the sums of products from .. end - 1 of a block, from packed rows of A as above and rows of B along
 * which n runs, where they lie in pieces of `each` rows, all of one type.  from and each are multiples of chains. */
struct lt_gemm_addition {
    int64_t m, n, from, end;
    struct lt_gemm_rows a;              /* its first row begins with product 0 */
    const struct lt_gemm_source *piece; int64_t each;
    float *c; int64_t ldc;
};

struct lt_gemm_kernel {
    int mr, nr;                         /* the largest tile: mr rows of A, nr columns of B */
    int kc;                             /* longest block of a sum */
    int near;                           /* bytes of A kept packed at a time, in the second-level cache */
    int step;                           /* products per packed unit: 1, 2 for pairs, 4 */
    int chains;                         /* of a sum (gemm.h): a product left out must leave the others in theirs */
    int most;                           /* whole numbers up to this, all of a block packed together; else 0 */
    bool plain;                         /* a packed unit is the float itself: A may stay where it lies */

    int lanes;                          /* strides of panels are made multiples of it */

    /* Packs a panel of width x k elements, element (k, i) as unit k / step * stride + i; columns from width to stride
     * become 0 when stride is a multiple of lanes. */
    void (*pack)(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s);
    /* The same for panels of `height` columns out of `width`, `distance` bytes apart (their scales too), that lie side
     * by side in memory: memory is read row by row; !s->k_fast.  Beyond its height a panel may hold anything. */
    void (*pack_across)(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s);
    /* The same for rows along which k runs, kept as rows `row` bytes apart (a multiple of 4); s->k_fast. */
    void (*pack_rows)(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s);

    /* C (m, n) from rows of A and a panel of B (stride nr), one block of k products:
     * C = (add ? C : nothing) + (sum + (bias ? bias : nothing)).  1 <= m <= mr, 1 <= n <= nr, k >= 0. */
    void (*tile)(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *a, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add);
    /* The sums alone, a block in pieces: sum (m, nr) goes on by k products, an even number unless they are the last.
     * NULL: there is none. */
    void (*part)(int64_t m, int64_t k, const struct lt_gemm_rows *a, const void *b, float *sum);
    /* Where `part` is NULL: products with B where it lies, and b.next is not read. */
    void (*direct)(const struct lt_gemm_direct *d);
    void (*direct_add)(const struct lt_gemm_addition *t);       /* there with `direct` */
};

void lt_gemm_direct_f32_avx2(const struct lt_gemm_direct *d);
void lt_gemm_direct_bf16_avx2(const struct lt_gemm_direct *d);
void lt_gemm_direct_add_f32_avx2(const struct lt_gemm_addition *t);
void lt_gemm_direct_add_bf16_avx2(const struct lt_gemm_addition *t);

extern const struct lt_gemm_kernel lt_gemm_kernel_ref[LT_COMPUTES];
extern const struct lt_gemm_kernel lt_gemm_kernel_avx2[2];      /* of F32 and BF16 */
extern const struct lt_gemm_kernel lt_gemm_kernel_avx512[2];
extern const struct lt_gemm_kernel lt_gemm_kernel_int16_avx2, lt_gemm_kernel_int8_avx2, lt_gemm_kernel_int8_avx512;

const struct lt_gemm_kernel *lt_gemm_kernel(enum lt_isa isa, enum lt_compute compute);

#endif
