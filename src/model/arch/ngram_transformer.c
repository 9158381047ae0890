/* The Transformer of "Transformers Can Represent n-gram Language Models" (Svete and Cotterell 2024): no norms, learned
 * positions, a ReLU MLP, and attention whose weights are exactly 0 for all keys but one: hard, or sparsemax.  `lathe
 * ngram compile` writes its weights from an n-gram model; with sparsemax it can be trained too. */
#include "model/arch/hyper.h"
#include "model/decoder.h"

#include <string.h>

struct ngram_transformer { struct lt_hyper h; const char *attention; bool compiled; };

static enum lt_attend kind_of(const char *name)
{
    return !strcmp(name, "hard") ? LT_ATTEND_HARD : !strcmp(name, "softmax") ? LT_ATTEND_SOFTMAX : LT_ATTEND_SPARSEMAX;
}

static int ngram_transformer_params(const void *o, struct lt_model *m)
{
    const struct ngram_transformer *t = o;
    const struct lt_hyper *h = &t->h;
    struct lt_decoder d = {
        .class_name = "NgramTransformerForCausalLM",
        .vocab = h->vocab_size,
        .width = h->hidden_size,
        .inner = h->intermediate_size ? h->intermediate_size : 4 * h->hidden_size,
        .layers = h->num_hidden_layers,
        .heads = h->num_attention_heads,
        .kv_heads = h->num_key_value_heads ? h->num_key_value_heads : h->num_attention_heads,
        .head_dim = h->head_dim ? h->head_dim : LT_MAX(1, h->hidden_size / h->num_attention_heads),
        .context = h->max_position_embeddings,
        .init_std = h->initializer_range,
        .embed = "model.embed_tokens",
        .positions = "model.embed_positions",
        .layer_prefix = "model.layers.",
        .q = "self_attn.q_proj",
        .k = "self_attn.k_proj",
        .v = "self_attn.v_proj",
        .o = "self_attn.o_proj",
        .up = "mlp.up_proj",
        .down = "mlp.down_proj",
        .head = "lm_head",
        .order = LT_ORDER_PRE,
        .norm_none = true,
        .act = LT_ACT_RELU,
        .attend = kind_of(t->attention),
        .scale = 1,
    };
    return lt_decoder_params(m, &d);
}

/* Compiled positions are whole numbers up to the square of the context, which bf16 would round. */
static struct lt_tensor *ngram_transformer_forward(const void *o, struct lt_model *m, struct lt_graph *g,
                                                   const struct lt_batch *b)
{
    const struct ngram_transformer *t = o;
    bool half = lt_graph_compute(g) != LT_COMPUTE_F32;
    for (int64_t s = 0; b->cache && s < b->seq_count; s++) half |= lt_cache_type(b->cache[s]) != LT_F32;
    if (t->compiled && half) {
        lt_fail("a compiled n-gram model is exact in float32 alone: run it with dtype=float32 and cache=float32");
        return NULL;
    }
    return lt_decoder_forward(o, m, g, b);
}

static const struct lt_opt rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_HEAD_DIM,
    LT_ROW_ENUM(ngram_transformer, "attention", attention, "sparsemax|hard|softmax", "how scores become weights"),
    LT_ROW_BOOL(ngram_transformer, "compiled", compiled, 0, "written from an n-gram model: refuses to run rounded"),
    LT_ROW_REAL(lt_hyper, "initializer_range", initializer_range, 0.1, 0, 10, "standard deviation of new weights"),
    { 0 },
};
const struct lt_arch lt_arch_ngram_transformer = {
    .m = { .name = "ngram_transformer", .brief = "no norms, hard or sparsemax attention; holds n-gram models exactly",
           .paper = "arXiv:2404.14994", .size = sizeof(struct ngram_transformer), .opts = rows,
           .doc = "h = x + attn(x);  y = h + down(relu(up h));  positions are rows of a table\n"
                  "`lathe ngram compile` writes its weights from an n-gram model." },
    .params = ngram_transformer_params, .forward = ngram_transformer_forward,
};
