/* Sessions of a formula: a session of every view, kept in step.  Views of one model are fed in one pass, and so are
 * those of other sessions beside it. */
#include "formula/formula.h"
#include "lm/feed.h"
#include "lm/held.h"
#include "math/row_kernel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64 };                     /* rows of logits of each view held at once */

struct session {
    const struct lt_formula_lm *m;
    struct lt_session view[LT_FORMULA_VIEWS];           /* of a zero type: not used */
    int count, cap;
    double *past[LT_FORMULA_VIEWS];     /* (count + 1): log p of the first tokens; NULL unless asked for */
    float *row;                         /* (vocab) log p of every token now, when known */
    bool known;
    struct lt_arena scratch;
};

/* What one feed has done, and the part of it that is fed now: the last `rows` tokens give rows of logits. */
struct part {
    struct session *s;
    const struct lt_feed *f;
    int before;                         /* tokens of the session at first */
    int done, n, rows;
    int32_t *token[LT_FORMULA_VIEWS];   /* what a view is fed: at the very beginning with its prefix */
    int fed[LT_FORMULA_VIEWS];
    float *row[LT_FORMULA_VIEWS], *logp[LT_FORMULA_VIEWS];
};

static const struct lt_formula_view *view_of(const struct session *s, int v) { return &s->m->f->view[v]; }
static int model_of(const struct session *s, int v) { return view_of(s, v)->model; }

/* ---- taking back ---- */
static int formula_rewind(void *self, int n)
{
    struct session *s = self;
    if (lt_held_check_drop(n, s->count)) return -1;
    if (!n) return 0;
    s->count -= n;
    s->known = false;
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        struct lt_session *k = &s->view[v];
        int more = s->count ? n : n + view_of(s, v)->id_count;
        if (k->type && k->type->rewind(k->self, more)) return -1;
    }
    return 0;
}

/* ---- one part of every feed ---- */
/* Which tokens' rows are wanted: those asked for, and those that judge the next token. */
static int first_wanted(const struct lt_feed *f)
{
    int asked = f->n - f->rows;
    return f->logp ? LT_MIN(asked, LT_MAX(f->from - 1, 0)) : asked;
}

static int plan(struct part *p, int count)
{
    int room = ROWS, active = 0;
    for (int i = 0; i < count; i++) {
        int left = p[i].f->n - p[i].done, quiet = LT_MIN(LT_MAX(first_wanted(p[i].f) - p[i].done, 0), left);
        p[i].rows = LT_MIN(left - quiet, room);
        p[i].n = room || quiet == left ? quiet + p[i].rows : 0;
        room -= p[i].rows;
        active += p[i].n > 0;
    }
    return active;
}

/* The tokens of a view: a prefix stands behind the token with which texts begin, else before everything. */
static void write_tokens(struct part *p, int v)
{
    const struct lt_formula_view *view = view_of(p->s, v);
    const int32_t *from = p->f->token + p->done;
    int extra = p->s->count ? 0 : view->id_count, head = extra && from[0] == p->s->m->models->start;
    int32_t *to = p->token[v] = lt_alloc((size_t)(p->n + extra) * sizeof *to);
    if (head) *to++ = *from;
    if (extra) memcpy(to, view->id, (size_t)extra * sizeof *to);
    memcpy(to + extra, from + head, (size_t)(p->n - head) * sizeof *to);
    p->fed[v] = p->n + extra;
    if (p->rows) p->row[v] = lt_alloc((size_t)p->rows * (size_t)p->s->m->models->vocab[view->model] * sizeof(float));
    if (p->s->m->past[v]) p->logp[v] = lt_alloc((size_t)p->fed[v] * sizeof(float));
}

static void drop_part(struct part *p)
{
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        free(p->token[v]);
        free(p->row[v]);
        free(p->logp[v]);
        p->token[v] = NULL;
        p->row[v] = p->logp[v] = NULL;
    }
}

/* Feeds the views of one model; 0, LT_FULL or -1. */
static int feed_model(struct part *p, int count, int model)
{
    struct lt_feed *f = lt_alloc((size_t)count * LT_FORMULA_VIEWS * sizeof *f);
    const struct lt_session_type *type = NULL;
    int n = 0;
    for (int i = 0; i < count; i++)
        for (int v = 0; v < LT_FORMULA_VIEWS && p[i].n; v++) {
            struct lt_session *k = &p[i].s->view[v];
            if (!k->type || model_of(p[i].s, v) != model) continue;
            type = k->type;
            f[n++] = (struct lt_feed){ .s = k->self, .token = p[i].token[v], .n = p[i].fed[v], .logp = p[i].logp[v],
                                       .row = p[i].row[v], .rows = p[i].rows };
        }
    int rc = n ? lt_feed_many(type, f, n) : 0;
    free(f);
    if (rc < 0) lt_fail("%s: %s", p->s->m->f->model[model], lt_error());
    return rc;
}

static void unfeed_models(struct part *p, int count, int models)
{
    for (int i = 0; i < count; i++)
        for (int v = 0; v < LT_FORMULA_VIEWS && p[i].n; v++) {
            struct lt_session *k = &p[i].s->view[v];
            if (k->type && model_of(p[i].s, v) < models) k->type->rewind(k->self, p[i].fed[v]);
        }
}

static int feed_views(struct part *p, int count)
{
    int models = p->s->m->f->model_count, rc = 0;
    for (int i = 0; i < count; i++)
        for (int v = 0; v < LT_FORMULA_VIEWS && p[i].n; v++)
            if (p[i].s->view[v].type) write_tokens(&p[i], v);
    for (int k = 0; k < models && !rc; k++)
        if ((rc = feed_model(p, count, k))) unfeed_models(p, count, k);
    return rc;
}

/* ---- what the views say, together ---- */
/* log p of every token of the formula's vocabulary; those a model does not have it never says. */
static const float *settled(struct lt_arena *scratch, const float *logits, int n, int vocab)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    float *x = lt_arena_take(scratch, (size_t)vocab * sizeof *x), top = rows->peak(n, logits);
    double z = top > -INFINITY ? (double)top + log(rows->exp_sum(n, top, logits, NULL)) : 0;
    for (int i = 0; i < n; i++) x[i] = (float)((double)logits[i] - z);
    for (int i = n; i < vocab; i++) x[i] = -INFINITY;
    return x;
}

/* Of the first `count` tokens of the session; logits: a row of each view. */
static int combine(struct session *s, const float *const *logits, int count, float *out)
{
    const struct lt_formula_lm *m = s->m;
    struct lt_arena_mark here = lt_arena_here(&s->scratch);
    struct lt_formula_place place = { .vocab = m->vocab };
    for (int v = 0; v < m->f->view_count; v++) {
        if (m->used[v]) place.row[v] = settled(&s->scratch, logits[v], m->models->vocab[model_of(s, v)], m->vocab);
        if (m->past[v]) place.past[v] = s->past[v][count];
    }
    int rc = lt_formula_row(m->f, m->sum, &place, &s->scratch, out);
    lt_arena_release(&s->scratch, here);
    return rc;
}

static int know(struct session *s)
{
    const float *logits[LT_FORMULA_VIEWS] = { 0 };
    int vocab;
    if (!s->count) return lt_fail("nothing has been fed: a formula says nothing before the first token");
    if (s->known) return 0;
    for (int v = 0; v < LT_FORMULA_VIEWS; v++)
        if (s->view[v].type && !(logits[v] = s->view[v].type->logits(s->view[v].self, &vocab)))
            return lt_fail("%s: %s", s->m->f->model[model_of(s, v)], lt_error());
    if (combine(s, logits, s->count, s->row)) return -1;
    s->known = true;
    return 0;
}

/* Sums of log p, of the session's own tokens alone. */
static void remember(struct part *p)
{
    struct session *s = p->s;
    if (s->count + p->n >= s->cap) {
        s->cap = 2 * (s->count + p->n) + 1;
        for (int v = 0; v < LT_FORMULA_VIEWS; v++)
            if (s->m->past[v]) s->past[v] = lt_realloc(s->past[v], (size_t)s->cap * sizeof(double));
    }
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        if (!s->m->past[v]) continue;
        double *past = s->past[v] + s->count;
        int extra = p->fed[v] - p->n, head = extra && p->token[v][0] == s->m->models->start;
        if (!s->count) past[0] = 0;
        for (int i = 0; i < p->n; i++) past[i + 1] = past[i] + (double)p->logp[v][i < head ? i : i + extra];
    }
    s->count += p->n;
    s->known = false;
}

/* Token i of the feed, by the row before it; row NULL: nothing is before it. */
static int judge(const struct lt_feed *f, int i, const float *row, int vocab)
{
    int at = i - f->from;
    if (!f->logp || at < 0) return 0;
    if (f->token[i] < 0 || f->token[i] >= vocab)
        return lt_fail("token %d is not below the vocabulary of %d", f->token[i], vocab);
    f->logp[at] = row ? row[f->token[i]] : 0;
    if (f->hit) f->hit[at] = row && lt_row_is_best(row, vocab, f->token[i]);
    return 0;
}

/* What was asked for, once the session holds the part's tokens. */
static int finish(struct part *p)
{
    struct session *s = p->s;
    const struct lt_feed *f = p->f;
    int vocab = s->m->vocab, first = p->done + p->n - p->rows, rc = 0;
    for (int i = 0; i < p->rows && !rc; i++) {
        const float *logits[LT_FORMULA_VIEWS] = { 0 };
        int at = first + i;
        for (int v = 0; v < s->m->f->view_count; v++)
            if (p->row[v]) logits[v] = p->row[v] + (size_t)i * (size_t)s->m->models->vocab[model_of(s, v)];
        rc = combine(s, logits, s->count - p->rows + i + 1, s->row);
        if (!rc && at >= f->n - f->rows)
            memcpy(f->row + (size_t)(at - (f->n - f->rows)) * (size_t)vocab, s->row, (size_t)vocab * sizeof *s->row);
        if (!rc && at + 1 < f->n) rc = judge(f, at + 1, s->row, vocab);
    }
    s->known = !rc && p->rows;
    p->done += p->n;
    return rc;
}

/* The first token of a feed is judged by what was known before. */
static int begin(struct part *p)
{
    const struct lt_feed *f = p->f;
    if (!f->logp || f->from) return 0;
    if (!p->s->count) return judge(f, 0, NULL, p->s->m->vocab);
    return know(p->s) ? -1 : judge(f, 0, p->s->row, p->s->m->vocab);
}

static int formula_feed_many(const struct lt_feed *f, int count)
{
    struct part *p = lt_calloc((size_t)count, sizeof *p);
    int rc = 0, n = 0;
    for (int i = 0; i < count && !rc; i++) {
        struct session *s = f[i].s;
        p[n++] = (struct part){ .s = s, .f = &f[i], .before = s->count };
        rc = begin(&p[i]);
    }
    while (!rc && plan(p, n)) {
        rc = feed_views(p, n);
        for (int i = 0; i < n && !rc; i++)
            if (p[i].n) remember(&p[i]);
        for (int i = 0; i < n && !rc; i++)
            if (p[i].n) rc = finish(&p[i]);
        for (int i = 0; i < n; i++) drop_part(&p[i]);
    }
    for (int i = 0; rc && i < n; i++) formula_rewind(p[i].s, p[i].s->count - p[i].before);
    free(p);
    return rc;
}

/* ---- the rest of a session ---- */
static int formula_feed(void *self, const int32_t *token, int n)
{
    return n && formula_feed_many(&(struct lt_feed){ .s = self, .token = token, .n = n }, 1) ? -1 : 0;
}

static int formula_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct lt_feed f = { .s = self, .token = token, .n = n, .logp = logp, .hit = hit };
    return n && formula_feed_many(&f, 1) ? -1 : 0;
}

static const float *formula_logits(void *self, int *vocab)
{
    struct session *s = self;
    *vocab = s->m->vocab;
    return know(s) ? NULL : s->row;
}

static int formula_count(void *self) { return ((struct session *)self)->count; }
static int formula_vocab(void *self) { return ((struct session *)self)->m->vocab; }

static int formula_limit(void *self)
{
    struct session *s = self;
    int least = 0;
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        int limit = s->view[v].type ? s->view[v].type->limit(s->view[v].self) : 0;
        if (limit) limit = LT_MAX(limit - view_of(s, v)->id_count, 1);
        if (limit && (!least || limit < least)) least = limit;
    }
    return least;
}

static void formula_close(void *self)
{
    struct session *s = self;
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        lt_session_close(&s->view[v]);
        free(s->past[v]);
    }
    free(s->row);
    lt_arena_free(&s->scratch);
    free(s);
}

static struct session *make(const struct lt_formula_lm *m)
{
    struct session *s = lt_calloc(1, sizeof *s);
    s->m = m;
    s->row = lt_alloc((size_t)m->vocab * sizeof *s->row);
    return s;
}

static void *formula_fork(void *self)
{
    struct session *s = self, *t = make(s->m);
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) {
        if (s->view[v].type && lt_session_fork(&s->view[v], &t->view[v])) {
            formula_close(t);
            return NULL;
        }
        if (!s->past[v]) continue;
        t->past[v] = lt_alloc((size_t)s->cap * sizeof(double));
        memcpy(t->past[v], s->past[v], (size_t)(s->count + 1) * sizeof(double));
    }
    t->count = s->count;
    t->cap = s->cap;
    t->known = s->known;
    if (s->known) memcpy(t->row, s->row, (size_t)s->m->vocab * sizeof *s->row);
    return t;
}

static const struct lt_session_type session_type = {
    .feed = formula_feed, .logits = formula_logits, .score = formula_score, .rewind = formula_rewind,
    .fork = formula_fork, .count = formula_count, .limit = formula_limit, .close = formula_close,
    .feed_many = formula_feed_many, .vocab = formula_vocab,
};

int lt_formula_session(const struct lt_formula_lm *m, struct lt_session *out)
{
    struct session *s = make(m);
    for (int v = 0; v < m->f->view_count; v++) {
        const struct lt_lm *lm = &m->models->lm[m->f->view[v].model];
        if (m->used[v] && lm->type->session(lm->self, &s->view[v])) {
            s->view[v] = (struct lt_session){ 0 };
            formula_close(s);
            return -1;
        }
    }
    *out = (struct lt_session){ &session_type, s };
    return 0;
}
