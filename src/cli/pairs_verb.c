/* lathe pairs: preference pairs out of scored samples. */
#include <lathe.h>
#include "data/preference.h"

#define AT(f) offsetof(struct lt_pairs_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "JSON lines of samples with their scores, or - for standard input", .type = LT_LIST,
      .at = AT(input), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "JSON lines of pairs; - is standard output", .type = LT_STR, .at = AT(output),
      .flags = LT_NEED | LT_OUT, .alias = "o,out" },
    { .key = "score", .help = "field of a line that holds the score; null leaves the sample out", .type = LT_STR,
      .at = AT(score), .flags = LT_NEED },
    { .key = "over", .help = "field that the score is divided by", .type = LT_STR, .at = AT(over) },
    { .key = "better", .help = "which scores are preferred", .type = LT_STR, .at = AT(better), .text = "higher|lower",
      .flags = LT_ENUM },
    { .key = "n", .help = "samples of a group: of so many of one prompt, in their order, one pair is made; 0: of all",
      .type = LT_INT, .at = AT(n), .min = 0, .max = 1e9 },
    { .key = "min_margin", .help = "least difference of the two scores", .type = LT_REAL, .at = AT(min_margin),
      .min = 0, .max = 1e300 },
    { .key = "field", .help = "of a line that holds the text", .type = LT_STR, .at = AT(field), .text = "text" },
    { .key = "prompt_field", .help = "of a line that holds the prompt; lines without it are of an empty one",
      .type = LT_STR, .at = AT(prompt_field), .text = "prompt" },
    { .key = "json", .help = "the summary as JSON", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_pairs_run(o, c);
}

const struct lt_verb lt_verb_pairs = {
    .m = { .name = "pairs", .brief = "makes preference pairs of scored samples: the best of a group and the worst",
           .size = sizeof(struct lt_pairs_options), .opts = rows,
           .doc = "Lines become {\"prompt\", \"chosen\", \"rejected\", \"score_chosen\", \"score_rejected\"},\n"
                  "which `lathe pack --rows pairs` reads.  Groups without two different scores are counted.\n"
                  "example: lathe generate model --input prompts.jsonl --n 8 --format jsonl --output samples.jsonl\n"
                  "example: lathe filter samples.jsonl --perplexity judge --output scored.jsonl\n"
                  "example: lathe pairs scored.jsonl --score perplexity --better lower --output pairs.jsonl" },
    .run = run,
};
