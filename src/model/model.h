/* A model: an architecture, its hyper-parameters, and weights by name.
 *
 * Weights keep the names, shapes and order of elements of the Hugging Face folder they come from, and are used where
 * they lie in the mapped file; training gives each an f32 copy.  Architectures ask for weights by name and pass every
 * use through two seams, lt_linear and lt_embed, and every activation through lt_tap; they know nothing of adapters,
 * steering or decoding. */
#ifndef LT_MODEL_H
#define LT_MODEL_H

#include "base/base.h"
#include "graph/graph.h"
#include "lm/batch.h"

enum lt_init { LT_INIT_NORMAL, LT_INIT_ZERO, LT_INIT_ONE, LT_INIT_NORMAL_RESIDUAL };   /* RESIDUAL: std / sqrt(2 layers) */
struct lt_weight {
    const char *name;               /* "model.layers.0.self_attn.q_proj.weight" */
    enum lt_dtype type;             /* of data */
    int32_t rank;
    int64_t dim[4];
    bool transposed;                /* stored (in, out), as GPT-2 does */
    enum lt_init init;
    int32_t layer;                  /* -1: outside the layers */
    const void *data;               /* borrowed from the file, or master */
    float *master, *grad;           /* f32; NULL unless training; grad NULL when frozen */
    struct lt_tensor *leaf;         /* in the graph of the current pass */
};

struct lt_model {
    const struct lt_arch *arch;
    void *o;                        /* filled option struct of the architecture */
    struct lt_options *options;     /* owns o */
    struct lt_weight *weight; int weight_count;
    struct lt_map by_name;
    struct lt_arena arena;
    const char *head_name, *head_bias_name;     /* output head; with tied weights the embedding's name */
    int64_t vocab, width, layers, heads, kv_heads, head_dim, context;
    void *files;                    /* mapped safetensors, opaque */
};

/* Called by arch->params.  Shapes are checked against the file when one is open. */
struct lt_weight *lt_model_declare(struct lt_model *m, const char *name, int rank, const int64_t *dim, enum lt_init init,
                                   int layer, bool transposed);
struct lt_weight *lt_model_weight(const struct lt_model *m, const char *name);      /* NULL: lt_error suggests near names */

/* A Hugging Face folder, a .safetensors beside its config.json, or a llama2.c checkpoint; mapped, never copied. */
int lt_model_open(const char *path, struct lt_model **out);
/* New weights drawn from seed; `o` belongs to options. */
int lt_model_new(const struct lt_arch *a, struct lt_options *options, uint64_t seed, struct lt_model **out);
int lt_model_train(struct lt_model *m);         /* gives every weight an f32 master and a gradient */
int lt_model_save(const struct lt_model *m, const char *folder, enum lt_dtype type);  /* config.json, model.safetensors, generation_config.json */
void lt_model_free(struct lt_model *m);

/* The seams. */
struct lt_tensor *lt_linear(struct lt_graph *g, struct lt_model *m, struct lt_weight *w, struct lt_weight *bias /* or NULL */,
                            struct lt_tensor *x);
struct lt_tensor *lt_embed(struct lt_graph *g, struct lt_model *m, struct lt_weight *w, const int32_t *id, int64_t rows);
struct lt_tensor *lt_tap(struct lt_graph *g, struct lt_model *m, const char *site, int layer, struct lt_tensor *x);
struct lt_tensor *lt_weight_leaf(struct lt_graph *g, struct lt_weight *w);  /* norms and other small weights */

#endif
