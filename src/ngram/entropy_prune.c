/* Entropy-based pruning (Stolcke 1998).  An n-gram (h, w) goes when the relative entropy between the model with it and
 * the model without it is small.  Only the figures of the context h change, and all of them follow from two sums over
 * its n-grams, eq. 6 and 7 there:
 *
 *     D = -p(h) { p(w|h) [log p(w|h') + log a' - log p(w|h)] + [log a' - log a] (1 - sum_v p(v|h)) }
 *     a = (1 - sum_v p(v|h)) / (1 - sum_v p(v|h'))      a' = the same without w
 *
 * h' is h less its first word, p(h) comes from the model itself.  The n-gram goes when exp(D) - 1, the growth of the
 * perplexity, is below the threshold.  As in SRILM, <s> is as likely as </s>, orders are pruned from the highest down,
 * and the weights are computed anew afterwards. */
#include "ngram/entropy_prune.h"
#include "base/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LN10 2.302585092994045684
#define LEAST 1e-12         /* mass that a context leaves to others: less is an error of rounding */

struct pruning {
    const struct lt_ngram *m;
    double threshold;
    uint8_t *keep[LT_NGRAM_ORDER_MAX];
    int level;                          /* of the n-grams being pruned */
    struct lt_ctx *c;
    struct lt_progress progress;
    double done;
};

/* ---- a context ---- */
static double context_logp(const struct lt_ngram *m, const uint32_t *word, int n)
{
    struct lt_ngram_state s = { 0 };
    double sum = 0;
    for (int i = 0; i < n; i++) {
        struct lt_ngram_state end = s;
        if (word[i] == m->bos && m->eos != LT_NGRAM_NONE) sum += lt_ngram_prob(m, &end, m->eos, NULL);
        else sum += lt_ngram_prob(m, &end, word[i], NULL);
        lt_ngram_push(m, &s, word[i]);
    }
    return sum;
}

/* What is known after the words of a context but the first. */
static struct lt_ngram_state shorter(const struct lt_ngram *m, const uint32_t *word, int n)
{
    struct lt_ngram_state s = { 0 };
    for (int i = 1; i < n; i++) lt_ngram_push(m, &s, word[i]);
    return s;
}

static double lower_prob(const struct lt_ngram *m, const struct lt_ngram_state *s, uint32_t word)
{
    struct lt_ngram_state moved = *s;
    return lt_ngram_prob(m, &moved, word, NULL);
}

struct left { double here, lower; };    /* 1 - sum_v p(v|h) and 1 - sum_v p(v|h'), over the n-grams of h */

static struct left mass_left(const struct lt_ngram *m, int level, uint64_t context, const struct lt_ngram_state *s)
{
    const uint32_t *child = m->level[level].child;
    const struct lt_ngram_level *l = &m->level[level + 1];
    struct left left = { 1, 1 };
    for (uint32_t i = child[context]; i < child[context + 1]; i++) {
        left.here -= exp((double)l->prob[i] * LN10);
        left.lower -= exp(lower_prob(m, s, l->word[i]) * LN10);
    }
    left.here = LT_MAX(left.here, LEAST);
    left.lower = LT_MAX(left.lower, LEAST);
    return left;
}

/* ---- pruning ---- */
static bool goes_on(const struct pruning *p, uint32_t i)
{
    if (p->level == p->m->order - 1) return false;
    const uint32_t *child = p->m->level[p->level].child;
    for (uint32_t j = child[i]; j < child[i + 1]; j++)
        if (p->keep[p->level + 1][j]) return true;
    return false;
}

static int prune_context(void *self, uint64_t context, const uint32_t *word)
{
    struct pruning *p = self;
    const struct lt_ngram *m = p->m;
    const uint32_t *child = m->level[p->level - 1].child;
    const struct lt_ngram_level *l = &m->level[p->level];
    uint32_t from = child[context], end = child[context + 1];
    if (from == end) return 0;
    struct lt_ngram_state s = shorter(m, word, p->level);
    struct left left = mass_left(m, p->level - 1, context, &s);
    double ph = exp(context_logp(m, word, p->level) * LN10), log_a = log(left.here) - log(left.lower);
    for (uint32_t i = from; i < end; i++) {
        if (goes_on(p, i)) continue;
        double logp = (double)l->prob[i] * LN10, log_lower = lower_prob(m, &s, l->word[i]) * LN10;
        double log_new = log(left.here + exp(logp)) - log(left.lower + exp(log_lower));
        double d = -ph * (exp(logp) * (log_lower + log_new - logp) + (log_new - log_a) * left.here);
        p->keep[p->level][i] = !(expm1(d) < p->threshold);
    }
    p->done += end - from;
    lt_progress_at(&p->progress, p->done, NULL);
    return lt_ctx_interrupted(p->c) ? lt_fail("interrupted") : 0;
}

static bool kept(void *self, int level, uint64_t index, const uint32_t *word)
{
    const struct pruning *p = self;
    (void)word;
    return !level || p->keep[level][index];
}

/* ---- weights ---- */
struct weighing { struct lt_ngram *m; int level; };

static int weigh(void *self, uint64_t context, const uint32_t *word)
{
    struct weighing *g = self;
    struct lt_ngram_level *l = &g->m->level[g->level];
    struct lt_ngram_state s = shorter(g->m, word, g->level + 1);
    struct left left = mass_left(g->m, g->level, context, &s);
    bool none = l->child[context] == l->child[context + 1];
    l->backoff[context] = none ? 0 : (float)(log10(left.here) - log10(left.lower));
    return 0;
}

void lt_ngram_renormalise(struct lt_ngram *m)
{
    struct weighing g = { .m = m };
    for (; g.level < m->order - 1; g.level++) lt_ngram_each(m, g.level, weigh, &g);
}

int lt_ngram_prune(const struct lt_ngram *m, double threshold, int min_order, struct lt_ctx *c, struct lt_ngram **out)
{
    struct pruning p = { .m = m, .threshold = threshold, .c = c };
    struct lt_ngram_choice choice = { kept, &p };
    struct lt_ngram_sink sink;
    double total = 0;
    int rc = 0;
    for (int k = 1; k < m->order; k++) {
        p.keep[k] = lt_alloc(LT_MAX(m->level[k].count, 1));
        memset(p.keep[k], 1, m->level[k].count);
        total += m->level[k].count;
    }
    lt_progress_begin(c, &p.progress, "pruning", "n-grams", total);
    for (p.level = m->order - 1; p.level >= min_order - 1 && !rc; p.level--)
        rc = lt_ngram_each(m, p.level - 1, prune_context, &p);
    lt_progress_end(&p.progress);
    if (!rc) {
        lt_ngram_collect(out, &sink);
        rc = lt_ngram_stream(m, "model", &choice, c, &sink);
    }
    for (int k = 1; k < m->order; k++) free(p.keep[k]);
    if (!rc) lt_ngram_renormalise(*out);
    return rc;
}

int lt_ngram_prune_run(const struct lt_ngram_prune_options *o, struct lt_ctx *c)
{
    struct lt_ngram_sink sink;
    struct lt_ngram *m, *small;
    if (lt_ngram_output_open(&o->output, c, &sink)) return -1;
    if (lt_ngram_load(o->model, c, &m)) {
        sink.abort(sink.self);
        return -1;
    }
    int rc = lt_ngram_prune(m, o->threshold, (int)o->min_order, c, &small);
    if (rc) {
        sink.abort(sink.self);
    } else {
        for (int k = 1; k < m->order; k++)
            lt_note(c, "%d-grams: %lu of %lu stay", k + 1, (unsigned long)small->level[k].count,
                    (unsigned long)m->level[k].count);
        rc = lt_ngram_stream(small, o->model, NULL, c, &sink);
        lt_ngram_free(small);
    }
    lt_ngram_free(m);
    return rc;
}
