/* The back end that gives another model a memory (Kuhn and De Mori 1990): words said a moment ago come again.
 *
 *     p(w | h) = (1 - a - b) base(w | h) + a cache(w) + b cache(w | previous word)
 *     cache(w) = sum over the last `size` tokens of decay^age, where the token is w, over the same for all
 *
 * A cache that holds nothing gives its share to the base.  The begin token is not remembered, nor is <unk>, which is
 * another word every time.  The paper keeps one cache for each part of speech; this is
 * one for all words, and the pair cache is ours.  Figures are computed anew from the tokens held, so taking tokens back
 * leaves no trace.
 *     lathe perplexity cache:path=news.arpa,weight=0.1,size=500 held-out.txt */
#include "lm/held.h"
#include "lm/vocabulary.h"

#include <math.h>
#include <stdlib.h>

struct options { const char *path; double weight, pair_weight, decay; int64_t size; };
struct model { struct lt_lm base; struct options o; int32_t bos, unk; };      /* -1: none */
struct session {
    struct lt_session base;
    const struct model *m;
    struct lt_held held;
    float *row; double *p; int cells;       /* [cells]: the vocabulary, once it is known */
};
/* What the caches add up to after the tokens held. */
struct sums { double all, pairs; };

/* ---- the caches ---- */
static int first_of(const struct session *s)
{
    return s->m->o.size < s->held.count ? s->held.count - (int)s->m->o.size : 0;
}

/* From the latest token back: fn(self, token, weight, pair) for each, pair: the one before it is the latest of all. */
typedef void cell_fn(void *self, int32_t token, double weight, bool pair);

static struct sums walk(const struct session *s, cell_fn *fn, void *self)
{
    struct sums t = { 0, 0 };
    double weight = 1;
    int first = first_of(s);
    for (int i = s->held.count - 1; i >= first; i--, weight *= s->m->o.decay) {
        if (s->held.token[i] == s->m->bos || s->held.token[i] == s->m->unk) continue;
        bool pair = i > first && s->held.token[i - 1] == s->held.token[s->held.count - 1];
        t.all += weight;
        if (pair) t.pairs += weight;
        fn(self, s->held.token[i], weight, pair);
    }
    return t;
}

struct one { int32_t token; struct sums of; };
static void add_one(void *self, int32_t token, double weight, bool pair)
{
    struct one *x = self;
    if (token != x->token) return;
    x->of.all += weight;
    if (pair) x->of.pairs += weight;
}

static void ignore(void *self, int32_t token, double weight, bool pair)
{
    (void)self, (void)token, (void)weight, (void)pair;
}

/* How a unit of weight in either cache counts in the mixture, and what is left for the base. */
struct shares { double base, all, pair; };
static struct shares share_out(const struct session *s, struct sums t)
{
    struct shares w = { .all = t.all > 0 ? s->m->o.weight / t.all : 0,
                        .pair = t.pairs > 0 ? s->m->o.pair_weight / t.pairs : 0 };
    w.base = 1 - (t.all > 0 ? s->m->o.weight : 0) - (t.pairs > 0 ? s->m->o.pair_weight : 0);
    return w;
}

static double log_of(double p) { return p > 0 ? log(p) : -INFINITY; }

/* ---- sessions ---- */
static int cache_feed(void *self, const int32_t *token, int n)
{
    struct session *s = self;
    if (s->base.type->feed(s->base.self, token, n)) return -1;
    lt_held_add(&s->held, token, n);
    return 0;
}

struct spread { double *p; int cells; struct shares w; };
static void spread(void *self, int32_t token, double weight, bool pair)
{
    const struct spread *x = self;
    if (token < x->cells) x->p[token] += weight * (x->w.all + (pair ? x->w.pair : 0));
}

static const float *cache_logits(void *self, int *vocab)
{
    struct session *s = self;
    int n;
    const float *x = s->base.type->logits(s->base.self, &n);
    if (!x) return NULL;
    if (s->cells != n) {
        s->cells = n;
        s->row = lt_realloc(s->row, (size_t)n * sizeof *s->row);
        s->p = lt_realloc(s->p, (size_t)n * sizeof *s->p);
    }
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) top = fmax(top, (double)x[i]);
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - top);
    struct spread to = { s->p, n, share_out(s, walk(s, ignore, NULL)) };
    for (int i = 0; i < n; i++) s->p[i] = 0;
    walk(s, spread, &to);
    double all = top + log(sum), rest = log_of(to.w.base);
    for (int i = 0; i < n; i++) {
        double base = (double)x[i] - all;
        s->row[i] = s->p[i] > 0 ? (float)log_of(to.w.base * exp(base) + s->p[i]) : (float)(rest + base);
    }
    *vocab = n;
    return s->row;
}

/* log p of the next token from that of the base, before it is held. */
static float mix(const struct session *s, int32_t token, double base)
{
    struct one x = { .token = token };
    struct shares w = share_out(s, walk(s, add_one, &x));
    double own = x.of.all * w.all + x.of.pairs * w.pair;
    return own > 0 ? (float)log_of(w.base * exp(base) + own) : (float)(log_of(w.base) + base);
}

static int cache_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct session *s = self;
    if (!hit && s->base.type->score(s->base.self, token, n, logp, NULL)) return -1;
    for (int i = 0; i < n; i++) {
        bool first = !s->held.count;
        if (hit) hit[i] = 0;
        if (hit && !first && lt_logits_hit(cache_logits, s, token[i], &hit[i])) return -1;
        if (hit && s->base.type->score(s->base.self, token + i, 1, logp + i, NULL)) return -1;
        logp[i] = first ? 0 : mix(s, token[i], (double)logp[i]);
        lt_held_add(&s->held, token + i, 1);
    }
    return 0;
}

static int cache_rewind(void *self, int n)
{
    struct session *s = self;
    if (lt_held_check_drop(n, s->held.count) || s->base.type->rewind(s->base.self, n)) return -1;
    return lt_held_drop(&s->held, n);
}

static void *cache_fork(void *self)
{
    const struct session *s = self;
    void *base = s->base.type->fork(s->base.self);
    if (!base) return NULL;
    struct session *t = lt_alloc(sizeof *t);
    *t = (struct session){ .base = { s->base.type, base }, .m = s->m };
    lt_held_add(&t->held, s->held.token, s->held.count);
    return t;
}

static void cache_session_close(void *self)
{
    struct session *s = self;
    s->base.type->close(s->base.self);
    free(s->held.token);
    free(s->row);
    free(s->p);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = cache_feed, .logits = cache_logits, .score = cache_score, .rewind = cache_rewind, .fork = cache_fork,
    .count = lt_over_count, .limit = lt_over_limit, .close = cache_session_close,
};

/* ---- the model ---- */
static void cache_close(void *self)
{
    struct model *m = self;
    lt_lm_close(&m->base);
    free(m);
}

static const struct lt_tokenizer *cache_tokenizer(void *self)
{
    return lt_lm_tokenizer(&((struct model *)self)->base);
}

static int cache_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    if (o->weight + o->pair_weight >= 1)
        return lt_misuse("weight and pair_weight: expected less than 1 together, found %g", o->weight + o->pair_weight);
    struct model *m = lt_calloc(1, sizeof *m);
    m->o = *o;
    m->o.path = NULL;
    int rc = lt_lm_open(o->path, c, &m->base);
    if (!rc && !m->base.type->session)
        rc = lt_fail("%s: %s models give no log-probabilities to mix with", o->path, m->base.type->m.name);
    const struct lt_tokenizer *t = rc ? NULL : cache_tokenizer(m);
    m->bos = t ? lt_tokenizer_bos(t) : -1;
    m->unk = t ? lt_tokenizer_id(t, "<unk>") : -1;
    if (rc) cache_close(m);
    else *self = m;
    return rc;
}

static int cache_session(void *self, struct lt_session *out)
{
    struct model *m = self;
    struct lt_session base;
    if (m->base.type->session(m->base.self, &base)) return -1;
    struct session *s = lt_alloc(sizeof *s);
    *s = (struct session){ .base = base, .m = m };
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "path", .help = "the model that gets a memory: a folder or a file", .type = LT_STR, .at = AT(path),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "weight", .help = "share of the cache of words", .type = LT_REAL, .at = AT(weight), .dflt = 0.1, .min = 0,
      .max = 0.999 },
    { .key = "pair_weight", .help = "share of the cache of words after the previous one", .type = LT_REAL,
      .at = AT(pair_weight), .min = 0, .max = 0.999 },
    { .key = "size", .help = "tokens remembered", .type = LT_INT, .at = AT(size), .dflt = 500, .min = 1, .max = 1e6 },
    { .key = "decay", .help = "weight of a token against that of the next one; 1: all alike", .type = LT_REAL,
      .at = AT(decay), .dflt = 0.995, .min = 1e-3, .max = 1 },
    { 0 },
};
const struct lt_lm_type lt_lm_cache = {
    .m = { .name = "cache", .brief = "another model that remembers the words said a moment ago",
           .paper = "doi:10.1109/34.56193", .size = sizeof(struct options), .opts = rows,
           .doc = "p(w | h) = (1 - weight - pair_weight) base(w | h) + weight cache(w) + pair_weight cache(w | last)\n"
                  "cache(w): decay^age summed where w stood among the last `size` tokens, over the sum for all.\n"
                  "example: lathe perplexity cache:path=news.arpa,weight=0.1,size=500 held-out.txt" },
    .open = cache_open, .session = cache_session, .tokenizer = cache_tokenizer, .close = cache_close,
};
