/* Loops over rows, the insides of the kernels in kernel.h: written once in row_body.h in plain C, compiled for every
 * instruction set.  All variants give the same bits: no multiply-add is fused, sums go into sixteen lanes, and exp is
 * our own.  Arrays of different arguments must not overlap unless said otherwise; n may be 0. */
#ifndef LT_ROW_KERNEL_H
#define LT_ROW_KERNEL_H

#include "math/kernel.h"

enum { LT_TILE_KEYS = 128 };             /* scores in one row of an attention tile */

struct lt_row_kernel {
    /* ---- whole arrays ---- */
    void (*add)(int64_t n, const float *a, const float *b, float *y);       /* any may be the same */
    void (*axpy)(int64_t n, float alpha, const float *x, float *y);         /* y += alpha x */
    void (*scale)(int64_t n, float alpha, float *x);
    float (*dot)(int64_t n, const float *a, const float *b);                /* a may be b */
    double (*wide_dot)(int64_t n, const float *a, const float *b);         /* products and sums in double; a may be b */
    bool (*finite)(int64_t n, const float *x);
    /* y = or += x factor where 24 bits drawn from key and the element's place are at least bar, else 0; y may be x. */
    void (*drop)(int64_t n, uint64_t key, uint32_t bar, float factor, const float *x, float *y, bool add);

    /* ---- norms; w and b may be NULL; stat is mean and 1 / deviation ---- */
    float (*rms)(int64_t n, float eps, const float *x, const float *w, float *y);   /* returns 1 / rms */
    void (*rms_back)(int64_t n, float r, const float *x, const float *w, const float *dy, float *dx);
    void (*layer)(int64_t n, float eps, const float *x, const float *w, const float *b, float *y, float *stat);
    void (*layer_back)(int64_t n, const float *stat, const float *x, const float *w, const float *dy, float *dx);
    /* dw += dy (x - mean) r */
    void (*norm_sums)(int64_t n, float mean, float r, const float *x, const float *dy, float *dw);

    /* ---- activations; gradients are added to what is there, or to 0 with `set` ---- */
    void (*act)(enum lt_act a, int64_t n, const float *x, float *y);
    void (*act_back)(enum lt_act a, int64_t n, const float *x, const float *dy, float *dx, bool set);
    void (*glu)(enum lt_act a, int64_t n, const float *gate, const float *up, float *y);
    void (*glu_back)(enum lt_act a, int64_t n, const float *gate, const float *up, const float *dy, float *dgate,
                     float *dup, bool set);

    /* ---- rotary positions of one head: angle holds rot/2 pairs, sign -1 turns back; y may be x ---- */
    void (*rope)(int64_t rot, bool interleaved, float sign, const float *angle, const float *x, float *y);

    /* ---- attention: rows of a tile of LT_TILE_KEYS scores; row r sees from[r] .. end[r]-1; factor > 0 ---- */
    /* Online softmax: scores become exp(factor * score - top), masked ones +0; top and sum (rows) take the tile in, and
     * what was gathered in out (rows, dim) before shrinks to the new top. */
    void (*soften)(int64_t rows, float *score, const int32_t *from, const int32_t *end, float factor, float *top,
                   float *sum, int64_t dim, float *out);
    /* p: scores, then probabilities; ds: dout . v, then gradients of the unscaled scores; lse, delta (rows). */
    void (*soft_slope)(int64_t rows, float *p, float *ds, const int32_t *from, const int32_t *end, float factor,
                       const float *lse, const float *delta);

    /* ---- rows of logits ---- */
    float (*peak)(int64_t n, const float *x);                               /* largest; -inf when n is 0 */
    double (*sum)(int64_t n, const float *x);
    double (*exp_sum)(int64_t n, float top, const float *x, float *e); /* e = exp(x - top), may be x or NULL; its sum */
    void (*affine)(int64_t n, float mul, float sub, float *x);              /* x = x mul - sub */
    void (*affine_bf16)(int64_t n, float mul, float sub, float *x); /* the same, rounded; bf16 from x's first byte on */

    /* ---- rows in bytes: x is about y scale, scale = max |x| / 127 ---- */
    float (*narrow_i8)(int64_t n, const float *x, int8_t *y);               /* returns the scale */
    void (*widen_i8)(int64_t n, float scale, const int8_t *y, float *x);
};

const struct lt_row_kernel *lt_row_kernel(void);        /* for the instruction set of lt_cpu_level */

extern const struct lt_row_kernel lt_row_kernel_ref, lt_row_kernel_avx2, lt_row_kernel_avx512;

#endif
