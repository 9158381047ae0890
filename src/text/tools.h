/* What `lathe tokenizer ...` does. */
#ifndef LT_TEXT_TOOLS_H
#define LT_TEXT_TOOLS_H

#include "text/document.h"

/* Writes a folder with tokenizer.json and tokenizer_config.json, or one file when output ends in .json. */
struct lt_tokenizer_train_options { struct lt_choice method; struct lt_list input; const char *output; };
int lt_tokenizer_train_run(const struct lt_tokenizer_train_options *o, struct lt_ctx *c);

struct lt_tokenizer_encode_options {
    const char *tokenizer;
    struct lt_list input;
    bool lines, special, parse_special, offsets, pieces, json;
    struct lt_docs_how docs;
};
int lt_tokenizer_encode_run(const struct lt_tokenizer_encode_options *o, struct lt_ctx *c);

struct lt_tokenizer_decode_options { const char *tokenizer; struct lt_list input; bool keep_special, json; };
int lt_tokenizer_decode_run(const struct lt_tokenizer_decode_options *o, struct lt_ctx *c);

struct lt_tokenizer_inspect_options {
    struct lt_list tokenizer, input;
    int64_t show;
    bool json;
    struct lt_docs_how docs;
};
int lt_tokenizer_inspect_run(const struct lt_tokenizer_inspect_options *o, struct lt_ctx *c);

#endif
