/* Weights: linear layers and embedding lookups. */
#include "graph/tape.h"
#include "math/gemm.h"

#include <assert.h>
#include <string.h>

static void linear_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0], *w = out->src[1], *b = out->src[2];
    bool transposed = *(const bool *)out->arg;
    lt_gemm(lt_graph_pool(g), &(struct lt_gemm){
        .m = lt_rows(x), .n = lt_cols(out), .k = lt_cols(x), .a = x->data, .lda = x->ld, .a_type = LT_F32,
        .b = w->data, .ldb = w->ld, .b_type = w->type, .b_trans = !transposed, .bias = b ? lt_f32(b) : NULL,
        .c = out->data, .ldc = out->ld, .compute = lt_graph_compute(g), .packed = w->op ? NULL : w->arg,
    });
}

static void linear_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_tensor *x = out->src[0], *w = out->src[1], *b = out->src[2];
    bool transposed = *(const bool *)out->arg;
    struct lt_pool *pool = lt_graph_pool(g);
    int64_t rows = lt_rows(x), in = lt_cols(x), width = lt_cols(out);
    bool set;
    float *dx = lt_grad_whole(g, x, &set), *dw = lt_grad(g, w), *db = lt_grad(g, b);
    if (dx)
        lt_gemm(pool, &(struct lt_gemm){
            .m = rows, .n = in, .k = width, .a = out->grad, .lda = out->ld, .a_type = LT_F32, .b = w->data,
            .ldb = w->ld, .b_type = w->type, .b_trans = transposed, .c = dx, .ldc = x->ld, .add = !set,
            .compute = lt_graph_compute(g),
        });
    if (dw) {
        const struct lt_tensor *left = transposed ? x : out, *right = transposed ? out : x;
        lt_gemm(pool, &(struct lt_gemm){
            .m = lt_cols(left), .n = lt_cols(right), .k = rows, .a = transposed ? lt_f32(x) : out->grad,
            .lda = left->ld, .a_type = LT_F32, .a_trans = true, .b = transposed ? out->grad : lt_f32(x),
            .ldb = right->ld, .b_type = LT_F32, .c = dw, .ldc = w->ld, .add = true, .compute = lt_graph_compute(g),
        });
    }
    if (db) lt_colsum(pool, rows, width, out->ld, out->grad, db, true);
}

struct lt_tensor *lt_op_linear(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                               bool transposed)
{
    assert(w->rank == 2 && lt_cols(x) == w->dim[transposed ? 0 : 1] && x->rank > 0);
    assert(!lt_dtype_quantised(w->type) || !transposed);        /* blocks lie along what is summed over */
    int64_t dim[4], width = w->dim[transposed ? 1 : 0];
    assert(!b || lt_elements(b) == width);
    for (int i = 0; i < x->rank; i++) dim[i] = x->dim[i];
    dim[x->rank - 1] = width;
    bool *arg = lt_graph_take(g, sizeof *arg);
    *arg = transposed;
    return lt_node(g, &lt_row_linear, x->rank, dim, arg, x, w, b);
}

static void embed_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *w = out->src[0];
    lt_embed_rows(lt_graph_pool(g), lt_rows(out), lt_cols(out), out->arg, w->data, w->type, out->data);
}

static void embed_backward(struct lt_graph *g, struct lt_tensor *out)
{
    float *dw = lt_grad(g, out->src[0]);
    if (dw) lt_embed_rows_back(lt_graph_pool(g), lt_rows(out), lt_cols(out), out->arg, out->grad, dw);
}

struct lt_tensor *lt_op_embed(struct lt_graph *g, struct lt_tensor *w, const int32_t *id, int64_t rows)
{
    assert(w->rank == 2 && lt_dense(w));
    for (int64_t i = 0; i < rows; i++) assert(id[i] >= 0 && id[i] < w->dim[0]);
    size_t size = (size_t)rows * sizeof *id;
    int32_t *kept = lt_graph_take(g, size);
    if (rows) memcpy(kept, id, size);
    return lt_node(g, &lt_row_embed, 2, (int64_t[]){ rows, w->dim[1] }, kept, w, NULL, NULL);
}

const struct lt_op lt_row_linear = { .name = "linear", .forward = linear_forward, .backward = linear_backward };
const struct lt_op lt_row_embed = { .name = "embed", .forward = embed_forward, .backward = embed_backward };
