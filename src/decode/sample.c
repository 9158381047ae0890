#include "decode/sample.h"
#include "decode/writing.h"
#include <stdlib.h>

static int all(struct lt_batcher *b, const struct lt_ask *ask, int n, struct lt_reply *out, bool *have)
{
    struct lt_done d;
    int rc = 0, more;
    for (int i = 0; i < n; i++)
        if (lt_batcher_add(b, &ask[i], &out[i])) return -1;
    do {
        more = lt_batcher_step(b);
        while (lt_batcher_take(b, &d)) {
            struct lt_reply *to = d.tag;
            if (d.error) rc = lt_fail("%s", d.error);
            else {
                *to = d.reply;
                have[to - out] = true;
            }
            free(d.error);
        }
    } while (more > 0 && !rc);
    return more < 0 || rc ? -1 : 0;
}

int lt_generate_how(struct lt_lm *lm, struct lt_ctx *c, const struct lt_batcher_how *how, const struct lt_ask *ask,
                    int n, struct lt_reply *out)
{
    if (lm->type->generate) return lm->type->generate(lm->self, ask, n, out);
    struct lt_batcher *b;
    if (lt_batcher_open(lm, c, how, &b)) return -1;
    bool *have = lt_calloc((size_t)n + 1, sizeof *have);
    int rc = all(b, ask, n, out, have);
    for (int i = 0; rc && i < n; i++)
        if (have[i]) lt_reply_release(&out[i]);
    free(have);
    lt_batcher_close(b);
    return rc;
}

int lt_generate(struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, int n, struct lt_reply *out)
{
    return lt_generate_how(lm, c, &(struct lt_batcher_how){ .batch = LT_MIN(n, 8) }, ask, n, out);
}

int lt_best_sample(struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, int n, lt_better_fn *better,
                   const void *self, struct lt_reply *out)
{
    struct lt_ask *each = lt_alloc((size_t)n * sizeof *each);
    struct lt_reply *reply = lt_calloc((size_t)n, sizeof *reply);
    int best = 0;
    for (int i = 0; i < n; i++) {
        each[i] = *ask;
        each[i].number = ask->number * (uint64_t)n + (uint64_t)i;
        each[i].stream = NULL;
    }
    int rc = lt_generate(lm, c, each, n, reply);
    for (int i = 1; i < n && !rc; i++)
        if (better(self, &reply[i], &reply[best])) best = i;
    for (int i = 0; i < n && !rc; i++)
        if (i != best) lt_reply_release(&reply[i]);
    if (!rc) *out = reply[best];
    if (!rc) lt_ask_stream_all(ask, out);
    free(each);
    free(reply);
    return rc;
}

static int run(const void *o, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out)
{
    (void)o;
    return lt_generate(lm, c, ask, 1, out);
}

const struct lt_search lt_search_sample = {
    .m = { .name = "sample", .brief = "token by token, each drawn or, with --greedy, the most likely",
           .doc = "x_t ~ softmax(controls(logits(x_<t)))\n"
                  "example: lathe generate MODEL --prompt \"It was a\" --temperature 0.8" },
    .run = run,
};
