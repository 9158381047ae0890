/* The shards of one source as one long text: documents and tokens numbered through, in the order of the files. */
#ifndef LT_CORPUS_H
#define LT_CORPUS_H

#include "data/shard.h"

struct lt_corpus {
    struct lt_shard *shard;
    int count;
    uint64_t *token_first, *document_first;     /* [count + 1]: of each shard, and the end */
    uint64_t tokens, documents, bytes, vocab;
    bool masked, pairs;             /* some shard has a mask; all are of pairs */
};
/* Adds a shard, or the shards of a folder that belong to the split (NULL: all).  None there, shards of another
 * tokenizer than those before, or pairs beside texts: -1.  Release the corpus after a failure too. */
int lt_corpus_add(struct lt_corpus *c, const char *path, const char *split);
/* Where document i begins and ends among all tokens. */
void lt_corpus_document(const struct lt_corpus *c, uint64_t i, uint64_t *begin, uint64_t *end);
/* The document that token `at` belongs to. */
uint64_t lt_corpus_find(const struct lt_corpus *c, uint64_t at);
/* Bytes of text of document i. */
uint32_t lt_corpus_bytes(const struct lt_corpus *c, uint64_t i);
/* Copies n tokens from `at` on; -1 when one is not below the vocabulary size (a damaged file). */
int lt_corpus_copy(const struct lt_corpus *c, uint64_t at, size_t n, int32_t *out);
/* Whether document i comes with a mask, which is to say: as one row that is not to be cut. */
bool lt_corpus_masked(const struct lt_corpus *c, uint64_t i);
/* 1 for each of n tokens from `at` on that is to be predicted, else 0; all from shards without a mask are. */
void lt_corpus_weights(const struct lt_corpus *c, uint64_t at, size_t n, float *out);
void lt_corpus_release(struct lt_corpus *c);

#endif
