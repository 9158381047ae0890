/* A back-off model on its way from what makes it (estimation, pruning, interpolation, a loaded model) to what keeps it
 * (an ARPA file, a binary file), without ever being held whole.
 *
 * N-grams come order by order from the unigrams up, and within an order sorted by their words, the first word the most
 * significant: the order of a trie.  The words of an n-gram are ids of the vocabulary; unigram i has the word i. */
#ifndef LT_NGRAM_STREAM_H
#define LT_NGRAM_STREAM_H

#include "ngram/ngram.h"

struct lt_ngram_shape {
    int order;
    uint64_t count[LT_NGRAM_ORDER_MAX];     /* n-grams of each order; exact */
    const struct lt_map *vocabulary;        /* entry[id].key is the word; borrowed until end or abort */
    uint32_t unk, bos, eos;                 /* LT_NGRAM_NONE: the model has none */
};

/* Whoever keeps a model.  begin comes first, then put once for every n-gram, then end, or abort after any failure: what
 * was to be written is then gone.  Each fallible member gives 0 or -1 with lt_error. */
struct lt_ngram_sink {
    int (*begin)(void *self, const struct lt_ngram_shape *shape);
    /* word: level + 1 ids, the first word first; prob and backoff as in struct lt_ngram_level (backoff 0 where nothing
     * goes on from the n-gram, and at the highest order). */
    int (*put)(void *self, int level, const uint32_t *word, float prob, float backoff);
    int (*end)(void *self);
    void (*abort)(void *self);
    void *self;
};

/* Opens the sink of a file.  format: "arpa" (compressed where the name ends in .gz, .zst or .xz), or "auto", which goes
 * by the name and takes ARPA when that says nothing.  Open it last: only end and abort close it. */
int lt_ngram_sink_open(const char *path, const char *format, struct lt_ctx *c, struct lt_ngram_sink *out);
int lt_arpa_sink_open(const char *path, struct lt_ctx *c, struct lt_ngram_sink *out);

#endif
