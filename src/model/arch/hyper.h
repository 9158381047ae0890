/* Hyper-parameters in the spelling of the Llama family's config.json, which most families share, and the macros that
 * make their option rows.  0 in a size that may be derived means: derive it. */
#ifndef LT_HYPER_H
#define LT_HYPER_H

#include "model/decoder.h"

struct lt_rope_scaling {
    const char *type;                   /* "default", "linear", "llama3" */
    double factor, low, high;           /* llama3: factors of the low and the high frequencies */
    int64_t original;                   /* context before scaling */
};
struct lt_hyper {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads;
    int64_t head_dim, max_position_embeddings, sliding_window, max_window_layers;
    double norm_eps, rope_theta, partial_rotary_factor, initializer_range, clip_qkv;
    double resid_pdrop, embd_pdrop;
    struct lt_rope_scaling scaling;
    const char *hidden_act;
    bool tie_word_embeddings, attention_bias, mlp_bias, use_sliding_window, use_qkv_bias, use_parallel_residual;
};

/* The common part: sizes, names of the Llama layout, rotary positions.  Memory comes from the model's arena. */
struct lt_decoder lt_hyper_decoder(const struct lt_hyper *h, struct lt_model *m);
/* An MLP without a gate: act(up x), four times as wide as the residual stream unless said otherwise. */
void lt_hyper_plain_mlp(const struct lt_hyper *h, struct lt_decoder *d, const char *up, const char *down);
/* (rot/2) radians a position, in the arena. */
const double *lt_rope_turns(struct lt_arena *a, int64_t rot, double theta, const struct lt_rope_scaling *s);
enum lt_act lt_act_of(const char *name);

#define LT_SIZE_MAX (1 << 20)           /* of widths; products of two stay far from overflow */
#define LT_CONTEXT_MAX (1 << 24)
#define LT_ACTS "|silu|gelu|gelu_new|gelu_fast|gelu_pytorch_tanh|relu|relu2"

#define LT_ROW_INT(S, k, f, d, lo, hi, h, ...) \
    { \
        .key = k, .help = h, .type = LT_INT, .at = offsetof(struct S, f), .dflt = d, .min = lo, .max = hi, \
        ##__VA_ARGS__ \
    }
#define LT_ROW_REAL(S, k, f, d, lo, hi, h, ...) \
    { \
        .key = k, .help = h, .type = LT_REAL, .at = offsetof(struct S, f), .dflt = d, .min = lo, .max = hi, \
        ##__VA_ARGS__ \
    }
#define LT_ROW_BOOL(S, k, f, d, h) { .key = k, .help = h, .type = LT_BOOL, .at = offsetof(struct S, f), .dflt = d }
#define LT_ROW_ENUM(S, k, f, t, h) \
    { .key = k, .help = h, .type = LT_STR, .at = offsetof(struct S, f), .text = t, .flags = LT_ENUM }

#define LT_HYPER_SIZES \
    LT_ROW_INT(lt_hyper, "vocab_size", vocab_size, 8192, 1, 1 << 24, "tokens in the vocabulary", .alias = "vocab"), \
    LT_ROW_INT(lt_hyper, "hidden_size", hidden_size, 256, 1, LT_SIZE_MAX, "width of the residual stream", \
               .alias = "n_embd,d_model,dim"), \
    LT_ROW_INT(lt_hyper, "intermediate_size", intermediate_size, 0, 0, LT_SIZE_MAX, \
               "width inside the MLP; 0: from hidden_size", .alias = "n_inner,d_ff"), \
    LT_ROW_INT(lt_hyper, "num_hidden_layers", num_hidden_layers, 8, 1, 4096, "layers", .alias = "n_layer,n_layers"), \
    LT_ROW_INT(lt_hyper, "num_attention_heads", num_attention_heads, 8, 1, 4096, "heads of queries", \
               .alias = "n_head,n_heads"), \
    LT_ROW_INT(lt_hyper, "max_position_embeddings", max_position_embeddings, 512, 1, LT_CONTEXT_MAX, \
               "longest context in tokens", .alias = "block_size,n_positions,context")
#define LT_HYPER_KV_HEADS \
    LT_ROW_INT(lt_hyper, "num_key_value_heads", num_key_value_heads, 0, 0, 4096, \
               "heads of keys and values; 0: as many as of queries", .alias = "n_kv_heads")
#define LT_HYPER_HEAD_DIM \
    LT_ROW_INT(lt_hyper, "head_dim", head_dim, 0, 0, 4096, "width of a head; 0: hidden_size / num_attention_heads")
#define LT_HYPER_ROPE \
    LT_ROW_REAL(lt_hyper, "rope_theta", rope_theta, 10000, 1, 1e12, "base of the rotary wavelengths"), \
    LT_ROW_ENUM(lt_hyper, "rope_scaling_type", scaling.type, "default|linear|llama3", \
                "how wavelengths are stretched"), \
    LT_ROW_REAL(lt_hyper, "rope_scaling_factor", scaling.factor, 1, 1e-3, 1e6, "by how much"), \
    LT_ROW_REAL(lt_hyper, "rope_scaling_low_freq_factor", scaling.low, 1, 1e-3, 1e6, \
                "llama3: where stretching is full"), \
    LT_ROW_REAL(lt_hyper, "rope_scaling_high_freq_factor", scaling.high, 4, 1e-3, 1e6, \
                "llama3: where it begins"), \
    LT_ROW_INT(lt_hyper, "rope_scaling_original_max_position_embeddings", scaling.original, 8192, 1, \
               LT_CONTEXT_MAX, "llama3: context before stretching")
#define LT_HYPER_ACT(act) LT_ROW_ENUM(lt_hyper, "hidden_act", hidden_act, act LT_ACTS, "activation inside the MLP")
#define LT_HYPER_STD \
    LT_ROW_REAL(lt_hyper, "initializer_range", initializer_range, 0.02, 0, 10, "standard deviation of new weights")
#define LT_HYPER_PARTIAL(d) \
    LT_ROW_REAL(lt_hyper, "partial_rotary_factor", partial_rotary_factor, d, 0.001, 1, \
                "share of a head that is rotated")
#define LT_HYPER_COMMON(act, tied) \
    LT_HYPER_ACT(act), \
    LT_ROW_BOOL(lt_hyper, "tie_word_embeddings", tie_word_embeddings, tied, "the output head is the embedding"), \
    LT_HYPER_STD
#define LT_HYPER_EPS(k, d) \
    LT_ROW_REAL(lt_hyper, k, norm_eps, d, 0, 1, "added to the mean square in the norms")

#endif
