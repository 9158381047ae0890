/* lathe ngram build */
#include <lathe.h>
#include "ngram/build.h"

#define AT(f) offsetof(struct lt_ngram_build_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "files of sentences, one a line; none or -: standard input", .type = LT_LIST,
      .at = AT(input), .flags = LT_ARG | LT_IN },
    { .key = "output", .help = "ARPA file to write", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT,
      .alias = "o" },
    { .key = "order", .help = "words in the longest n-grams", .type = LT_INT, .at = AT(order), .dflt = 5, .min = 1,
      .max = LT_NGRAM_ORDER_MAX },
    { .key = "smoothing", .help = "how counts become probabilities", .type = LT_METHOD, .at = AT(smoothing),
      .text = "smoothing:modified_kneser_ney" },
    { .key = "memory", .help = "MiB that counting may take; a text that needs more is refused", .type = LT_INT,
      .at = AT(memory), .dflt = 4096, .min = 1, .max = 1 << 24, .flags = LT_FREE },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_build_run(o, c);
}

const struct lt_verb lt_verb_ngram_build = {
    .m = { .name = "ngram-build", .brief = "estimates an n-gram model from text",
           .size = sizeof(struct lt_ngram_build_options), .opts = rows,
           .doc = "Every line is a sentence of words between white space, with <s> before and </s> behind.  The\n"
                  "words of the text are the vocabulary; <unk> has the share of a word that was never seen.\n"
                  "Counting takes place in memory.\n"
                  "example: lathe ngram build news.txt --order 3 --output news.arpa" },
    .run = run,
};
