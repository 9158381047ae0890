/* Llama and the families that keep its layout: Mistral (sliding window), Qwen 2 (biases on q, k and v).
 * RMSNorm before attention and MLP, rotary positions, grouped queries, SwiGLU. */
#include "model/arch/hyper.h"

static int llama_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "LlamaForCausalLM";
    d.qkv_bias = d.o_bias = h->attention_bias;
    d.mlp_bias = h->mlp_bias;
    return lt_decoder_params(m, &d);
}

static int mistral_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "MistralForCausalLM";
    d.window = h->sliding_window;
    return lt_decoder_params(m, &d);
}

static int qwen2_params(const void *o, struct lt_model *m)
{
    const struct lt_hyper *h = o;
    struct lt_decoder d = lt_hyper_decoder(h, m);
    d.class_name = "Qwen2ForCausalLM";
    d.qkv_bias = true;
    d.window = h->use_sliding_window ? h->sliding_window : 0;
    d.window_from = h->max_window_layers;
    return lt_decoder_params(m, &d);
}

#define WINDOW(dflt) \
    LT_ROW_INT(lt_hyper, "sliding_window", sliding_window, dflt, 0, LT_CONTEXT_MAX, "a token sees this many; 0: all")
static const struct lt_opt llama_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_HEAD_DIM, LT_HYPER_EPS("rms_norm_eps", 1e-6), LT_HYPER_ROPE,
    LT_HYPER_COMMON("silu", 0),
    LT_ROW_BOOL(lt_hyper, "attention_bias", attention_bias, 0, "biases on q, k, v and o"),
    LT_ROW_BOOL(lt_hyper, "mlp_bias", mlp_bias, 0, "biases in the MLP"),
    { 0 },
};
static const struct lt_opt mistral_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_HEAD_DIM, LT_HYPER_EPS("rms_norm_eps", 1e-6), LT_HYPER_ROPE,
    LT_HYPER_COMMON("silu", 0),
    WINDOW(4096),
    { 0 },
};
static const struct lt_opt qwen2_rows[] = {
    LT_HYPER_SIZES, LT_HYPER_KV_HEADS, LT_HYPER_EPS("rms_norm_eps", 1e-6), LT_HYPER_ROPE, LT_HYPER_COMMON("silu", 0),
    LT_ROW_BOOL(lt_hyper, "use_sliding_window", use_sliding_window, 0, "the later layers see only a window"),
    WINDOW(4096),
    LT_ROW_INT(lt_hyper, "max_window_layers", max_window_layers, 28, 0, 4096, "the first layer with a window"),
    { 0 },
};

const struct lt_arch lt_arch_llama = {
    .m = { .name = "llama",
           .brief = "RMSNorm, rotary positions, SwiGLU; also SmolLM2, TinyLlama",
           .paper = "arXiv:2302.13971",
           .size = sizeof(struct lt_hyper),
           .opts = llama_rows,
           .doc = "h = x + attn(rmsnorm(x));  y = h + down(silu(gate n) * up n),  n = rmsnorm(h)" },
    .params = llama_params,
    .forward = lt_decoder_forward,
};
const struct lt_arch lt_arch_mistral = {
    .m = { .name = "mistral", .brief = "Llama with attention in a sliding window", .paper = "arXiv:2310.06825",
           .size = sizeof(struct lt_hyper), .opts = mistral_rows,
           .doc = "A token sees itself and the sliding_window - 1 tokens before it." },
    .params = mistral_params, .forward = lt_decoder_forward,
};
const struct lt_arch lt_arch_qwen2 = {
    .m = { .name = "qwen2",
           .brief = "Llama with biases on queries, keys and values; Qwen 2 and 2.5",
           .paper = "arXiv:2407.10671",
           .size = sizeof(struct lt_hyper),
           .opts = qwen2_rows,
           .doc = "q = Wq n + bq, k = Wk n + bk, v = Wv n + bv; otherwise Llama." },
    .params = qwen2_params,
    .forward = lt_decoder_forward,
};
