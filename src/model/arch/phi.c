/* Phi 1 and 1.5 (attention and MLP side by side after one norm, biases everywhere) and StableLM 2 (Llama with
 * LayerNorm); both rotate a part of each head. */
#include "model/arch/hyper.h"

static int phi_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    lt_hyper_plain_mlp(h, &d, "mlp.fc1", "mlp.fc2");
    d.class_name = "PhiForCausalLM";
    d.order = LT_ORDER_PARALLEL_SHARED;
    d.norm2 = NULL;
    d.o = "self_attn.dense";
    d.final_norm = "model.final_layernorm";
    d.layernorm = d.norm_bias = d.qkv_bias = d.o_bias = d.mlp_bias = d.head_bias = true;
    d.dropout = h->resid_pdrop;
    d.embed_dropout = h->embd_pdrop;
    return lt_decoder_params(m, &d);
}

static int stablelm_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "StableLmForCausalLM";
    d.layernorm = d.norm_bias = true;
    d.qkv_bias = h->use_qkv_bias;
    if (h->use_parallel_residual) {
        d.order = LT_ORDER_PARALLEL_SHARED;
        d.norm2 = NULL;
    }
    return lt_decoder_params(m, &d);
}

static const struct lt_opt phi_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_EPS("layer_norm_eps", 1e-5), LT_HYPER_ROPE, LT_HYPER_PARTIAL(0.5),
    LT_HYPER_ACT("gelu_new"), LT_HYPER_STD,
    LT_ROW_REAL(lt_hyper, "resid_pdrop", resid_pdrop, 0, 0, 0.99, "dropout of what layers add, in training"),
    LT_ROW_REAL(lt_hyper, "embd_pdrop", embd_pdrop, 0, 0, 0.99, "dropout of the embedding, in training"),
    { 0 },
};
static const struct lt_opt stablelm_rows[] = {
    LT_HYPER_SIZES,
    LT_HYPER_KV_HEADS,
    LT_HYPER_EPS("layer_norm_eps", 1e-5),
    LT_HYPER_ROPE,
    LT_HYPER_PARTIAL(0.25),
    LT_HYPER_COMMON("silu", 0),
    LT_ROW_BOOL(lt_hyper, "use_qkv_bias", use_qkv_bias, 0, "biases on q, k and v"),
    LT_ROW_BOOL(lt_hyper, "use_parallel_residual", use_parallel_residual, 0,
                "attention and MLP side by side after one norm"),
    { 0 },
};

const struct lt_arch lt_arch_phi = {
    .m = { .name = "phi", .brief = "attention and MLP side by side after one norm, biases everywhere; Phi 1.5",
           .paper = "arXiv:2309.05463", .size = sizeof(struct lt_hyper), .opts = phi_rows,
           .doc = "y = x + attn(n) + fc2(gelu(fc1 n)),  n = ln(x)" },
    .params = phi_params, .forward = lt_decoder_forward,
};
const struct lt_arch lt_arch_stablelm = {
    .m = { .name = "stablelm", .brief = "Llama with LayerNorm and partial rotary positions; StableLM 2",
           .paper = "arXiv:2402.17834", .size = sizeof(struct lt_hyper), .opts = stablelm_rows,
           .doc = "h = x + attn(ln(x));  y = h + down(silu(gate n) * up n),  n = ln(h)" },
    .params = stablelm_params, .forward = lt_decoder_forward,
};
