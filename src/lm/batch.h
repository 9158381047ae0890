/* What one pass through a model is given: several sequences, one after the other.  Data makes it, models read it. */
#ifndef LT_BATCH_H
#define LT_BATCH_H

#include "base/base.h"

/* seq_row[i] is the first row of sequence i and seq_row[seq_count] == rows.  Sequences do not see each other: packed
 * documents are simply more, shorter sequences.  pos counts from 0 in every sequence unless a cache already holds its
 * beginning.  target and weight: rows of them, or NULL when nothing is to be predicted; weight 0 leaves a row out of
 * the loss. */
struct lt_cache; struct lt_adapter;
struct lt_batch {
    int64_t rows;
    const int32_t *token, *pos, *target;
    const float *weight;
    int64_t seq_count;
    const int64_t *seq_row;
    int64_t pair_count;             /* sequences 2i and 2i + 1 are the chosen and the rejected of pair i; 0: no pairs */
    struct lt_cache *const *cache;  /* one a sequence, or NULL: no cache */
    const struct lt_adapter *const *adapter;        /* one a sequence (NULL: the model alone), or NULL: none */
};

#endif
