/* What `lathe convert` and `lathe quantize` do. */
#ifndef LT_SURGERY_H
#define LT_SURGERY_H

#include "base/base.h"

struct lt_convert_options {
    const char *input, *output, *outtype, *tokenizer, *tokenizer_form, *max_shard_size, *check, *adapter;
    bool json;
};
int lt_convert_run(const struct lt_convert_options *o, struct lt_ctx *c);

struct lt_quantize_options {
    const char *input, *output, *type, *fallback, *tokenizer, *tokenizer_form, *figures;
    struct lt_choice method;
    struct lt_list rules, calibration, text;
    int64_t context, calibration_tokens, text_tokens, memory;
    bool pure, json;
};
int lt_quantize_run(const struct lt_quantize_options *o, struct lt_ctx *c);

#endif
