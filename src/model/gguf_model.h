/* Models as GGUF files, as llama.cpp reads and writes them (doc/formats/gguf.md).
 *
 * Tensors and keys have names of their own there; the shapes are ours, with two exceptions.  Rotary pairs of a llama
 * lie side by side, so the rows of q and k (and their biases) are put in another order on the way in and out.  GPT-2's
 * linear weights lie (out, in), the other way round than in its Hugging Face folder. */
#ifndef LT_GGUF_MODEL_H
#define LT_GGUF_MODEL_H

#include "base/gguf.h"
#include "model/model.h"

/* Over memory, which is borrowed for as long as the model lives. */
int lt_model_parse_gguf(const char *label, const uint8_t *p, size_t n, struct lt_model **out);
/* Fills a new model from m->gguf, which it owns. */
int lt_model_read_gguf(struct lt_model *m);

/* ---- writing ---- */
struct lt_gguf_part {
    const char *name;           /* "blk.0.attn_q.weight" */
    int weight;                 /* index into the model's; -1: rope_freqs.weight */
    int64_t laced;              /* rows of a head that lie in pairs; 0: as they are */
};
struct lt_gguf_plan { struct lt_gguf_part *part; int count; };
/* The tensors of a model in the order in which they are written, in the arena; -1 and the reason when GGUF's family
 * cannot say what this model computes.  Notes are appended to *note, one a line. */
int lt_gguf_plan_of(const struct lt_model *m, struct lt_arena *a, struct lt_gguf_plan *out, struct lt_buf *note);
/* general.* and the family's keys.  type: of most weights. */
void lt_gguf_put_model(const struct lt_model *m, const char *name, enum lt_dtype type, struct lt_gguf_out *w);
/* A weight as it lies in the file: rows and columns of (out, in). */
void lt_gguf_shape(const struct lt_weight *w, int *rank, int64_t dim[2]);
/* Rows of a weight's matrix (out, in), or of a vector, as floats; for a vector rows are its elements. */
void lt_gguf_rows(const struct lt_weight *w, int64_t first, int64_t count, float *out);
/* Where row r of the file's tensor lies in the model's weight. */
static inline int64_t lt_gguf_row(const struct lt_gguf_part *p, int64_t r)
{
    if (!p->laced) return r;
    int64_t i = r % p->laced;
    return r - i + i / 2 + i % 2 * (p->laced / 2);
}
/* The factors of rope_freqs.weight: rot / 2 of them, in the arena. */
const float *lt_gguf_rope_factors(const struct lt_model *m, struct lt_arena *a, int64_t *count);
int lt_gguf_type_id(enum lt_dtype t);           /* the type's number in a file; -1: it has none */

#endif
