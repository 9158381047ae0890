/* What the operations' files see of the graph: how a node is made, where memory comes from, where gradients go. */
#ifndef LT_TAPE_H
#define LT_TAPE_H

#include "graph/graph.h"

/* Every row of the table, sorted; expanded into the declarations below and into op_table.c. */
#define LT_OPS(X) \
    X(act) X(add) X(add_block) X(attention) X(checkpoint) X(clip) X(dropout) X(embed) X(glu) X(head_xent) \
    X(layernorm) X(linear) X(mul) X(rmsnorm) X(rope) X(rope_in_place) X(scale) X(slice) X(sparse_attention) X(sum) \
    X(view)
#define LT_OP_DECLARE(id) extern const struct lt_op lt_row_##id;
LT_OPS(LT_OP_DECLARE)
#undef LT_OP_DECLARE

/* A node over src: takes its memory (dense f32), runs forward, and stands on the tape when a gradient is wanted. */
struct lt_tensor *lt_node(struct lt_graph *g, const struct lt_op *op, int rank, const int64_t *dim, void *arg,
                          struct lt_tensor *a, struct lt_tensor *b, struct lt_tensor *c);
struct lt_tensor *lt_node_view(struct lt_graph *g, const struct lt_op *op, int rank, const int64_t *dim, int64_t ld,
                               struct lt_tensor *x, int64_t first);  /* begins `first` elements after x */

float *lt_scratch_take(struct lt_graph *g, size_t size);            /* give it back before returning */
void lt_scratch_give(struct lt_graph *g, float *p);

/* A spec of the graph's own for a node over q and, unless keys and values come out of caches (k, v NULL), k and v:
 * the sequences are copied to *seq, where spec.seq points, and their keys and values are found in the rows of k, v. */
struct lt_attn lt_attend_spec(struct lt_graph *g, const struct lt_tensor *q, const struct lt_tensor *k,
                              const struct lt_tensor *v, const struct lt_attn *spec, struct lt_attn_seq **seq);

/* Where a gradient is added: zeroed when nothing has flowed here yet; NULL when none is wanted (or t is NULL). */
float *lt_grad(struct lt_graph *g, struct lt_tensor *t);
/* The same for a caller that writes every element: *set tells that nothing has flowed here yet, so that it must write
 * over what lies there instead of adding to it. */
float *lt_grad_whole(struct lt_graph *g, struct lt_tensor *t, bool *set);
/* The same for `count` tensors; where they are slices that together make up one tensor, that is not zeroed either. */
void lt_grad_whole_all(struct lt_graph *g, struct lt_tensor *const *t, int count, float **grad, bool *set);
/* t's gradient += out's.  Takes the buffer over where it can, so call it last: out->grad may be NULL afterwards. */
void lt_grad_give(struct lt_graph *g, struct lt_tensor *t, struct lt_tensor *out);
/* t's gradient += alpha times out's, of the same shape, which stays. */
void lt_grad_add(struct lt_graph *g, struct lt_tensor *t, const struct lt_tensor *out, float alpha);
float lt_graph_expected(const struct lt_graph *g);
/* What names the randomness of the next dropout; false when dropout is off. */
bool lt_graph_dropout(struct lt_graph *g, uint64_t *seed, uint64_t *stream);

static inline bool lt_dense(const struct lt_tensor *t) { return t->ld == lt_cols(t) || lt_rows(t) <= 1; }
static inline int64_t lt_elements(const struct lt_tensor *t) { return lt_rows(t) * lt_cols(t); }
bool lt_same_shape(const struct lt_tensor *a, const struct lt_tensor *b);

#endif
