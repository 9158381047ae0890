/* log p(text | context) of many pairs, as evaluations ask for it: thousands of short ones that begin alike. */
#include "decode/score.h"
#include "base/ctx.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 32 };             /* pairs scored at once at most */
struct pair { int32_t *id; int count, context; struct lt_score *q; float *logp; uint8_t *hit; };
struct scorer {
    struct lt_lm *lm;
    const struct lt_tokenizer *t;
    struct lt_session base;         /* holds what the pairs in hand have in common */
    int32_t *held; int count, cap;
    int most;                       /* pairs at once */
};

/* ---- tokens ---- */

static int encode(const struct scorer *s, struct lt_score *q, int limit, struct pair *p)
{
    struct lt_str context = q->context;
    struct lt_buf whole = { 0 };
    int given;
    int32_t *alone = NULL;
    while (context.n && strchr(" \t\r\n", context.p[context.n - 1])) context.n--;
    lt_buf_put(&whole, q->context.p, q->context.n);
    lt_buf_put(&whole, q->text.p, q->text.n);
    enum lt_start start = context.n ? LT_START_RULES : LT_START_AUTO;
    int rc = lt_prompt_encode(s->t, lt_buf_view(&whole), start, &p->id, &p->count, &given, NULL);
    if (!rc) rc = lt_prompt_encode(s->t, context, start, &alone, &p->context, &given, NULL);
    p->context = LT_MIN(p->context, p->count);
    p->q = q;
    lt_buf_free(&whole);
    free(alone);
    if (!rc && limit && p->count > limit)
        rc = lt_misuse("a context and its text have %d tokens and the model holds %d", p->count, limit);
    if (rc) return -1;
    p->logp = lt_calloc((size_t)p->count + 1, sizeof *p->logp);
    p->hit = lt_calloc((size_t)p->count + 1, sizeof *p->hit);
    return 0;
}

static int by_tokens(const void *a, const void *b, void *unused)
{
    const struct pair *x = a, *y = b;
    (void)unused;
    for (int i = 0; i < LT_MIN(x->count, y->count); i++)
        if (x->id[i] != y->id[i]) return x->id[i] < y->id[i] ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

static int common(const int32_t *a, int na, const int32_t *b, int nb)
{
    int n = 0, most = LT_MIN(na, nb);
    while (n < most && a[n] == b[n]) n++;
    return n;
}

/* Tokens of context that all of n sorted pairs begin with. */
static int shared(const struct pair *p, int n)
{
    int most = common(p->id, p->context, p[n - 1].id, p[n - 1].context);
    for (int i = 1; i < n; i++) most = LT_MIN(most, p[i].context);
    return most;
}

/* ---- a handful of pairs ---- */

static int hold_base(struct scorer *s, const struct pair *p, int n)
{
    int same = common(s->held, s->count, p->id, n);
    if (s->count > same && s->base.type->rewind(s->base.self, s->count - same)) return -1;
    s->count = same;
    if (n > same && s->base.type->feed(s->base.self, p->id + same, n - same)) return -1;
    if (n > s->cap) s->held = lt_realloc(s->held, (size_t)(s->cap = 2 * n) * sizeof *s->held);
    if (n) memcpy(s->held, p->id, (size_t)n * sizeof *s->held);
    s->count = n;
    return 0;
}

static struct lt_feed judged(const struct pair *p, void *session, int fed)
{
    return (struct lt_feed){ .s = session, .token = p->id + fed, .n = p->count - fed, .from = p->context - fed,
                             .logp = p->logp, .hit = p->hit };
}

/* Pairs of one context share a session up to where they part. */
struct group { int first, n, fed; };

static int feed_groups(const struct lt_session *own, const struct pair *p, const struct group *g, int groups, int base)
{
    struct lt_feed f[TOGETHER];
    int count = 0;
    for (int i = 0; i < groups; i++)
        if (g[i].n > 1 && g[i].fed > base)
            f[count++] = (struct lt_feed){ .s = own[g[i].first].self, .token = p[g[i].first].id + base,
                                           .n = g[i].fed - base };
    return count ? lt_feed_many(own->type, f, count) : 0;
}

static int find_groups(const struct pair *p, int n, int base, struct group *g)
{
    int groups = 0;
    for (int i = 0; i < n; i += g[groups++].n) {
        int k = 1;
        while (i + k < n && p[i + k].context == p[i].context && shared(p + i, k + 1) == p[i].context) k++;
        g[groups] = (struct group){ i, k, k > 1 ? p[i].context : base };
    }
    return groups;
}

static int score_forked(struct scorer *s, struct pair *p, int n)
{
    struct lt_session own[TOGETHER] = { { 0 } };
    struct group g[TOGETHER];
    struct lt_feed f[TOGETHER];
    int base = shared(p, n), rc = hold_base(s, p, base), groups = find_groups(p, n, base, g), count = 0;
    for (int i = 0; i < groups && !rc; i++) rc = lt_session_fork(&s->base, &own[g[i].first]);
    if (!rc) rc = feed_groups(own, p, g, groups, base);
    for (int i = 0; i < groups && !rc; i++)
        for (int k = 0; k < g[i].n && !rc; k++) {
            int at = g[i].first + k;
            if (k) rc = lt_session_fork(&own[g[i].first], &own[at]);
            if (!rc && p[at].count > g[i].fed) f[count++] = judged(&p[at], own[at].self, g[i].fed);
        }
    if (!rc && count) rc = lt_feed_many(s->base.type, f, count);
    for (int i = 0; i < n; i++) lt_session_close(&own[i]);
    return rc;
}

/* Sessions that cannot be forked go from pair to pair. */
static int score_in_turn(struct scorer *s, struct pair *p)
{
    if (p->count == p->context) return 0;
    if (hold_base(s, p, p->context)) return -1;
    struct lt_feed f = judged(p, s->base.self, p->context);
    int rc = lt_feed_many(s->base.type, &f, 1);
    return rc || s->base.type->rewind(s->base.self, f.n) ? -1 : 0;
}

static int score_some(struct scorer *s, struct pair *p, int n, int *done)
{
    int some = s->base.type->fork ? LT_MIN(n, s->most) : 1;
    int rc = s->base.type->fork ? score_forked(s, p, some) : score_in_turn(s, p);
    *done = some;
    if (rc != LT_FULL || some == 1) return rc ? -1 : 0;
    *done = 0;
    s->most = some / 2;
    return 0;
}

static void tell(const struct pair *p)
{
    struct lt_score *q = p->q;
    int n = p->count - p->context, first = p->context ? 0 : 1;
    q->logp = 0;
    q->tokens = LT_MAX(n - first, 0);
    q->greedy = true;
    for (int i = first; i < n; i++) {
        q->logp += (double)p->logp[i];
        q->greedy = q->greedy && p->hit[i];
    }
}

static int score_all(struct scorer *s, struct lt_ctx *c, struct pair *p, int n)
{
    struct lt_progress progress;
    int rc = 0, some;
    lt_sort(p, (size_t)n, sizeof *p, by_tokens, NULL);
    lt_progress_begin(c, &progress, "scoring", "texts", n);
    for (int i = 0; i < n && !rc; i += some) {
        rc = score_some(s, p + i, n - i, &some);
        lt_progress_at(&progress, i + some, NULL);
    }
    lt_progress_end(&progress);
    for (int i = 0; i < n && !rc; i++) tell(&p[i]);
    return rc;
}

int lt_score(struct lt_lm *lm, struct lt_ctx *c, struct lt_score *q, int n)
{
    if (lm->type->score) return lm->type->score(lm->self, q, n);
    struct scorer s = { .lm = lm, .most = TOGETHER };
    if (!lm->type->session) return lt_misuse("%s models give no log-probabilities", lm->type->m.name);
    s.t = lt_lm_tokenizer(lm);
    if (!s.t) return lt_misuse("the model has no tokenizer, which scoring of text needs");
    if (lm->type->session(lm->self, &s.base)) return -1;
    struct pair *p = lt_calloc((size_t)n + 1, sizeof *p);
    int limit = s.base.type->limit(s.base.self), rc = 0;
    for (int i = 0; i < n && !rc; i++) rc = encode(&s, &q[i], limit, &p[i]);
    if (!rc) rc = score_all(&s, c, p, n);
    for (int i = 0; i < n; i++) {
        free(p[i].id);
        free(p[i].logp);
        free(p[i].hit);
    }
    free(p);
    free(s.held);
    lt_session_close(&s.base);
    return rc;
}
