/* lathe ngram query */
#include <lathe.h>
#include "ngram/query.h"

#define AT(f) offsetof(struct lt_ngram_query_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "ARPA file, plain or compressed, or binary file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "files of sentences, one a line; none or -: standard input", .type = LT_LIST,
      .at = AT(input), .flags = LT_ARG | LT_IN },
    { .key = "sentence", .help = "put <s> and </s> around every line", .type = LT_BOOL, .at = AT(sentence),
      .dflt = 1 },
    { .key = "summary", .help = "only the four figures at the end", .type = LT_BOOL, .at = AT(summary) },
    { .key = "json", .help = "a JSON object a line, the last one of the totals", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_query_run(o, c);
}

const struct lt_verb lt_verb_ngram_query = {
    .m = { .name = "ngram-query", .brief = "asks an n-gram model for the log-probability of every word",
           .size = sizeof(struct lt_ngram_query_options), .opts = rows,
           .doc = "Words are what stands between white space.  One line a sentence:\n"
                  "word=ID LENGTH LOG10P for each word (LENGTH: words of the longest match) and </s>, then\n"
                  "Total: LOG10P OOV: COUNT.  At the end perplexity = 10^(-sum log10 p / tokens), with the words\n"
                  "outside the vocabulary (OOVs) and without them.\n"
                  "example: lathe ngram query news.arpa.gz held-out.txt --summary" },
    .run = run,
};
