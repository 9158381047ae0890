#include "model/session.h"
#include "model/session_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PASS = 256 };                /* tokens of one forward pass: what is held at once stays small */

static int32_t held(const struct lt_session_state *s) { return (int32_t)s->count; }

/* ---- what sessions share ---- */

int lt_runner_new(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_runner **out)
{
    if (spec.cache != LT_F32 && spec.cache != LT_BF16 && spec.cache != LT_I8)
        return lt_fail("keys and values are kept as F32, BF16 or I8, not %s", lt_dtype_name(spec.cache));
    struct lt_runner *r = lt_calloc(1, sizeof *r);
    *r = (struct lt_runner){ .m = m, .ctx = c, .spec = spec, .holders = 1 };
    r->graph = lt_graph_new(c, spec.compute);
    r->pages = lt_pages_new(m, spec.cache, spec.cache_limit);
    *out = r;
    return 0;
}

void lt_runner_free(struct lt_runner *r)
{
    if (!r || --r->holders) return;
    lt_graph_free(r->graph);
    lt_pages_free(r->pages);
    free(r);
}

struct lt_pages *lt_runner_pages(struct lt_runner *r) { return r->pages; }

/* ---- one session ---- */

int lt_session_check(const struct lt_session_state *s, const int32_t *token, int64_t n)
{
    const struct lt_model *m = s->run->m;
    if (n < 0 || s->count + n > m->context)
        return lt_fail("the model's context is %" PRId64 " tokens: %" PRId64 " are held and %" PRId64
                       " more do not fit",
                       m->context, s->count, n);
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= m->vocab)
            return lt_fail("token %" PRId32 " is not in the model's vocabulary of %" PRId64
                           "; is this the tokenizer the model "
                           "was made with?",
                           token[i], m->vocab);
    return 0;
}

void lt_session_remember(struct lt_session_state *s, const int32_t *token, int64_t n)
{
    if (s->count + n > s->cap) {
        s->cap = 2 * (s->count + n);
        s->token = lt_realloc(s->token, (size_t)s->cap * sizeof *s->token);
    }
    memcpy(s->token + s->count, token, (size_t)n * sizeof *token);
    s->count += n;
}

/* Takes the session back to `count` tokens; what is known of the last one is lost unless nothing was fed since. */
static void cut(struct lt_session_state *s, int64_t count)
{
    lt_cache_rewind(s->cache, count);
    if (count == s->count) return;
    s->count = count;
    s->last_known = s->logits_known = false;
}

/* ---- a pass over several sessions ---- */

/* A stretch of tokens of one session; begin counts from the first of its feed. */
struct stretch { struct lt_session_state *s; const struct lt_feed *feed; int begin, n; };
struct pass { struct stretch part[PASS]; int count, rows; };

/* Hidden states of every row, (rows, width), until the graph is reset. */
static struct lt_tensor *run(struct lt_runner *r, const struct pass *p)
{
    int32_t token[PASS], pos[PASS];
    int64_t seq_row[PASS + 1];
    struct lt_cache *cache[PASS];
    const struct lt_adapter *adapter[PASS];
    int row = 0;
    for (int i = 0; i < p->count; i++) {
        const struct stretch *t = &p->part[i];
        seq_row[i] = row;
        cache[i] = t->s->cache;
        adapter[i] = t->s->adapter;
        for (int k = 0; k < t->n; k++, row++) {
            token[row] = t->feed->token[t->begin + k];
            pos[row] = (int32_t)lt_cache_count(t->s->cache) + k;
        }
    }
    seq_row[p->count] = row;
    struct lt_batch b = { .rows = row, .token = token, .pos = pos, .seq_count = p->count, .seq_row = seq_row,
                          .cache = cache, .adapter = adapter };
    lt_graph_reset(r->graph);
    return r->m->arch->forward(r->m->o, r->m, r->graph, &b);
}

static int from_of(const struct lt_feed *f) { return f->logp ? f->from : f->n; }
static int quiet_of(const struct lt_feed *f) { return f->n - f->rows; }     /* tokens whose logits nobody wants */
static int unseen_of(const struct lt_feed *f) { return f->n - f->states; }  /* tokens whose states nobody wants */

static int first_judged(const struct stretch *t) { return LT_MAX(0, from_of(t->feed) - t->begin); }

static struct lt_tensor *gather(struct lt_runner *r, const float *const *from, int64_t n)
{
    int64_t width = r->m->width;
    struct lt_tensor *all = lt_empty(r->graph, 2, (int64_t[]){ n, width });
    for (int64_t i = 0; i < n; i++) memcpy(lt_f32(all) + i * width, from[i], (size_t)width * sizeof(float));
    return all;
}

/* Log probabilities of tokens whose hidden states x come one token too late for them: the first of a stretch is judged
 * by what was known before. */
static void judge(struct lt_runner *r, const struct pass *p, const struct lt_tensor *x)
{
    int64_t n = 0, row = 0;
    const float *from[PASS];
    float weight[PASS], logp[PASS];
    int32_t target[PASS];
    uint8_t hit[PASS];
    for (int i = 0; i < p->count; row += p->part[i++].n) {
        const struct stretch *t = &p->part[i];
        for (int k = first_judged(t); k < t->n; k++, n++) {
            weight[n] = k || t->s->last_known ? 1 : 0;
            target[n] = t->feed->token[t->begin + k];
            from[n] = k ? lt_f32(x) + (row + k - 1) * x->ld : t->s->last;
        }
    }
    if (!n) return;
    lt_model_loss(r->graph, r->m, gather(r, from, n),
                  &(struct lt_head){ .target = target, .weight = weight, .logp = logp, .hit = hit });
    n = 0;
    for (int i = 0; i < p->count; i++) {
        const struct stretch *t = &p->part[i];
        for (int k = first_judged(t); k < t->n; k++, n++) {
            int at = t->begin + k - t->feed->from;
            t->feed->logp[at] = logp[n];
            if (t->feed->hit) t->feed->hit[at] = hit[n];
        }
    }
}

/* Logits of the rows that are wanted, all in one product. */
static void tell_rows(struct lt_runner *r, const struct pass *p, const struct lt_tensor *x)
{
    int64_t vocab = r->m->vocab, n = 0, row = 0;
    float *to[PASS];
    const float *from[PASS];
    for (int i = 0; i < p->count; row += p->part[i++].n) {
        const struct stretch *t = &p->part[i];
        for (int k = LT_MAX(0, quiet_of(t->feed) - t->begin); k < t->n; k++, n++) {
            from[n] = lt_f32(x) + (row + k) * x->ld;
            to[n] = t->feed->row + (t->begin + k - quiet_of(t->feed)) * vocab;
        }
    }
    if (!n) return;
    const float *y = lt_f32(lt_model_logits(r->graph, r->m, gather(r, from, n)));
    for (int64_t i = 0; i < n; i++) memcpy(to[i], y + i * vocab, (size_t)vocab * sizeof(float));
}

static void tell_states(struct lt_runner *r, const struct pass *p, const struct lt_tensor *x)
{
    size_t size = (size_t)r->m->width * sizeof(float);
    int64_t row = 0;
    for (int i = 0; i < p->count; row += p->part[i++].n) {
        const struct stretch *t = &p->part[i];
        for (int k = LT_MAX(0, unseen_of(t->feed) - t->begin); k < t->n; k++)
            memcpy(t->feed->state + (t->begin + k - unseen_of(t->feed)) * r->m->width, lt_f32(x) + (row + k) * x->ld,
                   size);
    }
}

/* After a rewind the last token is fed again for its hidden state, into a fork: its keys are there already. */
static int know_last(struct lt_session_state *s)
{
    if (s->last_known || !s->count) return 0;
    struct lt_session_state again = { .run = s->run, .cache = lt_cache_fork(s->cache), .adapter = s->adapter };
    struct lt_feed f = { .token = &s->token[s->count - 1], .n = 1 };
    struct pass p = { .part[0] = { &again, &f, 0, 1 }, .count = 1, .rows = 1 };
    lt_cache_rewind(again.cache, s->count - 1);
    lt_cache_list(again.cache, false);
    int rc = lt_cache_reserve(again.cache, 1);
    struct lt_tensor *x = rc ? NULL : run(s->run, &p);
    if (x) {
        memcpy(s->last, lt_f32(x), (size_t)s->run->m->width * sizeof *s->last);
        s->last_known = true;
        s->logits_known = false;
    } else if (!rc) rc = -1;
    lt_cache_free(again.cache);
    return rc;
}

/* Those of one adapter side by side, in the order of their first: each product then has all of an adapter's rows. */
static void group(struct pass *p)
{
    for (int to = 1; to < p->count; to++) {
        const struct lt_adapter *a = p->part[to - 1].s->adapter;
        int from = to;
        while (from < p->count && p->part[from].s->adapter != a) from++;
        if (from == p->count) continue;
        struct stretch moved = p->part[from];
        memmove(&p->part[to + 1], &p->part[to], (size_t)(from - to) * sizeof moved);
        p->part[to] = moved;
    }
}

/* Fills a pass with what is left of the feeds, in order. */
static void plan(struct pass *p, const struct lt_feed *f, int count, const int *done)
{
    p->count = p->rows = 0;
    for (int i = 0; i < count && p->rows < PASS; i++) {
        int n = LT_MIN(f[i].n - done[i], PASS - p->rows);
        if (!n) continue;
        p->part[p->count++] = (struct stretch){ f[i].s, &f[i], done[i], n };
        p->rows += n;
    }
    group(p);
}

/* 0, LT_FULL or -1. */
static int pass_once(struct lt_runner *r, struct pass *p, const struct lt_feed *f, int *done)
{
    if (lt_ctx_interrupted(r->ctx)) return lt_fail("interrupted");
    for (int i = 0; i < p->count; i++)
        if (lt_cache_reserve(p->part[i].s->cache, p->part[i].n)) return LT_FULL;
    struct lt_tensor *x = run(r, p);
    if (!x) return -1;
    judge(r, p, x);
    tell_rows(r, p, x);
    tell_states(r, p, x);
    int64_t row = 0;
    for (int i = 0; i < p->count; i++) {
        const struct stretch *t = &p->part[i];
        row += t->n;
        memcpy(t->s->last, lt_f32(x) + (row - 1) * x->ld, (size_t)r->m->width * sizeof *t->s->last);
        t->s->last_known = true;
        t->s->logits_known = false;
        lt_session_remember(t->s, t->feed->token + t->begin, t->n);
        done[t->feed - f] += t->n;
    }
    return 0;
}

/* Pages of texts that begin alike are taken as they are, up to the tokens of which something is wanted. */
static int adopt(const struct lt_feed *f)
{
    struct lt_session_state *s = f->s;
    lt_cache_list(s->cache, !s->run->m->tap && !f->logp);
    int n = LT_MIN(LT_MIN(f->n - 1, quiet_of(f)), LT_MIN(from_of(f), unseen_of(f)));
    int taken = (int)lt_cache_adopt(s->cache, f->token, n);
    if (!taken) return 0;
    lt_session_remember(s, f->token, taken);
    s->last_known = s->logits_known = false;
    return taken;
}

static int begin(const struct lt_feed *f, int *done)
{
    struct lt_session_state *s = f->s;
    if (lt_session_check(s, f->token, f->n)) return -1;
    if (f->n) *done = adopt(f);
    return f->logp && from_of(f) == *done && *done < f->n ? know_last(s) : 0;
}

static int feed_beside(const struct lt_feed *f, int count)
{
    struct lt_runner *r = ((struct lt_session_state *)f->s)->run;
    int *done = lt_calloc(2 * (size_t)count, sizeof *done), *before = done + count, rc = 0, begun = 0;
    for (; begun < count && !rc; begun++) {
        before[begun] = held(f[begun].s);
        rc = begin(&f[begun], &done[begun]);
    }
    struct pass *p = lt_alloc(sizeof *p);
    for (plan(p, f, count, done); p->count && !rc; plan(p, f, count, done)) rc = pass_once(r, p, f, done);
    for (int i = 0; rc && i < begun; i++) cut(f[i].s, LT_MIN(before[i], held(f[i].s)));
    free(p);
    free(done);
    return rc;
}

/* Sessions of several runners go runner by runner. */
static int feed_many(const struct lt_feed *f, int count)
{
    int rc = 0;
    for (int i = 0, n; i < count && !rc; i += n) {
        struct lt_runner *r = ((struct lt_session_state *)f[i].s)->run;
        for (n = 1; i + n < count && ((struct lt_session_state *)f[i + n].s)->run == r; n++) { }
        rc = feed_beside(f + i, n);
        for (int k = 0; rc && k < i; k++) cut(f[k].s, held(f[k].s) - f[k].n);
    }
    return rc;
}

static int session_feed(void *self, const int32_t *token, int n)
{
    return feed_many(&(struct lt_feed){ .s = self, .token = token, .n = n }, 1) ? -1 : 0;
}

static int session_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    return feed_many(&(struct lt_feed){ .s = self, .token = token, .n = n, .logp = logp, .hit = hit }, 1) ? -1 : 0;
}

static int session_vocab(void *self) { return (int)((struct lt_session_state *)self)->run->m->vocab; }
static int session_width(void *self) { return (int)((struct lt_session_state *)self)->run->m->width; }

static const float *session_logits(void *self, int *vocab)
{
    struct lt_session_state *s = self;
    struct lt_runner *r = s->run;
    *vocab = session_vocab(s);
    if (!s->count) {
        lt_fail("nothing has been fed: a model says nothing before the first token");
        return NULL;
    }
    if (know_last(s)) return NULL;
    if (s->logits_known) return s->logits;
    size_t size = (size_t)r->m->vocab * sizeof *s->logits;
    if (!s->logits) s->logits = lt_alloc(size);
    lt_graph_reset(r->graph);
    int64_t dim[] = { 1, r->m->width };
    memcpy(s->logits, lt_model_logits(r->graph, r->m, lt_leaf(r->graph, "last", LT_F32, 2, dim, s->last, NULL))->data,
           size);
    s->logits_known = true;
    return s->logits;
}

static int session_rewind(void *self, int n)
{
    struct lt_session_state *s = self;
    if (n < 0 || n > s->count) return lt_fail("cannot take back %d tokens of %" PRId32, n, held(s));
    cut(s, s->count - n);
    return 0;
}

static struct lt_session_state *make(struct lt_runner *r, struct lt_cache *cache)
{
    struct lt_session_state *s = lt_calloc(1, sizeof *s);
    s->run = r;
    s->cache = cache;
    r->holders++;
    s->last = lt_calloc((size_t)r->m->width, sizeof *s->last);
    return s;
}

/* Index -1: none. */
static void take_adapter(struct lt_session_state *s, int index)
{
    s->adapter = index < 0 ? NULL : s->run->spec.adapters->item[index].adapter;
    lt_cache_set_kind(s->cache, (uint32_t)(index + 1));
}

static int session_adapt(void *self, const char *name)
{
    struct lt_session_state *s = self;
    const struct lt_adapters *all = s->run->spec.adapters;
    struct lt_buf names = { 0 };
    int index = -1;
    if (s->count) return lt_fail("an adapter is for an empty session; this one holds %" PRId32 " tokens", held(s));
    for (int i = 0; all && i < all->count; i++) {
        if (!strcmp(all->item[i].name, name)) index = i;
        lt_buf_fmt(&names, "%s\"%s\"", i ? ", " : "", all->item[i].name);
    }
    if (*name && index < 0) lt_misuse("there is no adapter \"%.200s\"; the model was opened with %s", name,
                                      names.p ? names.p : "none");
    else take_adapter(s, index);
    lt_buf_free(&names);
    return *name && index < 0 ? -1 : 0;
}

static void *session_fork(void *self)
{
    const struct lt_session_state *s = self;
    struct lt_session_state *f = make(s->run, lt_cache_fork(s->cache));
    f->adapter = s->adapter;
    if (s->count) lt_session_remember(f, s->token, s->count);
    memcpy(f->last, s->last, (size_t)s->run->m->width * sizeof *s->last);
    f->last_known = s->last_known;
    return f;
}

static int session_count(void *self) { return held(self); }
static int session_limit(void *self) { return (int)((struct lt_session_state *)self)->run->m->context; }

static void session_close(void *self)
{
    struct lt_session_state *s = self;
    lt_cache_free(s->cache);
    lt_runner_free(s->run);
    free(s->token);
    free(s->last);
    free(s->logits);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = session_feed, .logits = session_logits, .score = session_score, .rewind = session_rewind,
    .fork = session_fork, .count = session_count, .limit = session_limit, .close = session_close,
    .feed_many = feed_many, .vocab = session_vocab, .width = session_width, .save = lt_session_save,
    .load = lt_session_load, .adapt = session_adapt,
};

void lt_runner_session(struct lt_runner *r, struct lt_session *out)
{
    struct lt_session_state *s = make(r, lt_cache_new(r->pages));
    if (r->spec.adapters) take_adapter(s, r->spec.adapters->usual);
    *out = (struct lt_session){ &session_type, s };
}

int lt_model_session(struct lt_model *m, struct lt_ctx *c, struct lt_session_spec spec, struct lt_session *out)
{
    struct lt_runner *r;
    if (lt_runner_new(m, c, spec, &r)) return -1;
    lt_runner_session(r, out);
    lt_runner_free(r);
    return 0;
}
