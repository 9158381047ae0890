/* Hard and sparsemax attention. */
#include "graph/tape.h"

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
    struct attend *a = lt_graph_take(g, sizeof *a);
    *a = (struct attend){ .kind = kind };
    a->spec = lt_attend_spec(g, q, k, v, spec, &a->seq);
    return lt_node(g, &lt_row_sparse_attention, q->rank, q->dim, a, q, k, v);
}

const struct lt_op lt_row_sparse_attention = {
    .name = "sparse_attention", .forward = sparse_attention_forward, .backward = sparse_attention_backward,
};
