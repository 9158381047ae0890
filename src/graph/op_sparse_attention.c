/* Hard and sparsemax attention. */
#include "graph/tape.h"

#include <assert.h>
#include <string.h>

struct attend { enum lt_attend kind; struct lt_attn spec; struct lt_attn_seq *seq; };

static void sparse_attention_forward(struct lt_graph *g, struct lt_tensor *out)
{
    struct attend *a = out->arg;
    a->spec.ldo = out->ld;
    lt_sparse_attention(lt_graph_pool(g), a->kind, &a->spec, out->src[0]->data, out->data);
}

static void sparse_attention_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct attend *a = out->arg;
    float *grad[3];
    for (int i = 0; i < 3; i++) grad[i] = lt_grad(g, out->src[i]);
    for (int64_t i = 0; i < a->spec.seq_count; i++) {
        int64_t at = a->seq[i].row * a->spec.ldk;
        a->seq[i].dk = grad[1] ? grad[1] + at : NULL;
        a->seq[i].dv = grad[2] ? grad[2] + at : NULL;
    }
    lt_sparse_attention_back(lt_graph_pool(g), a->kind, &a->spec, out->src[0]->data, out->grad, grad[0]);
}

struct lt_tensor *lt_op_sparse_attention(struct lt_graph *g, enum lt_attend kind, struct lt_tensor *q,
                                         struct lt_tensor *k, struct lt_tensor *v, const struct lt_attn *spec)
{
    assert(spec->kv_heads > 0 && spec->heads % spec->kv_heads == 0 && !k == !v);
    assert(lt_cols(q) == (int64_t)spec->heads * spec->dim);
    struct attend *a = lt_graph_take(g, sizeof *a);
    size_t size = (size_t)spec->seq_count * sizeof *a->seq;
    *a = (struct attend){ .kind = kind, .spec = *spec, .seq = lt_graph_take(g, size) };
    if (size) memcpy(a->seq, spec->seq, size);
    a->spec.seq = a->seq;
    a->spec.ldq = q->ld;
    if (k) {
        assert(k->ld == v->ld && lt_cols(k) == (int64_t)spec->kv_heads * spec->dim && lt_same_shape(k, v));
        a->spec.ldk = k->ld;
        a->spec.kv_type = LT_F32;
        for (int64_t i = 0; i < spec->seq_count; i++) {
            struct lt_attn_seq *s = &a->seq[i];
            assert(s->k_len == s->q_len && s->row >= 0 && s->row + s->q_len <= lt_rows(k));
            s->k = lt_f32(k) + s->row * k->ld;
            s->v = lt_f32(v) + s->row * v->ld;
        }
    }
    return lt_node(g, &lt_row_sparse_attention, q->rank, q->dim, a, q, k, v);
}

const struct lt_op lt_row_sparse_attention = {
    .name = "sparse_attention", .forward = sparse_attention_forward, .backward = sparse_attention_backward,
};
