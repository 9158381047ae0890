/* Positive definite matrices, in double.  Sums are taken in an order that is a function of n alone, so the bits do not
 * depend on the pool. */
#ifndef LT_CHOLESKY_H
#define LT_CHOLESKY_H

#include "base/base.h"

/* a (n, n) = L L^T: a's lower triangle becomes L; what is above it is not read and stays.  -1: not positive
 * definite. */
int lt_cholesky(struct lt_pool *pool, int64_t n, double *a);
/* The lower triangle L becomes L^-1. */
void lt_lower_inverse(struct lt_pool *pool, int64_t n, double *l);

#endif
