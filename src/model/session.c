#include "model/session.h"
#include "model/decoder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PASS = 256 };                /* tokens of one forward pass: what is held at once stays small */

struct session {
    struct lt_model *m;
    struct lt_ctx *ctx;
    struct lt_session_spec spec;
    struct lt_graph *graph;
    struct lt_cache *cache;
    int32_t *token; int64_t count, cap;
    float *last;                    /* (width) hidden state of the last token */
    float *logits;                  /* (vocab) after it; NULL until asked for */
    bool last_known, logits_known;
};

static int32_t held(const struct session *s) { return (int32_t)s->count; }

/* Hidden states of the next n tokens, (n, width), until the graph is reset. */
static struct lt_tensor *pass(struct session *s, const int32_t *token, int64_t n)
{
    int32_t pos[PASS];
    int64_t rows[2] = { 0, n }, before = lt_cache_count(s->cache);
    for (int64_t i = 0; i < n; i++) pos[i] = (int32_t)(before + i);
    struct lt_batch b = { .rows = n, .token = token, .pos = pos, .seq_count = 1, .seq_row = rows, .cache = &s->cache };
    lt_graph_reset(s->graph);
    return s->m->arch->forward(s->m->o, s->m, s->graph, &b);
}

static void keep_last(struct session *s, const struct lt_tensor *x)
{
    memcpy(s->last, lt_f32(x) + (lt_rows(x) - 1) * x->ld, (size_t)s->m->width * sizeof *s->last);
    s->last_known = true;
    s->logits_known = false;
}

/* After a rewind the last token is fed again for its hidden state. */
static int know_last(struct session *s)
{
    if (s->last_known || !s->count) return 0;
    lt_cache_rewind(s->cache, s->count - 1);
    struct lt_tensor *x = pass(s, &s->token[s->count - 1], 1);
    if (!x) return -1;
    keep_last(s, x);
    return 0;
}

static int check(const struct session *s, const int32_t *token, int n)
{
    if (n < 0 || s->count + n > s->m->context)
        return lt_fail("the model's context is %" PRId64 " tokens: %" PRId64 " are held and %d more do not fit",
                       s->m->context, s->count, n);
    for (int i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= s->m->vocab)
            return lt_fail("token %" PRId32 " is not in the model's vocabulary of %" PRId64
                           "; is this the tokenizer the model "
                           "was made with?",
                           token[i], s->m->vocab);
    return 0;
}

static void remember(struct session *s, const int32_t *token, int64_t n)
{
    if (s->count + n > s->cap) {
        s->cap = 2 * (s->count + n);
        s->token = lt_realloc(s->token, (size_t)s->cap * sizeof *s->token);
    }
    memcpy(s->token + s->count, token, (size_t)n * sizeof *token);
    s->count += n;
}

/* Takes the session back to `count` tokens; what is known of the last one is lost unless nothing was fed since. */
static void cut(struct session *s, int64_t count)
{
    if (count == s->count) return;
    s->count = count;
    lt_cache_rewind(s->cache, count);
    s->last_known = s->logits_known = false;
}

/* Log probabilities of n tokens whose hidden states x come one token too late for them: the first is judged by what was
 * known before. */
static void judge(struct session *s, const struct lt_tensor *x, const int32_t *token, int64_t n, float *logp,
                  uint8_t *hit)
{
    struct lt_graph *g = s->graph;
    int64_t width = s->m->width;
    struct lt_tensor *before = lt_empty(g, 2, (int64_t[]){ n, width });
    float weight[PASS];
    for (int64_t i = 0; i < n; i++) {
        const float *from = i ? lt_f32(x) + (i - 1) * x->ld : s->last;
        weight[i] = i || s->last_known ? 1 : 0;
        memcpy(lt_f32(before) + i * width, from, (size_t)width * sizeof *from);
    }
    lt_model_loss(g, s->m, before, &(struct lt_head){ .target = token, .weight = weight, .logp = logp, .hit = hit });
}

/* Feeds, and judges when logp is given.  A failure leaves the session as it was. */
static int take(struct session *s, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    if (check(s, token, n)) return -1;
    if (logp && know_last(s)) return -1;
    int64_t start = s->count;
    for (int done = 0; done < n;) {
        int64_t some = LT_MIN(n - done, PASS);
        struct lt_tensor *x = lt_ctx_interrupted(s->ctx) ? NULL : pass(s, token + done, some);
        if (!x) {
            if (lt_ctx_interrupted(s->ctx)) lt_fail("interrupted");
            cut(s, start);
            return -1;
        }
        if (logp) judge(s, x, token + done, some, logp + done, hit ? hit + done : NULL);
        keep_last(s, x);
        remember(s, token + done, some);
        done += (int)some;
    }
    return 0;
}

static int session_feed(void *self, const int32_t *token, int n) { return take(self, token, n, NULL, NULL); }

static int session_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    return take(self, token, n, logp, hit);
}

static const float *session_logits(void *self, int *vocab)
{
    struct session *s = self;
    *vocab = (int)s->m->vocab;
    if (!s->count) {
        lt_fail("nothing has been fed: a model says nothing before the first token");
        return NULL;
    }
    if (know_last(s)) return NULL;
    if (s->logits_known) return s->logits;
    size_t size = (size_t)s->m->vocab * sizeof *s->logits;
    if (!s->logits) s->logits = lt_alloc(size);
    lt_graph_reset(s->graph);
    int64_t dim[] = { 1, s->m->width };
    memcpy(s->logits, lt_model_logits(s->graph, s->m, lt_leaf(s->graph, "last", LT_F32, 2, dim, s->last, NULL))->data,
           size);
    s->logits_known = true;
    return s->logits;
}

static int session_rewind(void *self, int n)
{
    struct session *s = self;
    if (n < 0 || n > s->count) return lt_fail("cannot take back %d tokens of %" PRId32, n, held(s));
    cut(s, s->count - n);
    return 0;
}

static struct session *make(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec)
{
    struct session *s = lt_calloc(1, sizeof *s);
    s->m = m;
    s->ctx = c;
    s->spec = spec;
    s->graph = lt_graph_new(c, spec.compute);
    s->last = lt_calloc((size_t)m->width, sizeof *s->last);
    return s;
}

static void *session_fork(void *self)
{
    const struct session *s = self;
    struct session *f = make(s->m, s->ctx, s->spec);
    f->cache = lt_cache_fork(s->cache);
    if (s->count) remember(f, s->token, s->count);
    memcpy(f->last, s->last, (size_t)s->m->width * sizeof *s->last);
    f->last_known = s->last_known;
    return f;
}

static int session_count(void *self) { return held(self); }
static int session_limit(void *self) { return (int)((struct session *)self)->m->context; }

static void session_close(void *self)
{
    struct session *s = self;
    lt_graph_free(s->graph);
    lt_cache_free(s->cache);
    free(s->token);
    free(s->last);
    free(s->logits);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = session_feed,
    .logits = session_logits,
    .score = session_score,
    .rewind = session_rewind,
    .fork = session_fork,
    .count = session_count,
    .limit = session_limit,
    .close = session_close,
};

int lt_model_session(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_session *out)
{
    if (spec.cache != LT_F32 && spec.cache != LT_BF16)
        return lt_fail("keys and values are kept as F32 or BF16, not %s", lt_dtype_name(spec.cache));
    struct session *s = make(m, c, spec);
    s->cache = lt_cache_new(m, spec.cache);
    *out = (struct lt_session){ &session_type, s };
    return 0;
}
