/* How a model is run: options that verbs share and hand on to the back end. */
#ifndef LT_HOW_H
#define LT_HOW_H

#include "base/base.h"

struct lt_how {                     /* NULL, -1, an empty list: not said */
    const char *dtype, *cache_type;
    int64_t cache_memory;
    struct lt_list adapter;         /* PATH or NAME=PATH */
};
/* Rows of a verb whose options hold a struct lt_how at `at`. */
#define LT_HOW_ROWS(at_) \
    { .key = "dtype", .help = "of matrix products; none: the back end's own", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_how, dtype) }, \
    { .key = "cache_type", .help = "of keys and values kept: float32, bfloat16 or q8", .type = LT_STR, \
      .at = (at_) + offsetof(struct lt_how, cache_type) }, \
    { .key = "cache_memory", .help = "MiB for keys and values; 0: any; -1: the back end's own", .type = LT_INT, \
      .at = (at_) + offsetof(struct lt_how, cache_memory), .dflt = -1, .min = -1, .max = 1 << 24 }, \
    { .key = "adapter", .help = "PEFT folder of a LoRA adapter the model is run with", .type = LT_LIST, \
      .at = (at_) + offsetof(struct lt_how, adapter), .alias = "lora,lora_path,lora_modules", .flags = LT_IN }

/* The back end that opens a model folder, a file, or NAME:...; NULL: none, and lt_error. */
const struct lt_lm_type *lt_lm_type_of(const char *path);
/* *out is zeroed first.  `taken` NULL: every option that is given must be one of the back end's.  Else those it has no
 * use for are left out, and what it takes is added to *taken, a bit for dtype, cache_type, cache_memory, adapter.
 * Adapters may have names; the caller's sessions then ask for them. */
enum { LT_HOW_DTYPE = 1, LT_HOW_CACHE_TYPE = 2, LT_HOW_CACHE_MEMORY = 4, LT_HOW_ADAPTER = 8, LT_HOW_KEYS = 4 };
extern const char *const lt_how_key[LT_HOW_KEYS];       /* by bit */
int lt_how_open_some(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out, unsigned *taken);
unsigned lt_how_given(const struct lt_how *how);        /* the same bits: what is said */
/* Every option must be one of the back end's; an adapter has no name, since nobody would ask for it. */
int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out);

#endif
