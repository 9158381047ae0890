#include "lm/feed.h"
#include <stdlib.h>
#include <string.h>

static int fed_or_scored(const struct lt_session_type *type, const struct lt_feed *f, int at, int n)
{
    int from = f->logp ? LT_MIN(LT_MAX(f->from, at), at + n) : at + n;
    if (from > at && type->feed(f->s, f->token + at, from - at)) return -1;
    if (from == at + n) return 0;
    int to = from - f->from;
    return type->score(f->s, f->token + from, at + n - from, f->logp + to, f->hit ? f->hit + to : NULL);
}

static int feed_one(const struct lt_session_type *type, const struct lt_feed *f)
{
    int quiet = f->n - f->rows, vocab;
    if (f->states) return lt_fail("this model gives no hidden states");
    if (quiet && fed_or_scored(type, f, 0, quiet)) return -1;
    for (int i = quiet; i < f->n; i++) {
        if (fed_or_scored(type, f, i, 1)) return -1;
        const float *x = type->logits(f->s, &vocab);
        if (!x) return -1;
        memcpy(f->row + (size_t)(i - quiet) * (size_t)vocab, x, (size_t)vocab * sizeof *x);
    }
    return 0;
}

int lt_feed_many(const struct lt_session_type *type, const struct lt_feed *f, int count)
{
    if (type->feed_many) return type->feed_many(f, count);
    int *before = lt_calloc((size_t)count + 1, sizeof *before), rc = 0, done = 0;
    for (; done < count && !rc; done++) {
        before[done] = type->count(f[done].s);
        rc = feed_one(type, &f[done]);
    }
    for (int i = 0; rc && i < done; i++) {
        int more = type->count(f[i].s) - before[i];
        if (more > 0) type->rewind(f[i].s, more);
    }
    free(before);
    return rc;
}

int lt_session_vocab(struct lt_session *s)
{
    int vocab = -1;
    if (s->type->vocab) return s->type->vocab(s->self);
    if (s->type->count(s->self)) return s->type->logits(s->self, &vocab) ? vocab : -1;
    if (s->type->feed(s->self, &(int32_t){ 0 }, 1)) return -1;
    bool given = s->type->logits(s->self, &vocab) != NULL;
    return s->type->rewind(s->self, 1) || !given ? -1 : vocab;
}

int lt_session_fork(struct lt_session *s, struct lt_session *out)
{
    *out = (struct lt_session){ s->type, s->type->fork ? s->type->fork(s->self) : NULL };
    if (out->self) return 0;
    if (!s->type->fork) lt_fail("sessions of this model cannot be forked");
    *out = (struct lt_session){ 0 };
    return -1;
}

int lt_lm_session(struct lt_lm *lm, const char *adapter, struct lt_session *out)
{
    *out = (struct lt_session){ 0 };
    if (lm->type->session(lm->self, out)) {
        *out = (struct lt_session){ 0 };
        return -1;
    }
    int rc = !adapter ? 0
        : !out->type->adapt ? lt_misuse("adapter: %s models have none", lm->type->m.name)
        : out->type->adapt(out->self, adapter);
    if (rc) lt_session_close(out);
    return rc;
}

void lt_session_close(struct lt_session *s)
{
    if (s->type) s->type->close(s->self);
    *s = (struct lt_session){ 0 };
}
