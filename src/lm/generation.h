/* generation_config.json: what a model's folder says about writing with it. */
#ifndef LT_GENERATION_H
#define LT_GENERATION_H

#include "base/base.h"

enum { LT_EOS_MAX = 16 };
struct lt_generation {
    int32_t eos[LT_EOS_MAX]; int eos_count;     /* ids that end a text */
    int32_t bos, pad;                           /* -1: none */
    bool sample;                                /* do_sample */
    double temperature, top_p, repetition_penalty;      /* NaN: not said */
    int64_t top_k, max_new_tokens;              /* -1: not said */
};
void lt_generation_init(struct lt_generation *g);   /* nothing said */
/* Over the bytes of a generation_config.json, or of a config.json, which may hold the same keys; a key that is there
 * replaces what *g holds.  Keys it does not know are left alone.  `label` stands for the path in messages. */
int lt_generation_parse(const char *label, struct lt_str text, struct lt_generation *g);
/* config.json, then generation_config.json of a model's folder, or a GGUF file; what is not there says nothing. */
int lt_generation_read(const char *path, struct lt_generation *g);
/* What a GGUF file says: the ids that end a text, and general.sampling.*. */
struct lt_gguf;
int lt_generation_of_gguf(const struct lt_gguf *f, struct lt_generation *g);
bool lt_generation_ends(const struct lt_generation *g, int32_t token);
int lt_generation_save(const struct lt_generation *g, const char *folder);      /* generation_config.json */

#endif
