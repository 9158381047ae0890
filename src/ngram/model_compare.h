/* Two n-gram models side by side: `lathe ngram compare`. */
#ifndef LT_MODEL_COMPARE_H
#define LT_MODEL_COMPARE_H

#include "ngram/query.h"

struct lt_ngram_compare_options { const char *a, *b; struct lt_list text; int64_t top; bool json; };
int lt_ngram_compare_run(const struct lt_ngram_compare_options *o, struct lt_ctx *c);

#endif
