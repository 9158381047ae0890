/* lathe score: how probable continuations are, each after its context. */
#include <lathe.h>
#include "decode/score.h"

#define AT(f) offsetof(struct lt_score_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder or file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "JSON lines of pairs; - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "context_field", .help = "of a line that holds the context", .type = LT_STR, .at = AT(context_field),
      .text = "context" },
    { .key = "field", .help = "of a line that holds what follows it", .type = LT_STR, .at = AT(field),
      .text = "continuation" },
    { .key = "format", .help = "of the output", .type = LT_STR, .at = AT(format), .text = "tsv|jsonl",
      .flags = LT_ENUM },
    { .key = "output", .help = "file written instead of standard output", .type = LT_STR, .at = AT(output),
      .flags = LT_OUT, .alias = "o" },
    LT_HOW_ROWS(AT(how)),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_score_run(o, c);
}

const struct lt_verb lt_verb_score = {
    .m = { .name = "score", .brief = "says how probable continuations are, each after its context",
           .size = sizeof(struct lt_score_options), .opts = rows,
           .doc = "logprob = log p(continuation | context), natural, summed over the continuation's tokens; greedy:\n"
                  "each of them was the most likely.  White space at the end of a context counts to the\n"
                  "continuation, and both are cut into tokens together, as the Language Model Evaluation Harness\n"
                  "does; an empty context is the begin or end token.  What contexts have in common is computed once.\n"
                  "example: lathe score MODEL pairs.jsonl.zst --output scores.tsv\n"
                  "example: echo '{\"context\":\"Two and\",\"continuation\":\" two\"}' | lathe score MODEL -" },
    .run = run,
};
