/* A model that is served: by name, with what its files say about writing and about chats, and an engine of its own. */
#ifndef LT_SERVED_H
#define LT_SERVED_H

#include "lm/generation.h"
#include "serve/engine.h"
#include "serve/request_log.h"
#include "serve/serve.h"
#include "text/chat.h"

struct lt_served {
    char *name;
    const char *path;                           /* in the item */
    struct lt_lm lm;
    struct lt_generation says;
    struct lt_chat *chat; char *no_chat;        /* no_chat: why there is no template */
    struct lt_engine *engine;
    struct lt_time_sums times;
};
/* item: a path, or NAME=PATH.  c: outlives the model and is not interrupted.  0 or -1; _close either way. */
int lt_served_open(struct lt_served *m, const char *item, const struct lt_serve_options *o, struct lt_ctx *c,
                   struct lt_turns *turns);
void lt_served_close(struct lt_served *m);

#endif
