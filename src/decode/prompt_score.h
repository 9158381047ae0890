/* Log-probabilities of the tokens of one prompt, or its embedding, read in parts so that others can go on between
 * them. */
#ifndef LT_PROMPT_SCORE_H
#define LT_PROMPT_SCORE_H

#include "base/base.h"

enum lt_pooling { LT_POOL_NONE, LT_POOL_MEAN, LT_POOL_LAST };   /* NONE: log-probabilities */
struct lt_prompt_score {
    struct lt_session s;
    const int32_t *token; int count;        /* borrowed */
    int vocab, tops, fed;
    float *row, *last, *work;               /* a part's logits; those before the next token; scratch */
    float *logp;                            /* (count); of the first token 0: nothing is before it */
    int32_t *top_token; float *top_logp;    /* (count, tops), most likely first */
    enum lt_pooling pooling; int width;
    float *state; double *sum;              /* a part's hidden states; their sum so far */
    float *vector;                          /* (width) the embedding, of length 1 */
};
/* count > 0 tokens below the model's vocabulary; adapter: as lt_lm_session.  _release also after a failure. */
int lt_prompt_score_begin(struct lt_prompt_score *p, struct lt_lm *lm, const char *adapter, const int32_t *token,
                          int count, int tops);
/* The same for the embedding of the prompt: the mean of its hidden states after the last norm, or the last of them,
 * made of length 1.  -1: the model gives none. */
int lt_prompt_embed_begin(struct lt_prompt_score *p, struct lt_lm *lm, const char *adapter, const int32_t *token,
                          int count, enum lt_pooling pooling);
/* The first `n` numbers of a vector, made of length 1 (all zeros stay); Matryoshka embeddings keep their sense. */
void lt_unit_length(float *v, int n);
/* The next part.  0: done; 1: there is more to do; 2: no memory now, nothing changed; -1. */
enum { LT_SCORE_DONE, LT_SCORE_MORE, LT_SCORE_FULL };
int lt_prompt_score_step(struct lt_prompt_score *p);
/* The next part of several that are not done, all of one model and of one kind, in one pass: of *took from the first
 * on, as many as are a part together.  The bits are those of parts alone.  0; 2: no memory now for all of these, and
 * nothing changed; -1. */
enum { LT_SCORE_TOGETHER = 64 };
int lt_prompt_score_steps(struct lt_prompt_score *const *p, int count, int *took);
static inline bool lt_prompt_score_done(const struct lt_prompt_score *p) { return p->fed == p->count; }
/* Gives up what its session holds and begins again; false: it held nothing. */
bool lt_prompt_score_again(struct lt_prompt_score *p);
/* Gives the session back; the figures stay. */
void lt_prompt_score_rest(struct lt_prompt_score *p);
void lt_prompt_score_release(struct lt_prompt_score *p);

#endif
