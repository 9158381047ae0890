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

/* The back end that opens a model folder, a file, or NAME:...; NULL: none, and lt_error. */
const struct lt_lm_type *lt_lm_type_of(const char *path);
/* *out is zeroed first.  `taken` NULL: every option that is given must be one of the back end's.  Else those it has no
 * use for are left out, and what it takes is added to *taken, a bit for dtype, cache_type, cache_memory. */
int lt_how_open_some(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out, unsigned *taken);
unsigned lt_how_given(const struct lt_how *how);        /* the same bits: what is said */
int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out);

#endif
