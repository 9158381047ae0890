/* The inside of the server: what its HTTP side and its endpoints share. */
#ifndef LT_SERVER_H
#define LT_SERVER_H

#include "lm/generation.h"
#include "serve/engine.h"
#include "serve/serve.h"
#include "text/chat.h"
#include <stdatomic.h>

enum { LT_STATUSES = 12 };
struct MHD_Daemon;
struct lt_server {
    const struct lt_serve_options *o;
    struct lt_ctx *c;
    struct lt_lm lm;
    struct lt_generation says;
    struct lt_chat *chat; char *no_chat;        /* no_chat: why there is no template */
    char *name;
    struct lt_engine *engine;
    struct MHD_Daemon *daemon;
    int port;
    _Atomic int open;                           /* requests that are being answered */
    _Atomic int64_t answered[LT_STATUSES];      /* by status */
};

/* What an endpoint is given and leaves: a body, or an exchange whose events are the body. */
struct lt_call {
    struct lt_server *s;
    struct lt_str body;
    struct lt_buf out;
    struct lt_exchange *stream;
    const char *type;                           /* of the body; NULL: JSON */
    void *connection; bool vanished;
};
typedef int lt_endpoint_fn(struct lt_call *c, struct lt_fault *f);
struct lt_endpoint { const char *method, *path; bool open; lt_endpoint_fn *answer; };    /* open: needs no key */
extern const struct lt_endpoint lt_endpoints[];                                          /* ends with path NULL */

/* Waits; true: the client has gone. */
bool lt_call_wait(struct lt_call *c, struct lt_exchange *x, enum lt_await what);
void lt_metrics_put(struct lt_server *s, struct lt_buf *b);
int lt_status_place(int status);                /* in `answered` */

#endif
