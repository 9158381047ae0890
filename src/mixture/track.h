/* Log-probabilities that several models give the tokens of one text, side by side.  Natural logarithms. */
#ifndef LT_TRACK_H
#define LT_TRACK_H

#include "base/base.h"
#include "text/document.h"

/* What one model gives one text: a token a line of its dump (doc/formats/token-logprobs.md). */
struct lt_track_token { uint64_t document; uint32_t begin, end; int32_t id; float logp; uint64_t piece; };
struct lt_track {
    const char *name;               /* borrowed: path of the dump or of the model */
    struct lt_track_token *token;
    int64_t count, cap;
};
void lt_track_release(struct lt_track *t);
/* A dump, plain or compressed.  Whatever is not as documented is refused with the number of the line. */
int lt_track_read(const char *path, struct lt_ctx *c, struct lt_track *out);
int lt_track_parse(const char *name, struct lt_str text, struct lt_track *out);     /* the same, from memory */
/* The texts as a model with a tokenizer scores them, in windows of `context` tokens (0: all it holds). */
int lt_track_model(const char *name, struct lt_lm *lm, const struct lt_list *texts, const struct lt_docs_how *how,
                   int context, struct lt_ctx *c, struct lt_track *out);
int lt_track_text(const char *name, struct lt_lm *lm, struct lt_str text, struct lt_track *out);    /* appends */

/* The tracks of one text in step.  Without `words` they must hold the same tokens: the first line in which they do not
 * is named.  With `words` the units are the shortest stretches of text at whose ends every model has a token's end, and
 * a model gives a unit the product of what it gives its tokens; tokens beyond the last common end belong to the last
 * unit of their document.  Where one model has words and the others pieces of words, with the space before or without,
 * the units are words.  Units in which a model has a token with nothing before it are left out. */
struct lt_aligned {
    int members;
    int64_t count;
    float *logp;                    /* (count, members) */
    int32_t *token;                 /* (count), of the first track */
    int64_t *first;                 /* (count): the unit where the same document begins */
    uint32_t *end;                  /* (count): byte of the document where the unit ends, by the first track */
    int64_t left_out;
};
int lt_tracks_align(const struct lt_track *t, int members, bool words, struct lt_aligned *out);
void lt_aligned_release(struct lt_aligned *a);

#endif
