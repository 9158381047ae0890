/* Speculative decoding (arXiv:2211.17192): tokens are guessed cheaply, the model judges all guesses in one pass, and
 * what is kept has exactly the model's distribution.
 *
 * A guess from a second model is kept with probability min(1, p/q), else a token is drawn from max(p - q, 0); p and q
 * are both after the controls.  A guess looked up in the text so far is kept when it is the token that would have been
 * written anyhow, so the text is the same as without; so it is with greedy.  And so it is with text that a grammar
 * leaves no choice about: how its tokenizer would spell it is a guess too, which comes before the others. */
#ifndef LT_DRAFT_H
#define LT_DRAFT_H

#include "decode/writing.h"

struct lt_draft_how {
    struct lt_lm *lm;               /* guesses.  NULL: none */
    int lookup;                     /* longest run of tokens that is looked up in the text; 0: none */
    int tokens;                     /* guessed at a time at most */
    bool forced;                    /* guess what the controls leave no choice about */
    int32_t *id;                    /* (vocab) what lm calls a token of the model, by its spelling; NULL: the same */
    int32_t unknown;                /* what it calls a token it has no name for */
    int known;                      /* tokens of the model that have a name in lm; how many of id are filled in */
};
/* Makes lm's tokens and the model's known to one another: they have the same tokenizer, or the same vocabulary and no
 * tokenizer, or (an n-gram model over pieces) numbers of their own for the same spellings.  free(how->id). */
int lt_draft_match(struct lt_draft_how *how, struct lt_session *s, const struct lt_tokenizer *t, int vocab);

/* The guesses for one reply. */
struct lt_draft {
    struct lt_session s;            /* of the guessing model; a type of NULL: none */
    int held;                       /* tokens of the reply it holds */
    int32_t *token; int count;      /* guesses */
    bool forced;                    /* they are the spelling of what must come */
    float *q;                       /* (tokens, vocab): what each was drawn from; NULL when looked up */
};
int lt_draft_open(struct lt_draft *d, const struct lt_draft_how *how, int vocab);
void lt_draft_close(struct lt_draft *d);
/* A guess for each of n replies that are being written; none where the text has no room for one.  Before a reply's
 * first token only what must come is guessed. */
struct lt_drafted { struct lt_draft *d; struct lt_writing *w; };
int lt_draft_guess(const struct lt_draft_how *how, const struct lt_drafted *all, int n);
/* Judges the guesses: row (count + 1, vocab) are the model's logits before each of them and after the last.  Writes
 * down those kept and one token more, unless the reply finishes before.  Returns the guesses kept, or -1. */
int lt_draft_judge(struct lt_draft *d, struct lt_writing *w, const float *row);

#endif
