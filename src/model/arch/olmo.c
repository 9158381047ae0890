/* OLMo (LayerNorm without weights, clipped q, k and v) and OLMo 2 (norms after attention and MLP, and on q and k). */
#include "model/arch/hyper.h"

static int olmo_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "OlmoForCausalLM";
    d.layernorm = d.norm_plain = true;
    d.eps = 1e-5;
    d.qkv_bias = d.o_bias = h->attention_bias;
    d.clip = h->clip_qkv;
    return lt_decoder_params(m, &d);
}

static int olmo2_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "Olmo2ForCausalLM";
    d.order = LT_ORDER_POST;
    d.norm1 = "post_attention_layernorm";
    d.norm2 = "post_feedforward_layernorm";
    d.q_norm = "self_attn.q_norm";
    d.k_norm = "self_attn.k_norm";
    d.qkv_bias = d.o_bias = h->attention_bias;
    return lt_decoder_params(m, &d);
}

static const struct lt_opt olmo_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_ROPE, LT_HYPER_COMMON("silu", 0),
    LT_ROW_BOOL(lt_hyper, "attention_bias", attention_bias, 0, "biases on q, k, v and o"),
    LT_ROW_REAL(lt_hyper, "clip_qkv", clip_qkv, 0, 0, 1e6, "q, k and v are held to this size; 0: not"),
    { 0 },
};
static const struct lt_opt olmo2_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_EPS("rms_norm_eps", 1e-5), LT_HYPER_ROPE, LT_HYPER_COMMON("silu", 0),
    LT_ROW_BOOL(lt_hyper, "attention_bias", attention_bias, 0, "biases on q, k, v and o"),
    { 0 },
};

const struct lt_arch lt_arch_olmo = {
    .m = { .name = "olmo",
           .brief = "Llama with LayerNorm that has no weights",
           .paper = "arXiv:2402.00838",
           .size = sizeof(struct lt_hyper),
           .opts = olmo_rows,
           .doc = "h = x + attn(ln(x));  y = h + down(silu(gate n) * up n),  n = ln(h);  ln(x) = (x - mean) / "
                  "sqrt(var + 1e-5)" },
    .params = olmo_params,
    .forward = lt_decoder_forward,
};
const struct lt_arch lt_arch_olmo2 = {
    .m = { .name = "olmo2",
           .brief = "norms after attention and MLP, and on queries and keys",
           .paper = "arXiv:2501.00656",
           .size = sizeof(struct lt_hyper),
           .opts = olmo2_rows,
           .doc = "h = x + rmsnorm(attn(x));  y = h + rmsnorm(mlp(h));  q and k are normed over all heads together" },
    .params = olmo2_params,
    .forward = lt_decoder_forward,
};
