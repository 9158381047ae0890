/* The inside of the engine, shared by the two files that make it. */
#ifndef LT_ENGINE_STATE_H
#define LT_ENGINE_STATE_H

#include "decode/batcher.h"
#include "lm/generation.h"
#include "serve/engine.h"
#include <string.h>

struct lt_engine {
    struct lt_lm *lm;
    struct lt_engine_how how;
    const struct lt_tokenizer *t;
    int limit, vocab;
    /* of the engine's thread */
    struct lt_batcher *batcher;
    struct lt_exchange *active;             /* admitted, not finished */
    int writing;                            /* replies the batcher has */
    bool over;                              /* it has run, and does so once */
    bool score_waits;                       /* for room in the memory */
    int64_t passes_before;                  /* of batchers that were closed */
    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_condattr_t clock;
    pthread_cond_t work;
    struct lt_exchange *inbox, **inbox_end;
    int asked;                              /* replies of exchanges that are not finished */
    bool refusing; double until;            /* until: by lt_clock, what runs has time; set with refusing */
    struct lt_engine_sums sums;
};

#endif
