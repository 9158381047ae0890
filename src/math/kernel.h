/* Fused kernels over plain arrays.  Every one has a slow double-precision twin in test/diff and is chosen at run time
 * by the instruction set (AVX-512 with bf16, AVX2, plain C).
 *
 * Conventions.  Matrices are row-major (rows, cols) with a leading dimension in elements.  Forward functions overwrite
 * their result; backward functions ADD into the gradients they produce (`set` makes some overwrite them), and skip
 * those given as NULL.  Work is split into chunks that depend on shapes alone, so the bits do not depend on the number
 * of threads; a row's result does not depend on which rows stand beside it. */
#ifndef LT_KERNEL_H
#define LT_KERNEL_H

#include "base/base.h"
#include "math/dtype.h"

/* y = x / rms(x) * w, rms(x) = sqrt(mean(x^2) + eps); w NULL: no scale.  rstd (rows) is kept for backward; may be
 * NULL. */
struct lt_norm { int64_t rows, cols, ldx, ldy; float eps; bool set; };
void lt_rmsnorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, float *y, float *rstd);
void lt_rmsnorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *rstd,
                     const float *dy, float *dx, float *dw);
/* y = (x - mean(x)) / sqrt(var(x) + eps) * w + b; w and b may be NULL.  stat (rows, 2): mean, rstd. */
void lt_layernorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *b, float *y,
                  float *stat);
void lt_layernorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *stat,
                       const float *dy, float *dx, float *dw, float *db);

/* Rotary positions on the first `rot` of every head's `dim` components (partial rotary when rot < dim), pairs
 * (i, i + rot/2) as in Hugging Face models, or (2i, 2i + 1) when interleaved.  angle: (positions, rot/2, 2) cosines and
 * sines.  In place allowed (y == x).  inverse turns the other way, which is the backward pass. */
struct lt_rope { int64_t rows, heads, dim, rot, ldx, ldy; bool interleaved, inverse; };
void lt_rope_angles(float *angle, int64_t positions, int64_t rot, double theta,
                    const double *factor /* rot/2 or NULL */);
void lt_rope(struct lt_pool *p, const struct lt_rope *s, const float *angle, const int32_t *pos, const float *x,
             float *y);

/* Attention in tiles; no T x T matrix is ever held (FlashAttention-2, arXiv:2307.08691).
 * A batch is a list of sequences; packed documents are simply more, shorter sequences, which makes the mask
 * block-diagonal.  Query i of a sequence stands at position k_len - q_len + i of its keys, so a KV cache is
 * q_len < k_len.  Key tiles start at key 0 of the sequence and run upward whatever q_len is: a query's result has the
 * same bits alone with a cache and inside a full pass. */
enum lt_mask { LT_MASK_CAUSAL, LT_MASK_NONE, LT_MASK_PREFIX };      /* PREFIX: the first `prefix` keys see each other */
/* Keys may lie in pages instead: page[i] holds those from i * LT_PAGE_KEYS on, k_at bytes into it the keys and v_at the
 * values, each (kv_heads, LT_PAGE_KEYS, dim) of kv_type; with I8 the scales of the rows follow, (kv_heads,
 * LT_PAGE_KEYS) f32.  Pages change no bit and serve the forward pass alone. */
enum { LT_PAGE_KEYS = 32 };
struct lt_attn_seq {
    int64_t row;                    /* of its first query in q and o */
    int32_t q_len, k_len, prefix;
    const void *k, *v;              /* (k_len, kv_heads * dim), type kv_type */
    float *dk, *dv;                 /* f32 gradients, same shape, leading dimension ldk; NULL in a forward pass */
    const void *const *page;        /* NULL: k and v */
    size_t k_at, v_at;
};
struct lt_attn {
    int32_t heads, kv_heads, dim;   /* heads is a multiple of kv_heads (grouped-query) */
    int32_t window;                 /* sliding window: a query sees keys at distance < window; 0: all */
    float scale;                    /* positive; usually 1/sqrt(dim) */
    enum lt_mask mask;
    enum lt_compute compute;
    enum lt_dtype kv_type;          /* F32 or BF16; in pages also I8 */
    int64_t ldq, ldk, ldo;          /* ldk serves k, v, dk and dv */
    bool set;                       /* backward overwrites its sequences' rows of dq, dk and dv */
    const struct lt_attn_seq *seq; int64_t seq_count;
};
void lt_attention(struct lt_pool *p, const struct lt_attn *s, const float *q, float *o,
                  float *lse /* (rows, heads) or NULL */);
/* dq has leading dimension ldq, dout has ldo. */
void lt_attention_back(struct lt_pool *p, const struct lt_attn *s, const float *q, const float *o, const float *lse,
                       const float *dout, float *dq);

/* Activations, element by element; gated: y = act(gate) * up. */
enum lt_act { LT_ACT_GELU, LT_ACT_GELU_TANH, LT_ACT_SILU, LT_ACT_RELU, LT_ACT_RELU2 };
struct lt_rows { int64_t rows, cols, ldx, ldy; bool set; };
void lt_act(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *x, float *y);
void lt_act_back(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *x, const float *dy, float *dx);
/* ldx serves gate, up and their gradients; ldy serves y and dy. */
void lt_glu(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *gate, const float *up, float *y);
void lt_glu_back(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *gate, const float *up,
                 const float *dy, float *dgate, float *dup);

/* y[i] = w[id[i]]; w (vocab, cols) of type w_type.  Backward adds rows in token order, split over columns. */
void lt_embed_rows(struct lt_pool *p, int64_t rows, int64_t cols, const int32_t *id, const void *w,
                   enum lt_dtype w_type, float *y);
void lt_embed_rows_back(struct lt_pool *p, int64_t rows, int64_t cols, const int32_t *id, const float *dy, float *dw);

/* Inverted dropout; whether element j survives is a function of (seed, stream, j).  The same call is its backward. */
void lt_dropout(struct lt_pool *p, int64_t n, float rate, uint64_t seed, uint64_t stream, const float *x, float *y,
                bool add);

/* Output head fused with cross-entropy, in blocks of rows so that (rows, vocab) logits are never held whole.
 * loss[i] = weight[i] * ((1 - eps) * nll + eps * mean_v(-log p_v) + z * log(Z)^2), nll = log Z - logit[target].
 * Rows with weight 0 are skipped.  When dx or dw is given their gradients, times `scale`, are produced in the same
 * pass.  hit[i] (may be NULL): 1 when target is the most likely token.  logp[i] (may be NULL): log p(target),
 * unweighted. */
struct lt_packs;
struct lt_head {
    int64_t rows, width, vocab, ldx;
    const float *x;                 /* (rows, width) */
    const void *w; enum lt_dtype w_type; int64_t ldw; bool w_trans; /* (vocab, width), or (width, vocab) when w_trans */
    const struct lt_packs *packs;   /* of w, for compute (math/gemm.h); NULL: products read w */
    const float *bias;              /* (vocab) or NULL */
    const int32_t *target; const float *weight;
    float smoothing, z_loss, scale;
    enum lt_compute compute;
    float *loss, *logp, *dx, *dw, *dbias; uint8_t *hit;
    int64_t lddx, lddw;
    void *scratch;                  /* lt_head_scratch(s) bytes, 64-byte aligned; NULL: taken and given back */
};
size_t lt_head_scratch(const struct lt_head *s);
void lt_head_xent(struct lt_pool *p, const struct lt_head *s);

/* Small things, all with fixed summation order. */
void lt_add(struct lt_pool *p, int64_t n, const float *a, const float *b, float *y);
void lt_axpy(struct lt_pool *p, int64_t n, float alpha, const float *x, float *y);      /* y += alpha x */
void lt_scale(struct lt_pool *p, int64_t n, float alpha, const float *x, float *y);     /* y = alpha x; y may be x */
double lt_sum_squares(struct lt_pool *p, int64_t n, const float *x);
double lt_dot(struct lt_pool *p, int64_t n, const float *a, const float *b);
/* bias gradients */
void lt_colsum(struct lt_pool *p, int64_t rows, int64_t cols, int64_t ldx, const float *x, float *y, bool add);
int64_t lt_find_nonfinite(struct lt_pool *p, int64_t n, const float *x);                /* index of the first, or -1 */
void lt_log_softmax(const float *x, int64_t n, float *y);       /* one row, f32 input, double sums; y may be x */

#endif
