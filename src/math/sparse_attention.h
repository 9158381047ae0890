/* Attention whose weights are exactly 0 for most keys, for models whose weights were written down instead of learnt.
 *
 *     hard         all keys with the largest score share alike
 *     sparsemax    the point of the simplex nearest to the scores (Martins and Astudillo 2016): keys whose score is at
 *                  least 1 below the largest get nothing */
#ifndef LT_SPARSE_ATTENTION_H
#define LT_SPARSE_ATTENTION_H

#include "math/kernel.h"

enum lt_attend { LT_ATTEND_SOFTMAX, LT_ATTEND_HARD, LT_ATTEND_SPARSEMAX };

/* As lt_attention and lt_attention_back, key by key in plain loops.  Sums along the head run upward in double, so that
 * scores of whole numbers are exact.  Backward adds to dq, and to dk and dv of each sequence (each may be NULL); hard
 * attention hands nothing to q and k. */
void lt_sparse_attention(struct lt_pool *p, enum lt_attend kind, const struct lt_attn *s, const float *q, float *o);
void lt_sparse_attention_back(struct lt_pool *p, enum lt_attend kind, const struct lt_attn *s, const float *q,
                              const float *dout, float *dq);
/* The weights of n scores; -INFINITY: not seen.  In place. */
void lt_sparse_weights(enum lt_attend kind, double *score, int32_t n);

#endif
