/* How far two models are from each other, and how well each foretells a text. */
#ifndef LT_COMPARE_H
#define LT_COMPARE_H

#include "model/adapter.h"
#include "text/tokenizer.h"

/* The tokens of texts one after the other, each document with what the tokenizer's rules put around it; at most
 * `limit` (0: all).  free(*ids). */
int lt_compare_tokens(const struct lt_tokenizer *t, const struct lt_list *input, int64_t limit, struct lt_ctx *c,
                      int32_t **ids, int64_t *count);

/* The largest difference of two logits over n tokens, which both models see as one text; adapter: of a, or NULL. */
int lt_compare_logits(struct lt_model *a, const struct lt_adapter *adapter, struct lt_model *b, struct lt_ctx *c,
                      const int32_t *id, int64_t n, double *largest);

struct lt_divergence {
    int64_t tokens;             /* foretold: all but the first of each window */
    double nll_a, nll_b;        /* sums of -log p, natural */
    double kl;                  /* sum of KL(a || b), natural */
    int64_t same_top;           /* tokens for which both find the same one most likely */
};
/* Windows of `context` tokens one after the other; what = how progress calls it. */
int lt_compare_models(struct lt_model *a, struct lt_model *b, struct lt_ctx *c, const int32_t *id, int64_t n,
                      int64_t context, struct lt_divergence *out);

#endif
