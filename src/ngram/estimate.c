/* From counts to probabilities and back-offs, order by order from below. */
#include "ngram/build.h"
#include <math.h>
#include <stdlib.h>

#define NOTHING (-99.0f)            /* log10 of what has no probability: the usual figure of ARPA files */

struct estimate {
    const struct lt_smoothing *how;
    const void *o;
    struct lt_ngram *m;
    uint32_t **count;               /* as smoothing sees them */
    uint32_t *end;                  /* [n-grams of this level]: the same without the first word, in the level below */
    double *prob, *below;           /* of this level and the one below */
    double figure[LT_SMOOTHING_FIGURES];
};

static float as_log10(double p)
{
    return p > 0 ? (float)LT_MIN(log10(p), 0) : NOTHING;
}

/* end[i] of a level from that of the level below it: the end of what comes before the last word, and that word. */
static uint32_t *ends_of(const struct lt_ngram *m, int level, const uint32_t *below)
{
    const struct lt_ngram_level *l = &m->level[level], *b = l - 1;
    uint32_t *end = lt_alloc(LT_MAX(l->count, 1) * sizeof *end);
    for (uint32_t h = 0; h < b->count; h++)
        for (uint32_t i = b->child[h]; i < b->child[h + 1]; i++)
            end[i] = level == 1 ? l->word[i] : lt_ngram_child(m, level - 2, below[h], l->word[i]);
    return end;
}

/* Counts of different words before an n-gram in place of occurrences, but for the n-grams that begin with <s>: those
 * that descend from it lie together in every level. */
static void count_contexts(struct lt_ngram *m, uint32_t **count)
{
    uint32_t *end = NULL, from = LT_TEXT_BOS, to = LT_TEXT_BOS + 1;
    for (int k = 0; k + 1 < m->order; k++) {
        uint32_t *next = ends_of(m, k + 1, end);
        for (uint32_t i = 0; i < m->level[k].count; i++)
            if (i < from || i >= to) count[k][i] = 0;
        for (uint32_t i = 0; i < m->level[k + 1].count; i++) count[k][next[i]]++;
        from = m->level[k].child[from];
        to = m->level[k].child[to];
        free(end);
        end = next;
    }
    free(end);
}

static void prepare(struct estimate *e, int level, struct lt_ctx *c)
{
    uint64_t of[5] = { 0 };
    for (uint32_t i = 0; i < e->m->level[level].count; i++)
        if (e->count[level][i] <= 4) of[e->count[level][i]]++;
    if (!e->how->prepare || e->how->prepare(e->o, of, e->figure)) return;
    lt_note(c, "order %d: no discounts follow from %llu, %llu, %llu and %llu n-grams seen 1, 2, 3 and 4 times; the "
            "usual ones are taken", level + 1, (unsigned long long)of[1], (unsigned long long)of[2],
            (unsigned long long)of[3], (unsigned long long)of[4]);
}

/* The n-grams from `begin` to `end` of a level, which go on from one context; returns gamma. */
static double smooth(struct estimate *e, int level, uint32_t begin, uint32_t end)
{
    const uint32_t *count = e->count[level];
    double total = 0, off = 0;
    uint32_t types = 0;
    for (uint32_t i = begin; i < end; i++) {
        if (!count[i]) continue;
        total += count[i];
        off += e->how->discount(e->o, e->figure, count[i]);
        types++;
    }
    double extra = e->how->extra ? e->how->extra(e->o, types) : 0, gamma = (off + extra) / (total + extra);
    for (uint32_t i = begin; i < end; i++) {
        double taken = count[i] ? e->how->discount(e->o, e->figure, count[i]) : 0;
        e->prob[i] = (count[i] - taken) / (total + extra) + gamma * (level ? e->below[e->end[i]] : *e->below);
    }
    return gamma;
}

static void smooth_level(struct estimate *e, int level)
{
    struct lt_ngram_level *l = &e->m->level[level], *b = l - 1;
    e->prob = lt_alloc(LT_MAX(l->count, 1) * sizeof *e->prob);
    if (!level) {
        double uniform = 1 / ((double)l->count - 1);    /* every word but <s>, which follows nothing */
        e->below = &uniform;
        smooth(e, level, 0, l->count);
        e->below = NULL;
        e->prob[LT_TEXT_BOS] = 0;
    } else {
        for (uint32_t h = 0; h < b->count; h++)
            if (b->child[h] < b->child[h + 1])
                b->backoff[h] = as_log10(smooth(e, level, b->child[h], b->child[h + 1]));
    }
    for (uint32_t i = 0; i < l->count; i++) l->prob[i] = as_log10(e->prob[i]);
    free(e->below);
    e->below = e->prob;
}

void lt_ngram_estimate(struct lt_ngram_counts *n, const struct lt_smoothing *how, const void *o, struct lt_ctx *c)
{
    struct estimate e = { .how = how, .o = o, .m = n->m, .count = n->raw };
    if (how->continuation) count_contexts(n->m, n->raw);
    n->raw[0][LT_TEXT_BOS] = 0;
    for (int k = 0; k < n->m->order; k++) {
        if (k) {
            uint32_t *end = ends_of(n->m, k, e.end);
            free(e.end);
            e.end = end;
        }
        prepare(&e, k, c);
        smooth_level(&e, k);
    }
    free(e.end);
    free(e.below);
}
