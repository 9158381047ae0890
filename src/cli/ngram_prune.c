/* lathe ngram prune */
#include <lathe.h>
#include "ngram/entropy_prune.h"

#define AT(f) offsetof(struct lt_ngram_prune_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "ARPA file, plain or compressed, or binary file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "threshold", .help = "growth of the perplexity that the loss of an n-gram may cost, such as 1e-8",
      .type = LT_REAL, .at = AT(threshold), .min = 0, .max = 1, .flags = LT_NEED, .alias = "prune" },
    { .key = "min_order", .help = "words of the shortest n-grams that may go", .type = LT_INT, .at = AT(min_order),
      .dflt = 2, .min = 2, .max = LT_NGRAM_ORDER_MAX },
    LT_NGRAM_OUTPUT_OPTS(lt_ngram_prune_options),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_prune_run(o, c);
}

const struct lt_verb lt_verb_ngram_prune = {
    .m = { .name = "ngram-prune", .brief = "drops the n-grams whose loss changes a model least",
           .paper = "arXiv:cs/0006025", .size = sizeof(struct lt_ngram_prune_options), .opts = rows,
           .doc = "An n-gram (h, w) goes when exp(D) - 1 < threshold, where D is the relative entropy between the\n"
                  "model with it and without it, weighed by p(h): SRILM's ngram -prune.  The back-off weights are\n"
                  "computed anew, so that every context sums to 1; a model whose contexts do not is made to.\n"
                  "Kneser-Ney's lower orders are no estimates of p(h), so its models lose more than others do.\n"
                  "example: lathe ngram prune news.arpa.gz --threshold 1e-8 --output small.arpa.gz" },
    .run = run,
};
