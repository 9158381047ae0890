/* Tensors and the tape.
 *
 * A graph runs eagerly: building an operation computes it, in memory that lives until the graph is reset (one
 * micro-batch).  When recording, backward walks the tape in reverse; every differentiable operation is one row of the
 * table in op_table.c, and test/conform checks the gradient of every row against float64 finite differences because it
 * is a row.
 *
 * Activations are f32, row-major, seen as (rows, cols) with a leading dimension: everything but the last dimension is
 * rows.  Weights may be f32, bf16 or f16 where they lie; they are trained in f32. */
#ifndef LT_GRAPH_H
#define LT_GRAPH_H

#include "base/base.h"
#include "math/dtype.h"
#include "math/kernel.h"
#include "math/sparse_attention.h"

struct lt_op;
struct lt_tensor {
    const struct lt_op *op;         /* NULL: a leaf */
    const char *name;               /* of a weight or tap; may be NULL */
    enum lt_dtype type;
    int32_t rank;
    int64_t dim[4];                 /* rank of them, outermost first */
    int64_t ld;                     /* elements between rows; cols when dense */
    void *data;
    float *grad;                    /* same layout; NULL until something flows back */
    struct lt_tensor *src[4];
    struct lt_tensor *base;         /* a view shares data and grad with base */
    void *arg;                      /* the operation's arguments and what it saved for backward; of a leaf: the struct
                                     * lt_packs of the weight, for the graph's compute, or NULL */
    bool need;                      /* a gradient is wanted here */
};
static inline int64_t lt_cols(const struct lt_tensor *t) { return t->rank ? t->dim[t->rank - 1] : 1; }
static inline int64_t lt_rows(const struct lt_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < t->rank; i++) n *= t->dim[i];
    return n;
}
static inline float *lt_f32(const struct lt_tensor *t) { return t->data; }

struct lt_op {                      /* a row of the table */
    const char *name;
    void (*forward)(struct lt_graph *g, struct lt_tensor *out);     /* reads src, writes out->data */
    void (*backward)(struct lt_graph *g, struct lt_tensor *out);    /* out->grad adds into src[i]->grad where need */
    double tolerance;               /* of the gradient check, relative; 0: the default */
};

extern const struct lt_op *const lt_op_table[];                     /* sorted by name; ends with NULL */

struct lt_graph *lt_graph_new(struct lt_ctx *c, enum lt_compute compute);
void lt_graph_free(struct lt_graph *g);
void lt_graph_reset(struct lt_graph *g);                            /* forgets every tensor; keeps the memory */
void lt_graph_record(struct lt_graph *g, bool on);                  /* off (the start): no tape, no saved values */
bool lt_graph_recording(const struct lt_graph *g);
/* on: dropout is active, its randomness named by seed */
void lt_graph_train(struct lt_graph *g, bool on, uint64_t seed);
struct lt_pool *lt_graph_pool(struct lt_graph *g);
enum lt_compute lt_graph_compute(const struct lt_graph *g);
size_t lt_graph_peak(const struct lt_graph *g);                     /* most bytes held at once since creation */
/* Tells the seed that backward will be called with, before the loss is built: the fused head then takes its gradients
 * in its one forward pass, straight into the weight's; backward with that seed must follow.  0 (the start): backward
 * makes a second pass.  Any other seed stays correct and costs that pass. */
void lt_graph_expect(struct lt_graph *g, float seed);
int lt_graph_backward(struct lt_graph *g, struct lt_tensor *loss, float seed);   /* d loss = seed; loss is a scalar */

/* Leaves.  data is borrowed; grad (may be NULL: no gradient wanted) is added into. */
struct lt_tensor *lt_leaf(struct lt_graph *g, const char *name, enum lt_dtype type, int rank, const int64_t *dim,
                          void *data, float *grad);
struct lt_tensor *lt_empty(struct lt_graph *g, int rank, const int64_t *dim);      /* f32, uninitialised, no gradient */
/* Uninitialised memory until the reset, or the end of the checkpointed segment. */
void *lt_graph_take(struct lt_graph *g, size_t size);

/* Operations.  Shapes in comments; a mismatch is a bug of the caller (assert), since shapes of files are checked at
 * open. */
struct lt_tensor *lt_op_add(struct lt_graph *g, struct lt_tensor *a, struct lt_tensor *b);      /* same shape */
struct lt_tensor *lt_op_mul(struct lt_graph *g, struct lt_tensor *a, struct lt_tensor *b);
struct lt_tensor *lt_op_scale(struct lt_graph *g, struct lt_tensor *x, float alpha);
struct lt_tensor *lt_op_sum(struct lt_graph *g, struct lt_tensor *x);                           /* -> scalar */
/* x (rows, in), w (out, in) or (in, out) when transposed, b (out) or NULL -> (rows, out) */
struct lt_tensor *lt_op_linear(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                               bool transposed);
/* The same for several weights in one run, columns of all side by side; more than one where nothing is recorded. */
enum { LT_LINEAR_MOST = 4 };
struct lt_tensor *lt_op_linear_all(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *const *w,
                                   struct lt_tensor *const *b, int count, bool transposed);
struct lt_tensor *lt_op_embed(struct lt_graph *g, struct lt_tensor *w, const int32_t *id, int64_t rows);
/* w may be NULL */
struct lt_tensor *lt_op_rmsnorm(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, float eps);
struct lt_tensor *lt_op_layernorm(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                                  float eps);
/* same elements, dense */
struct lt_tensor *lt_op_view(struct lt_graph *g, struct lt_tensor *x, int rank, const int64_t *dim);
/* columns; a view */
struct lt_tensor *lt_op_slice(struct lt_graph *g, struct lt_tensor *x, int64_t first, int64_t count);
/* rows and columns of a matrix from a place on; a view */
struct lt_tensor *lt_op_block(struct lt_graph *g, struct lt_tensor *x, int64_t row, int64_t rows, int64_t col,
                              int64_t cols);
/* A matrix x with d added to the block of d's shape that begins at (row, col): over x's own values, which nothing else
 * may need, as lt_op_rope_in_place. */
struct lt_tensor *lt_op_add_block(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *d, int64_t row,
                                  int64_t col);
struct lt_tensor *lt_op_act(struct lt_graph *g, struct lt_tensor *x, enum lt_act a);
struct lt_tensor *lt_op_glu(struct lt_graph *g, struct lt_tensor *gate, struct lt_tensor *up, enum lt_act a);
struct lt_tensor *lt_op_clip(struct lt_graph *g, struct lt_tensor *x, float bound);             /* to [-bound, bound] */
struct lt_tensor *lt_op_dropout(struct lt_graph *g, struct lt_tensor *x, float rate);
/* x (rows, heads * dim); pos (rows); angle: see lt_rope.  rot < dim: partial. */
struct lt_tensor *lt_op_rope(struct lt_graph *g, struct lt_tensor *x, int64_t heads, int64_t rot, bool interleaved,
                             const float *angle, const int32_t *pos);
/* The same over x's own values, which nothing else may need: not x's consumers, nor what made x in its backward. */
struct lt_tensor *lt_op_rope_in_place(struct lt_graph *g, struct lt_tensor *x, int64_t heads, int64_t rot,
                                      bool interleaved, const float *angle, const int32_t *pos);
/* q (rows, heads * dim), k and v (rows, kv_heads * dim).  Without a cache the operation fills in k, v, dk and dv of
 * each sequence from the tensors and the sequence's row (k_len == q_len); with a cache the caller gives the k and v
 * pointers and the tensors k and v are NULL. */
struct lt_tensor *lt_op_attention(struct lt_graph *g, struct lt_tensor *q, struct lt_tensor *k, struct lt_tensor *v,
                                  const struct lt_attn *spec);
/* The same with hard or sparsemax weights: exactly 0 for most keys.  kind is not softmax. */
struct lt_tensor *lt_op_sparse_attention(struct lt_graph *g, enum lt_attend kind, struct lt_tensor *q,
                                         struct lt_tensor *k, struct lt_tensor *v, const struct lt_attn *spec);
/* Fused output head and cross-entropy -> scalar: sum of weighted losses.  The fields x, w, dx, dw, dbias, scale and the
 * shapes of spec are filled in here; loss, logp, hit (each may be NULL) receive one value a row. */
struct lt_tensor *lt_op_head_xent(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                                  bool transposed, const struct lt_head *spec);

/* Gradient checkpointing: fn builds from x; its inner tensors are dropped after the forward pass and built again in
 * backward, with the same dropout.  self must stay valid until the graph is reset; tensors made inside must not be
 * kept. Without recording the inner tensors are dropped all the same, which is how a long forward pass stays small. */
typedef struct lt_tensor *lt_segment_fn(void *self, struct lt_graph *g, struct lt_tensor *x);
struct lt_tensor *lt_checkpoint(struct lt_graph *g, lt_segment_fn *fn, void *self, struct lt_tensor *x);

#endif
