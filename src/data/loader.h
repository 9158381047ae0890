/* Batches out of token shards (doc/formats/shards.md).
 *
 * A batch is a pure function of (spec, index): there is no hidden cursor, so the data position of a checkpoint is one
 * integer and a resumed run reads what the stopped one would have read. */
#ifndef LT_LOADER_H
#define LT_LOADER_H

#include "base/base.h"
#include "lm/batch.h"

struct lt_loader_source {
    const char *path;           /* a shard, or a folder of them */
    double weight;              /* share of rows drawn from it; 0: in proportion to its tokens */
};
enum lt_packing {
    LT_PACK_BEST_FIT,           /* documents keep whole where they fit (arXiv:2404.10830), each a sequence of its own */
    LT_PACK_CONCAT,             /* one stream cut every `length` tokens; attention crosses documents */
};
struct lt_loader_spec {
    const struct lt_loader_source *source; int source_count;
    const char *split;          /* "train", "validation": which shards of a folder */
    int64_t length;             /* tokens of one row: no sequence is longer */
    int64_t rows;               /* rows of `length` tokens in one batch; gaps that packing leaves are left out of it; of
                                 * pairs, how many in one batch: each of the two texts has at most `length` tokens */
    uint64_t seed;
    enum lt_packing packing;
    bool sequential;            /* for measuring: every document once, in order, cut every `length` tokens; the batch
                                 * after the last is empty (rows == 0).  Else shuffled anew every epoch, without end. */
};
struct lt_loader;
int lt_loader_open(const struct lt_loader_spec *s, struct lt_ctx *c, struct lt_loader **out);
/* Batch number `index`.  Every token but the first of a document is the target of exactly one row (a cut document
 * continues: the target of a piece's last token is the next piece's first).  Documents with a mask are whole or, when
 * they are longer than a row, left out; their weights are what the mask says, and one of them at least is not 0.  The
 * two documents of a pair are neighbouring sequences of one batch, the chosen first.  b and what it points to are valid
 * until the next call. */
int lt_loader_at(struct lt_loader *l, uint64_t index, struct lt_batch *b);
struct lt_loader_info {
    int64_t tokens, documents, bytes;       /* of the split, over all sources; bytes of text the tokens stand for */
    int64_t batches;                        /* of one epoch */
    int64_t targets, target_bytes;          /* tokens that one epoch predicts, and the bytes of text they stand for */
    bool pairs;
    int64_t left_out, longest;              /* documents or pairs too long for a row; tokens of the longest */
    int64_t vocab;                          /* ids are below this */
    const char *tokenizer_hash;             /* as lt_tokenizer_hash of the tokenizer that made the shards */
};
void lt_loader_describe(const struct lt_loader *l, struct lt_loader_info *out);
/* Identity of the data: equal hashes give equal batches under an equal spec.  Kept in checkpoints. */
const char *lt_loader_hash(const struct lt_loader *l);
void lt_loader_free(struct lt_loader *l);

#endif
