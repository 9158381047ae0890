/* Models on their way from one form to another: what is opened, and how it is written as a GGUF file. */
#ifndef LT_EXPORT_H
#define LT_EXPORT_H

#include "model/gguf_model.h"
#include "text/tok_gguf.h"

/* A model with what lies beside it. */
struct lt_source {
    const char *path;                   /* borrowed */
    struct lt_model *m;
    struct lt_tokenizer *tokenizer;     /* NULL: none */
    bool own_tokenizer;                 /* it is the model's */
    struct lt_buf chat;                 /* chat template; empty: none */
    struct lt_buf name;                 /* general.name, or the name of the file or folder */
};
/* tokenizer: path of another than the model's own; NULL: that one.  Release also what failed. */
int lt_source_open(const char *path, const char *tokenizer, struct lt_source *out);
void lt_source_release(struct lt_source *s);

enum lt_export_tokenizer { LT_EXPORT_KEYS_AND_JSON, LT_EXPORT_JSON, LT_EXPORT_NO_TOKENIZER };

/* Makes the blocks of one tensor: rows x width of `type` from what lt_gguf_rows gives, in the order of the model. */
typedef int lt_export_fn(void *self, const struct lt_gguf_part *part, enum lt_dtype type, void *out);
struct lt_export {
    const struct lt_source *from;
    struct lt_gguf_plan plan;
    enum lt_dtype *type;                /* of each part; malloc'd */
    enum lt_dtype mostly;
    enum lt_export_tokenizer tokenizer;
    struct lt_arena arena;
    struct lt_buf note;                 /* a line for each thing that the file cannot say */
    lt_export_fn *quantise; void *self; /* NULL: nearest values */
};
/* Plans the tensors, each with the type it is stored as; the caller then changes types.  Release also what failed. */
int lt_export_begin(const struct lt_source *from, struct lt_export *e);
/* Refuses a type that a part's width does not divide into, by name. */
int lt_export_check(const struct lt_export *e);
/* -1 and the tensor's name when a finite number becomes infinite as F16; other types hold what they are given here. */
int lt_export_check_finite(const char *name, const float *x, int64_t n, enum lt_dtype type);
/* "both", "json", "none". */
enum lt_export_tokenizer lt_export_form(const char *name);
int lt_export_save(struct lt_export *e, struct lt_ctx *c, const char *path);
void lt_export_tell_notes(const struct lt_export *e, struct lt_ctx *c);
void lt_export_release(struct lt_export *e);
/* Rows and width of a part's tensor; a vector is one row. */
void lt_export_shape(const struct lt_export *e, int part, int64_t *rows, int64_t *width);
/* Vectors, learned positions and rope_freqs.weight stay F32 whatever is asked for, as llama.cpp wants them. */
bool lt_export_is_plain(const struct lt_export *e, int part);
/* The table of what each tensor became: name, shape, type before and after, how many layers; tab-separated. */
void lt_export_put_table(const struct lt_export *e, struct lt_buf *out);
uint64_t lt_export_bytes(const struct lt_export *e);        /* of all tensors */
double lt_export_numbers(const struct lt_export *e);

#endif
