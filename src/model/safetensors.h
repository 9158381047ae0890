/* safetensors: tensors by name in mapped files (https://huggingface.co/docs/safetensors).
 *
 * A file is 8 bytes of little-endian header length, a JSON header of name -> {dtype, shape, data_offsets}, the data.
 * Nothing is trusted: every length, shape and offset is checked before it is used, and the data must be covered by the
 * tensors exactly, without holes or overlaps, as the format demands. */
#ifndef LT_SAFETENSORS_H
#define LT_SAFETENSORS_H

#include "base/base.h"
#include "math/dtype.h"

enum { LT_SAFETENSORS_RANK = 8 };
struct lt_safetensor {
    const char *name;
    enum lt_dtype type;
    int32_t rank;
    int64_t dim[LT_SAFETENSORS_RANK];
    int64_t count;                  /* of elements */
    const void *data;               /* in the mapping; a copy where the file leaves it unaligned */
};
struct lt_safetensors {
    struct lt_safetensor *tensor; int count;        /* in the order of the files, then of the data */
    struct lt_map by_name;
    struct lt_arena arena;
    struct lt_file *file; int file_count;
};

/* path: a .safetensors file, a .safetensors.index.json naming shards beside it, or a folder holding
 * model.safetensors or model.safetensors.index.json. */
int lt_safetensors_open(const char *path, struct lt_safetensors **out);
/* The same over memory, which is borrowed; `label` stands for the path in messages. */
int lt_safetensors_parse(const void *p, size_t n, const char *label, struct lt_safetensors **out);
const struct lt_safetensor *lt_safetensors_find(const struct lt_safetensors *s, const char *name);  /* NULL: absent */
void lt_safetensors_free(struct lt_safetensors *s);

/* Writes tensors to one file, atomically; each is converted on the way from t->type to `as` when it is a float and
 * kept otherwise.  Names must be distinct. */
int lt_safetensors_save(const char *path, const struct lt_safetensor *t, int count, enum lt_dtype as);

/* Writes tensors into a folder that is there, as Hugging Face does: one model.safetensors or, where that would hold
 * more than shard_bytes of data (0: never), model-00001-of-00003.safetensors ... and model.safetensors.index.json.  The
 * tensors keep their order and a shard takes as many as fit; one that is larger has a shard of its own.
 *
 * What an earlier save left under these names is removed once the new files stand.  A save that fails leaves the old
 * weights, or the new ones, or (old shards of the same number half replaced) no index: never a mixture. */
int lt_safetensors_save_folder(const char *folder, const struct lt_safetensor *t, int count, enum lt_dtype as,
                               int64_t shard_bytes);
/* "5GB", "1.5GB", "500MB", "64KB" (powers of ten) or plain bytes; at least 1. */
int lt_safetensors_size(const char *text, int64_t *bytes);

#endif
