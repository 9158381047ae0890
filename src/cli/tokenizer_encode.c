/* lathe tokenizer encode */
#include <lathe.h>
#include "text/tools.h"

#define AT(f) offsetof(struct lt_tokenizer_encode_options, f)
static const struct lt_opt rows[] = {
    { .key = "tokenizer", .help = "tokenizer.json, or the folder of a tokenizer or model", .type = LT_STR,
      .at = AT(tokenizer), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    LT_DOCS_ROWS("format", AT(docs)),
    { .key = "lines", .help = "every line is a text of its own, also an empty one", .type = LT_BOOL, .at = AT(lines) },
    { .key = "special", .help = "add what the tokenizer puts around a text (BOS, [CLS] ...)", .type = LT_BOOL,
      .at = AT(special) },
    { .key = "parse_special", .help = "spellings of special tokens in the text mean those tokens", .type = LT_BOOL,
      .at = AT(parse_special), .dflt = 1 },
    { .key = "offsets", .help = "where in the text each token begins and ends, in bytes", .type = LT_BOOL,
      .at = AT(offsets) },
    { .key = "pieces", .help = "tokens as they are spelt, instead of ids (with --json: besides)", .type = LT_BOOL,
      .at = AT(pieces) },
    { .key = "json", .help = "a JSON object a line", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_tokenizer_encode_run(o, c);
}

const struct lt_verb lt_verb_tokenizer_encode = {
    .m = { .name = "tokenizer-encode", .brief = "turns texts into ids, one line a text",
           .size = sizeof(struct lt_tokenizer_encode_options), .opts = rows,
           .doc = "example: lathe tokenizer encode tokenizer.json book.txt\n"
                  "example: echo 'Hello, world' | lathe tokenizer encode tokenizer/ - --lines --pieces" },
    .run = run,
};
