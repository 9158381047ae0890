/* `lathe pack`: documents into a folder of token shards (doc/formats/shards.md). */
#ifndef LT_PACK_H
#define LT_PACK_H

#include "text/document.h"

struct lt_pack_options {
    struct lt_list input;
    const char *tokenizer, *output, *bos, *eos, *rows;
    struct lt_choices filters;
    double validation;
    int64_t shard_tokens, seed;
    bool parse_special, dropout, json;
    struct lt_docs_how docs;
};
int lt_pack_run(const struct lt_pack_options *o, struct lt_ctx *c);

#endif
