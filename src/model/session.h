/* Sessions over a model: a text so far, its keys and values, and what comes next.
 *
 * How the tokens of a text are cut into calls, what other sessions are fed beside it, and what was in the memory for
 * keys and values before, change no bit of its logits and log probabilities. */
#ifndef LT_MODEL_SESSION_H
#define LT_MODEL_SESSION_H

#include "model/adapter.h"

struct lt_session_spec {
    enum lt_compute compute;        /* of matrix products */
    enum lt_dtype cache;            /* of keys and values: F32, BF16 or I8 (doc/decisions/cache-pages.md) */
    size_t cache_limit;             /* bytes of keys and values of all sessions; 0: any number */
    const struct lt_adapters *adapters;     /* bound to the model, borrowed as it is; NULL: none */
};
/* What the sessions of a model share: scratch, and the memory for keys and values, in which texts that begin alike lie
 * once.  The model is borrowed; its weights must not change.  Sessions of one runner are for one thread at a time, and
 * may outlive lt_runner_free. */
struct lt_runner;
int lt_runner_new(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_runner **out);
void lt_runner_session(struct lt_runner *r, struct lt_session *out);
void lt_runner_free(struct lt_runner *r);
struct lt_pages *lt_runner_pages(struct lt_runner *r);

/* A session with a runner of its own: it and its forks are for one thread at a time; several may share a model, each
 * with a context of its own. */
int lt_model_session(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_session *out);

/* The bytes of a saved session (doc/formats/session-cache.md); out is empty.  Back from them into an empty session;
 * label stands for the path. */
void lt_session_write(const struct lt_session *s, struct lt_buf *out);
int lt_session_parse(struct lt_session *s, const char *label, const uint8_t *p, size_t n);

#endif
