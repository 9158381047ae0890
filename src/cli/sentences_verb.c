/* lathe sentences */
#include <lathe.h>
#include "data/sentence_corpus.h"

#define AT(f) offsetof(struct lt_sentence_corpus_options, f)
static const struct lt_opt rows[] = {
    { .key = "input", .help = "texts, folders of them, or - for standard input", .type = LT_LIST, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "folder to make: train.txt, dev.txt, test.txt, vocab.txt, sentences.json",
      .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT, .alias = "o,out" },
    LT_DOCS_ROWS("format", AT(docs)),
    { .key = "lines", .help = "every line ends a sentence; else only a blank one does", .type = LT_BOOL,
      .at = AT(lines) },
    { .key = "abbreviations", .help = "file of more words behind which a full stop ends no sentence, between white "
      "space", .type = LT_STR, .at = AT(abbreviations), .flags = LT_IN, .alias = "nonbreaking_prefixes" },
    { .key = "tokenize", .help = "put spaces between words and punctuation", .type = LT_BOOL, .at = AT(tokenize),
      .dflt = 1 },
    { .key = "dedup", .help = "keep one of equal sentences", .type = LT_BOOL, .at = AT(dedup), .dflt = 1 },
    { .key = "min_words", .help = "leave out sentences of fewer words", .type = LT_INT, .at = AT(min_words), .dflt = 1,
      .min = 1, .max = 1e9 },
    { .key = "max_words", .help = "leave out sentences of more words; 0: none", .type = LT_INT, .at = AT(max_words),
      .min = 0, .max = 1e9 },
    { .key = "partitions", .help = "parts of about the same size", .type = LT_INT, .at = AT(partitions), .dflt = 100,
      .min = 2, .max = LT_SENTENCE_PARTITIONS_MAX },
    { .key = "held_out", .help = "of them that are not for training", .type = LT_INT, .at = AT(held_out), .dflt = 1,
      .min = 1, .max = LT_SENTENCE_PARTITIONS_MAX },
    { .key = "test", .help = "share of what is held out that is test.txt; the rest is dev.txt", .type = LT_REAL,
      .at = AT(test), .dflt = 0.5, .min = 0, .max = 1 },
    { .key = "min_count", .help = "times that a word of vocab.txt is in train.txt, at least", .type = LT_INT,
      .at = AT(min_count), .dflt = 3, .min = 1, .max = 1e15 },
    { .key = "documents", .help = "also write train.jsonl, dev.jsonl, test.jsonl, a document a sentence",
      .type = LT_BOOL, .at = AT(documents) },
    { .key = "end_mark", .help = "word behind each sentence of dev.jsonl and test.jsonl, so that models are asked for "
      "the end as well: </s>", .type = LT_STR, .at = AT(end_mark) },
    { .key = "seed", .help = "of the order and of what is held out", .type = LT_INT, .at = AT(seed), .dflt = 42,
      .min = 0, .max = 1e18 },
    { .key = "memory", .help = "MiB of sentences kept before they go to temporary files", .type = LT_INT,
      .at = AT(memory), .dflt = 1024, .min = 1, .max = 1 << 24, .flags = LT_FREE },
    { .key = "temp_dir", .help = "folder of temporary files; TMPDIR or /tmp", .type = LT_STR, .at = AT(temp_dir),
      .flags = LT_FREE },
    { .key = "json", .help = "the summary as JSON", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_sentence_corpus_run(o, c);
}

const struct lt_verb lt_verb_sentences = {
    .m = { .name = "sentences", .brief = "turns documents into shuffled sentences, some of them held out",
           .paper = "arXiv:1312.3005", .size = sizeof(struct lt_sentence_corpus_options), .opts = rows,
           .doc = "The protocol of the One Billion Word benchmark.  A sentence ends at . ! or ? before white space\n"
                  "and a letter that is not small, quotes and brackets aside, but not at the full stop of an\n"
                  "abbreviation (Dr. e.g. J.).  The order is that of a hash of seed and words: it does not depend on\n"
                  "the input's, and equal sentences are never on two sides.  unknown_words are not in vocab.txt.\n"
                  "In memory are one partition, the words of the training text, and --memory.\n"
                  "example: lathe sentences novels.jsonl.zst --output sentences\n"
                  "example: lathe sentences news/ --lines --held_out 2 --documents --output sentences" },
    .run = run,
};
