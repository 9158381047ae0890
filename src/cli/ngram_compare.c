/* lathe ngram compare */
#include <lathe.h>
#include "ngram/model_compare.h"

#define AT(f) offsetof(struct lt_ngram_compare_options, f)
static const struct lt_opt rows[] = {
    { .key = "first", .help = "an n-gram model: ARPA or binary file", .type = LT_STR, .at = AT(a),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "second", .help = "the other", .type = LT_STR, .at = AT(b), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "text", .help = "files of sentences, one a line, to measure both on", .type = LT_LIST, .at = AT(text),
      .flags = LT_ARG | LT_IN },
    { .key = "top", .help = "n-grams to show, those whose log10 p differs most", .type = LT_INT, .at = AT(top),
      .dflt = 10, .min = 0, .max = 1000000 },
    { .key = "json", .help = "a JSON object a line", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_compare_run(o, c);
}

const struct lt_verb lt_verb_ngram_compare = {
    .m = { .name = "ngram-compare", .brief = "shows what two n-gram models share, where they differ, which fits a text",
           .size = sizeof(struct lt_ngram_compare_options), .opts = rows,
           .doc = "Of each order: n-grams in the first, in the second, in both, and mean and largest difference of\n"
                  "log10 p of the shared ones; then the n-grams that differ most; then both perplexities of the text.\n"
                  "example: lathe ngram compare news.arpa.gz small.arpa.gz held-out.txt" },
    .run = run,
};
