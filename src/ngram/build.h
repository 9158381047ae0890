/* Estimating n-gram models from text: counting, then smoothing. */
#ifndef LT_NGRAM_BUILD_H
#define LT_NGRAM_BUILD_H

#include "ngram/ngram.h"
#include "ngram/smoothing/smoothing.h"

struct lt_ngram_build_options {
    struct lt_list input;
    const char *output;
    int64_t order, memory;
    struct lt_choice smoothing;
};
/* `lathe ngram build`: counts the inputs (none: standard input), estimates, writes an ARPA file. */
int lt_ngram_build_run(const struct lt_ngram_build_options *o, struct lt_ctx *c);

/* ---- a text as words ---- */
/* Sentences one after the other, each as <s> words </s>.  Ids: <unk> 0, <s> 1, </s> 2, words as they first come. */
enum { LT_TEXT_UNK, LT_TEXT_BOS, LT_TEXT_EOS };
struct lt_ngram_text { struct lt_map vocabulary; uint32_t *token; size_t n, cap; size_t budget; };
void lt_ngram_text_init(struct lt_ngram_text *t, size_t budget);        /* budget: bytes that all may take */
void lt_ngram_text_release(struct lt_ngram_text *t);
/* A line is a sentence, words stand between white space.  -1: a word is one of the marks, or the budget is spent. */
int lt_ngram_text_add(struct lt_ngram_text *t, struct lt_str line);

/* ---- counting ---- */
/* The n-grams of a text as a model without figures; raw[k][i] is how often n-gram i of level k occurs.  Takes the
 * vocabulary out of the text.  Does not depend on the number of threads. */
struct lt_ngram_counts { struct lt_ngram *m; uint32_t *raw[LT_NGRAM_ORDER_MAX]; };
int lt_ngram_count(struct lt_ngram_text *t, int order, struct lt_ctx *c, struct lt_ngram_counts *out);
void lt_ngram_counts_release(struct lt_ngram_counts *n);

/* ---- smoothing ---- */
/* Fills in the figures of n->m; the counts are used up.  Notes go to c. */
void lt_ngram_estimate(struct lt_ngram_counts *n, const struct lt_smoothing *how, const void *o, struct lt_ctx *c);

#endif
