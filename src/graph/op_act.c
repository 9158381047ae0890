/* Activations, gated and plain, clipping, and dropout. */
#include "graph/tape.h"

#include <assert.h>
#include <string.h>

static struct lt_rows rows_of(const struct lt_tensor *out)
{
    return (struct lt_rows){ .rows = lt_rows(out), .cols = lt_cols(out), .ldx = out->src[0]->ld, .ldy = out->ld };
}

static enum lt_act *keep_act(struct lt_graph *g, enum lt_act a)
{
    enum lt_act *arg = lt_graph_take(g, sizeof *arg);
    *arg = a;
    return arg;
}

static void act_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_rows s = rows_of(out);
    lt_act(lt_graph_pool(g), *(const enum lt_act *)out->arg, &s, out->src[0]->data, out->data);
}

static void act_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_rows s = rows_of(out);
    float *dx = lt_grad_whole(g, out->src[0], &s.set);
    lt_act_back(lt_graph_pool(g), *(const enum lt_act *)out->arg, &s, out->src[0]->data, out->grad, dx);
}

struct lt_tensor *lt_op_act(struct lt_graph *g, struct lt_tensor *x, enum lt_act a)
{
    return lt_node(g, &lt_row_act, x->rank, x->dim, keep_act(g, a), x, NULL, NULL);
}

static void glu_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_rows s = rows_of(out);
    lt_glu(lt_graph_pool(g), *(const enum lt_act *)out->arg, &s, out->src[0]->data, out->src[1]->data, out->data);
}

static void glu_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_rows s = rows_of(out);
    bool set[2];
    float *grad[2];
    size_t size = (size_t)lt_elements(out) * sizeof(float);
    lt_grad_whole_all(g, out->src, 2, grad, set);
    s.set = (set[0] || !grad[0]) && (set[1] || !grad[1]);
    for (int i = 0; i < 2 && !s.set; i++)
        if (set[i]) memset(grad[i], 0, size);       /* whole tensors: slices are set together */
    lt_glu_back(lt_graph_pool(g), *(const enum lt_act *)out->arg, &s, out->src[0]->data, out->src[1]->data, out->grad,
                grad[0], grad[1]);
}

struct lt_tensor *lt_op_glu(struct lt_graph *g, struct lt_tensor *gate, struct lt_tensor *up, enum lt_act a)
{
    assert(lt_same_shape(gate, up) && gate->ld == up->ld);
    return lt_node(g, &lt_row_glu, gate->rank, gate->dim, keep_act(g, a), gate, up, NULL);
}

static void clip_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0];
    float bound = *(const float *)out->arg;
    int64_t rows = lt_rows(x), cols = lt_cols(x);
    (void)g;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            float v = lt_f32(x)[i * x->ld + j];
            lt_f32(out)[i * cols + j] = v > bound ? bound : v < -bound ? -bound : v;
        }
}

static void clip_backward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0];
    float bound = *(const float *)out->arg, *dx = lt_grad(g, out->src[0]);
    int64_t rows = lt_rows(x), cols = lt_cols(x);
    for (int64_t i = 0; dx && i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            float v = lt_f32(x)[i * x->ld + j];
            if (v <= bound && v >= -bound) dx[i * x->ld + j] += out->grad[i * cols + j];
        }
}

struct lt_tensor *lt_op_clip(struct lt_graph *g, struct lt_tensor *x, float bound)
{
    float *arg = lt_graph_take(g, sizeof *arg);
    *arg = bound;
    return lt_node(g, &lt_row_clip, x->rank, x->dim, arg, x, NULL, NULL);
}

struct dropout { float rate; uint64_t seed, stream; };

static void dropout_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct dropout *d = out->arg;
    lt_dropout(lt_graph_pool(g), lt_elements(out), d->rate, d->seed, d->stream, out->src[0]->data, out->data, false);
}

static void dropout_backward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct dropout *d = out->arg;
    float *dx = lt_grad(g, out->src[0]);
    if (dx) lt_dropout(lt_graph_pool(g), lt_elements(out), d->rate, d->seed, d->stream, out->grad, dx, true);
}

/* The mask is a function of (seed, dropouts before it), so that a checkpointed segment built again draws the same one,
 * of fewer or more nodes though it may be: products with one input are one node where nothing is recorded. */
struct lt_tensor *lt_op_dropout(struct lt_graph *g, struct lt_tensor *x, float rate)
{
    assert(lt_dense(x));
    struct dropout d = { .rate = rate };
    if (rate == 0 || !lt_graph_dropout(g, &d.seed, &d.stream)) return x;
    struct dropout *arg = lt_graph_take(g, sizeof *arg);
    *arg = d;
    return lt_node(g, &lt_row_dropout, x->rank, x->dim, arg, x, NULL, NULL);
}

const struct lt_op lt_row_act = { .name = "act", .forward = act_forward, .backward = act_backward };
const struct lt_op lt_row_glu = { .name = "glu", .forward = glu_forward, .backward = glu_backward };
const struct lt_op lt_row_clip = { .name = "clip", .forward = clip_forward, .backward = clip_backward };
const struct lt_op lt_row_dropout = { .name = "dropout", .forward = dropout_forward, .backward = dropout_backward };
