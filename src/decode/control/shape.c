/* Controls that reshape or cut the next-token distribution: temperature, top-k, top-p, min-p, typical.
 *
 * Each sees logits and bans a token by -INFINITY, never every token.  A token that is banned stays
 * banned.  Ties are broken by the lower id, so the kept set is the same everywhere.
 *     lathe generate MODEL --prompt "Once" --temperature 0.8 --top_k 40 --top_p 0.95 */
#include "base/base.h"
#include <math.h>
#include <stdlib.h>

struct shape { double value; int64_t k, min_keep; };
struct cand { double key; int32_t id; };

static int by_key(const void *a, const void *b, void *unused)
{
    const struct cand *x = a, *y = b;
    (void)unused;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static float highest(const float *logits, int vocab)
{
    float top = -INFINITY;
    for (int i = 0; i < vocab; i++) top = logits[i] > top ? logits[i] : top;
    return top;
}

/* Tokens at least `depth` below the highest, most likely first; returns how many.  key = -logit. */
static int gather(const float *logits, int vocab, double depth, struct cand *c)
{
    double floor_ = highest(logits, vocab) - depth;
    int n = 0;
    for (int i = 0; i < vocab; i++)
        if (logits[i] > -INFINITY && logits[i] >= floor_) c[n++] = (struct cand){ -(double)logits[i], i };
    lt_sort(c, (size_t)n, sizeof(*c), by_key, NULL);
    return n;
}

/* Bans everything but the first `keep` candidates. */
static void cut(float *logits, int vocab, const struct cand *c, int keep)
{
    float *kept = lt_alloc((size_t)LT_MAX(keep, 1) * sizeof(*kept));
    for (int i = 0; i < keep; i++) kept[i] = logits[c[i].id];
    for (int i = 0; i < vocab; i++) logits[i] = -INFINITY;
    for (int i = 0; i < keep; i++) logits[c[i].id] = kept[i];
    free(kept);
}

static double total_mass(const float *logits, int vocab, double top)
{
    double z = 0;
    for (int i = 0; i < vocab; i++) z += exp((double)logits[i] - top);
    return z;
}

static void temperature(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct shape *o = v;
    (void)st;
    (void)seq;
    if (o->value == 0) {
        struct cand best = { 0, 0 };
        for (int i = 1; i < vocab; i++)
            if (logits[i] > logits[best.id]) best.id = i;
        cut(logits, vocab, &best, 1);
        return;
    }
    float scale = (float)(1 / o->value);
    for (int i = 0; i < vocab; i++) logits[i] *= scale;
}

static void top_k(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct shape *o = v;
    (void)st;
    (void)seq;
    if (o->k <= 0 || o->k >= vocab) return;
    struct cand *c = lt_alloc((size_t)vocab * sizeof(*c));
    int n = 0;
    for (double depth = 8; n < o->k && depth < 1e9; depth *= depth) n = gather(logits, vocab, depth, c);
    cut(logits, vocab, c, (int)LT_MIN(o->k, n));
    free(c);
}

/* The smallest set of most likely tokens whose probability reaches p.  Only the likely ones are sorted: a shallow
 * gathering is enough as soon as it holds the mass. */
static void top_p(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct shape *o = v;
    (void)st;
    (void)seq;
    if (o->value >= 1) return;
    struct cand *c = lt_alloc((size_t)vocab * sizeof(*c));
    double top = highest(logits, vocab), want = o->value * total_mass(logits, vocab, top), mass = 0;
    int n = 0, keep = 0;
    for (double depth = 6; depth < 1e9; depth *= depth) {
        n = gather(logits, vocab, depth, c);
        for (mass = 0, keep = 0; keep < n && mass < want; keep++) mass += exp(-c[keep].key - top);
        if (mass >= want) break;
    }
    cut(logits, vocab, c, (int)LT_MIN(LT_MAX(keep, LT_MAX(o->min_keep, 1)), n));
    free(c);
}

static void min_p(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct shape *o = v;
    (void)st;
    (void)seq;
    if (o->value <= 0) return;
    float floor_ = highest(logits, vocab) + (float)log(o->value);
    for (int i = 0; i < vocab; i++)
        if (logits[i] < floor_) logits[i] = -INFINITY;
}

/* Tokens whose information is nearest the entropy come first; the most likely one need not be among them. */
static void typical_p(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct shape *o = v;
    (void)st;
    (void)seq;
    if (o->value >= 1) return;
    double top = highest(logits, vocab), z = total_mass(logits, vocab, top), entropy = 0, mass = 0;
    for (int i = 0; i < vocab; i++) {
        double logp = (double)logits[i] - top - log(z);
        if (logits[i] > -INFINITY) entropy -= exp(logp) * logp;
    }
    struct cand *c = lt_alloc((size_t)vocab * sizeof(*c));
    int n = 0, keep = 0;
    for (int i = 0; i < vocab; i++)
        if (logits[i] > -INFINITY) c[n++] = (struct cand){ fabs(-((double)logits[i] - top - log(z)) - entropy), i };
    lt_sort(c, (size_t)n, sizeof(*c), by_key, NULL);
    for (; keep < n && mass < o->value; keep++) mass += exp((double)logits[c[keep].id] - top) / z;
    cut(logits, vocab, c, keep);
    free(c);
}

#define VALUE(text, d, lo, hi, also) \
    { .key = "value", .help = text, .type = LT_REAL, .at = offsetof(struct shape, value), .dflt = d, .min = lo, \
      .max = hi, .alias = also }
static const struct lt_opt temperature_rows[] = {
    VALUE("logits are divided by this; 0: only the most likely token stays", 1, 0, 100, "temp"),
    { 0 },
};
static const struct lt_opt top_k_rows[] = {
    { .key = "k", .help = "tokens kept; 0: all", .type = LT_INT, .at = offsetof(struct shape, k), .dflt = 40, .min = 0,
      .max = 1e9 },
    { 0 },
};
static const struct lt_opt top_p_rows[] = {
    VALUE("probability the kept tokens must reach", 0.95, 1e-6, 1, NULL),
    { .key = "min_keep", .help = "tokens kept at least", .type = LT_INT, .at = offsetof(struct shape, min_keep),
      .dflt = 1,
      .min = 1, .max = 1e9 },
    { 0 },
};
static const struct lt_opt min_p_rows[] = {
    VALUE("share of the highest probability a token must have", 0.05, 0, 1, NULL),
    { 0 },
};
static const struct lt_opt typical_rows[] = {
    VALUE("probability the typical tokens must reach", 0.95, 1e-6, 1, "typical"),
    { 0 },
};

const struct lt_control lt_control_temperature = {
    .m = { .name = "temperature", .brief = "flattens (above 1) or sharpens (below 1) the distribution",
           .size = sizeof(struct shape), .opts = temperature_rows, .doc = "logit = logit / t" },
    .order = 90, .apply = temperature,
};
const struct lt_control lt_control_top_k = {
    .m = { .name = "top_k", .brief = "keeps the k most likely tokens", .paper = "arXiv:1805.04833",
           .size = sizeof(struct shape), .opts = top_k_rows },
    .order = 50, .apply = top_k,
};
const struct lt_control lt_control_top_p = {
    .m = { .name = "top_p", .brief = "nucleus: the fewest tokens whose probability reaches p",
           .paper = "arXiv:1904.09751",
           .size = sizeof(struct shape), .opts = top_p_rows },
    .order = 70, .apply = top_p,
};
const struct lt_control lt_control_min_p = {
    .m = { .name = "min_p", .brief = "bans tokens far below the most likely one", .paper = "arXiv:2407.01082",
           .size = sizeof(struct shape), .opts = min_p_rows, .doc = "keeps p_i >= value * max_j p_j" },
    .order = 80, .apply = min_p,
};
const struct lt_control lt_control_typical_p = {
    .m = { .name = "typical_p", .brief = "keeps tokens whose information is near the entropy",
           .paper = "arXiv:2202.00666",
           .size = sizeof(struct shape), .opts = typical_rows },
    .order = 60, .apply = typical_p,
};
