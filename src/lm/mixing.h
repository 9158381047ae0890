/* Weights with which several language models are mixed, found on text that none of them has seen.  Natural logarithms.
 * Sums over places are taken in fixed pieces, so that the figures do not depend on the number of threads. */
#ifndef LT_MIXING_H
#define LT_MIXING_H

#include "base/base.h"

enum { LT_MIXING_MEMBERS = 64 };                /* members of one mixture */
#define LT_MIXING_FLOOR (-100.0)                /* log p below this counts as this in a product of models */

/* log p of the tokens that came, (count, stride); of its columns only those in `column` take part (NULL: the first
 * `members`).  -INFINITY is allowed; a place where every member has it is passed over. */
struct lt_mixing_table { const float *logp; int64_t count; int stride, members; const int *column; };

/* p = sum of w[m] p_m with the weights of greatest likelihood, which sum to 1, by EM from equal ones (Dempster, Laird
 * and Rubin 1977; the objective is concave, so this is the best there is).  Returns the sum of log p, as
 * lt_mixing_sum does. */
double lt_mixing_em(struct lt_ctx *c, const struct lt_mixing_table *t, double *w);
/* Sum of log of sum of w[m] p_m over the places where some member has a probability; *places (may be NULL): those. */
double lt_mixing_sum(struct lt_ctx *c, const struct lt_mixing_table *t, const double *w, int64_t *places);

/* p(v) = product of p_m(v)^w[m], divided by its sum over all tokens v.  rows fills in the members' log p of every
 * token at a place, (members, vocab), and says which token came; it is called from several threads. */
struct lt_mixing_rows {
    int64_t count;
    int members, vocab;
    int32_t (*rows)(void *self, int64_t place, float *out);
    void *self;
};
/* The weights of greatest likelihood by Newton's method from equal ones; they need not sum to 1.  Returns the sum of
 * log p; w is then what the steps led to, also when *c was interrupted. */
double lt_mixing_log_linear(struct lt_ctx *c, const struct lt_mixing_rows *r, double *w);
/* log of the sum over v of exp(z[v]), in double, in a fixed order. */
double lt_mixing_log_sum(const float *z, int n);

#endif
