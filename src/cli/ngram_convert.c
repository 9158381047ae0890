/* lathe ngram convert */
#include <lathe.h>
#include "ngram/convert.h"

static const struct lt_opt rows[] = {
    { .key = "model", .help = "ARPA file, plain or compressed, or binary file", .type = LT_STR,
      .at = offsetof(struct lt_ngram_convert_options, model), .flags = LT_NEED | LT_ARG | LT_IN },
    LT_NGRAM_OUTPUT_OPTS(lt_ngram_convert_options),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_convert_run(o, c);
}

const struct lt_verb lt_verb_ngram_convert = {
    .m = { .name = "ngram-convert", .brief = "writes an n-gram model in another format: ARPA, or a binary file",
           .size = sizeof(struct lt_ngram_convert_options), .opts = rows,
           .doc = "What KenLM calls build_binary, and the way back.  Binary files are mapped and open at once:\n"
                  "hash is the fast one, trie the small one, smaller still with figures of 8 bits each.\n"
                  "Without such bits every format gives the same figures.\n"
                  "example: lathe ngram convert news.arpa.gz --output news.hash\n"
                  "example: lathe ngram convert news.arpa.gz --output news.trie --prob_bits 8 --backoff_bits 8" },
    .run = run,
};
