/* lathe perplexity: how well a language model foretells text. */
#include <lathe.h>
#include "decode/score.h"

#define AT(f) offsetof(struct lt_perplexity_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder or file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    LT_DOCS_ROWS("input_format", AT(docs)),
    { .key = "context", .help = "tokens the model sees at most; 0: all it can hold", .type = LT_INT, .at = AT(context),
      .min = 0, .max = 1e9, .alias = "max_length" },
    { .key = "stride", .help = "tokens scored at a time once the context is full; 0: half of it", .type = LT_INT,
      .at = AT(stride), .min = 0, .max = 1e9 },
    { .key = "batch_size", .help = "documents scored at once; changes no figure", .type = LT_INT, .at = AT(batch_size),
      .dflt = 8, .min = 1, .max = 4096, .flags = LT_FREE },
    LT_HOW_ROWS(AT(how)),
    { .key = "start", .help = "what stands before a document: auto = the begin token, else the end token",
      .type = LT_STR,
      .at = AT(start), .text = "auto|rules|bos|eos|none", .flags = LT_ENUM },
    { .key = "tokens", .help = "file of per-token log-probabilities to write (TSV)", .type = LT_STR, .at = AT(tokens),
      .flags = LT_OUT },
    { .key = "baseline", .help = "compressor to compare with", .type = LT_STR, .at = AT(baseline), .text = "xz|none",
      .flags = LT_ENUM },
    { .key = "output", .help = "file of the figures, as JSON, besides what is printed", .type = LT_STR,
      .at = AT(output), .flags = LT_OUT, .alias = "o" },
    { .key = "json", .help = "print the figures as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_perplexity_run(o, c);
}

const struct lt_verb lt_verb_perplexity = {
    .m = { .name = "perplexity", .brief = "measures a language model on text, in perplexity and bits per byte",
           .size = sizeof(struct lt_perplexity_options), .opts = rows,
           .doc = "token_perplexity = exp(-mean log p), word_perplexity = exp(-sum log p / words),\n"
                  "bits_per_byte = -sum log2 p / bytes; words are runs of what is not white space.\n"
                  "A long document is scored in windows: the first whole, each further one `stride` tokens with as\n"
                  "many before them as the context holds.  xz_bits_per_byte is what xz -9e makes of the same texts.\n"
                  "example: lathe perplexity MODEL held-out.txt --stride 64\n"
                  "example: lathe perplexity MODEL docs.jsonl.zst --tokens logprobs.tsv --json" },
    .run = run,
};
