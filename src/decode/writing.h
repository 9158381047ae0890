/* One reply as it is written: from the ids of a prompt to text, token by token.  Knows nothing of sessions: who drives
 * it feeds the tokens and brings the logits. */
#ifndef LT_WRITING_H
#define LT_WRITING_H

#include "base/base.h"
#include "decode/chain.h"
#include "decode/healing.h"
#include "text/tokenizer.h"

struct lt_writing {
    struct lt_ask ask;
    const struct lt_tokenizer *t;   /* NULL: ids alone */
    struct lt_chain *chain;
    struct lt_detok *detok;
    struct lt_healing heal;
    struct lt_buf text;
    size_t streamed;
    size_t *begin; int shown;       /* of each token of the reply, in the text; how many the stream has shown */
    bool cut;                       /* at a stop string */
    int32_t *token;                 /* the prompt, then what was written */
    int count, cap, prompt;
    int most;                       /* tokens that may be written */
    float *logits, *work;           /* (vocab), of the last shape; scratch */
    int vocab, known;               /* logits in a row; those the tokenizer knows */
    struct lt_reply reply;
    bool finished;
};

/* What ask and model must agree on, then the prompt's ids.  limit: tokens a session holds, or 0.  What the ask points
 * to is borrowed until _release; _release also after a failure. */
int lt_writing_begin(struct lt_writing *w, struct lt_lm *lm, const struct lt_ask *ask, int limit, int vocab);
/* The logits of the next token after the controls, in w->logits; the chain is that of the ask or a fork of it.  -1: no
 * token is left to choose. */
int lt_writing_shape(struct lt_writing *w, struct lt_chain *chain, const float *logits);
/* Chooses from the shaped logits with the random number of this place. */
int32_t lt_writing_pick(struct lt_writing *w);
/* Writes a token down; raw: the model's own logits, from which it was chosen.  May finish the reply. */
int lt_writing_take(struct lt_writing *w, int32_t id, const float *raw);
/* Ends a reply from outside, "interrupted" say. */
void lt_writing_stop(struct lt_writing *w, const char *finish);
/* The finished reply, which the caller owns from now on.  -1: its text is no text; there is nothing to release. */
int lt_writing_end(struct lt_writing *w, struct lt_reply *out);
void lt_writing_release(struct lt_writing *w);

/* Ids of an ask's prompt, never none; limit as above.  free(*id). */
int lt_ask_ids(const struct lt_ask *a, const struct lt_tokenizer *t, int limit, int32_t **id, int *count);
/* Stop strings are texts, and none is empty. */
int lt_ask_check_stop(const struct lt_ask *a, const struct lt_tokenizer *t);
/* Of a reply that is finished, all there is to stream. */
void lt_ask_stream_all(const struct lt_ask *a, const struct lt_reply *y);
/* log p of a token by a row of logits, and the `tops` most likely tokens, most likely first; past the vocabulary they
 * are 0.  work: (vocab), scratch; with tops 0 the last three are not used. */
float lt_row_logp(const float *raw, int vocab, int32_t id, int tops, int32_t *top_token, float *top_logp, float *work);
/* The first of the largest. */
int32_t lt_argmax(const float *x, int n);
/* p = softmax(x). */
void lt_softmax(const float *x, int n, float *p);
/* A token drawn from weights p >= 0, not all 0, with u in [0, 1). */
int32_t lt_draw(const float *p, int n, double u);
/* The random number of a place of a reply; what: its use, 0 for choosing. */
enum { LT_USE_PICK, LT_USE_DRAFT, LT_USE_ACCEPT };
double lt_place_unit(const struct lt_ask *a, int place, int what);

#endif
