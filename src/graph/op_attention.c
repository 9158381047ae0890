/* Rotary positions and attention. */
#include "graph/tape.h"

#include <assert.h>
#include <string.h>

struct turn { int64_t heads, rot; bool interleaved; const float *angle; int32_t *pos; };

static struct lt_rope rope_of(const struct lt_tensor *out)
{
    const struct turn *a = out->arg;
    return (struct lt_rope){ .rows = lt_rows(out), .heads = a->heads, .dim = lt_cols(out) / a->heads, .rot = a->rot,
                             .ldx = out->src[0]->ld, .ldy = out->ld, .interleaved = a->interleaved };
}

static void rope_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct turn *a = out->arg;
    struct lt_rope s = rope_of(out);
    lt_rope(lt_graph_pool(g), &s, a->angle, a->pos, out->src[0]->data, out->data);
}

/* Nothing reads out's gradient after this, so it is turned back in place. */
static void rope_backward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct turn *a = out->arg;
    struct lt_rope s = rope_of(out);
    s.ldx = out->ld;
    s.inverse = true;
    lt_rope(lt_graph_pool(g), &s, a->angle, a->pos, out->grad, out->grad);
    lt_grad_give(g, out->src[0], out);
}

static struct turn *keep_turn(struct lt_graph *g, const struct lt_tensor *x, int64_t heads, int64_t rot,
                              bool interleaved, const float *angle, const int32_t *pos)
{
    assert(heads > 0 && lt_cols(x) % heads == 0 && rot % 2 == 0 && rot <= lt_cols(x) / heads);
    size_t size = (size_t)lt_rows(x) * sizeof *pos;
    struct turn *arg = lt_graph_take(g, sizeof *arg);
    *arg = (struct turn){ heads, rot, interleaved, angle, lt_graph_take(g, size) };
    if (size) memcpy(arg->pos, pos, size);
    return arg;
}

struct lt_tensor *lt_op_rope(struct lt_graph *g, struct lt_tensor *x, int64_t heads, int64_t rot, bool interleaved,
                             const float *angle, const int32_t *pos)
{
    return lt_node(g, &lt_row_rope, x->rank, x->dim, keep_turn(g, x, heads, rot, interleaved, angle, pos), x, NULL,
                   NULL);
}

/* The view shares x's gradient too, which is turned back where it lies. */
static void turn_back(struct lt_graph *g, struct lt_tensor *out)
{
    const struct turn *a = out->arg;
    struct lt_rope s = rope_of(out);
    s.inverse = true;
    lt_rope(lt_graph_pool(g), &s, a->angle, a->pos, out->grad, out->grad);
}

struct lt_tensor *lt_op_rope_in_place(struct lt_graph *g, struct lt_tensor *x, int64_t heads, int64_t rot,
                                      bool interleaved, const float *angle, const int32_t *pos)
{
    struct lt_tensor *t = lt_node_view(g, &lt_row_rope_in_place, x->rank, x->dim, x->ld, x, 0);
    t->arg = keep_turn(g, x, heads, rot, interleaved, angle, pos);
    rope_forward(g, t);
    return t;
}

struct attend { struct lt_attn spec; struct lt_attn_seq *seq; float *lse; };

static void attention_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct attend *a = out->arg;
    if (out->need) a->lse = lt_graph_take(g, (size_t)(lt_rows(out) * a->spec.heads) * sizeof(float));
    a->spec.ldo = out->ld;
    lt_attention(lt_graph_pool(g), &a->spec, out->src[0]->data, out->data, a->lse);
}

/* Every row belongs to exactly one sequence. */
static bool cover_all(const struct attend *a, int64_t rows)
{
    int64_t next = 0;
    for (int64_t i = 0; i < a->spec.seq_count; i++) {
        if (a->seq[i].row != next) return false;
        next += a->seq[i].q_len;
    }
    return next == rows;
}

static void clear(const struct lt_tensor *t, float *grad)
{
    for (int64_t i = 0; i < lt_rows(t); i++) memset(grad + i * t->ld, 0, (size_t)lt_cols(t) * sizeof(float));
}

static void attention_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct attend *a = out->arg;
    struct lt_tensor *q = out->src[0];
    float *grad[3];
    bool set[3];
    a->spec.set = cover_all(a, lt_rows(q));
    lt_grad_whole_all(g, out->src, 3, grad, set);
    for (int i = 0; i < 3; i++)
        if (grad[i] && !set[i]) a->spec.set = false;
    for (int i = 0; i < 3 && !a->spec.set; i++)
        if (set[i]) clear(out->src[i], grad[i]);
    float *dq = grad[0], *dk = grad[1], *dv = grad[2];
    for (int64_t i = 0; i < a->spec.seq_count; i++) {
        int64_t at = a->seq[i].row * a->spec.ldk;
        a->seq[i].dk = dk ? dk + at : NULL;
        a->seq[i].dv = dv ? dv + at : NULL;
    }
    lt_attention_back(lt_graph_pool(g), &a->spec, q->data, out->data, a->lse, out->grad, dq);
}

struct lt_attn lt_attend_spec(struct lt_graph *g, const struct lt_tensor *q, const struct lt_tensor *k,
                              const struct lt_tensor *v, const struct lt_attn *spec, struct lt_attn_seq **seq)
{
    assert(spec->kv_heads > 0 && spec->heads % spec->kv_heads == 0 && !k == !v);
    assert(lt_cols(q) == (int64_t)spec->heads * spec->dim);
    struct lt_attn own = *spec;
    size_t size = (size_t)spec->seq_count * sizeof **seq;
    *seq = lt_graph_take(g, size);
    if (size) memcpy(*seq, spec->seq, size);
    own.seq = *seq;
    own.ldq = q->ld;
    own.compute = lt_graph_compute(g);
    if (!k) return own;
    assert(k->ld == v->ld && lt_cols(k) == (int64_t)spec->kv_heads * spec->dim && lt_same_shape(k, v));
    own.ldk = k->ld;
    own.kv_type = LT_F32;
    for (int64_t i = 0; i < spec->seq_count; i++) {
        struct lt_attn_seq *s = &(*seq)[i];
        assert(s->k_len == s->q_len && s->row >= 0 && s->row + s->q_len <= lt_rows(k));
        s->k = lt_f32(k) + s->row * k->ld;
        s->v = lt_f32(v) + s->row * v->ld;
    }
    return own;
}

struct lt_tensor *lt_op_attention(struct lt_graph *g, struct lt_tensor *q, struct lt_tensor *k, struct lt_tensor *v,
                                  const struct lt_attn *spec)
{
    struct attend *a = lt_graph_take(g, sizeof *a);
    *a = (struct attend){ 0 };
    a->spec = lt_attend_spec(g, q, k, v, spec, &a->seq);
    return lt_node(g, &lt_row_attention, q->rank, q->dim, a, q, k, v);
}

const struct lt_op lt_row_rope = { .name = "rope", .forward = rope_forward, .backward = rope_backward };
const struct lt_op lt_row_rope_in_place = { .name = "rope_in_place", .forward = rope_forward, .backward = turn_back };
const struct lt_op lt_row_attention = {
    .name = "attention", .forward = attention_forward, .backward = attention_backward,
};
