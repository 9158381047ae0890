/* The fused output head and cross-entropy. */
#include "graph/tape.h"

#include <assert.h>
#include <string.h>

struct head { struct lt_head spec; float *dx; float taken; };   /* taken: the seed whose gradients forward has added */

static void head_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct head *h = out->arg;
    struct lt_head s = h->spec;
    struct lt_tensor *x = out->src[0];
    if (!s.loss) s.loss = lt_graph_take(g, (size_t)s.rows * sizeof(float));
    if (s.rows) memset(s.loss, 0, (size_t)s.rows * sizeof(float));
    h->taken = out->need ? lt_graph_expected(g) : 0;
    if (h->taken != 0) {
        if (x->need) {
            size_t size = (size_t)(s.rows * s.width) * sizeof(float);
            s.dx = h->dx = lt_graph_take(g, size);
            if (size) memset(h->dx, 0, size);
            s.lddx = s.width;
        }
        s.dw = lt_grad(g, out->src[1]);
        s.dbias = lt_grad(g, out->src[2]);
        s.scale = h->taken;
    }
    s.scratch = lt_scratch_take(g, lt_head_scratch(&s));
    lt_head_xent(lt_graph_pool(g), &s);
    lt_scratch_give(g, s.scratch);
    double sum = 0;
    for (int64_t i = 0; i < s.rows; i++) sum += (double)s.loss[i];
    *lt_f32(out) = (float)sum;
}

static void head_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct head *h = out->arg;
    struct lt_tensor *x = out->src[0];
    struct lt_pool *pool = lt_graph_pool(g);
    float *dx = lt_grad(g, x);
    if (h->dx && dx)
        for (int64_t i = 0, n = h->spec.width; i < h->spec.rows; i++)
            lt_axpy(NULL, n, 1, h->dx + i * n, dx + i * x->ld);
    float missing = *out->grad - h->taken;
    h->dx = NULL;
    h->taken = 0;
    if (missing == 0) return;

    struct lt_head s = h->spec;
    s.logp = NULL;
    s.hit = NULL;
    s.loss = lt_scratch_take(g, (size_t)s.rows * sizeof(float));
    s.dx = dx;
    s.lddx = x->ld;
    s.dw = lt_grad(g, out->src[1]);
    s.dbias = lt_grad(g, out->src[2]);
    s.scale = missing;
    s.scratch = lt_scratch_take(g, lt_head_scratch(&s));
    lt_head_xent(pool, &s);
    lt_scratch_give(g, s.scratch);
    lt_scratch_give(g, s.loss);
}

struct lt_tensor *lt_op_head_xent(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w, struct lt_tensor *b,
                                  bool transposed, const struct lt_head *spec)
{
    assert(w->rank == 2 && lt_cols(x) == w->dim[transposed ? 0 : 1]);
    int64_t vocab = w->dim[transposed ? 1 : 0];
    assert(!b || (b->type == LT_F32 && lt_elements(b) == vocab));
    struct head *h = lt_graph_take(g, sizeof *h);
    *h = (struct head){ .spec = *spec };
    struct lt_head *s = &h->spec;
    s->rows = lt_rows(x);
    s->width = lt_cols(x);
    s->vocab = vocab;
    s->ldx = x->ld;
    s->x = x->data;
    s->w = w->data;
    s->w_type = w->type;
    s->ldw = s->lddw = w->ld;
    s->w_trans = transposed;
    s->bias = b ? lt_f32(b) : NULL;
    s->packs = w->op ? NULL : w->arg;
    s->dx = s->dw = s->dbias = NULL;
    s->scale = 0;
    s->compute = lt_graph_compute(g);
    return lt_node(g, &lt_row_head_xent, 0, NULL, h, x, w, b);
}

const struct lt_op lt_row_head_xent = { .name = "head_xent", .forward = head_forward, .backward = head_backward };
