/* Several back-off models as one back-off model: the n-grams of all of them, with interpolated probabilities. */
#ifndef LT_NGRAM_INTERPOLATE_H
#define LT_NGRAM_INTERPOLATE_H

#include "lm/mixing.h"
#include "ngram/ngram.h"

/* A model over the words of all.  Words have the ids of the first model, then new ones of the second, and so on. */
struct lt_ngram_view {
    const struct lt_ngram *m;
    uint32_t *own;                  /* [words of all]: the model's id, LT_NGRAM_NONE where it lacks the word */
};
struct lt_ngram_union {
    int members;
    struct lt_ngram_view view[LT_MIXING_MEMBERS];
    struct lt_ngram *m;             /* vocabulary and marks; the levels are made by lt_ngram_interpolate */
};
/* Borrows the models, which must lie in memory.  name: for messages. */
int lt_ngram_union_init(struct lt_ngram_union *u, struct lt_ngram *const *m, const char *const *name, int members);
void lt_ngram_union_release(struct lt_ngram_union *u);

/* log10 p(word | context) in one of the models; ids are of the union, the latest word of the context last.  A word that
 * the model lacks is in no n-gram of it.  It has no probability (-INFINITY), or with `open` that of <unk>. */
double lt_ngram_view_prob(const struct lt_ngram_view *v, const uint32_t *context, int n, uint32_t word, bool open);
/* The same for all words of the union, open, in natural logarithms. */
void lt_ngram_view_row(const struct lt_ngram_union *u, int member, const uint32_t *context, int n, float *out);

/* Fills in u->m.
 *
 *   linear      p(w | h) = sum of weight[i] p_i(w | h) for the n-grams of any model; the back-off weights are such that
 *               every context's probabilities sum to 1 (Stolcke 2002: ngram -mix-lm).  A model gives no probability to
 *               words it lacks.
 *   log_linear  p(w | h) = product of p_i(w | h)^weight[i], divided by its sum over all words but <s>; the back-off
 *               weights make this exact for n-grams that are not listed, too (Heafield and others 2016).  A model
 *               gives words it lacks the probability of its <unk>. */
void lt_ngram_interpolate(struct lt_ngram_union *u, const double *weight, bool log_linear, struct lt_ctx *c);

/* ---- the verb ---- */
struct lt_ngram_interpolate_options { struct lt_list models, weights, tune; const char *output, *method; bool json; };
int lt_ngram_interpolate_run(const struct lt_ngram_interpolate_options *o, struct lt_ctx *c);

#endif
