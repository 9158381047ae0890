/* The loss of objectives of preference pairs: plain functions of two log-probabilities become a loss of the weights.
 *
 * One forward pass; the head without gradients gives log p of every token; the objective's function gives each pair's
 * loss and its derivatives by the two sums; the head again, with these as weights of its rows, gives the exact
 * gradient. */
#ifndef LT_PAIR_LOSS_H
#define LT_PAIR_LOSS_H

#include "model/model.h"

struct lt_pair_sums { double loss, right, margin; int64_t pairs; };
/* Adds what the batch's pairs come to; without a gradient.  -1: lt_error. */
int lt_pair_judge(const struct lt_objective *j, const void *o, struct lt_graph *g, struct lt_model *m,
                  const struct lt_batch *b, struct lt_pair_sums *sums);
/* The same as a tensor, a scalar: the sum of the pairs' losses. */
struct lt_tensor *lt_pair_loss(const struct lt_objective *j, const void *o, struct lt_graph *g, struct lt_model *m,
                               const struct lt_batch *b, struct lt_pair_sums *sums);

/* -log sigma(x) = log(1 + exp(-x)), and its derivative, without overflow. */
double lt_log_loss(double x, double *slope);

#endif
