#include "model/arch/hyper.h"

#include <math.h>
#include <string.h>

enum lt_act lt_act_of(const char *name)
{
    static const struct { const char *name; enum lt_act act; } row[] = {
        { "gelu", LT_ACT_GELU }, { "gelu_fast", LT_ACT_GELU_TANH }, { "gelu_new", LT_ACT_GELU_TANH },
        { "gelu_pytorch_tanh", LT_ACT_GELU_TANH }, { "relu", LT_ACT_RELU }, { "relu2", LT_ACT_RELU2 },
    };
    for (int i = 0; i < LT_COUNT(row); i++)
        if (!strcmp(name, row[i].name)) return row[i].act;
    return LT_ACT_SILU;
}

/* Llama 3: wavelengths well inside the original context stay, those beyond it are stretched in full, and between the
 * two the turn is a mean of both (the "llama3" rule of Hugging Face configurations). */
static double stretched(double turn, const struct lt_rope_scaling *s)
{
    double wave = 2 * 3.14159265358979323846 / turn, original = (double)s->original;
    if (wave > original / s->low) return turn / s->factor;
    if (wave < original / s->high || s->high <= s->low) return turn;
    double keep = (original / wave - s->low) / (s->high - s->low);
    return (1 - keep) * turn / s->factor + keep * turn;
}

const double *lt_rope_turns(struct lt_arena *a, int64_t rot, double theta, const struct lt_rope_scaling *s)
{
    double *turn = lt_arena_take(a, (size_t)(rot / 2 + 1) * sizeof *turn);
    for (int64_t i = 0; i < rot / 2; i++) {
        turn[i] = pow(theta, -2.0 * (double)i / (double)rot);
        if (s && !strcmp(s->type, "linear")) turn[i] /= s->factor;
        if (s && !strcmp(s->type, "llama3")) turn[i] = stretched(turn[i], s);
    }
    return turn;
}

struct lt_decoder lt_hyper_decoder(const struct lt_hyper *h, struct lt_model *m)
{
    int64_t width = h->hidden_size, heads = h->num_attention_heads;
    int64_t dim = h->head_dim ? h->head_dim : LT_MAX(1, width / heads);
    int64_t rot = h->partial_rotary_factor != 0 ? (int64_t)((double)dim * h->partial_rotary_factor) : dim;
    return (struct lt_decoder){
        .vocab = h->vocab_size, .width = width, .layers = h->num_hidden_layers, .heads = heads, .head_dim = dim,
        .inner = h->intermediate_size ? h->intermediate_size : (width * 8 / 3 + 63) / 64 * 64,
        .kv_heads = h->num_key_value_heads ? h->num_key_value_heads : heads, .context = h->max_position_embeddings,
        .init_std = h->initializer_range, .embed = "model.embed_tokens", .layer_prefix = "model.layers.",
        .norm1 = "input_layernorm", .norm2 = "post_attention_layernorm", .final_norm = "model.norm",
        .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",
        .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
        .head = h->tie_word_embeddings ? NULL : "lm_head", .order = LT_ORDER_PRE, .eps = h->norm_eps,
        .act = lt_act_of(h->hidden_act), .rot = rot, .turn = lt_rope_turns(&m->arena, rot, h->rope_theta, &h->scaling),
    };
}

void lt_hyper_plain_mlp(const struct lt_hyper *h, struct lt_decoder *d, const char *up, const char *down)
{
    d->gate = NULL;
    d->up = up;
    d->down = down;
    d->inner = h->intermediate_size ? h->intermediate_size : 4 * h->hidden_size;
}
