/* lathe ngram interpolate */
#include <lathe.h>
#include "ngram/interpolate.h"

#define AT(f) offsetof(struct lt_ngram_interpolate_options, f)
static const struct lt_opt rows[] = {
    { .key = "models", .help = "ARPA files, plain or compressed", .type = LT_LIST, .at = AT(models),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "ARPA file to write", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT,
      .alias = "o" },
    { .key = "weights", .help = "one a model, in their order; neither these nor --tune: equal ones", .type = LT_LIST,
      .at = AT(weights), .alias = "lambda" },
    { .key = "tune", .help = "texts of a sentence a line on which the weights are found", .type = LT_LIST,
      .at = AT(tune), .flags = LT_IN },
    { .key = "method", .help = "of interpolation", .type = LT_STR, .at = AT(method), .text = "linear|log_linear",
      .flags = LT_ENUM },
    { .key = "json", .help = "print the weights as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_interpolate_run(o, c);
}

const struct lt_verb lt_verb_ngram_interpolate = {
    .m = { .name = "ngram-interpolate", .brief = "makes one n-gram model of several",
           .size = sizeof(struct lt_ngram_interpolate_options), .opts = rows,
           .doc = "The n-grams of all models.  linear: p(w | h) = sum of weight p_i(w | h), weights by EM, back-off\n"
                  "weights such that every context sums to 1; a model gives words it lacks nothing.  log_linear:\n"
                  "p(w | h) = product of p_i(w | h)^weight over its sum, weights by Newton's method; a model gives\n"
                  "words it lacks what it gives <unk>.  Words that no model has are <unk>.  One line a model: weight,\n"
                  "and perplexity on the text of --tune, words it lacks as <unk>; at the end that of the mixture.\n"
                  "example: lathe ngram interpolate general.arpa domain.arpa --tune dev.txt --output both.arpa" },
    .run = run,
};
