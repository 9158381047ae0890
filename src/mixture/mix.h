/* The back end that owns other language models and mixes what they say. */
#ifndef LT_MIX_H
#define LT_MIX_H

#include "mixture/mixture.h"
#include "mixture/mixture_file.h"

struct lt_mix {
    struct lt_ctx *ctx;
    struct lt_mixture_file file;            /* empty unless opened from one */
    const char *path[LT_MIXING_MEMBERS];    /* borrowed */
    struct lt_lm lm[LT_MIXING_MEMBERS];
    int members;
    bool words;                             /* vocabularies differ: text is scored word by word, nothing else */
    const struct lt_tokenizer *tokenizer;   /* of the first member; NULL: none has one, or words */
    struct lt_mixture_fit fit;              /* how NULL: only members so far */
};
/* Opens the members and sees that they have one vocabulary, unless words.  path and its texts are borrowed.  Depth
 * counts mixtures of mixtures; 0 at first. */
int lt_mix_open(struct lt_mix *x, const char *const *path, int members, bool words, int depth, struct lt_ctx *c);
void lt_mix_close(struct lt_mix *x);
/* Gives a mixture that has learnt nothing.  Methods whose tensors go by the vocabulary ask the members for its size. */
int lt_mix_choose(struct lt_mix *x, const struct lt_mixture *how, const void *o);
/* Tokens that the members tell apart: the most that any of them does. */
int lt_mix_vocab(struct lt_mix *x, int *vocab);
int lt_mix_session(struct lt_mix *x, struct lt_session *out);       /* one vocabulary, and a mixture chosen */

/* What a session that is scored sees at every place with something before it; for learning.  The place has everything
 * in it, whatever the method asks for, but the past. */
typedef int lt_mix_fn(void *to, const struct lt_mixture_place *p, int vocab, int32_t token, const float *logp);
void lt_mix_record(struct lt_session *s, lt_mix_fn *fn, void *to);

#endif
