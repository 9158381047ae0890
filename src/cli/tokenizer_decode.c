/* lathe tokenizer decode */
#include <lathe.h>
#include "text/tools.h"

#define AT(f) offsetof(struct lt_tokenizer_decode_options, f)
static const struct lt_opt rows[] = {
    { .key = "tokenizer", .help = "tokenizer.json, or the folder of a tokenizer or model", .type = LT_STR,
      .at = AT(tokenizer), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "files with a line of ids for each text, or - for standard input", .type = LT_LIST,
      .at = AT(input), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "keep_special", .help = "spell special tokens out", .type = LT_BOOL, .at = AT(keep_special) },
    { .key = "json", .help = "a JSON object a line", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_tokenizer_decode_run(o, c);
}

const struct lt_verb lt_verb_tokenizer_decode = {
    .m = { .name = "tokenizer-decode", .brief = "turns lines of ids back into texts",
           .size = sizeof(struct lt_tokenizer_decode_options), .opts = rows,
           .doc = "A line is \"17 4 2\", \"17,4,2\", [17, 4, 2] or {\"ids\": [17, 4, 2]}: all that encode writes.\n"
                  "example: lathe tokenizer encode tokenizer.json book.txt | lathe tokenizer decode tokenizer.json -" },
    .run = run,
};
