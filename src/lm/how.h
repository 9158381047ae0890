/* How a model is run: options that verbs share and hand on to the back end. */
#ifndef LT_HOW_H
#define LT_HOW_H

#include "base/base.h"

struct lt_how { const char *dtype, *cache_type; int64_t cache_memory; };       /* NULL, -1: not said */
/* Rows of a verb whose options hold a struct lt_how at `at`. */
#define LT_HOW_ROWS(at_) \
    { .key = "dtype", .help = "of matrix products; none: the back end's own", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_how, dtype) }, \
    { .key = "cache_type", .help = "of keys and values kept: float32, bfloat16 or q8", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_how, cache_type) }, \
    { .key = "cache_memory", .help = "MiB for keys and values; 0: any; -1: the back end's own", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_how, cache_memory), .dflt = -1, .min = -1, .max = 1 << 24 }

int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out);

#endif
