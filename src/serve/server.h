/* The inside of the server: what its HTTP side and its endpoints share. */
#ifndef LT_SERVER_H
#define LT_SERVER_H

#include "serve/guests.h"
#include "serve/keys.h"
#include "serve/origin.h"
#include "serve/served.h"
#include <stdatomic.h>

enum { LT_STATUSES = 12 };
struct MHD_Daemon; struct MHD_Connection;
struct lt_server {
    const struct lt_serve_options *o;
    struct lt_ctx *c;                           /* interrupted: the server is to stop */
    struct lt_ctx *inner;                       /* of the models, which then finish what they do */
    struct lt_turns turns;
    struct lt_served *model; int models;        /* models > 0; the first is that of requests which name none */
    struct lt_keys keys;
    struct lt_door door;
    struct lt_guests guests;
    struct MHD_Daemon *daemon;
    int port;
    _Atomic int open;                           /* requests that are being answered */
    _Atomic int64_t answered[LT_STATUSES];      /* by status */
};

/* What requests may name: a model, or an adapter over it (NULL: none). */
struct lt_called { struct lt_served *model; struct lt_served_adapter *adapter; };
static inline const char *lt_called_name(struct lt_called n) { return n.adapter ? n.adapter->name : n.model->name; }
/* The i-th of all: each model, followed by its adapters; false past the last. */
bool lt_server_called(const struct lt_server *s, int i, struct lt_called *out);

/* What an endpoint is given and leaves: a body, or an exchange whose events are the body. */
struct lt_call {
    struct lt_server *s;
    struct lt_served *model;                    /* set by lt_call_model */
    struct lt_served_adapter *adapter;          /* the same; NULL: the model alone */
    const char *id;                             /* of the path; NULL: there is none */
    struct lt_str body;
    struct lt_buf out;
    struct lt_exchange *stream;
    const char *type;                           /* of the body; NULL: JSON */
    char *policy;                               /* of a page: Content-Security-Policy; NULL: none */
    struct MHD_Connection *connection;
    struct lt_guest *guest; bool vanished;
    struct lt_request_log *log;
};
typedef int lt_endpoint_fn(struct lt_call *c, struct lt_fault *f);
struct lt_endpoint {
    const char *method, *path;                  /* a path may end with {id}, which is any text */
    bool open;                                  /* needs no key */
    lt_endpoint_fn *answer;
    const struct lt_body *body;                 /* of requests; NULL: none */
    const char *query;                          /* name of its ?NAME=, which may be left out; NULL: none */
    const char *brief, *reply;                  /* reply: JSON Schema of it; NULL: it is no JSON */
    const char *type;                           /* of a reply that is no JSON */
    const char *streams;                        /* the type of a stream; NULL: it never is one */
};

/* The model or adapter a request names (NULL: the first model) becomes c->model and c->adapter; 404 names those there
 * are. */
int lt_call_model(struct lt_call *c, const char *name, struct lt_fault *f);
static inline struct lt_called lt_call_called(const struct lt_call *c)
{
    return (struct lt_called){ c->model, c->adapter };
}
/* Of the address, ?KEY=VALUE; NULL: not given. */
const char *lt_call_argument(const struct lt_call *c, const char *key);
/* Waits; true: the client has gone. */
bool lt_call_wait(struct lt_call *c, struct lt_exchange *x, enum lt_await what);
/* Takes what became of a finished exchange into the log and the sums, before it is freed. */
void lt_call_finished(struct lt_call *c, const struct lt_exchange *x);
/* The HTTP side of the server: listens at s->o->host and port from now on; stops listening; ends every connection. */
int lt_visits_open(struct lt_server *s);
void lt_visits_quiesce(struct lt_server *s);
void lt_visits_close(struct lt_server *s);
void lt_metrics_put(struct lt_server *s, struct lt_buf *b);
int lt_status_place(int status);                /* in `answered` */

#endif
