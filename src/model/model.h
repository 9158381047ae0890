/* A model: an architecture, its hyper-parameters, and weights by name.
 *
 * Weights keep the names, shapes and order of elements of the Hugging Face folder they come from, and are used where
 * they lie in the mapped file; training gives each an f32 copy.  Architectures ask for weights by name and pass every
 * use through two seams, lt_linear and lt_embed, and every activation through lt_tap; they know nothing of adapters,
 * steering or decoding.
 *
 * A forward pass changes nothing in the model, so several graphs may run through one at a time each. */
#ifndef LT_MODEL_H
#define LT_MODEL_H

#include "base/base.h"
#include "base/io.h"
#include "graph/graph.h"
#include "lm/batch.h"
#include "lm/generation.h"
#include "math/gemm.h"

enum lt_init {
    LT_INIT_NORMAL,
    LT_INIT_ZERO,
    LT_INIT_ONE,
    LT_INIT_NORMAL_RESIDUAL
}; /* RESIDUAL: std / sqrt(2 layers) */
struct lt_weight {
    const char *name;               /* "model.layers.0.self_attn.q_proj.weight" */
    enum lt_dtype type;             /* of data: F32, BF16, F16 or quantised; vectors always F32 */
    int32_t rank;
    int64_t dim[4];
    bool transposed;                /* stored (in, out), as GPT-2 does */
    bool flipped;                   /* lies (out, in), and (in, out) in a folder: GPT-2 from a GGUF file */
    enum lt_init init;
    int32_t layer;                  /* -1: outside the layers */
    const void *data;               /* borrowed from the file, or master */
    float *master, *grad;           /* f32; NULL unless training, and grad if frozen (lt_weight_freeze) */
    float *grad_memory;             /* what is freed in the end; NULL: nothing */
    int32_t stack;                  /* weights stacked from here on (lt_model_stack); 0: alone; -1: behind another */
    struct lt_packs packs;          /* by lt_model_pack, or, all of a stack's with its first, lt_model_pack_step */
    enum lt_compute packed_for;
};

/* Sees every activation by name and may put another of the same shape in its place.  Sites of a decoder, in order:
 * "embed"; in each layer "attn_in" (after the norm), "q", "k", "v" (after rotation), "attn_mix" (before the output
 * projection), "attn_out", "mlp_in", "mlp_mid" (before the down projection), "mlp_out", "resid"; at last "final".  The
 * tensor may be gone when the call returns: copy what must be kept.  With checkpointing the sites of a layer are passed
 * again in backward. */
typedef struct lt_tensor *lt_tap_fn(void *self, struct lt_graph *g, const char *site, int layer, struct lt_tensor *x);

struct lt_model {
    const struct lt_arch *arch;
    void *o;                        /* filled option struct of the architecture */
    struct lt_options *options;     /* owns o */
    struct lt_weight *weight; int weight_count;     /* in the order of declaration; moves when one is declared */
    struct lt_map by_name;          /* name -> index */
    struct lt_arena arena;
    const char *class_name;         /* "LlamaForCausalLM", for config.json */
    const char *head_name, *head_bias_name;     /* output head; with tied weights the embedding's name */
    bool tied;
    int64_t vocab, width, inner, layers, heads, kv_heads, head_dim, context;
    double init_std;                /* of normal weights */
    void *plan;                     /* what the architecture's forward works from; in the arena */
    bool checkpoint;                /* training keeps one tensor a layer and computes the rest again in backward */
    lt_tap_fn *tap; void *tap_self; /* NULL: nobody watches */
    struct lt_generation generation;
    struct lt_safetensors *files;   /* NULL: none */
    struct lt_file mapped;          /* a llama2.c checkpoint */
    struct lt_gguf *gguf;           /* NULL: none */
};

/* Called by arch->params.  Returns the weight's index, or -1 when the file that is open lacks it or disagrees. */
int lt_model_declare(struct lt_model *m, const char *name, int rank, const int64_t *dim, enum lt_init init, int layer,
                     bool transposed);
/* These weights, declared one after the other, are multiplied by the same input: in training they lie one behind the
 * other, so that one product does for all.  They have two dimensions, the second the same, and are not transposed. */
void lt_model_stack(struct lt_model *m, int first, int count);
struct lt_weight *lt_model_weight(const struct lt_model *m,
                                  const char *name); /* NULL: lt_error suggests near names */

/* A Hugging Face folder, a .safetensors beside its config.json, a GGUF file, or a llama2.c checkpoint; mapped, never
 * copied. */
int lt_model_open(const char *path, struct lt_model **out);
/* A llama2.c checkpoint in memory, which is borrowed for as long as the model lives. */
int lt_model_parse_llama2c(const char *label, const uint8_t *p, size_t n, struct lt_model **out);
bool lt_model_is_file(const char *path);    /* a file that lt_model_open would try */
/* Takes over `options`, a set of the architecture's rows, also when it fails.  New weights are drawn from seed, each
 * from the stream of its name. */
int lt_model_new(const struct lt_arch *a, struct lt_options *options, uint64_t seed, struct lt_ctx *c,
                 struct lt_model **out);
void lt_weight_freeze(struct lt_weight *w);     /* no gradient for it; after lt_model_train */
int lt_model_train(struct lt_model *m);         /* gives every weight an f32 master and a zeroed gradient */
/* Keeps matrices that are not quantised a second time, rounded for this compute and in the order in which products
 * read: with bf16 a token then costs half the memory traffic.  The bits of products do not change.  For graphs of this
 * compute that do not record; lt_model_train undoes it. */
void lt_model_pack(struct lt_model *m, enum lt_compute compute, struct lt_ctx *c);
void lt_weight_pack(struct lt_weight *w, enum lt_compute compute, struct lt_ctx *c);    /* one matrix */
void lt_weight_unpack(struct lt_weight *w);
/* The same of what is trained, for the backward products too and a stack as one matrix, for graphs that record as well:
 * micro-batches then share the work.  Packs hold what weights were, so they are made before the passes of a step and
 * dropped before weights change. */
void lt_model_pack_step(struct lt_model *m, enum lt_compute compute, struct lt_ctx *c);
void lt_model_unpack_step(struct lt_model *m);
/* Writes config.json, model.safetensors (floats as `type`) and generation_config.json into a folder, each atomically;
 * other files there stay, but for the shards of an earlier save.  For a whole folder at once give it the temporary one
 * of an lt_folder. */
int lt_model_save(const struct lt_model *m, const char *folder, enum lt_dtype type);
/* The same, the weights in several files where one would hold more than shard_bytes (lt_safetensors_save_folder). */
int lt_model_save_shards(const struct lt_model *m, const char *folder, enum lt_dtype type, int64_t shard_bytes);
void lt_model_free(struct lt_model *m);
int64_t lt_weight_count(const struct lt_weight *w);     /* of elements */
void lt_weight_turn(const struct lt_weight *w, float *out);     /* a matrix as floats, rows and columns exchanged */

/* The output head over hidden states x (rows, width), fused with cross-entropy: the sum of the weighted losses, as
 * lt_op_head_xent.  Serves training and scoring. */
struct lt_tensor *lt_model_loss(struct lt_graph *g, struct lt_model *m, struct lt_tensor *x,
                                const struct lt_head *spec);
struct lt_tensor *lt_model_logits(struct lt_graph *g, struct lt_model *m, struct lt_tensor *x);     /* (rows, vocab) */

/* What the seams know of a pass: the model, and which rows an adapter changes.  Neighbouring sequences of one adapter
 * are one stretch; rows without an adapter are in none. */
struct lt_adapted { const struct lt_adapter *adapter; int64_t row, rows; };
struct lt_pass { struct lt_model *m; const struct lt_adapted *stretch; int stretches; };
/* Of a batch; what it points to lives as long as the graph is not reset. */
struct lt_pass lt_pass_of(struct lt_graph *g, struct lt_model *m, const struct lt_batch *b);

/* The seams. */
struct lt_tensor *lt_linear(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *w,
                            struct lt_weight *bias /* or NULL */, struct lt_tensor *x);
/* The same for at most LT_LINEAR_MOST weights, all columns side by side; NULL where a graph records and they are not a
 * stack without biases, so that they must be applied one by one. */
struct lt_tensor *lt_linear_all(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *const *w,
                                struct lt_weight *const *bias, int count, struct lt_tensor *x);
struct lt_tensor *lt_embed(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *w, const int32_t *id,
                           int64_t rows);
struct lt_tensor *lt_tap(struct lt_graph *g, struct lt_model *m, const char *site, int layer, struct lt_tensor *x);
struct lt_tensor *lt_weight_leaf(struct lt_graph *g, struct lt_weight *w);  /* norms and other small weights */

/* config.json of a model's folder (doc/formats/model-folder.md).  parse: over bytes; fills the architecture, a new set
 * of options, and what it says of generation.  write: appends the file's text. */
int lt_config_parse(const char *label, struct lt_str text, const struct lt_arch **arch, struct lt_options **options,
                    struct lt_generation *gen);
void lt_config_write(const struct lt_model *m, enum lt_dtype type, struct lt_buf *out);

#endif
