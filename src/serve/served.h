/* A model that is served: by name, with what its files say about writing and about chats, and an engine of its own. */
#ifndef LT_SERVED_H
#define LT_SERVED_H

#include "lm/generation.h"
#include "serve/engine.h"
#include "serve/request_log.h"
#include "serve/serve.h"
#include "text/chat.h"

struct lt_served_adapter {
    char *name; const char *path;               /* path: in the item */
    _Atomic int64_t requests, prompt_tokens, written_tokens;        /* answered */
};
struct lt_served {
    char *name;
    const char *path;                           /* in the item */
    struct lt_lm lm;
    struct lt_generation says;
    struct lt_chat *chat; char *no_chat;        /* no_chat: why there is no template */
    struct lt_engine *engine;
    struct lt_time_sums times;
    struct lt_served_adapter *adapter; int adapters;
};
/* Names the model.  item: a path, or NAME=PATH; borrowed.  0 or -1; _close either way. */
int lt_served_begin(struct lt_served *m, const char *item, const struct lt_serve_options *o);
/* Gives each of o's adapters, a path, NAME=PATH or with several models MODEL/NAME=PATH, to its model. */
int lt_served_share_adapters(struct lt_served *m, int models, const struct lt_serve_options *o);
/* c: outlives the model and is not interrupted. */
int lt_served_open(struct lt_served *m, const struct lt_serve_options *o, struct lt_ctx *c, struct lt_turns *turns);
void lt_served_close(struct lt_served *m);

#endif
