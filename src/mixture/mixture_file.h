/* The file of a mixture (doc/formats/mixture.md). */
#ifndef LT_MIXTURE_FILE_H
#define LT_MIXTURE_FILE_H

#include "mixture/mixture.h"

#define LT_MIXTURE_FORMAT "lathe-mixture"

struct lt_mixture_file {
    const struct lt_mixture *how;
    struct lt_options *options;
    const void *o;                              /* of the method, filled */
    bool words;                                 /* "align": "word" */
    int members;
    const char *path[LT_MIXING_MEMBERS];        /* as they are opened from the current folder */
    bool weighted;                              /* weights were given */
    double weight[LT_MIXING_MEMBERS];
    const char *tensors;                        /* NULL: none */
    struct lt_arena arena;
};
/* `label` stands for the path in messages; paths are taken to be relative to `folder`.  Nothing is opened. */
int lt_mixture_file_parse(const char *label, const char *folder, struct lt_str text, struct lt_mixture_file *out);
int lt_mixture_file_read(const char *path, struct lt_mixture_file *out);
void lt_mixture_file_release(struct lt_mixture_file *f);
/* Tensors of f from the file that *m names, checked against the shapes of f. */
int lt_mixture_file_tensors(const struct lt_mixture_file *m, struct lt_mixture_fit *f);
/* Writes path, and beside it PATH.safetensors when f has tensors.  member: as they are opened from the current folder;
 * the file has them relative to its own. */
int lt_mixture_file_save(const char *path, const struct lt_mixture_fit *f, const char *const *member, bool words);
/* Is there a file at path that begins like one of a mixture? */
bool lt_mixture_file_claims(const char *path);

#endif
