/* Text for the models that are estimated in memory: documents cut into sentences, one a line, sentences into words. */
#ifndef LT_SENTENCES_H
#define LT_SENTENCES_H

#include "base/base.h"

/* Ids of the marks; words follow in the order in which they first come. */
enum { LT_SENTENCES_UNK, LT_SENTENCES_BOS, LT_SENTENCES_EOS, LT_SENTENCES_MARKS };

/* Sentences one after the other, each as <s> words </s>. */
struct lt_sentences {
    struct lt_map vocabulary;           /* entry[id].key is the word */
    uint32_t *token;
    size_t n, cap, count;               /* count: of sentences */
    uint64_t bytes, held_out;           /* of the words and a blank behind each; sentences that were held out */
};
struct lt_sentences_how {
    struct lt_list input;               /* none: standard input */
    const char *format, *field;         /* as lt_docs_how has them */
    int64_t min_count;                  /* words that occur less often are <unk> */
    double validation;                  /* share of the sentences that is left out, chosen by a hash of their text */
    const char *held_out;               /* file that receives them, a JSON line each; NULL: nobody wants them */
    int64_t bytes;                      /* sentences are taken up to this many bytes; 0: all */
    size_t memory;                      /* bytes that the words and the vocabulary may take */
};
#define LT_SENTENCES_OPTS(S) \
    { .key = "input", .help = "documents: text, JSON lines, HTML, folders of them; none or -: standard input", \
      .type = LT_LIST, .at = offsetof(struct S, text.input), .flags = LT_ARG | LT_IN }, \
    { .key = "input_format", .help = "of the input; auto goes by the name", .type = LT_STR, \
      .at = offsetof(struct S, text.format), .text = "auto|txt|jsonl|html", .flags = LT_ENUM }, \
    { .key = "field", .help = "of a JSON line that holds the text", .type = LT_STR, \
      .at = offsetof(struct S, text.field), .text = "text" }, \
    { .key = "min_count", .help = "words that occur less often become <unk>", .type = LT_INT, \
      .at = offsetof(struct S, text.min_count), .dflt = 1, .min = 1, .max = 1e9 }, \
    { .key = "validation", .help = "share of the sentences to hold out, chosen by a hash of their text", \
      .type = LT_REAL, .at = offsetof(struct S, text.validation), .min = 0, .max = 0.9, .alias = "val_fraction" }, \
    { .key = "held_out", .help = "file of the sentences held out, one JSON line each", .type = LT_STR, \
      .at = offsetof(struct S, text.held_out), .flags = LT_OUT }, \
    { .key = "bytes", .help = "take sentences up to this many bytes; 0: all", .type = LT_INT, \
      .at = offsetof(struct S, text.bytes), .min = 0, .max = 1e15 }

/* Reads them all.  Empty lines are no sentences.  -1: a file that is no text, a word that is one of the marks, no words
 * at all, or more than the memory.  Release *out in every case. */
int lt_sentences_read(const struct lt_sentences_how *how, struct lt_ctx *c, struct lt_sentences *out);
void lt_sentences_init(struct lt_sentences *s);
/* One sentence; -1: a word is one of the marks. */
int lt_sentences_add(struct lt_sentences *s, struct lt_str line);
/* Makes <unk> of the words that occur less than min_count times; the others are numbered anew, in the same order. */
void lt_sentences_prune(struct lt_sentences *s, int64_t min_count);
void lt_sentences_release(struct lt_sentences *s);

#endif
