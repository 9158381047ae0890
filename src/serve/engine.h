/* The one thread that owns a model: requests come over a bounded queue, are written together, and go back as they
 * are finished.  Whoever asks waits in a thread of his own and may go away at any time. */
#ifndef LT_ENGINE_H
#define LT_ENGINE_H

#include "decode/prompt_score.h"
#include "text/plain_text.h"
#include "serve/request.h"
#include "serve/tool_calls.h"
#include "serve/turns.h"
#include <pthread.h>

struct lt_engine;
struct lt_exchange;
struct lt_asked {                           /* one prompt, as tokens */
    int32_t *id; int count;
    struct lt_prompt_score score; bool scoring;
};
/* Of what log-probabilities were told: tokens, those of an echoed prompt first, and the text they are. */
struct lt_told { int count; struct lt_detok *detok; struct lt_text_flow flow; size_t at; };
struct lt_slot {                            /* one reply */
    struct lt_exchange *x;
    int prompt;                             /* which */
    struct lt_ask ask;
    struct lt_reply reply;
    bool begun, done;                       /* begun: a piece was streamed */
    struct lt_text_flow flow;               /* of what is streamed */
    struct lt_buf held;                     /* of what is streamed: waits for the prompt to be scored */
    const struct lt_reply *now; int shown;  /* while a part is told: tokens so far, and how many go with it */
    struct lt_told told;                    /* in earlier parts */
    struct lt_tool_reader *reader;          /* of what is streamed; NULL: no calls are looked for */
    struct lt_heard heard; int calls;       /* calls: that were streamed */
};
/* A request on its way.  The asker fills in the first part and hands it over with lt_engine_ask; until `finished` only
 * the engine touches the second; the last is under the engine's mutex. */
struct lt_exchange {
    struct lt_request req;
    struct lt_asked *prompt;
    struct lt_slot *slot; int slots;
    struct lt_engine *engine;
    char id[40]; int64_t created; uint64_t seed;
    struct lt_exchange *next; int left;     /* slots and scores that are not done */
    bool cancelled;
    const char *cut;                        /* why it ends early with what is written: the code of a fault, or NULL */
    double asked_at, until;                 /* by lt_clock; until 0: there is no hurry */
    double begun_at, first_at;              /* the first token; 0: not yet */
    bool admitted, finished, gone;          /* gone: nobody waits for it any more */
    struct lt_buf out; size_t sent;         /* stream: what there is to send */
    struct lt_fault fault;
    pthread_cond_t changed;
};
/* Each has as many replies as the request says. */
static inline int lt_exchange_prompts(const struct lt_exchange *x) { return x->slots / (int)x->req.n; }
const char *lt_exchange_model(const struct lt_exchange *x);     /* the name it was asked by: of the adapter or model */
struct lt_engine_how {
    int batch, queue;
    double request_time;                    /* seconds from asking to the end of a reply; 0: any */
    int64_t prompt_tokens;                  /* of one request at most; 0: any */
    enum lt_pooling pooling;                /* of embeddings */
    const struct lt_generation *says; const char *name;
    struct lt_turns *turns;                 /* with the other engines of a pool; NULL: there are none */
};
struct lt_engine_sums { int64_t prompt_tokens, written_tokens, passes; int running, waiting; };

/* The model's context must not be interrupted while replies are to be finished.  How is copied, what it points to
 * borrowed. */
int lt_engine_open(struct lt_lm *lm, const struct lt_engine_how *how, struct lt_engine **out);
void lt_engine_close(struct lt_engine *e);
const char *lt_engine_name(const struct lt_engine *e);
const struct lt_tokenizer *lt_engine_tokenizer(const struct lt_engine *e);      /* NULL: none */
int lt_engine_limit(const struct lt_engine *e);     /* tokens a session holds; 0: any */
int lt_engine_vocab(const struct lt_engine *e);
struct lt_engine_sums lt_engine_sums(struct lt_engine *e);
/* Serves until it is stopped, then finishes what runs and refuses what waits. */
int lt_engine_run(struct lt_engine *e);
/* From any thread: what runs has `grace` seconds, then it ends with what is written. */
void lt_engine_stop(struct lt_engine *e, double grace);
bool lt_engine_stops(struct lt_engine *e);

/* From any thread.  A parsed request becomes an exchange, or -1 and *f; free with lt_exchange_free.  takes over *r. */
int lt_exchange_new(struct lt_engine *e, struct lt_request *r, struct lt_given *given, int prompts,
                    struct lt_exchange **out, struct lt_fault *f);
int lt_engine_ask(struct lt_engine *e, struct lt_exchange *x, struct lt_fault *f);  /* -1: the queue is full */
/* Waits a little for the exchange to be admitted (or refused), finished, or to have something to send. */
enum lt_await { LT_AWAIT_ADMITTED, LT_AWAIT_FINISHED, LT_AWAIT_OUTPUT };
bool lt_exchange_await(struct lt_engine *e, struct lt_exchange *x, enum lt_await what, int milliseconds);
/* Takes up to `room` bytes of the stream; 0: none now; -1: it is over. */
long lt_exchange_read(struct lt_engine *e, struct lt_exchange *x, char *to, size_t room);
/* Nobody waits any more: what runs is cancelled; returns when the engine has let go of it. */
void lt_exchange_leave(struct lt_engine *e, struct lt_exchange *x);
void lt_exchange_free(struct lt_exchange *x);

#endif
