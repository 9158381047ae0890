/* What the files of a session share. */
#ifndef LT_SESSION_STATE_H
#define LT_SESSION_STATE_H

#include "model/cache.h"
#include "model/session.h"

struct lt_runner {
    struct lt_model *m;
    struct lt_ctx *ctx;
    struct lt_session_spec spec;
    struct lt_graph *graph;
    struct lt_pages *pages;
    int64_t holders;                /* sessions, and the maker */
    uint64_t identity;              /* of model and arithmetic; 0: not worked out yet */
};
struct lt_session_state {
    struct lt_runner *run;
    struct lt_cache *cache;
    const struct lt_adapter *adapter;       /* NULL: the model alone */
    int32_t *token; int64_t count, cap;
    float *last;                    /* (width) hidden state of the last token */
    float *logits;                  /* (vocab) after it; NULL until asked for */
    bool last_known, logits_known;
};

/* Whether n tokens could follow those held. */
int lt_session_check(const struct lt_session_state *s, const int32_t *token, int64_t n);
void lt_session_remember(struct lt_session_state *s, const int32_t *token, int64_t n);
int lt_session_save(void *self, const char *path);
int lt_session_load(void *self, const char *path);

#endif
