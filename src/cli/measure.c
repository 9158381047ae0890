/* lathe measure: what texts hold of what was asked for. */
#include <lathe.h>
#include "decode/measure_run.h"

#define AT(f) offsetof(struct lt_measure_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, as `lathe generate --format jsonl` writes them, or - for standard input",
      .type = LT_LIST, .at = AT(input), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "JSON of the figures; - is standard output", .type = LT_STR, .at = AT(output),
      .text = "-", .flags = LT_OUT, .alias = "o" },
    { .key = "keywords", .help = "texts that each should hold, in any case of their letters", .type = LT_LIST,
      .at = AT(keywords), .flags = LT_TEXTS },
    { .key = "length", .help = "units that each should have", .type = LT_INT, .at = AT(length), .min = 0, .max = 1e9 },
    { .key = "unit", .help = "what is counted", .type = LT_STR, .at = AT(unit), .text = "words|sentences|characters",
      .flags = LT_ENUM },
    { .key = "filter", .help = "what every word should satisfy (`lathe help filter`, the control)", .type = LT_STR,
      .at = AT(filter) },
    { .key = "diacritics", .help = "of the filter", .type = LT_STR, .at = AT(diacritics), .text = "fold|keep",
      .flags = LT_ENUM },
    { .key = "dictionary", .help = "of the filter: sounds of words", .type = LT_STR, .at = AT(dictionary),
      .flags = LT_IN },
    { .key = "field", .help = "of a JSON line that holds the text", .type = LT_STR, .at = AT(field), .text = "text" },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_measure_run(o, c);
}

const struct lt_verb lt_verb_measure = {
    .m = { .name = "measure", .brief = "counts what texts hold of what was asked for: keywords, lengths, filters",
           .size = sizeof(struct lt_measure_options), .opts = rows,
           .doc = "keyword_coverage  mean share of the keywords in a text      all_keywords  texts with all of them\n"
                  "length_error      mean distance of a text from the length   length_exact  texts that have it\n"
                  "filter_words      share of words that satisfy the filter    filter_texts  texts in which all do\n"
                  "example: lathe measure replies.jsonl --filter \"without(e)\" --output figures.json" },
    .run = run,
};
