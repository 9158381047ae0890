/* Normalisation of rows. */
#include "graph/tape.h"

#include <assert.h>

struct norm { float eps; float *stat; };    /* stat: what the kernel keeps for backward */

static struct lt_norm shape_of(const struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0];
    const struct norm *arg = out->arg;
    return (struct lt_norm){ .rows = lt_rows(x), .cols = lt_cols(x), .ldx = x->ld, .ldy = out->ld, .eps = arg->eps };
}

static const float *data_of(const struct lt_tensor *t) { return t ? lt_f32(t) : NULL; }

static void keep_stat(struct lt_graph *g, struct lt_tensor *out, int64_t per_row)
{
    struct norm *arg = out->arg;
    if (out->need) arg->stat = lt_graph_take(g, (size_t)(lt_rows(out) * per_row) * sizeof(float));
}

static void rmsnorm_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct norm *arg = out->arg;
    struct lt_norm s = shape_of(out);
    keep_stat(g, out, 1);
    lt_rmsnorm(lt_graph_pool(g), &s, out->src[0]->data, data_of(out->src[1]), out->data, arg->stat);
}

static void rmsnorm_backward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct norm *arg = out->arg;
    struct lt_norm s = shape_of(out);
    float *dx = lt_grad_whole(g, out->src[0], &s.set), *dw = lt_grad(g, out->src[1]);
    lt_rmsnorm_back(lt_graph_pool(g), &s, out->src[0]->data, data_of(out->src[1]), arg->stat, out->grad, dx, dw);
}

static void layernorm_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct norm *arg = out->arg;
    struct lt_norm s = shape_of(out);
    keep_stat(g, out, 2);
    lt_layernorm(lt_graph_pool(g), &s, out->src[0]->data, data_of(out->src[1]), data_of(out->src[2]), out->data,
                 arg->stat);
}

static void layernorm_backward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct norm *arg = out->arg;
    struct lt_norm s = shape_of(out);
    float *dx = lt_grad_whole(g, out->src[0], &s.set), *dw = lt_grad(g, out->src[1]), *db = lt_grad(g, out->src[2]);
    lt_layernorm_back(lt_graph_pool(g), &s, out->src[0]->data, data_of(out->src[1]), arg->stat, out->grad, dx, dw, db);
}

static struct lt_tensor *normalise(struct lt_graph *g, const struct lt_op *op, struct lt_tensor *x, struct lt_tensor *w,
                                   struct lt_tensor *b, float eps)
{
    assert((!w || (w->type == LT_F32 && lt_elements(w) == lt_cols(x))) &&
           (!b || (b->type == LT_F32 && lt_elements(b) == lt_cols(x))));
    struct norm *arg = lt_graph_take(g, sizeof *arg);
    *arg = (struct norm){ .eps = eps };
    return lt_node(g, op, x->rank, x->dim, arg, x, w, b);
}

struct lt_tensor *lt_op_rmsnorm(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, float eps)
{
    return normalise(g, &lt_row_rmsnorm, x, w, NULL, eps);
}

struct lt_tensor *lt_op_layernorm(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                                  float eps)
{
    return normalise(g, &lt_row_layernorm, x, w, b, eps);
}

const struct lt_op lt_row_rmsnorm = { .name = "rmsnorm", .forward = rmsnorm_forward, .backward = rmsnorm_backward };
const struct lt_op lt_row_layernorm = {
    .name = "layernorm", .forward = layernorm_forward, .backward = layernorm_backward,
};
