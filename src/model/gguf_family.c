#include "model/gguf_family.h"

#include <stdio.h>

const struct lt_gguf_family lt_gguf_families[] = {
    { .name = "llama", .arch = "llama", .act = LT_ACT_SILU, .laced = true, .freqs = true, .eps = "rms_norm_eps" },
    { .name = "llama", .arch = "mistral", .act = LT_ACT_SILU, .laced = true, .freqs = true, .eps = "rms_norm_eps" },
    { .name = "qwen2", .arch = "qwen2", .act = LT_ACT_SILU, .eps = "rms_norm_eps" },
    { .name = "olmo2", .arch = "olmo2", .act = LT_ACT_SILU, .eps = "rms_norm_eps" },
    { .name = "gpt2", .arch = "gpt2", .act = LT_ACT_GELU_TANH, .eps = "layer_norm_epsilon" },
    { .name = "stablelm", .arch = "stablelm", .act = LT_ACT_SILU, .partial = true, .eps = "layer_norm_eps" },
    { .name = "phi2", .arch = "phi", .act = LT_ACT_GELU_TANH, .partial = true, .eps = "layer_norm_eps" },
    { 0 },
};

/* What a weight does in the decoder decides what it is called. */
enum lace { STRAIGHT, PAIRS };
struct role { size_t at; const char *name, *post; enum lace lace; };     /* post: the name of a norm after a branch */
#define IN_LAYER(field) offsetof(struct lt_decoder_layer, field)
static const struct role layer_roles[] = {
    { IN_LAYER(norm1), "attn_norm", "post_attention_norm", STRAIGHT },
    { IN_LAYER(q), "attn_q", NULL, PAIRS },
    { IN_LAYER(k), "attn_k", NULL, PAIRS },
    { IN_LAYER(v), "attn_v", NULL, STRAIGHT },
    { IN_LAYER(q_norm), "attn_q_norm", NULL, STRAIGHT },
    { IN_LAYER(k_norm), "attn_k_norm", NULL, STRAIGHT },
    { IN_LAYER(o), "attn_output", NULL, STRAIGHT },
    { IN_LAYER(norm2), "ffn_norm", "post_ffw_norm", STRAIGHT },
    { IN_LAYER(gate), "ffn_gate", NULL, STRAIGHT },
    { IN_LAYER(up), "ffn_up", NULL, STRAIGHT },
    { IN_LAYER(down), "ffn_down", NULL, STRAIGHT },
};
#undef IN_LAYER

struct walk { lt_gguf_walk_fn *fn; void *self; };

static int visit(const struct walk *w, const char *name, struct lt_pair pair, int64_t laced)
{
    char full[LT_GGUF_NAME_MAX];
    const int index[] = { pair.w, pair.b };
    for (int i = 0; i < 2; i++) {
        if (index[i] < 0) continue;
        snprintf(full, sizeof full, "%s.%s", name, i ? "bias" : "weight");
        if (w->fn(w->self, full, index[i], laced)) return -1;
    }
    return 0;
}

int lt_gguf_walk(const struct lt_model *m, const struct lt_gguf_family *f, lt_gguf_walk_fn *fn, void *self)
{
    const struct lt_decoder *d = m->plan;
    const struct walk w = { fn, self };
    char name[LT_GGUF_NAME_MAX / 2];
    if (visit(&w, "token_embd", d->table, 0) || visit(&w, "position_embd", d->place, 0)) return -1;
    for (int i = 0; i < d->layers; i++)
        for (int r = 0; r < LT_COUNT(layer_roles); r++) {
            const struct role *role = &layer_roles[r];
            const char *base = d->order == LT_ORDER_POST && role->post ? role->post : role->name;
            if (!d->k && role->lace == PAIRS) base = "attn_qkv";    /* q alone is there, and makes all three */
            snprintf(name, sizeof name, "blk.%d.%s", i, base);
            const struct lt_pair *pair = (const void *)((const char *)&d->layer[i] + role->at);
            if (visit(&w, name, *pair, f->laced && role->lace == PAIRS ? d->head_dim : 0)) return -1;
        }
    if (visit(&w, "output_norm", d->last, 0)) return -1;
    return m->tied ? 0 : visit(&w, "output", d->out, 0);
}
