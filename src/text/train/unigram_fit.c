/* The stretches are dealt to PARTS fixed parts; each adds up its own sums in order, and the parts are added in order,
 * so that the bits do not depend on threads.  Probabilities are not kept as logarithms inside a stretch: 32 characters
 * of the least likely kind are still far from the smallest double. */
#include "text/train/unigram_model.h"

#include "base/ctx.h"
#include "text/tok.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 8, BYTES_MAX = 4 * LT_STRETCH_MAX };
#define EXPECTED_LEAST 0.5

struct edge { uint16_t begin, end; int32_t id; };
struct part { double *expected, objective; uint64_t *used, *holders; };

struct work {
    const struct lt_unigram *u;
    const struct lt_stretches *s;
    struct lt_tok_trie trie;
    double *p;                              /* [count]: probabilities */
    struct part part[PARTS];
};

/* Recurrence up to 8, then the asymptotic series (Abramowitz and Stegun 6.3.18). */
double lt_digamma(double x)
{
    double sum = 0;
    for (; x < 8; x++)
        sum -= 1 / x;
    double r = 1 / (x * x);
    return sum + log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240))));
}

static void open_work(struct work *w, const struct lt_unigram *u, const struct lt_stretches *s)
{
    *w = (struct work){ .u = u, .s = s };
    lt_tok_trie_build(&w->trie, u->piece, (int32_t)u->count);
}

static void close_work(struct work *w)
{
    lt_tok_trie_free(&w->trie);
    free(w->p);
    for (int i = 0; i < PARTS; i++) {
        free(w->part[i].expected);
        free(w->part[i].used);
        free(w->part[i].holders);
    }
}

static size_t part_begin(const struct work *w, int64_t part)
{
    return (size_t)((unsigned __int128)w->s->count * (uint64_t)part / PARTS);
}

/* ---- expectation ---- */
static void expect(const struct work *w, const struct lt_stretch *s, struct part *sum)
{
    struct edge edge[LT_STRETCH_MAX * LT_STRETCH_MAX];
    double forward[BYTES_MAX + 1] = { 1 }, backward[BYTES_MAX + 1] = { 0 };
    size_t edges = 0, n = s->n;
    for (size_t i = 0; i < n; i++) {
        if (forward[i] == 0)
            continue;
        uint32_t node = 0;
        for (size_t k = i; k < n && lt_tok_trie_step(&w->trie, &node, (uint8_t)s->p[k]); k++) {
            int32_t id = w->trie.value[node];
            if (id < 0)
                continue;
            edge[edges++] = (struct edge){ (uint16_t)i, (uint16_t)(k + 1), id };
            forward[k + 1] += forward[i] * w->p[id];
        }
    }
    if (!(forward[n] > 0))
        return;
    backward[n] = 1;
    double scale = (double)s->count / forward[n];
    for (size_t e = edges; e-- > 0;) {
        double tail = w->p[edge[e].id] * backward[edge[e].end];
        backward[edge[e].begin] += tail;
        sum->expected[edge[e].id] += forward[edge[e].begin] * tail * scale;
    }
    sum->objective -= (double)s->count * log(forward[n]);
}

static void expect_part(void *arg, int64_t number)
{
    struct work *w = arg;
    struct part *part = &w->part[number];
    part->expected = lt_calloc(w->u->count, sizeof *part->expected);
    for (size_t i = part_begin(w, number); i < part_begin(w, number + 1); i++)
        expect(w, &w->s->at[i], part);
}

/* Variational Bayes instead of relative frequencies: what is rare becomes rarer still, and is pruned sooner. */
static void maximise(struct lt_unigram *u, const double *expected)
{
    double sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < u->count; i++) {
        if (i >= u->required && expected[i] < EXPECTED_LEAST)
            continue;
        double e = LT_MAX(expected[i], EXPECTED_LEAST);
        u->piece[kept] = u->piece[i];
        u->logp[kept++] = e;
        sum += e;
    }
    u->count = kept;
    double all = lt_digamma(sum);
    for (size_t i = 0; i < kept; i++)
        u->logp[i] = lt_digamma(u->logp[i]) - all;
}

double lt_unigram_fit(struct lt_unigram *u, const struct lt_stretches *s, struct lt_ctx *c)
{
    struct work w;
    open_work(&w, u, s);
    w.p = lt_alloc(u->count * sizeof *w.p);
    for (size_t i = 0; i < u->count; i++)
        w.p[i] = exp(u->logp[i]);
    lt_pool_run(lt_ctx_pool(c), PARTS, expect_part, &w);
    double objective = w.part[0].objective, seen = 0;
    for (int k = 1; k < PARTS; k++) {
        objective += w.part[k].objective;
        for (size_t i = 0; i < u->count; i++)
            w.part[0].expected[i] += w.part[k].expected[i];
    }
    for (size_t i = 0; i < s->count; i++)
        seen += (double)s->at[i].count;
    maximise(u, w.part[0].expected);
    close_work(&w);
    return objective / seen;
}

/* ---- pruning ---- */
struct step { double score; int32_t id; uint16_t begin; };

/* The best way through a text, without piece `but` (-1: all may be used); false when there is none. */
static bool best_way(const struct work *w, const char *p, size_t n, int32_t but, struct step *at)
{
    for (size_t i = 0; i <= n; i++)
        at[i] = (struct step){ -INFINITY, -1, 0 };
    at[0].score = 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i].score == -INFINITY)
            continue;
        uint32_t node = 0;
        for (size_t k = i; k < n && lt_tok_trie_step(&w->trie, &node, (uint8_t)p[k]); k++) {
            int32_t id = w->trie.value[node];
            if (id < 0 || id == but)
                continue;
            double score = at[i].score + w->u->logp[id];
            if (score > at[k + 1].score)
                at[k + 1] = (struct step){ score, id, (uint16_t)i };
        }
    }
    return at[n].score > -INFINITY;
}

static void use_part(void *arg, int64_t number)
{
    struct work *w = arg;
    struct part *part = &w->part[number];
    struct step at[BYTES_MAX + 1];
    part->used = lt_calloc(w->u->count, sizeof *part->used);
    part->holders = lt_calloc(w->u->count, sizeof *part->holders);
    for (size_t i = part_begin(w, number); i < part_begin(w, number + 1); i++) {
        const struct lt_stretch *s = &w->s->at[i];
        if (!best_way(w, s->p, s->n, -1, at))
            continue;
        for (size_t end = s->n; end; end = at[end].begin) {
            bool again = false;                     /* a stretch holds a piece once, however often it is in it */
            for (size_t later = s->n; later > end && !again; later = at[later].begin)
                again = at[later].id == at[end].id;
            part->used[at[end].id] += s->count;
            part->holders[at[end].id] += again ? 0 : s->count;
        }
    }
}

struct loss { double loss; size_t id; };

static int by_loss(const void *a, const void *b, void *ctx)
{
    const struct loss *x = a, *y = b;
    (void)ctx;
    return x->loss == y->loss ? 0 : x->loss > y->loss ? -1 : 1;
}

/* How much likelihood goes when piece i must be spelt with others; -1: it can go at once; INFINITY: it cannot be. */
static double loss_of(const struct work *w, size_t i, double total, double stretches)
{
    const uint64_t *used = w->part[0].used;
    struct step at[BYTES_MAX + 1];
    struct lt_str piece = w->u->piece[i];
    if (!best_way(w, piece.p, piece.n, (int32_t)i, at))
        return INFINITY;
    if (used[i] == 0 || at[piece.n].score > w->u->logp[i])
        return -1;
    int parts = 0;
    double own = (double)used[i], others = 0;
    for (size_t end = piece.n; end; end = at[end].begin, parts++)
        others += log((double)used[at[end].id] + own);
    double without = others - parts * log(total + own * (parts - 1));
    return (double)w->part[0].holders[i] / stretches * (log(own) - log(total) - without);
}

static void sum_parts(struct work *w)
{
    for (int k = 1; k < PARTS; k++) {
        for (size_t i = 0; i < w->u->count; i++) {
            w->part[0].used[i] += w->part[k].used[i];
            w->part[0].holders[i] += w->part[k].holders[i];
        }
    }
}

void lt_unigram_prune(struct lt_unigram *u, const struct lt_stretches *s, size_t keep, struct lt_ctx *c)
{
    struct work w;
    open_work(&w, u, s);
    lt_pool_run(lt_ctx_pool(c), PARTS, use_part, &w);
    sum_parts(&w);
    double total = 0, stretches = 0;
    for (size_t i = 0; i < u->count; i++)
        total += (double)w.part[0].used[i];
    for (size_t i = 0; i < s->count; i++)
        stretches += (double)s->at[i].count;
    struct loss *loss = lt_alloc(u->count * sizeof *loss);
    bool *stays = lt_calloc(u->count, sizeof *stays);
    size_t n = 0, kept = u->required;
    for (size_t i = u->required; i < u->count; i++) {
        double l = loss_of(&w, i, total, stretches);
        if (l >= 0)
            loss[n++] = (struct loss){ l, i };
    }
    lt_sort(loss, n, sizeof *loss, by_loss, NULL);
    for (size_t i = 0; i < n && kept < keep; i++, kept++)
        stays[loss[i].id] = true;
    kept = u->required;
    for (size_t i = u->required; i < u->count; i++) {
        if (!stays[i])
            continue;
        u->piece[kept] = u->piece[i];
        u->logp[kept++] = u->logp[i];
    }
    u->count = kept;
    free(loss);
    free(stays);
    close_work(&w);
}
