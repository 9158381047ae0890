/* lathe ensemble: what models are worth together. */
#include <lathe.h>
#include "mixture/ensemble.h"

#define AT(f) offsetof(struct lt_ensemble_options, f)
static const struct lt_opt rows[] = {
    { .key = "members", .help = "dumps of log-probabilities on one development text; with --dev, models",
      .type = LT_LIST, .at = AT(members), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "dev", .help = "development texts, for models", .type = LT_LIST, .at = AT(dev), .flags = LT_IN },
    { .key = "test", .help = "dumps on one test text, in the order of the members; with --dev, test texts",
      .type = LT_LIST, .at = AT(test), .flags = LT_IN },
    { .key = "method", .help = "how the distributions are mixed", .type = LT_METHOD, .at = AT(method),
      .text = "mixture:linear" },
    { .key = "align", .help = "word: mix word by word models whose tokens differ", .type = LT_STR, .at = AT(align),
      .text = "token|word", .flags = LT_ENUM },
    { .key = "output", .help = "mixture file to write, a model like any other", .type = LT_STR, .at = AT(output),
      .flags = LT_OUT, .alias = "o" },
    { .key = "figures", .help = "file of the figures, as JSON, besides what is printed", .type = LT_STR,
      .at = AT(figures), .flags = LT_OUT },
    { .key = "report", .help = "HTML page of the figures", .type = LT_STR, .at = AT(report), .flags = LT_OUT },
    LT_DOCS_ROWS("input_format", AT(docs)),
    { .key = "memory", .help = "MiB for the distributions a method learns from; more of them: every second, third ... "
                               "token", .type = LT_INT, .at = AT(memory), .dflt = 2048, .min = 1, .max = 1 << 24 },
    { .key = "seed", .help = "of the methods that learn in random order", .type = LT_INT, .at = AT(seed), .dflt = 42,
      .min = 0, .max = 9e15 },
    { .key = "json", .help = "print the figures as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ensemble_run(o, c);
}

const struct lt_verb lt_verb_ensemble = {
    .m = { .name = "ensemble", .brief = "mixes models and says what each contributes",
           .paper = "arXiv:2312.03735",
           .size = sizeof(struct lt_ensemble_options), .opts = rows,
           .doc = "Weights by EM on the development text, perplexities on it and on the test text.  A line a member:\n"
                  "  weight    in the mixture of all\n"
                  "  dev test  perplexity of the member alone\n"
                  "  without   of the others' best mixture; how far it lies above (linear) is what the member adds\n"
                  "  place together   when greedy addition takes the member, and the mixture up to it\n"
                  "then those of equal weights, of the EM mixture, and of --method where it is another.  without and\n"
                  "together are of the test text where there is one.  Dumps are written by perplexity --tokens.\n"
                  "example: lathe ensemble a.dev.tsv b.dev.tsv --test a.test.tsv --test b.test.tsv\n"
                  "example: lathe ensemble general domain --dev dev.txt --test test.txt --method entropy_scalar\n"
                  "         --output mix.json" },
    .run = run,
};
