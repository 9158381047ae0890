/* GPT-2 (learned positions, one weight for q, k and v, linear weights stored (in, out)) and GPT-NeoX, which is Pythia
 * (rotary positions on a part of each head, attention and MLP side by side, q, k and v interleaved by head). */
#include "model/arch/hyper.h"

struct gpt2 {
    int64_t vocab_size, n_embd, n_inner, n_layer, n_head, n_positions;
    double layer_norm_epsilon, initializer_range, resid_pdrop, embd_pdrop;
    const char *activation_function;
    bool tie_word_embeddings, scale_attn_by_inverse_layer_idx;
};

static int gpt2_params(const void *o, struct lt_model *m)
{
    const struct gpt2 *h = o;
    struct lt_decoder d = {
        .class_name = "GPT2LMHeadModel",
        .vocab = h->vocab_size,
        .width = h->n_embd,
        .inner = h->n_inner ? h->n_inner : 4 * h->n_embd,
        .layers = h->n_layer,
        .heads = h->n_head,
        .kv_heads = h->n_head,
        .head_dim = LT_MAX(1, h->n_embd / h->n_head),
        .context = h->n_positions,
        .init_std = h->initializer_range,
        .embed = "transformer.wte",
        .positions = "transformer.wpe",
        .layer_prefix = "transformer.h.",
        .norm1 = "ln_1",
        .norm2 = "ln_2",
        .final_norm = "transformer.ln_f",
        .q = "attn.c_attn",
        .o = "attn.c_proj",
        .up = "mlp.c_fc",
        .down = "mlp.c_proj",
        .head = h->tie_word_embeddings ? NULL : "lm_head",
        .qkv_bias = true,
        .o_bias = true,
        .mlp_bias = true,
        .norm_bias = true,
        .transposed = true,
        .order = LT_ORDER_PRE,
        .layernorm = true,
        .eps = h->layer_norm_epsilon,
        .act = lt_act_of(h->activation_function),
        .scale_by_layer = h->scale_attn_by_inverse_layer_idx,
        .dropout = h->resid_pdrop,
        .embed_dropout = h->embd_pdrop,
    };
    return lt_decoder_params(m, &d);
}

struct gpt_neox {
    struct lt_hyper h;
    double hidden_dropout;
};

static int gpt_neox_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = &((const struct gpt_neox *)o)->h;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    lt_hyper_plain_mlp(h, &d, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h");
    d.class_name = "GPTNeoXForCausalLM";
    d.embed = "gpt_neox.embed_in";
    d.layer_prefix = "gpt_neox.layers.";
    d.final_norm = "gpt_neox.final_layer_norm";
    d.q = "attention.query_key_value";
    d.k = d.v = NULL;
    d.o = "attention.dense";
    d.head = h->tie_word_embeddings ? NULL : "embed_out";
    d.qkv_by_head = d.layernorm = d.norm_bias = d.mlp_bias = true;
    d.qkv_bias = d.o_bias = h->attention_bias;
    d.order = h->use_parallel_residual ? LT_ORDER_PARALLEL : LT_ORDER_PRE;
    d.dropout = d.embed_dropout = ((const struct gpt_neox *)o)->hidden_dropout;
    return lt_decoder_params(m, &d);
}

static const struct lt_opt gpt2_rows[] = {
    LT_ROW_INT(gpt2, "vocab_size", vocab_size, 8192, 1, 1 << 24, "tokens in the vocabulary", .alias = "vocab"),
    LT_ROW_INT(gpt2, "n_embd", n_embd, 256, 1, LT_SIZE_MAX, "width of the residual stream",
               .alias = "hidden_size,d_model,dim"),
    LT_ROW_INT(gpt2, "n_inner", n_inner, 0, 0, LT_SIZE_MAX, "width inside the MLP; 0: four times n_embd",
               .alias = "intermediate_size,d_ff"),
    LT_ROW_INT(gpt2, "n_layer", n_layer, 8, 1, 4096, "layers", .alias = "num_hidden_layers,n_layers"),
    LT_ROW_INT(gpt2, "n_head", n_head, 8, 1, 4096, "heads", .alias = "num_attention_heads,n_heads"),
    LT_ROW_INT(gpt2, "n_positions", n_positions, 512, 1, LT_CONTEXT_MAX, "longest context in tokens",
               .alias = "max_position_embeddings,block_size,context"),
    LT_ROW_REAL(gpt2, "layer_norm_epsilon", layer_norm_epsilon, 1e-5, 0, 1, "added to the variance in the norms"),
    LT_ROW_ENUM(gpt2, "activation_function", activation_function, "gelu_new" LT_ACTS, "activation inside the MLP"),
    LT_ROW_BOOL(gpt2, "tie_word_embeddings", tie_word_embeddings, 1, "the output head is the embedding"),
    LT_ROW_BOOL(gpt2, "scale_attn_by_inverse_layer_idx", scale_attn_by_inverse_layer_idx, 0,
                "attention scores divided by the layer's number"),
    LT_ROW_REAL(gpt2, "initializer_range", initializer_range, 0.02, 0, 10, "standard deviation of new weights"),
    LT_ROW_REAL(gpt2, "resid_pdrop", resid_pdrop, 0, 0, 0.99, "dropout of what layers add, in training"),
    LT_ROW_REAL(gpt2, "embd_pdrop", embd_pdrop, 0, 0, 0.99, "dropout of the embedding, in training"),
    { 0 },
};
static const struct lt_opt gpt_neox_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_ACT("gelu"), LT_HYPER_EPS("layer_norm_eps", 1e-5), LT_HYPER_STD,
    LT_ROW_REAL(lt_hyper, "rotary_pct", partial_rotary_factor, 0.25, 0.001, 1, "share of a head that is rotated"),
    LT_ROW_REAL(lt_hyper, "rotary_emb_base", rope_theta, 10000, 1, 1e12, "base of the rotary wavelengths"),
    LT_ROW_ENUM(lt_hyper, "rope_scaling_type", scaling.type, "default|linear", "how wavelengths are stretched"),
    LT_ROW_REAL(lt_hyper, "rope_scaling_factor", scaling.factor, 1, 1e-3, 1e6, "by how much"),
    LT_ROW_BOOL(lt_hyper, "use_parallel_residual", use_parallel_residual, 1, "attention and MLP side by side"),
    LT_ROW_BOOL(lt_hyper, "attention_bias", attention_bias, 1, "biases on q, k, v and the output"),
    LT_ROW_BOOL(lt_hyper, "tie_word_embeddings", tie_word_embeddings, 0, "the output head is the embedding"),
    LT_ROW_REAL(gpt_neox, "hidden_dropout", hidden_dropout, 0, 0, 0.99, "dropout of what layers add, in training"),
    { 0 },
};

const struct lt_arch lt_arch_gpt2 = {
    .m = { .name = "gpt2",
           .brief = "LayerNorm, learned positions, GELU",
           .paper = "https://cdn.openai.com/better-language-models/"
                    "language_models_are_unsupervised_multitask_learners.pdf",
           .size = sizeof(struct gpt2),
           .opts = gpt2_rows,
           .doc = "h = x + attn(ln1(x));  y = h + proj(gelu(fc ln2(h)));  positions are rows of a table" },
    .params = gpt2_params,
    .forward = lt_decoder_forward,
};
const struct lt_arch lt_arch_gpt_neox = {
    .m = { .name = "gpt_neox", .brief = "attention and MLP side by side, partial rotary positions; Pythia",
           .paper = "arXiv:2204.06745", .size = sizeof(struct gpt_neox), .opts = gpt_neox_rows,
           .doc = "y = x + attn(ln1(x)) + mlp(ln2(x))" },
    .params = gpt_neox_params, .forward = lt_decoder_forward,
};
