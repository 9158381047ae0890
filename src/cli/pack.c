/* lathe pack: documents into token shards. */
#include <lathe.h>
#include "data/pack.h"

#define AT(f) offsetof(struct lt_pack_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "tokenizer", .help = "tokenizer.json, or the folder of a tokenizer or model", .type = LT_STR,
      .at = AT(tokenizer), .flags = LT_NEED | LT_IN },
    { .key = "output", .help = "folder for the shards; replaced when it is there", .type = LT_STR, .at = AT(output),
      .flags = LT_NEED | LT_OUT, .alias = "out" },
    LT_DOCS_ROWS("format", AT(docs)),
    { .key = "rows", .help = "what a JSON line is: a text; prompt and completion, of which only the completion is "
      "learnt; or prompt, chosen and rejected, for preference training", .type = LT_STR, .at = AT(rows),
      .text = "texts|completions|pairs", .flags = LT_ENUM },
    { .key = "filters", .help = "operators that documents go through first, in this order", .type = LT_METHODS,
      .at = AT(filters), .text = "dataop" },
    { .key = "validation", .help = "share of documents to hold out, chosen by a hash of their text", .type = LT_REAL,
      .at = AT(validation), .dflt = 0.01, .min = 0, .max = 1, .alias = "val_fraction" },
    { .key = "bos", .help = "begin every document with the begin token; auto: with the end token where there is none",
      .type = LT_STR, .at = AT(bos), .text = "auto|yes|no", .flags = LT_ENUM },
    { .key = "eos", .help = "end every document with the end token, where there is one", .type = LT_STR, .at = AT(eos),
      .text = "auto|yes|no", .flags = LT_ENUM },
    { .key = "parse_special", .help = "spellings of special tokens in the text mean those tokens", .type = LT_BOOL,
      .at = AT(parse_special) },
    { .key = "dropout", .help = "split words of the training documents at random, as often as the tokenizer's "
      "BPE-dropout says", .type = LT_BOOL, .at = AT(dropout) },
    { .key = "shard_tokens", .help = "tokens in one file", .type = LT_INT, .at = AT(shard_tokens), .dflt = 100000000,
      .min = 1, .max = 1e12 },
    { .key = "seed", .help = "chooses other documents to hold out", .type = LT_INT, .at = AT(seed), .min = 0,
      .max = 1e18 },
    { .key = "json", .help = "the summary as JSON", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_pack_run(o, c);
}

const struct lt_verb lt_verb_pack = {
    .m = { .name = "pack", .brief = "turns documents into token shards for training",
           .size = sizeof(struct lt_pack_options), .opts = rows,
           .doc = "The folder holds train-00000.shard ..., validation-00000.shard ... and a summary, pack.json.\n"
                  "A document of text x becomes BEGIN x END; every token but the first is learnt, and bits per byte\n"
                  "count the bytes of x.  Equal documents go to the same split, whatever else is packed.\n"
                  "Rows are {\"prompt\", \"completion\"} or {\"prompt\", \"chosen\", \"rejected\"}; \"prompt\" may be\n"
                  "absent.  They stay whole, and only what follows the prompt is learnt; rows of one prompt go to the\n"
                  "same split.\n"
                  "example: lathe pack corpus/ --tokenizer tokenizer/ --output shards/\n"
                  "example: lathe pack docs.jsonl.zst --tokenizer tokenizer.json --output shards/ --validation 0.05\n"
                  "example: lathe pack pairs.jsonl --rows pairs --tokenizer model/ --output pairs/" },
    .run = run,
};
