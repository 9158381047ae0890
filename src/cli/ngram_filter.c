/* lathe ngram filter */
#include <lathe.h>
#include "ngram/vocab_filter.h"

#define AT(f) offsetof(struct lt_ngram_filter_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "ARPA file, plain or compressed, or binary file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "vocab", .help = "text whose words may occur; - is standard input", .type = LT_STR, .at = AT(vocab),
      .flags = LT_NEED | LT_IN, .alias = "vocabulary" },
    { .key = "mode", .help = "single: all words are one vocabulary; union: each line is one, and an n-gram stays when "
      "any has all its words", .type = LT_STR, .at = AT(mode), .text = "single|union", .flags = LT_ENUM },
    LT_NGRAM_OUTPUT_OPTS(lt_ngram_filter_options),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_filter_run(o, c);
}

const struct lt_verb lt_verb_ngram_filter = {
    .m = { .name = "ngram-filter", .brief = "cuts an n-gram model down to the words of a task",
           .size = sizeof(struct lt_ngram_filter_options), .opts = rows,
           .doc = "The marks <s>, </s> and <unk> always stay.  Figures stay as they are: texts of the vocabulary are\n"
                  "as likely as before, and other words are <unk>.\n"
                  "example: lathe ngram filter news.arpa.gz --vocab test.txt --output test.hash" },
    .run = run,
};
