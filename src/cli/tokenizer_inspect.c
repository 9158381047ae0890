/* lathe tokenizer inspect */
#include <lathe.h>
#include "text/tools.h"

#define AT(f) offsetof(struct lt_tokenizer_inspect_options, f)
static const struct lt_opt rows[] = {
    { .key = "tokenizer", .help = "tokenizers to look at, side by side", .type = LT_LIST, .at = AT(tokenizer),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "texts to try them on", .type = LT_LIST, .at = AT(input), .flags = LT_IN },
    LT_DOCS_ROWS("format", AT(docs)),
    { .key = "show", .help = "how many of the longest and of the unused pieces to name", .type = LT_INT, .at = AT(show),
      .dflt = 10, .min = 0, .max = 1 << 24 },
    { .key = "json", .help = "everything as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_tokenizer_inspect_run(o, c);
}

const struct lt_verb lt_verb_tokenizer_inspect = {
    .m = { .name = "tokenizer-inspect", .brief = "says what tokenizers are and how they do on a text, side by side",
           .size = sizeof(struct lt_tokenizer_inspect_options), .opts = rows,
           .doc = "tokens_per_word: tokens that touch a run of what is not white space, on average (fertility).\n"
                  "whole_words: share of such words that one token covers.  exact_documents: share that decodes to\n"
                  "itself.  unused_pieces: those the text never needs.\n"
                  "example: lathe tokenizer inspect mine/ gpt2/tokenizer.json --input held-out.txt" },
    .run = run,
};
