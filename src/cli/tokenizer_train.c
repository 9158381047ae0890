/* lathe tokenizer train */
#include <lathe.h>
#include "text/tools.h"

#define AT(f) offsetof(struct lt_tokenizer_train_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "folder to make (tokenizer.json, tokenizer_config.json), or a file NAME.json",
      .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT, .alias = "out,model_prefix" },
    { .key = "method", .help = "how the vocabulary is learnt", .type = LT_METHOD, .at = AT(method),
      .text = "tokenizer:bpe", .alias = "model_type" },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_tokenizer_train_run(o, c);
}

const struct lt_verb lt_verb_tokenizer_train = {
    .m = { .name = "tokenizer-train", .brief = "trains a tokenizer on texts",
           .size = sizeof(struct lt_tokenizer_train_options), .opts = rows,
           .doc = "The result loads in transformers, and with the default pre-tokeniser in llama.cpp.  The same texts\n"
                  "and options give the same file with any number of threads and any --memory.\n"
                  "example: lathe tokenizer train corpus/ --output tokenizer/ --vocab_size 16384\n"
                  "example: lathe tokenizer train docs.jsonl.zst --output tokenizer.json --method unigram" },
    .run = run,
};
