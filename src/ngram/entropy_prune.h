/* Pruning by relative entropy: `lathe ngram prune`. */
#ifndef LT_ENTROPY_PRUNE_H
#define LT_ENTROPY_PRUNE_H

#include "ngram/convert.h"

struct lt_ngram_prune_options {
    const char *model;
    double threshold;
    int64_t min_order;
    struct lt_ngram_output output;
};
int lt_ngram_prune_run(const struct lt_ngram_prune_options *o, struct lt_ctx *c);

/* The model without the n-grams of min_order words and more whose loss would make its perplexity grow by less than
 * `threshold` times, each taken alone; contexts of n-grams that stay, stay.  m is in the levels. */
int lt_ngram_prune(const struct lt_ngram *m, double threshold, int min_order, struct lt_ctx *c, struct lt_ngram **out);
/* The back-off weights with which every context sums to 1, from the probabilities. */
void lt_ngram_renormalise(struct lt_ngram *m);

#endif
