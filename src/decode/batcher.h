/* Continuous batching: many replies are written at once, one pass over the model for all of them.  A reply that is
 * finished leaves, one that waits enters; prompts are read in parts beside the single tokens of replies that run, and
 * what prompts have in common is fed once.  A reply does not depend on those beside it, nor on how many there are. */
#ifndef LT_BATCHER_H
#define LT_BATCHER_H

#include "decode/draft.h"

struct lt_batcher_how {
    int batch;                      /* replies written at once at most; 0: 8 */
    bool step_by_step;              /* also what the controls leave no choice about is written token by token */
    struct lt_draft_how draft;
    /* May be NULL.  first_token: the reply of this tag has its first token.  make_room: one reply is left and its keys
     * and values find no memory; true when some was given back.  None of the functions below may be called in them. */
    void (*first_token)(void *self, void *tag);
    bool (*make_room)(void *self);
    void *self;
};
struct lt_batcher;
int lt_batcher_open(struct lt_lm *lm, struct lt_ctx *c, const struct lt_batcher_how *how, struct lt_batcher **out);
void lt_batcher_close(struct lt_batcher *b);
/* Queues an ask; what it points to is borrowed until its reply is taken.  A prompt that does not fit is refused here
 * and costs the others nothing; one that turns out not to fit the memory fails alone.  tag comes back with the
 * reply. */
int lt_batcher_add(struct lt_batcher *b, const struct lt_ask *ask, void *tag);
/* One pass.  1: there is more to do; 0: all replies are finished; -1: nothing further can be written. */
int lt_batcher_step(struct lt_batcher *b);
/* The next finished reply, in the order in which they finish; the caller owns it.  error (free it): why this one could
 * not be written, else NULL.  false: none. */
struct lt_done { void *tag; struct lt_reply reply; char *error; };
bool lt_batcher_take(struct lt_batcher *b, struct lt_done *out);
/* The reply will not be wanted: it finishes as "interrupted". */
void lt_batcher_cancel(struct lt_batcher *b, const void *tag);
int lt_batcher_waiting(const struct lt_batcher *b);     /* asks queued and not begun */
/* Passes made, tokens fed to the model, tokens written, of them such as the controls left no choice about and came in
 * one pass, guesses made and kept, replies set back. */
struct lt_batcher_sums { int64_t passes, fed, written, forced, guessed, kept, set_back; };
struct lt_batcher_sums lt_batcher_sums(const struct lt_batcher *b);

#endif
