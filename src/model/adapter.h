/* Adapters: what changes a model's weights and is kept beside them, in a folder of PEFT's (doc/formats/adapter.md).
 *
 * An adapter has a part for each weight it changes; a part's own tensors are ordinary weights, which lie in the mapped
 * file.  The seams of a model (model.h) pass the rows of a batch that belong to an adapter through it: any number of
 * adapters run over one base in one pass, whatever type the base's weights are of.  A member of the kind "adapter"
 * (struct lt_adapter_type) says what tensors a part has and what they add. */
#ifndef LT_ADAPTER_H
#define LT_ADAPTER_H

#include "model/model.h"

enum { LT_ADAPTER_TENSORS = 2 };            /* of a part, at most */
struct lt_adapter_part {
    const char *module;                     /* "model.layers.0.self_attn.q_proj", as Hugging Face names it */
    int32_t weight;                         /* index into the model's; -1: no model is known yet */
    int64_t in, out;                        /* of that weight; -1: not known yet */
    double scale;                           /* of what the part adds; set by attach */
    double dropout;                         /* of what goes into it, in training; set by attach */
    struct lt_weight w[LT_ADAPTER_TENSORS];
};
struct lt_adapter {
    const struct lt_adapter_type *type;
    struct lt_options *options; const void *o;      /* the type's, filled; o belongs to options */
    char *path; const char *base;           /* base: the model it was made for, as its file calls it, or NULL */
    struct lt_adapter_part *part; int parts;        /* in the order of the file */
    const struct lt_model *m; int32_t *of;  /* (m->weight_count) part of each weight, -1: none; NULL: not bound */
    uint64_t identity;                      /* of all that decides what it computes */
    struct lt_safetensors *files;
    struct lt_arena arena;
};

/* folder: adapter_config.json and adapter_model.safetensors.  Whatever is not understood, does not fit together or
 * would change nothing is refused by its name. */
int lt_adapter_read(const char *folder, struct lt_adapter **out);
/* For this model from now on, which is borrowed; -1: it lacks a weight, or one has another shape. */
int lt_adapter_bind(struct lt_adapter *a, const struct lt_model *m);
int lt_adapter_open(const char *folder, const struct lt_model *m, struct lt_adapter **out);     /* both */
/* The same for one that is still trained, and may change nothing yet. */
int lt_adapter_open_unfinished(const char *folder, const struct lt_model *m, struct lt_adapter **out);
void lt_adapter_free(struct lt_adapter *a);
bool lt_adapter_is(const char *path);       /* a folder with an adapter_config.json */
int64_t lt_adapter_numbers(const struct lt_adapter *a);         /* of its tensors */
/* As lt_model_pack. */
void lt_adapter_pack(struct lt_adapter *a, enum lt_compute compute, struct lt_ctx *c);
/* NULL: the adapter leaves the weight as it is.  m must be the model it is bound to. */
const struct lt_adapter_part *lt_adapter_part_of(const struct lt_adapter *a, const struct lt_model *m,
                                                 const struct lt_weight *w);

/* A new one for this model, whose tensors have f32 masters and gradients; base: what its file will say it was made for.
 * Those that do not begin as zero are drawn from seed, each from the stream of its name. */
int lt_adapter_new(const struct lt_adapter_type *type, const void *o, const char *base, const struct lt_model *m,
                   uint64_t seed, struct lt_adapter **out);
void lt_adapter_train(struct lt_adapter *a);        /* as lt_model_train, of one that is bound */
/* Writes the two files, as PEFT reads them, into a folder; each atomically. */
int lt_adapter_save(const struct lt_adapter *a, const char *folder, enum lt_dtype type);

/* Adds the adapter into the weights of m, a model of its own with the same weights, in f32 arithmetic; each changed
 * weight then is of the type `as`, or where `keep` of the type it had.  A quantised weight with keep, or a member
 * that cannot be folded: -1, and m is as before; a number too large for F16: -1, and m is of no use. */
int lt_adapter_fold(const struct lt_adapter *a, struct lt_model *m, enum lt_dtype as, bool keep, struct lt_ctx *c);

/* Adapters by name, over one model. */
struct lt_adapter_named { const char *name; struct lt_adapter *adapter; };
struct lt_adapters {
    struct lt_adapter_named *item; int count;
    int usual;                              /* which every session has unless it is told otherwise; -1: none */
};

/* adapter_config.json.  parse: over bytes; *base (in the arena) is the model it was made for, or NULL. */
int lt_adapter_config_parse(const char *label, struct lt_str text, struct lt_arena *a,
                            const struct lt_adapter_type **type, struct lt_options **options, const char **base);
/* The tensors, borrowed for as long as the adapter lives; what lt_adapter_read does with two files' bytes. */
int lt_adapter_parse(const char *label, struct lt_str config, const void *tensors, size_t n, struct lt_adapter **out);

#endif
