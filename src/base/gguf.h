/* GGUF, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): keys with values, and tensors by name,
 * in one file.  This is the container; what keys and tensors mean to a model or a tokenizer is said elsewhere.
 *
 * A file is the magic "GGUF", a version, two counts, the keys, the tensors' descriptions, padding, the data.  Nothing
 * is trusted: every length, count, shape and offset is checked before it is used.  Values are found where they lie. */
#ifndef LT_GGUF_H
#define LT_GGUF_H

#include "base/io.h"

enum lt_gguf_type {             /* of values, numbered as in the file */
    LT_GGUF_U8, LT_GGUF_I8, LT_GGUF_U16, LT_GGUF_I16, LT_GGUF_U32, LT_GGUF_I32, LT_GGUF_F32, LT_GGUF_BOOL,
    LT_GGUF_STRING, LT_GGUF_ARRAY, LT_GGUF_U64, LT_GGUF_I64, LT_GGUF_F64, LT_GGUF_TYPE_COUNT
};
enum { LT_GGUF_RANK = 4, LT_GGUF_NAME_MAX = 64 };   /* of tensors, as the format says */

/* How the elements of a tensor lie, by the type's number in the file. */
struct lt_gguf_layout { const char *name; uint32_t id; int block, bytes, align; };  /* elements and bytes of a block */
const struct lt_gguf_layout *lt_gguf_layout(uint32_t id);           /* NULL: no such type */

struct lt_gguf_key {
    const char *name;
    enum lt_gguf_type type;     /* of the elements */
    bool array;
    uint64_t count;             /* of elements; 1 unless an array */
    struct lt_str bytes;        /* of all elements, unaligned */
};
struct lt_gguf_tensor {
    const char *name;
    const struct lt_gguf_layout *layout;
    int32_t rank;
    int64_t dim[LT_GGUF_RANK];  /* outermost first, the other way round than in the file */
    const void *data;           /* aligned for its type: in the mapping, or a copy where the file leaves it unaligned */
    size_t size;                /* bytes */
};
struct lt_gguf {
    const char *label;          /* what messages call it */
    struct lt_gguf_key *key; int key_count;
    struct lt_gguf_tensor *tensor; int tensor_count;
    struct lt_map by_key, by_tensor;
    struct lt_arena arena;
    struct lt_file file;        /* p NULL: memory that was given */
    int64_t split_no, split_count;      /* this file among those of the model; count 1: it is whole */
    struct lt_gguf **part; int parts;   /* the other files, whose tensors are among those above */
};

bool lt_gguf_is(const void *p, size_t n);       /* begins as one */
bool lt_gguf_is_file(const char *path);         /* false for folders, and for what cannot be read */
/* Mapped.  The first file of a split model (NAME-00001-of-00003.gguf) brings the others along. */
int lt_gguf_open(const char *path, struct lt_gguf **out);
/* The path of file `no` (from 0) of those that the path is the first of, in the arena; NULL: it is not named so. */
char *lt_gguf_split_path(struct lt_arena *a, const char *first, int64_t no, int64_t count);
/* Over memory, which is borrowed. */
int lt_gguf_parse(const void *p, size_t n, const char *label, struct lt_gguf **out);
void lt_gguf_free(struct lt_gguf *g);

const struct lt_gguf_key *lt_gguf_find(const struct lt_gguf *g, const char *key);               /* NULL: absent */
const struct lt_gguf_tensor *lt_gguf_find_tensor(const struct lt_gguf *g, const char *name);    /* NULL: absent */

/* A value: 1 and *out set; 0 when the key is absent, *out as it was; -1 when it is of another type or out of range.
 * An array of equal numbers counts as the number: so files spell what differs from layer to layer and does not. */
int lt_gguf_int(const struct lt_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out);
/* Whole numbers too; finite; of a float the shortest decimal that stands for it. */
int lt_gguf_real(const struct lt_gguf *g, const char *key, double *out);
int lt_gguf_bool(const struct lt_gguf *g, const char *key, bool *out);
int lt_gguf_str(const struct lt_gguf *g, const char *key, struct lt_str *out);  /* UTF-8 without NUL, in the file */
/* Arrays; *out is malloc'd, *count its length; 0 when the key is absent. */
int lt_gguf_strings(const struct lt_gguf *g, const char *key, struct lt_str **out, uint64_t *count);
int lt_gguf_ints(const struct lt_gguf *g, const char *key, int64_t **out, uint64_t *count);
int lt_gguf_reals(const struct lt_gguf *g, const char *key, double **out, uint64_t *count);

/* ---- writing ---- */
struct lt_gguf_out;
struct lt_gguf_out *lt_gguf_out_new(void);
void lt_gguf_out_free(struct lt_gguf_out *w);
/* Keys, in the order of the calls; a key may be put once. */
void lt_gguf_put_u32(struct lt_gguf_out *w, const char *key, uint32_t v);
void lt_gguf_put_u64(struct lt_gguf_out *w, const char *key, uint64_t v);
void lt_gguf_put_f32(struct lt_gguf_out *w, const char *key, double v);
void lt_gguf_put_bool(struct lt_gguf_out *w, const char *key, bool v);
void lt_gguf_put_str(struct lt_gguf_out *w, const char *key, struct lt_str v);
void lt_gguf_put_strings(struct lt_gguf_out *w, const char *key, const struct lt_str *v, size_t count);
void lt_gguf_put_u8s(struct lt_gguf_out *w, const char *key, struct lt_str v);
void lt_gguf_put_i32s(struct lt_gguf_out *w, const char *key, const int32_t *v, size_t count);
void lt_gguf_put_f32s(struct lt_gguf_out *w, const char *key, const float *v, size_t count);
void lt_gguf_copy_key(struct lt_gguf_out *w, const struct lt_gguf_key *k);     /* as it stands */
bool lt_gguf_has_key(const struct lt_gguf_out *w, const char *key);            /* was it put? */
/* Announces a tensor; dim outermost first, dim[rank - 1] a multiple of the layout's block.  The index it got. */
int lt_gguf_add(struct lt_gguf_out *w, const char *name, uint32_t type, int rank, const int64_t *dim);
/* Writes the file, atomically.  data puts the bytes of tensor i, as many as its type and shape need; nonzero: lt_error,
 * and nothing is left. */
typedef int lt_gguf_data_fn(void *self, int i, struct lt_writer *to);
int lt_gguf_save(struct lt_gguf_out *w, const char *path, lt_gguf_data_fn *data, void *self);

#endif
