/* Generation over sessions, and the verb's operation. */
#ifndef LT_SAMPLE_H
#define LT_SAMPLE_H

#include "decode/batcher.h"
#include "lm/how.h"

/* Writes reply i for ask i.  A prompt that does not fit the model is an error; nothing is ever cut off.  What an ask
 * gives does not depend on the asks beside it: its random numbers are a function of (seed, number, position).  Stops
 * early, with finish "interrupted", when the context says so.  On -1 no reply needs a release. */
int lt_generate(struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, int n, struct lt_reply *out);
int lt_generate_how(struct lt_lm *lm, struct lt_ctx *c, const struct lt_batcher_how *how, const struct lt_ask *ask,
                    int n, struct lt_reply *out);

struct lt_generate_options {
    const char *model, *prompt, *field, *output, *format, *draft, *prompt_cache;
    struct lt_list prompt_ids, input, stop;
    struct lt_choices controls;
    struct lt_choice search;
    int64_t max_tokens, n, seed, logprobs, batch_size, lookup, draft_tokens;
    bool greedy, echo, token_healing;
    struct lt_how how;
};
int lt_generate_run(const struct lt_generate_options *o, struct lt_ctx *c);
/* Of n > 0 samples of one ask the first that no other is better than; its text is streamed when it is found.  The
 * caller owns *out.  0, or -1 with nothing to release. */
typedef bool lt_better_fn(const void *self, const struct lt_reply *a, const struct lt_reply *b);
int lt_best_sample(struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, int n, lt_better_fn *better,
                   const void *self, struct lt_reply *out);

#endif
