/* `lathe ngram query`. */
#ifndef LT_NGRAM_QUERY_H
#define LT_NGRAM_QUERY_H

#include "ngram/ngram.h"

struct lt_ngram_query_options { const char *model; struct lt_list input; bool sentence, summary, json; };
/* Every line of the inputs (none: standard input) is a sentence; figures go to standard output.  -1: lt_error. */
int lt_ngram_query_run(const struct lt_ngram_query_options *o, struct lt_ctx *c);

/* Sums over what was asked, for the two perplexities: log10, all tokens and those in the vocabulary. */
struct lt_ngram_total { double logp, logp_known; uint64_t tokens, unknown; };
/* The sums over some texts, one sentence a line between <s> and </s>; nothing is written. */
int lt_ngram_total(const struct lt_ngram *m, const char *name, const struct lt_list *text, struct lt_ctx *c,
                   struct lt_ngram_total *out);
/* unknown: words outside the vocabulary count too.  NAN of no tokens. */
double lt_ngram_perplexity(const struct lt_ngram_total *t, bool unknown);

#endif
