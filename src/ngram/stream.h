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

/* A loaded model into a sink, whatever its layout; a binary file's checksum is compared on the way.  Ends or aborts the
 * sink.  name: of the model, for messages.  keep (NULL: all): whether an n-gram goes; of an n-gram that goes the words
 * before the last go too, and so do all of its words and the marks. */
typedef bool lt_ngram_keep_fn(void *self, int level, uint64_t index, const uint32_t *word);
struct lt_ngram_choice { lt_ngram_keep_fn *keep; void *self; };
int lt_ngram_stream(const struct lt_ngram *m, const char *name, const struct lt_ngram_choice *choice,
                    struct lt_ctx *c, struct lt_ngram_sink *to);
/* As lt_ngram_open, but always in the levels. */
int lt_ngram_load(const char *path, struct lt_ctx *c, struct lt_ngram **out);
/* The index of an n-gram of n words, LT_NGRAM_NONE: it is not listed. */
uint32_t lt_ngram_index(const struct lt_ngram *m, const uint32_t *word, int n);

/* Every n-gram of a level, in order: index counts them, word is level + 1 ids.  Stops where fn does not give 0, and
 * gives that. */
typedef int lt_ngram_each_fn(void *self, uint64_t index, const uint32_t *word);
int lt_ngram_each(const struct lt_ngram *m, int level, lt_ngram_each_fn *fn, void *self);

/* The sink that keeps a model in memory, in the levels: *out is set by end. */
void lt_ngram_collect(struct lt_ngram **out, struct lt_ngram_sink *sink);

/* Opens the sink of a file.  format: "arpa" (compressed where the name ends in .gz, .zst or .xz; "-" is standard
 * output), "hash", "trie", or "auto", which goes by the name: .arpa, .hash or .trie is in it, else ARPA.  Open it last:
 * only end and abort close it. */
int lt_ngram_sink_open(const char *path, const char *format, struct lt_ctx *c, struct lt_ngram_sink *out);
int lt_arpa_sink_open(const char *path, struct lt_ctx *c, struct lt_ngram_sink *out);

#endif
