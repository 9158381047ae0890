/* Estimating n-gram models from text: counting, then smoothing. */
#ifndef LT_NGRAM_BUILD_H
#define LT_NGRAM_BUILD_H

#include "ngram/levels.h"
#include "ngram/smoothing/smoothing.h"
#include "ngram/stream.h"

struct lt_ngram_build_options {
    struct lt_list input, prune;
    const char *output, *format, *input_format, *field, *tokenizer, *limit_vocab, *outside, *memory, *temp_dir;
    int64_t order, min_count, vocab_size;
    bool skip_symbols, interpolate_unigrams;
    struct lt_choice smoothing;
};
/* `lathe ngram build`: counts the inputs (none: standard input), estimates, writes the model. */
int lt_ngram_build_run(const struct lt_ngram_build_options *o, struct lt_ctx *c);

struct lt_estimating {
    const struct lt_smoothing *how;
    const void *o;
    bool interpolate_unigrams;      /* false: only <unk> has a share of the lowest order's rest */
    size_t room;                    /* bytes for tables */
};
/* From counts to a model, given to the sink order by order.  The words of l that are kept are the model's, in their
 * order; spelling: all the words of l.  The levels are used up.  On failure the sink is aborted. */
int lt_ngram_estimate(struct lt_levels *l, const struct lt_estimating *e, const struct lt_map *spelling,
                      struct lt_ctx *c, const struct lt_ngram_sink *sink);

#endif
