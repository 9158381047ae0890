/* lathe filter: documents that stay, and why others do not. */
#include <lathe.h>
#include "data/filter.h"

#define AT(f) offsetof(struct lt_filter_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "JSON lines of the documents that stay; - is standard output", .type = LT_STR,
      .at = AT(output), .flags = LT_NEED | LT_OUT, .alias = "o,out" },
    { .key = "filters", .help = "operators that documents go through, in this order", .type = LT_METHODS,
      .at = AT(filters), .text = "dataop" },
    LT_DOCS_ROWS("format", AT(docs)),
    { .key = "json", .help = "the summary as JSON", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_filter_run(o, c);
}

const struct lt_verb lt_verb_filter = {
    .m = { .name = "filter", .brief = "keeps the documents that operators let through",
           .size = sizeof(struct lt_filter_options), .opts = rows,
           .doc = "A JSON line that stays is written as it stood, with the figures of operators added; others\n"
                  "become {\"id\": ..., \"text\": ...}.  The summary counts what operators dropped, and why.\n"
                  "example: lathe filter docs.jsonl.zst --length.min_words 50 --exact_dedup --output kept.jsonl\n"
                  "example: lathe filter crawl/ --perplexity wiki.arpa --perplexity.keep head --output head.jsonl" },
    .run = run,
};
