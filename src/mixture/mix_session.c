/* Sessions of a mixture: one session of every member, kept in step. */
#include "mixture/mix.h"
#include "lm/held.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct lt_mix *x;
    struct lt_session member[LT_MIXING_MEMBERS];
    int count;
    float *past; int64_t past_cap;      /* (count, members): log p of the tokens held; NULL unless the method asks */
    int vocab;
    float *row[LT_MIXING_MEMBERS];      /* (vocab) log p of every token, of each member */
    float entropy[LT_MIXING_MEMBERS];
    float *out;                         /* (vocab) */
    lt_mix_fn *fn; void *to;
};

static bool keeps_past(const struct session *s) { return s->x->fit.how->flags & LT_MIXTURE_PAST; }

/* ---- moving on ---- */
static void drop(struct session *s, int members, int n)
{
    for (int m = 0; m < members; m++) s->member[m].type->rewind(s->member[m].self, n);
}

static void remember(struct session *s, int n, const float *logp)       /* logp: (members, n) */
{
    int members = s->x->members;
    if (s->count + n > s->past_cap) {
        s->past_cap = 2 * (s->count + n);
        s->past = lt_realloc(s->past, (size_t)s->past_cap * (size_t)members * sizeof *s->past);
    }
    for (int i = 0; i < n; i++)
        for (int m = 0; m < members; m++) s->past[((int64_t)s->count + i) * members + m] = logp[(int64_t)m * n + i];
}

/* Every member takes the tokens, or none does.  logp (members, n) may be NULL. */
static int take(struct session *s, const int32_t *token, int n, float *logp)
{
    float *own = !logp && keeps_past(s) ? lt_alloc((size_t)LT_MAX(n, 1) * (size_t)s->x->members * sizeof *own) : NULL;
    float *to = logp ? logp : own;
    int m = 0, rc = 0;
    for (; m < s->x->members && !rc; m++) {
        struct lt_session *k = &s->member[m];
        rc = to ? k->type->score(k->self, token, n, to + (int64_t)m * n, NULL) : k->type->feed(k->self, token, n);
    }
    if (rc) {
        drop(s, m - 1, n);
        rc = lt_fail("%s: %s", s->x->path[m - 1], lt_error());
    } else {
        if (keeps_past(s)) remember(s, n, to);
        s->count += n;
    }
    free(own);
    return rc;
}

static int mix_feed(void *self, const int32_t *token, int n) { return take(self, token, n, NULL); }

/* ---- what the members say now ---- */
static int fit_rows(struct session *s, int vocab)
{
    int of_fit = s->x->fit.vocab;
    if (of_fit && vocab != of_fit)
        return lt_fail("the mixture was learnt over %d tokens, and its members have %d", of_fit, vocab);
    if (vocab <= s->vocab) return 0;
    for (int m = 0; m < s->x->members; m++) s->row[m] = lt_realloc(s->row[m], (size_t)vocab * sizeof(float));
    s->out = lt_realloc(s->out, (size_t)vocab * sizeof *s->out);
    s->vocab = vocab;
    return 0;
}

/* Log-probabilities and entropy from logits; tokens that the member does not have get no probability. */
static void settle_row(struct session *s, int m, const float *logits, int n)
{
    double z = lt_mixing_log_sum(logits, n), h = 0;
    for (int v = 0; v < s->vocab; v++) {
        float p = v < n ? (float)((double)logits[v] - z) : -INFINITY;
        s->row[m][v] = p;
        if (p > -INFINITY) h -= exp((double)p) * (double)p;
    }
    s->entropy[m] = (float)h;
}

static int know_rows(struct session *s)
{
    const float *logits[LT_MIXING_MEMBERS];
    int n[LT_MIXING_MEMBERS], vocab = 0;
    for (int m = 0; m < s->x->members; m++) {
        logits[m] = s->member[m].type->logits(s->member[m].self, &n[m]);
        if (!logits[m]) return lt_fail("%s: %s", s->x->path[m], lt_error());
        vocab = LT_MAX(vocab, n[m]);
    }
    if (fit_rows(s, vocab)) return -1;
    for (int m = 0; m < s->x->members; m++) settle_row(s, m, logits[m], n[m]);
    return 0;
}

static struct lt_mixture_place place_of(const struct session *s)
{
    return (struct lt_mixture_place){ .row = (const float *const *)s->row, .entropy = s->entropy, .past = s->past,
                                      .past_count = s->count };
}

static const float *mix_logits(void *self, int *vocab)
{
    struct session *s = self;
    if (know_rows(s)) return NULL;
    struct lt_mixture_place p = place_of(s);
    lt_mixture_row(&s->x->fit, &p, s->vocab, s->out);
    *vocab = s->vocab;
    return s->out;
}

/* ---- scoring ---- */
static int show(struct session *s, int32_t token)
{
    float logp[LT_MIXING_MEMBERS];
    struct lt_mixture_place p = place_of(s);
    if (know_rows(s)) return -1;
    if (token < 0 || token >= s->vocab) return lt_fail("token %d is not below the vocabulary of %d", token, s->vocab);
    for (int m = 0; m < s->x->members; m++) logp[m] = s->row[m][token];
    return s->fn(s->to, &p, s->vocab, token, logp);
}

static int score_one(struct session *s, int32_t token, float *logp, uint8_t *hit)
{
    int vocab;
    *logp = 0;
    if (hit) *hit = 0;
    if (s->count && s->fn) {
        if (show(s, token)) return -1;
    } else if (s->count) {
        const float *row = mix_logits(s, &vocab);
        if (!row) return -1;
        if (token < 0 || token >= vocab) return lt_fail("token %d is not below the vocabulary of %d", token, vocab);
        *logp = row[token];
        if (hit) *hit = lt_row_is_best(row, vocab, token);
    }
    return take(s, &token, 1, NULL);
}

static int score_rows(struct session *s, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    for (int i = 0; i < n; i++)
        if (score_one(s, token[i], &logp[i], hit ? &hit[i] : NULL)) {
            drop(s, s->x->members, i);
            s->count -= i;
            return -1;
        }
    return 0;
}

/* Without whole distributions: the members score many tokens at a time. */
static int score_tokens(struct session *s, const int32_t *token, int n, float *logp)
{
    int members = s->x->members, before = s->count;
    float *all = lt_alloc((size_t)LT_MAX(n, 1) * (size_t)members * sizeof *all), one[LT_MIXING_MEMBERS];
    int rc = take(s, token, n, all);
    for (int i = 0; i < n && !rc; i++) {
        struct lt_mixture_place p = { .past = s->past, .past_count = before + i };
        for (int m = 0; m < members; m++) one[m] = all[(int64_t)m * n + i];
        logp[i] = before + i ? lt_mixture_token(&s->x->fit, &p, one) : 0;
    }
    free(all);
    return rc;
}

static int mix_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct session *s = self;
    if (hit || s->fn || lt_mixture_needs_rows(s->x->fit.how)) return score_rows(s, token, n, logp, hit);
    return score_tokens(s, token, n, logp);
}

/* ---- the rest ---- */
static int mix_rewind(void *self, int n)
{
    struct session *s = self;
    if (lt_held_check_drop(n, s->count)) return -1;
    drop(s, s->x->members, n);
    s->count -= n;
    return 0;
}

static int mix_count(void *self) { return ((struct session *)self)->count; }

static int mix_limit(void *self)
{
    struct session *s = self;
    int least = 0;
    for (int m = 0; m < s->x->members; m++) {
        int limit = s->member[m].type->limit(s->member[m].self);
        if (limit && (!least || limit < least)) least = limit;
    }
    return least;
}

static void mix_session_close(void *self)
{
    struct session *s = self;
    for (int m = 0; m < s->x->members; m++) {
        if (s->member[m].type) s->member[m].type->close(s->member[m].self);
        free(s->row[m]);
    }
    free(s->past);
    free(s->out);
    free(s);
}

static void *mix_fork(void *self)
{
    const struct session *s = self;
    struct session *t = lt_calloc(1, sizeof *t);
    t->x = s->x;
    for (int m = 0; m < s->x->members; m++) {
        t->member[m].self = s->member[m].type->fork(s->member[m].self);
        if (!t->member[m].self) {
            mix_session_close(t);
            return NULL;
        }
        t->member[m].type = s->member[m].type;
    }
    t->count = s->count;
    if (s->past) {
        size_t size = (size_t)LT_MAX(s->count, 1) * (size_t)s->x->members * sizeof *t->past;
        t->past = lt_alloc(size);
        t->past_cap = LT_MAX(s->count, 1);
        if (s->count) memcpy(t->past, s->past, size);
    }
    return t;
}

static const struct lt_session_type session_type = {
    .feed = mix_feed, .logits = mix_logits, .score = mix_score, .rewind = mix_rewind, .fork = mix_fork,
    .count = mix_count, .limit = mix_limit, .close = mix_session_close,
};

int lt_mix_session(struct lt_mix *x, struct lt_session *out)
{
    struct session *s = lt_calloc(1, sizeof *s);
    s->x = x;
    for (int m = 0; m < x->members; m++)
        if (x->lm[m].type->session(x->lm[m].self, &s->member[m])) {
            s->member[m].type = NULL;
            mix_session_close(s);
            return lt_fail("%s: %s", x->path[m], lt_error());
        }
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

void lt_mix_record(struct lt_session *s, lt_mix_fn *fn, void *to)
{
    struct session *x = s->self;
    x->fn = fn;
    x->to = to;
}
