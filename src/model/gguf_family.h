/* What GGUF calls the families, shared by reading and writing. */
#ifndef LT_GGUF_FAMILY_H
#define LT_GGUF_FAMILY_H

#include "model/decoder.h"
#include "model/gguf_model.h"

struct lt_gguf_family {
    const char *name, *arch;    /* general.architecture, and our arch of the same */
    enum lt_act act;            /* the one that llama.cpp computes */
    bool laced;                 /* rows of q and k in pairs */
    bool partial;               /* a part of a head may be rotated */
    bool freqs;                 /* rope_freqs.weight is looked for */
    const char *eps;            /* the option that holds it */
};
extern const struct lt_gguf_family lt_gguf_families[];              /* ends with name == NULL */

/* Every tensor of a model whose plan is made, by its name in a file. */
typedef int lt_gguf_walk_fn(void *self, const char *name, int weight, int64_t laced);
int lt_gguf_walk(const struct lt_model *m, const struct lt_gguf_family *f, lt_gguf_walk_fn *fn, void *self);

#endif
