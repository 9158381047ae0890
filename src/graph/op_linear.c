/* Weights: linear layers and embedding lookups. */
#include "graph/tape.h"
#include "math/gemm.h"

#include <assert.h>
#include <string.h>

/* Weights of one input, whose columns lie side by side in the output; a gradient goes through one alone. */
struct linear { bool transposed; int count; struct lt_tensor *w[LT_LINEAR_MOST], *b[LT_LINEAR_MOST]; };

static int64_t width_of(const struct linear *l, int i)
{
    return l->w[i]->dim[l->transposed ? 1 : 0];
}

/* What a product with a weight may read instead of it. */
static struct lt_packs packs_of(const struct lt_tensor *w)
{
    return w->op || !w->arg ? (struct lt_packs){ 0 } : *(const struct lt_packs *)w->arg;
}

static void linear_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct linear *l = out->arg;
    const struct lt_tensor *x = out->src[0];
    struct lt_gemm each[LT_LINEAR_MOST];
    float *c = out->data;
    for (int i = 0; i < l->count; c += width_of(l, i++)) {
        const struct lt_tensor *w = l->w[i], *b = l->b[i];
        each[i] = (struct lt_gemm){
            .m = lt_rows(x), .n = width_of(l, i), .k = lt_cols(x), .a = x->data, .lda = x->ld, .a_type = LT_F32,
            .b = w->data, .ldb = w->ld, .b_type = w->type, .b_trans = !l->transposed, .bias = b ? lt_f32(b) : NULL,
            .c = c, .ldc = out->ld, .compute = lt_graph_compute(g), .packed = packs_of(w).forward,
        };
    }
    lt_gemm_all(lt_graph_pool(g), each, l->count);
}

static void linear_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_tensor *x = out->src[0], *w = out->src[1], *b = out->src[2];
    const bool transposed = ((const struct linear *)out->arg)->transposed;
    struct lt_pool *pool = lt_graph_pool(g);
    int64_t rows = lt_rows(x), in = lt_cols(x), width = lt_cols(out);
    bool set;
    float *dx = lt_grad_whole(g, x, &set), *dw = lt_grad(g, w), *db = lt_grad(g, b);
    if (dx)
        lt_gemm(pool, &(struct lt_gemm){
            .m = rows, .n = in, .k = width, .a = out->grad, .lda = out->ld, .a_type = LT_F32, .a_stochastic = true,
            .b = w->data, .ldb = w->ld, .b_type = w->type, .b_trans = transposed, .c = dx, .ldc = x->ld, .add = !set,
            .compute = lt_graph_compute(g), .packed = packs_of(w).input,
        });
    if (dw) {
        const struct lt_tensor *left = transposed ? x : out, *right = transposed ? out : x;
        lt_gemm(pool, &(struct lt_gemm){
            .m = lt_cols(left), .n = lt_cols(right), .k = rows, .a = transposed ? lt_f32(x) : out->grad,
            .lda = left->ld, .a_type = LT_F32, .a_trans = true, .b = transposed ? out->grad : lt_f32(x),
            .ldb = right->ld, .b_type = LT_F32, .a_stochastic = !transposed, .b_stochastic = transposed, .c = dw,
            .ldc = w->ld, .add = true, .compute = lt_graph_compute(g),
        });
    }
    if (db) lt_colsum(pool, rows, width, out->ld, out->grad, db, true);
}

struct lt_tensor *lt_op_linear_all(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *const *w,
                                   struct lt_tensor *const *b, int count, bool transposed)
{
    struct linear *arg = lt_graph_take(g, sizeof *arg);
    int64_t dim[4], width = 0;
    assert(count >= 1 && count <= LT_LINEAR_MOST && (count == 1 || !lt_graph_recording(g)) && x->rank > 0);
    *arg = (struct linear){ .transposed = transposed, .count = count };
    for (int i = 0; i < count; i++) {
        assert(w[i]->rank == 2 && lt_cols(x) == w[i]->dim[transposed ? 0 : 1]);
        assert(!lt_dtype_quantised(w[i]->type) || !transposed);     /* blocks lie along what is summed over */
        arg->w[i] = w[i];
        arg->b[i] = b[i];
        assert(!b[i] || lt_elements(b[i]) == width_of(arg, i));
        width += width_of(arg, i);
    }
    for (int i = 0; i < x->rank; i++) dim[i] = x->dim[i];
    dim[x->rank - 1] = width;
    return lt_node(g, &lt_row_linear, x->rank, dim, arg, x, w[0], b[0]);
}

struct lt_tensor *lt_op_linear(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                               bool transposed)
{
    return lt_op_linear_all(g, x, &w, &b, 1, transposed);
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
