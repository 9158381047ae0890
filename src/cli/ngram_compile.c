/* lathe ngram compile */
#include <lathe.h>
#include "surgery/compile_ngram.h"

#define AT(f) offsetof(struct lt_compile_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "ARPA file, plain or compressed", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "model folder to write", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT,
      .alias = "o" },
    { .key = "attention", .help = "how scores become weights", .type = LT_STR, .at = AT(attention),
      .text = "hard|sparsemax", .flags = LT_ENUM },
    { .key = "context", .help = "positions the model has", .type = LT_INT, .at = AT(context), .dflt = 512, .min = 2,
      .max = LT_COMPILE_CONTEXT_MAX, .alias = "max_position_embeddings" },
    { .key = "memory", .help = "MiB of weights; a model that needs more is refused", .type = LT_INT, .at = AT(memory),
      .dflt = 2048, .min = 1, .max = 1 << 20, .flags = LT_FREE },
    { .key = "test", .help = "text, a sentence a line, on which both models are compared", .type = LT_STR,
      .at = AT(test), .flags = LT_IN },
    { .key = "report", .help = "file of the figures, as JSON, besides what is printed", .type = LT_STR,
      .at = AT(report), .flags = LT_OUT },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_compile_run(o, c);
}

const struct lt_verb lt_verb_ngram_compile = {
    .m = { .name = "ngram-compile", .brief = "writes an n-gram model as the weights of a Transformer, exactly",
           .paper = "arXiv:2404.14994", .size = sizeof(struct lt_compile_options), .opts = rows,
           .doc = "One layer: n - 1 heads copy the n - 1 words before, each attending to one place alone; a unit of\n"
                  "the MLP for each context of the model that has continuations, with the row log p(w | context).\n"
                  "With V words, order n and C contexts about (2 C + (2 n + 2) V) n V parameters of 4 bytes: 1000\n"
                  "words, order 3 and 5000 contexts take about 210 MiB.  The folder is a model like any other.\n"
                  "example: lathe ngram compile small.arpa --output small-transformer --test held-out.txt" },
    .run = run,
};
