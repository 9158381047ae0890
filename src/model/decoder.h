/* The decoder that every family is a description of.
 *
 * An architecture fills a struct lt_decoder from its hyper-parameters: sizes, the names its weights have in a folder,
 * and where it differs.  Declaring and running it is done here, once. */
#ifndef LT_DECODER_H
#define LT_DECODER_H

#include "model/cache.h"
#include "model/model.h"

enum lt_decoder_order {
    LT_ORDER_PRE,               /* h = x + attn(norm1 x);  y = h + mlp(norm2 h) */
    LT_ORDER_POST,              /* h = x + norm1(attn x);  y = h + norm2(mlp h) */
    LT_ORDER_PARALLEL,          /* y = x + attn(norm1 x) + mlp(norm2 x) */
    LT_ORDER_PARALLEL_SHARED,   /* y = x + attn(norm1 x) + mlp(norm1 x) */
};
struct lt_pair { int w, b; };   /* indices of weights; -1: none */
struct lt_decoder_layer { struct lt_pair norm1, norm2, q, k, v, o, q_norm, k_norm, gate, up, down; };

struct lt_decoder {
    const char *class_name;
    int64_t vocab, width, inner, layers, heads, kv_heads, head_dim, context;
    double init_std;

    /* Names.  Those of a layer are "LAYERS<number>.NAME.weight" and ".bias"; NULL: there is none. */
    const char *embed, *positions;              /* positions: learned, else rotary */
    const char *layer_prefix;                   /* "model.layers." */
    const char *norm1, *norm2, *final_norm;
    const char *q, *k, *v, *o;                  /* k and v NULL: q makes all three at once */
    const char *q_norm, *k_norm;                /* over all heads together (OLMo 2) */
    const char *gate, *up, *down;               /* gate NULL: act(up x), else act(gate x) * (up x) */
    const char *head;                           /* NULL: tied to the embedding */
    bool qkv_bias, o_bias, mlp_bias, head_bias, norm_bias, norm_plain;  /* norm_plain: norms without weights */
    bool transposed;                            /* linear weights lie (in, out) */
    bool qkv_by_head; /* fused: q, k, v of the first head, of the second ...; else all q first */

    enum lt_decoder_order order;
    bool layernorm;                             /* else RMSNorm */
    double eps;
    enum lt_act act;
    int64_t rot;                                /* components of a head that turn; 0: none */
    const double *turn;                         /* (rot/2) radians a position */
    int64_t window, window_from;                /* sliding window of layers from window_from on; 0: none */
    enum lt_attend attend;                      /* how scores become weights */
    double scale;                               /* of attention scores; 0: 1 / sqrt(head_dim) */
    bool norm_none;                             /* no norms at all */
    double clip;                                /* q, k, v (made apart) held to [-clip, clip]; 0: not */
    bool scale_by_layer;                        /* attention scores also divided by the layer's number from 1 */
    double dropout, embed_dropout;              /* of what is added to the residual stream, and of the embedding */

    struct lt_pair table, place, last, out;     /* the rest is filled in by lt_decoder_params */
    struct lt_decoder_layer *layer;
};

/* Declares the weights of *d (copied) and leaves the plan in the model. */
int lt_decoder_params(struct lt_model *m, const struct lt_decoder *d);
struct lt_tensor *lt_decoder_forward(const void *o, struct lt_model *m, struct lt_graph *g, const struct lt_batch *b);

#endif
