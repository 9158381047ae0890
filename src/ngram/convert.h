/* `lathe ngram convert`. */
#ifndef LT_NGRAM_CONVERT_H
#define LT_NGRAM_CONVERT_H

#include "ngram/stream.h"

/* What every verb says that writes a model. */
struct lt_ngram_output { const char *path, *format; int64_t prob_bits, backoff_bits; };
#define LT_NGRAM_OUTPUT_OPTS(S) \
    { .key = "output", .help = "file to write; an ARPA file whose name ends in .gz, .zst or .xz is compressed", \
      .type = LT_STR, .at = offsetof(struct S, output.path), .flags = LT_NEED | LT_OUT, .alias = "o" }, \
    { .key = "format", .help = "of the output: text, or mapped and fast, or mapped and small; auto goes by the name: " \
      ".arpa, .hash or .trie is in it, else trie where bits are given, else arpa", .type = LT_STR, \
      .at = offsetof(struct S, output.format), .text = "auto|arpa|hash|trie", .flags = LT_ENUM }, \
    { .key = "prob_bits", .help = "trie: bits of a probability; 0: as it is", .type = LT_INT, \
      .at = offsetof(struct S, output.prob_bits), .min = 0, .max = 16, .alias = "q" }, \
    { .key = "backoff_bits", .help = "trie: bits of a back-off weight; 0: as it is", .type = LT_INT, \
      .at = offsetof(struct S, output.backoff_bits), .min = 0, .max = 16, .alias = "b" }
/* The sink for such an output: -1: lt_error. */
int lt_ngram_output_open(const struct lt_ngram_output *o, struct lt_ctx *c, struct lt_ngram_sink *sink);

struct lt_ngram_convert_options { const char *model; struct lt_ngram_output output; };
int lt_ngram_convert_run(const struct lt_ngram_convert_options *o, struct lt_ctx *c);

#endif
