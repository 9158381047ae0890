/* A back-off n-gram model as the weights of a Transformer (Svete and Cotterell 2024, theorems 3.1 and 4.1; kind
 * ngram_transformer), which gives every word the log-probability that the n-gram model gives it.
 *
 * With V words and order n the residual stream has n V + n + 1 numbers:
 *     V            the word itself, one-hot; cleared by attention, then the log-probabilities of the next word
 *     n + 1        1, i, i^2 of the position i, and [i >= 1] .. [i >= n - 2]
 *     (n - 1) V    the word at i, i - 1, .., i - n + 2, one-hot: what head j copies from place i - j, which has the
 *                  largest of the scores 2 (i - j) p - p^2, by at least 1
 * The MLP has one unit for each context of the model: those that have continuations or a back-off weight, the ends of
 * such, and the empty one; not V^(n-1), because the others say nothing of their own.  The unit of the longest context
 * that matches is 1 and all others are 0 (whole numbers, so this is exact), and its row of the down projection holds
 * log p(w | context).  What has no probability has the log-probability -99 ln 10, as in ARPA files: exp of it is 0 in
 * float32.
 *
 * Differences to the paper: all heads share keys and values; contexts that back off share a unit; positions are whole
 * numbers instead of points of a circle, so that float32 tells any two of 2048 apart exactly. */
#ifndef LT_COMPILE_NGRAM_H
#define LT_COMPILE_NGRAM_H

#include "model/model.h"
#include "ngram/ngram.h"

enum { LT_COMPILE_CONTEXT_MAX = 2048 };
struct lt_compile_how { const char *attention; int64_t context, memory; };      /* "hard", "sparsemax"; tokens; bytes */
struct lt_compiled {
    int64_t words, order, units, width, parameters;
    double units_dense;             /* V^(n - 1) */
    double sum_error;               /* largest distance from 1 of a context's probabilities */
};
/* The model and its sizes.  -1: it would take more than the memory (said before anything is made), or the probabilities
 * after some context do not sum to 1, which softmax would change. */
int lt_compile_ngram(const struct lt_ngram *m, const struct lt_compile_how *how, struct lt_ctx *c,
                     struct lt_model **model, struct lt_compiled *out);

struct lt_compile_options {
    const char *model, *output, *attention, *test, *report;
    int64_t context, memory;
};
int lt_compile_run(const struct lt_compile_options *o, struct lt_ctx *c);       /* `lathe ngram compile` */

#endif
