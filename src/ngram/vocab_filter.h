/* Models cut down to the words of a task: `lathe ngram filter`. */
#ifndef LT_VOCAB_FILTER_H
#define LT_VOCAB_FILTER_H

#include "ngram/convert.h"

struct lt_ngram_filter_options { const char *model, *vocab, *mode; struct lt_ngram_output output; };
int lt_ngram_filter_run(const struct lt_ngram_filter_options *o, struct lt_ctx *c);

#endif
