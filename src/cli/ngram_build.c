/* lathe ngram build */
#include <lathe.h>
#include "ngram/build.h"

#define AT(f) offsetof(struct lt_ngram_build_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, a sentence on each line, or folders of them; none or -: standard input",
      .type = LT_LIST, .at = AT(input), .flags = LT_ARG | LT_IN },
    { .key = "output", .help = "file to write", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT,
      .alias = "o,arpa" },
    { .key = "format", .help = "of the file; auto goes by its name, .arpa when that says nothing", .type = LT_STR,
      .at = AT(format), .text = "auto|arpa", .flags = LT_ENUM },
    { .key = "order", .help = "words in the longest n-grams", .type = LT_INT, .at = AT(order), .dflt = 5, .min = 1,
      .max = LT_NGRAM_ORDER_MAX },
    { .key = "smoothing", .help = "how counts become probabilities", .type = LT_METHOD, .at = AT(smoothing),
      .text = "smoothing:modified_kneser_ney" },
    { .key = "prune", .help = "leave out n-grams that occur so often or less, one count an order (0,0,1); the last is "
      "for all that follow", .type = LT_LIST, .at = AT(prune) },
    { .key = "tokenizer", .help = "count its pieces instead of words; the vocabulary is the tokenizer's",
      .type = LT_STR, .at = AT(tokenizer), .flags = LT_IN },
    { .key = "limit_vocab", .help = "file of the words that the model may have, between white space", .type = LT_STR,
      .at = AT(limit_vocab), .flags = LT_IN, .alias = "limit_vocab_file" },
    { .key = "outside", .help = "words not listed: prune leaves out their n-grams, unk reads them as <unk>",
      .type = LT_STR, .at = AT(outside), .text = "prune|unk", .flags = LT_ENUM },
    { .key = "min_count", .help = "leave out words that occur less often", .type = LT_INT, .at = AT(min_count),
      .dflt = 1, .min = 1, .max = 1e15 },
    { .key = "vocab_size", .help = "keep only so many of the most frequent words; 0: all", .type = LT_INT,
      .at = AT(vocab_size), .min = 0, .max = 1e9 },
    { .key = "interpolate_unigrams", .help = "words share what single words leave; else <unk> has it all",
      .type = LT_BOOL, .at = AT(interpolate_unigrams), .dflt = 1 },
    { .key = "skip_symbols", .help = "pass over <s>, </s> and <unk> in the text instead of refusing it",
      .type = LT_BOOL, .at = AT(skip_symbols) },
    { .key = "input_format", .help = "of the texts; auto goes by the name", .type = LT_STR, .at = AT(input_format),
      .text = "auto|txt|jsonl|html", .flags = LT_ENUM },
    { .key = "field", .help = "of a JSON line that holds the text", .type = LT_STR, .at = AT(field), .text = "text",
      .alias = "dataset_text_field,text_field" },
    { .key = "memory", .help = "MiB, or with K, M, G, T or % of the machine's; what needs more goes to temporary files",
      .type = LT_STR, .at = AT(memory), .text = "50%", .flags = LT_FREE },
    { .key = "temp_dir", .help = "folder of temporary files; TMPDIR or /tmp", .type = LT_STR, .at = AT(temp_dir),
      .flags = LT_FREE, .alias = "temp_prefix" },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_ngram_build_run(o, c);
}

const struct lt_verb lt_verb_ngram_build = {
    .m = { .name = "ngram-build", .brief = "estimates an n-gram model from text",
           .size = sizeof(struct lt_ngram_build_options), .opts = rows,
           .doc = "Every line is a sentence of words between white space, with <s> before and </s> behind.  Names in\n"
                  ".jsonl (.gz, .zst) hold texts of lines.  The file does not depend on memory or threads.\n"
                  "\n"
                  "The words of the text are the vocabulary, and <unk> has the share of a word never seen: that of\n"
                  "V equal parts of what single words leave, or all of it with --no-interpolate_unigrams.  Words left\n"
                  "out by --limit_vocab, --min_count or --vocab_size are counted and then dropped with their n-grams,\n"
                  "whose share goes to shorter contexts and in the end to all words and <unk> (as lmplz).  With\n"
                  "--outside unk they are <unk> from the beginning, which has n-grams of its own then.\n"
                  "\n"
                  "A vocabulary takes at most half of the memory.  Output names in .gz, .zst and .xz are compressed.\n"
                  "example: lathe ngram build news.txt --order 3 --output news.arpa\n"
                  "example: lathe ngram build novels.jsonl.zst --prune 0,0,1 --memory 2G --output novels.arpa.zst\n"
                  "example: lathe ngram build news.txt --tokenizer tokenizer.json --order 6 --output pieces.arpa" },
    .run = run,
};
